"""Device meshes: over how many devices a matrix may be spread, and primitives on meshes of explicit axes.

On a mesh of automatic axes XLA finds out how every array of a program is spread. On one of explicit axes that is a part
of an array's type, which most of JAX's linear algebra does not know how to go on from: there kernels and rules run with
automatic axes, and their results are declared to be spread as the sides of A are that they share.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import jax
from jax.core import Tracer
from jax.experimental.custom_partitioning import custom_partitioning
from jax.sharding import AxisType, NamedSharding, PartitionSpec, auto_axes

from unifiedqr._typing import Namespace
from unifiedqr.checks import Line, asked_at, line_of_user, warn
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import ShardingWarning

Named = list[tuple[str, jax.Array]]

WHOLE = ("left_null_space", "null_space", "slogdet")
"""What needs all of A in one place, other than complete factors and pivots."""


def devices_of(A: jax.Array) -> int:
    """Return the number of devices of the mesh of A, over which its rows may be spread.

    Axes taken by a `jax.shard_map` do not count. While a program is traced with automatic axes the mesh is known,
    and how an array lies on it is not.
    """
    mesh = _mesh_of(A)
    if mesh is None:
        return 1
    sizes = zip(mesh.axis_sizes, mesh.axis_types, strict=True)
    return math.prod(size for size, kind in sizes if kind != AxisType.Manual)


def _sharding_of(A: jax.Array) -> Any:
    typed: Any = jax.typeof(A) if isinstance(A, Tracer) else A
    return typed.sharding


def _mesh_of(A: jax.Array) -> Any:
    mesh = getattr(_sharding_of(A), "mesh", None)
    return None if mesh is None or mesh.empty else mesh


def _entries(X: jax.Array) -> tuple[Any, ...]:
    """Return over which axes of the mesh each dimension of X is known to be spread."""
    spec = getattr(_sharding_of(X), "spec", ())
    return (*spec, *[None] * (X.ndim - len(spec)))


def asks_for_all(row: Primitive) -> bool:
    """Return whether a decomposition needs all of A in one place, whatever its shape."""
    return row.pivots or row.name in WHOLE or "complete" in row.name


def report_gathering(row: Primitive, A: jax.Array) -> None:
    """Warn if A is known to be spread in a way that makes the whole matrix move, and that was not asked for."""
    mesh = _mesh_of(A)
    if mesh is not None and not asks_for_all(row):
        _report(row, A.shape, _entries(A), mesh)


def looking(row: Primitive) -> Callable[[jax.Array], jax.Array]:
    """Return the identity, which warns likewise once the compiler has found out how A is spread."""
    asked: dict[tuple[int, ...], Line | None] = {}

    @custom_partitioning
    def identity(A: jax.Array) -> jax.Array:
        return A

    def partition(mesh: Any, given: Any, result: Any) -> Any:
        (A,), place = given, given[0].sharding
        entries = getattr(place, "spec", None)
        if entries is not None and (row.name, A.shape, tuple(entries)) not in _REPORTED:
            with asked_at(asked.get(A.shape)):  # a compiler may have a thread of its own
                _report(row, A.shape, entries, mesh)
        return mesh, lambda X: X, place, (place,)

    identity.def_partition(
        partition=partition,
        infer_sharding_from_operands=lambda mesh, given, result: given[0].sharding,
        sharding_rule="... m n -> ... m n",
    )

    def look(A: jax.Array) -> jax.Array:
        asked[A.shape] = line_of_user()
        return identity(A)

    return look


_REPORTED: set[Any] = set()
"""What has been reported before a program was compiled, which would report it again."""


def _report(row: Primitive, shape: tuple[int, ...], entries: Any, mesh: Any) -> None:
    _REPORTED.add((row.name, shape, tuple(entries)))
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


def _axes(entry: Any) -> tuple[str, ...]:
    return entry if isinstance(entry, tuple) else (entry,)


def on_meshes(row: Primitive) -> Primitive:
    """Return a primitive whose arrays may lie on a mesh of explicit axes."""

    def placed(
        function: Callable[..., Any], takes: tuple[str, ...], gives: tuple[str, ...], complete: Any = None
    ) -> Callable[..., Any]:
        # On a mesh every array that it gives has a place: `complete` leaves none out.
        def run(xp: Namespace, *groups: Any) -> Any:
            # A forward takes its arrays one by one, a rule in two tuples, of which the second may hold None.
            arrays = [X for group in groups for X in (group if isinstance(group, (tuple, list)) else (group,))]
            named = [(name, X) for name, X in zip(takes, arrays, strict=True) if X is not None]
            mesh = _explicit_mesh_of(X for _, X in named)
            if mesh is None:
                return function(xp, *groups)
            spread = _spread(row, named)
            leaves, tree = jax.tree.flatten(groups)

            def with_automatic_axes(*leaves: jax.Array) -> Any:
                return (complete or function)(xp, *jax.tree.unflatten(tree, leaves))

            shardings = tuple(NamedSharding(mesh, spread(name)) for name in gives)
            return auto_axes(with_automatic_axes, out_sharding=shardings or NamedSharding(mesh, spread("")))(*leaves)

        return run

    return replace(
        row,
        forward=placed(lambda xp, *inputs: tuple(row.forward(xp, *inputs)), row.inputs, row.outputs),
        vjp=placed(row.vjp, (*row.keeps, *row.outputs), row.inputs, lambda *given: tuple(row.gradients(*given))),
        jvp=placed(lambda *given: tuple(row.jvp(*given)), (*row.keeps, *row.inputs), row.outputs),
        singular=placed(row.singular, row.keeps, ()),
    )


def _explicit_mesh_of(arrays: Iterable[jax.Array]) -> Any:
    for X in arrays:
        mesh = _mesh_of(X)
        if mesh is not None and AxisType.Explicit in mesh.axis_types:
            return mesh
    return None


def _spread(row: Primitive, named: Named) -> Callable[[str], PartitionSpec]:
    """Return how an array of a name is spread, by the sides that it shares with arrays that are there."""
    batch: list[Any] = [None] * (named[0][1].ndim - 2)
    along: dict[str, Any] = {}
    longer = next(("m" if X.shape[-2] >= X.shape[-1] else "n" for name, X in named if name == "A"), "m")
    for name, X in named:
        entries = _entries(X)
        batch = [old or new for old, new in zip(batch, entries[:-2], strict=True)]
        for side, entry in zip(row.sides[name], entries[-2:], strict=True):
            if entry is not None and side != "1":
                along.setdefault(side, entry)

    def spec_of(name: str) -> PartitionSpec:
        sides = (longer if side == "l" else side for side in row.sides.get(name, "11"))
        return PartitionSpec(*batch, *(along.get(side) for side in sides))

    return spec_of
