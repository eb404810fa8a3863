"""Device meshes: over how many devices a matrix may be spread, and primitives on meshes of explicit axes."""

import math

import jax
from jax.core import Tracer
from jax.sharding import AxisType


def devices_of(A: jax.Array) -> int:
    """Return the number of devices of the mesh of A, over which its rows may be spread.

    Axes that a `jax.shard_map` has taken do not count. While a program is traced with automatic axes the mesh is known,
    and how an array lies on it is not.
    """
    sharding = jax.typeof(A).sharding if isinstance(A, Tracer) else A.sharding
    mesh = getattr(sharding, "mesh", None)
    if mesh is None or mesh.empty:
        return 1
    sizes = zip(mesh.axis_sizes, mesh.axis_types, strict=True)
    return math.prod(size for size, kind in sizes if kind != AxisType.Manual)
