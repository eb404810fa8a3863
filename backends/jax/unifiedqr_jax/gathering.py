"""Warnings where a matrix that is spread over devices must be gathered, and nobody asked for that.

How a matrix is spread is known at the call where it has values or lies on a mesh of explicit axes. Elsewhere the
compiler finds out: there the matrix goes through a primitive that changes nothing, and is told what was found.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax._src.dispatch import prim_requires_devices_during_lowering  # where JAX notes its own custom_partitioning
from jax.core import Tracer
from jax.experimental.custom_partitioning import custom_partitioning
from jax.extend.core import Primitive as JaxPrimitive
from jax.interpreters import ad, batching, mlir
from jax.sharding import AxisType

from unifiedqr.checks import asked_at, line_of_user, mode, warn
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import ShardingWarning
from unifiedqr_jax.meshes import entries_of, is_alone, mesh_of

WHOLE = ("left_null_space", "null_space", "slogdet")
"""What needs all of A in one place, other than complete factors and pivots."""


def asks_for_all(row: Primitive) -> bool:
    """Return whether a decomposition needs all of A in one place, whatever its shape."""
    return row.pivots or row.name in WHOLE or "complete" in row.name


def reporting(row: Primitive, A: jax.Array) -> jax.Array:
    """Return A, and warn if it is spread in a way that makes the whole matrix move, which was not asked for.

    Where the compiler alone finds out how A is spread, it warns when it does. For that JAX must know the devices of a
    program when it lowers it, and refuses to for an abstract mesh: nothing is looked at there where checks are off.
    """
    mesh = mesh_of(A)
    if asks_for_all(row):
        return A
    if mesh is not None:
        _report(row, A.shape, entries_of(A), mesh)
    unknown = isinstance(A, Tracer) and (mesh is None or AxisType.Auto in mesh.axis_types)
    return looked_at(A, row) if unknown and jax.device_count() > 1 and mode() != "off" else A


def _report(row: Primitive, shape: tuple[int, ...], entries: Any, mesh: Any) -> None:
    m, n = shape[-2:]
    along_columns = row.orientation.adjoint or (row.name == "lstsq" and m < n)
    spread = [entry is not None and math.prod(mesh.shape[a] for a in _axes(entry)) > 1 for entry in entries[-2:]]
    is_tall = m < n if along_columns else m > n
    if spread[0 if along_columns else 1] or (spread[1 if along_columns else 0] and not is_tall):
        sides, other = ("columns", "rows") if along_columns else ("rows", "columns")
        warn(
            f"{row.name} got a {m} x {n} matrix spread as {tuple(entries[-2:])} over its last dimensions; the "
            f"whole matrix moves between devices. It stays in place if it has more {sides} than {other} and only these "
            f"are spread: jax.device_put(A, jax.NamedSharding(mesh, "
            f"P({'None, axis' if along_columns else 'axis, None'}))).",
            ShardingWarning,
        )


def looked_at(A: jax.Array, row: Primitive) -> jax.Array:
    """Return A, which the compiler will look at."""
    return _place.bind(A, row=row, line=line_of_user())


def _lower_place(ctx: Any, *arrays: Any, **of: Any) -> Any:
    (A,), row, line = arrays, of["row"], of["line"]
    if ctx.module_context.lowering_parameters.for_export or is_alone(ctx):
        return [A]

    @custom_partitioning
    def identity(X: jax.Array) -> jax.Array:
        return X

    def partition(mesh: Any, given: Any, result: Any) -> Any:
        (X,), place = given, given[0].sharding
        if hasattr(place, "spec"):
            with asked_at(line):  # a compiler may have a thread of its own
                _report(row, X.shape, place.spec, mesh)
        return mesh, lambda Y: Y, place, (place,)

    identity.def_partition(
        partition=partition,
        infer_sharding_from_operands=lambda mesh, given, result: given[0].sharding,
        sharding_rule="... m n -> ... m n",
    )
    return mlir.lower_fun(identity, multiple_results=False)(ctx, A)


def _axes(entry: Any) -> tuple[str, ...]:
    return entry if isinstance(entry, tuple) else (entry,)


def _along_the_first(arguments: Any, axes: Any, **of: Any) -> Any:
    return _place.bind(jnp.moveaxis(arguments[0], axes[0], 0), **of), 0


_place = JaxPrimitive("unifiedqr_place")
_place.def_impl(lambda A, **_: A)
_place.def_abstract_eval(lambda A, **_: A)
ad.primitive_jvps[_place] = lambda primals, tangents, **of: (_place.bind(*primals, **of), tangents[0])
batching.primitive_batchers[_place] = _along_the_first
mlir.register_lowering(_place, _lower_place)
prim_requires_devices_during_lowering.add(_place)
