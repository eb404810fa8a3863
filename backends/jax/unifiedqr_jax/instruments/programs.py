"""Programs that JAX's users build around a function of arrays: each gives a function with the same values.

Those in `PROGRAMS` take and give single matrices, those in `BATCHED_PROGRAMS` carry a leading axis that f does not see.
Both serve around a decomposition, to be differentiated, and around a derivative, to be run.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax import export
from jax.core import eval_jaxpr
from jax.custom_batching import custom_vmap
from jax.sharding import AxisType, PartitionSpec

Function = Callable[..., tuple[Any, ...]]
Program = Callable[[Function], Function]
api: Any = jax  # more of it than its stubs declare


def _first(tree: Any) -> Any:
    return jax.tree.map(lambda X: X[0], tree)


def _alone(tree: Any) -> Any:
    return jax.tree.map(lambda X: X[None], tree)


def _ahead_of_time(f: Function) -> Function:
    return lambda *arguments: jax.jit(f).lower(*arguments).compile()(*arguments)


def _donating(f: Function) -> Function:
    def call(*arguments: Any) -> Any:
        copies = jax.tree.map(jnp.copy, arguments)
        return jax.jit(f, donate_argnums=tuple(range(len(copies))))(*copies)

    return call


def _without_jit(f: Function) -> Function:
    def call(*arguments: Any) -> Any:
        with jax.disable_jit():
            return f(*arguments)

    return call


def _evaluated_jaxpr(f: Function) -> Function:
    def call(*arguments: Any) -> Any:
        jaxpr, shapes = jax.make_jaxpr(f, return_shape=True)(*arguments)
        outputs = eval_jaxpr(jaxpr.jaxpr, jaxpr.consts, *jax.tree.leaves(arguments))
        return jax.tree.unflatten(jax.tree.structure(shapes), outputs)

    return call


def _one_scan_step(f: Function) -> Function:
    return lambda *arguments: _first(jax.lax.scan(lambda carry, X: (carry, f(*X)), 0, _alone(arguments))[1])


def _branch(f: Function) -> Function:
    """Run f in a branch chosen by a value, beside one of zeros."""

    def call(*arguments: Any) -> Any:
        def zeros(*arguments: Any) -> Any:
            return jax.tree.map(jnp.zeros_like, jax.eval_shape(f, *arguments))

        chosen = jnp.isfinite(jnp.sum(jax.tree.leaves(arguments)[0]))
        return jax.lax.cond(chosen, f, zeros, *arguments)

    return call


def _while_loop(f: Function) -> Function:
    def call(*arguments: Any) -> Any:
        start = jax.tree.map(jnp.zeros_like, jax.eval_shape(f, *arguments))
        return jax.lax.while_loop(lambda state: state[0] < 1, lambda state: (state[0] + 1, f(*arguments)), (0, start))[
            1
        ]

    return call


def _fori_loop(f: Function) -> Function:
    def call(*arguments: Any) -> Any:
        start = jax.tree.map(jnp.zeros_like, jax.eval_shape(f, *arguments))
        return jax.lax.fori_loop(0, 2, lambda _, __: f(*arguments), start)

    return call


def _on_every_device(f: Function) -> Function:
    return lambda *arguments: _first(jax.pmap(f, devices=jax.devices()[:1])(*_alone(arguments)))


def _exported(f: Function) -> Function:
    def call(*arguments: Any) -> Any:
        written = export.export(jax.jit(f))(*arguments).serialize(vjp_order=2)
        return export.deserialize(written).call(*arguments)

    return call


def _exported_for_any_batch(f: Function) -> Function:
    def call(*arguments: Any) -> Any:
        (batch,) = export.symbolic_shape("batch")
        shapes = jax.tree.map(lambda X: jax.ShapeDtypeStruct((batch, *X.shape[1:]), X.dtype), arguments)
        written = export.export(jax.jit(jax.vmap(f)))(*shapes).serialize(vjp_order=2)
        return export.deserialize(written).call(*arguments)

    return call


def _sharded(f: Function) -> Function:
    mesh = jax.make_mesh((1,), ("batch",), axis_types=(AxisType.Auto,), devices=jax.devices()[:1])
    spec = PartitionSpec("batch")
    return api.shard_map(jax.vmap(f), mesh=mesh, in_specs=spec, out_specs=spec)


def _vmap_over_the_last_axis(f: Function) -> Function:
    def call(*arguments: Any) -> Any:
        moved = jax.tree.map(lambda X: jnp.moveaxis(X, 0, -1), arguments)
        return jax.tree.map(lambda X: jnp.moveaxis(X, -1, 0), jax.vmap(f, in_axes=-1, out_axes=-1)(*moved))

    return call


def _nested_vmap(f: Function) -> Function:
    return lambda *arguments: _first(jax.vmap(jax.vmap(f))(*_alone(arguments)))


def _own_vmap_rule(f: Function) -> Function:
    @custom_vmap
    def call(*arguments: Any) -> Any:
        return f(*arguments)

    @call.def_vmap
    def _(size: int, batched: Any, *arguments: Any) -> Any:
        outputs = jax.vmap(f)(*arguments)
        return outputs, jax.tree.map(lambda _: True, outputs)

    return jax.vmap(call)


PROGRAMS: dict[str, Program] = {
    "jax.jit": jax.jit,
    "jax.jit().lower().compile()": _ahead_of_time,
    "jax.jit(donate_argnums)": _donating,
    "jax.disable_jit": _without_jit,
    "jax.make_jaxpr": _evaluated_jaxpr,
    "jax.checkpoint": api.checkpoint,
    "jax.checkpoint(policy=...)": partial(api.checkpoint, policy=api.checkpoint_policies.dots_saveable),
    "jax.lax.scan": _one_scan_step,
    "jax.lax.cond": _branch,
    "jax.lax.while_loop": _while_loop,
    "jax.lax.fori_loop": _fori_loop,
    "jax.pmap": _on_every_device,
    "jax.export": _exported,
}

BATCHED_PROGRAMS: dict[str, Program] = {
    "jax.vmap": jax.vmap,
    "jax.vmap over the last axis": _vmap_over_the_last_axis,
    "jax.vmap of jax.vmap": _nested_vmap,
    "jax.lax.map": lambda f: lambda *arguments: jax.lax.map(lambda X: f(*X), arguments),
    "jax.custom_batching": _own_vmap_rule,
    "jax.shard_map": _sharded,
    "jax.export of a symbolic batch": _exported_for_any_batch,
}
