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
from jax.sharding import AxisType, NamedSharding, PartitionSpec, auto_axes

from unifiedqr._typing import Namespace
from unifiedqr.decomposition import Primitive

Named = list[tuple[str, jax.Array]]


def devices_of(A: jax.Array) -> int:
    """Return the number of devices of the mesh of A, over which its rows may be spread.

    Axes taken by a `jax.shard_map` do not count. While a program is traced with automatic axes the mesh is known,
    and how an array lies on it is not.
    """
    mesh = mesh_of(A)
    if mesh is None:
        return 1
    sizes = zip(mesh.axis_sizes, mesh.axis_types, strict=True)
    return math.prod(size for size, kind in sizes if kind != AxisType.Manual)


def _sharding_of(A: jax.Array) -> Any:
    typed: Any = jax.typeof(A) if isinstance(A, Tracer) else A
    return typed.sharding


def mesh_of(A: jax.Array) -> Any:
    """Return the mesh on which A is known to lie, or None."""
    mesh = getattr(_sharding_of(A), "mesh", None)
    return None if mesh is None or mesh.empty else mesh


def entries_of(X: jax.Array) -> tuple[Any, ...]:
    """Return over which axes of the mesh each dimension of X is known to be spread."""
    spec = getattr(_sharding_of(X), "spec", ())
    return (*spec, *[None] * (X.ndim - len(spec)))


def is_alone(ctx: Any) -> bool:
    """Return whether a program that is being lowered is for one device."""
    return getattr(ctx.module_context.axis_context, "num_devices", None) == 1


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
        mesh = mesh_of(X)
        if mesh is not None and AxisType.Explicit in mesh.axis_types:
            return mesh
    return None


def _spread(row: Primitive, named: Named) -> Callable[[str], PartitionSpec]:
    """Return how an array of a name is spread, by the sides that it shares with arrays that are there."""
    batch: list[Any] = [None] * (named[0][1].ndim - 2)
    along: dict[str, Any] = {}
    longer = next(("m" if X.shape[-2] >= X.shape[-1] else "n" for name, X in named if name == "A"), "m")
    for name, X in named:
        entries = entries_of(X)
        batch = [old or new for old, new in zip(batch, entries[:-2], strict=True)]
        for side, entry in zip(row.sides[name], entries[-2:], strict=True):
            if entry is not None and side != "1":
                along.setdefault(side, entry)

    def spec_of(name: str) -> PartitionSpec:
        sides = (longer if side == "l" else side for side in row.sides.get(name, "11"))
        return PartitionSpec(*batch, *(along.get(side) for side in sides))

    return spec_of
