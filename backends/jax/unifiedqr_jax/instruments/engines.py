"""Matrices whose rows lie on the devices of a mesh, and in the shards of a `jax.shard_map`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from unifiedqr.backend import Backend
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr_jax.autodiff import JaxArrays
from unifiedqr_jax.instruments.derivatives import DERIVATIVES, Run
from unifiedqr_lab.engines import Change, Place, Spreading, axis_of, over_holders, varying
from unifiedqr_lab.instruments import Transform

AXIS = "rows"
"""Of the mesh."""


def _compiled(kind: str, name: str) -> Transform:
    run: Run = DERIVATIVES[kind][name]
    told = "jax.jit" if kind == "value" else f"jax.jit of {name}"
    return Transform(told, kind, lambda f, *given: jax.jit(lambda *given: run(f, *given))(*given))


COMPILED = (
    _compiled("value", "a call"),
    _compiled("vjp", "jax.vjp"),
    _compiled("jvp", "jax.jvp"),
    _compiled("hvp", "jax.jvp of jax.vjp"),
)


def spec(axis: int | None) -> PartitionSpec:
    """Return how a matrix is spread along an axis."""
    return PartitionSpec() if axis is None else PartitionSpec(*(AXIS if i == axis else None for i in (-2, -1)))


class OnMesh(Spreading):
    """Arrays with a `NamedSharding`: one function, as of any array."""

    transforms: tuple[Transform, ...] = (Transform("jax.vjp", "vjp", DERIVATIVES["vjp"]["jax.vjp"]), *COMPILED)

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self.mesh: Any = jax.make_mesh((jax.device_count(),), (AXIS,), axis_types=(AxisType.Auto,))

    def spread(self, X: Any, axis: int | None) -> jax.Array:
        return jax.device_put(X, NamedSharding(self.mesh, spec(axis)))


class InShards(OnMesh):
    """Functions that see the rows of one shard each, by `unifiedqr.rows_over`."""

    transforms = COMPILED

    def function(self, name: str, change: Change) -> Callable[..., JaxArrays]:
        row, made = DECOMPOSITIONS[name](), []
        outputs = [name for name in row.outputs[: row.results] if name not in row.discrete]

        def of_a_shard(*inputs: jax.Array) -> JaxArrays:
            if not made:  # the axis has its size in here alone
                made.append(over_holders(name, change, self.backend.holders(AXIS, None, None), None))
            return varying(self.backend, made[0])(*inputs)

        api: Any = jax  # more of it than its stubs declare
        inputs, results = (tuple(spec(axis_of(row, X)) for X in names) for names in (row.inputs, outputs))
        return api.shard_map(of_a_shard, mesh=self.mesh, in_specs=inputs, out_specs=results)


@contextmanager
def on_mesh(place: Place, backend: Backend) -> Iterator[Spreading]:
    """Join the one process there is."""
    del place
    yield OnMesh(backend)


@contextmanager
def in_shards(place: Place, backend: Backend) -> Iterator[Spreading]:
    """Join the one process there is."""
    del place
    yield InShards(backend)
