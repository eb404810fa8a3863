"""Rows held by the shards of a `jax.shard_map`, or by processes that know how to sum up arrays."""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import Primitive as JaxPrimitive
from jax.interpreters import ad, batching, mlir

from unifiedqr.arrays.holders import Holders
from unifiedqr.errors import CapabilityError, OptionError, ShardingError

Axes = tuple[str, ...]


class Shards(Holders):
    """The shards along some axes of a `jax.shard_map`, whose arrays say along which axes they vary."""

    are_even = True
    are_typed = True

    def __init__(self, axes: Axes, count: int) -> None:
        super().__init__(lambda X: jax.lax.psum(X, axes), None, count)
        self.axes = axes

    def here(self, xp: Any) -> jax.Array:
        del xp
        return (jnp.arange(self.count) == jax.lax.axis_index(self.axes)).reshape(-1, 1, 1)

    def branch(
        self, branch: Callable[..., Any], predicate: jax.Array, *functions: Callable[[], tuple[jax.Array, ...]]
    ) -> Any:
        # Branches must agree on the axes along which their results vary.
        found = [jax.eval_shape(function) for function in functions]
        varying = [frozenset[str]().union(*map(_axes_of, same)) for same in zip(*found, strict=True)]

        def alike(function: Callable[[], tuple[jax.Array, ...]]) -> Callable[[], tuple[jax.Array, ...]]:
            return lambda: tuple(_varying(X, axes) for X, axes in zip(function(), varying, strict=True))

        return branch(predicate, *map(alike, functions))

    def check(self, X: jax.Array, *, differentiated: bool) -> None:
        if set(self.axes) <= _axes_of(X):
            return
        if set(self.axes) <= _axes_of(jax.lax.axis_index(self.axes)):
            raise ShardingError(
                f"got a matrix that is the same in every shard along {self.axes}; expected the rows of each shard. "
                f"Spread its rows: in_specs=P({', '.join(map(repr, self.axes))})."
            )
        if differentiated:
            raise CapabilityError(
                f"got a derivative over {self.axes} where JAX does not check what is the same in every shard, as under "
                f"check_vma=False or jax.pmap: it would be finite and wrong. Use jax.shard_map with check_vma=True."
            )


def _axes_of(X: Any) -> frozenset[str]:
    """Return the axes along which an array varies."""
    typed: Any = jax.typeof(X) if isinstance(X, jax.Array) else X
    manual = getattr(typed, "manual_axis_type", None)  # of newer versions of JAX
    return getattr(typed, "vma", None) or frozenset() if manual is None else manual.varying


def _varying(X: jax.Array, axes: frozenset[str]) -> jax.Array:
    more = tuple(axes - _axes_of(X))
    if not more:
        return X
    pcast = getattr(jax.lax, "pcast", None)  # the name of `pvary` in newer versions of JAX
    return jax.lax.pvary(X, more) if pcast is None else pcast(X, more, to="varying")


def shards(where: Any) -> Shards:
    """Return the shards along the axes of these names; raise unless a `jax.shard_map` goes along them here."""
    axes = (where,) if isinstance(where, str) else tuple(where)
    try:
        count = jax.lax.axis_size(axes)
    except NameError as error:
        raise OptionError(
            f"got rows over {where!r}; expected names of axes of a surrounding jax.shard_map ({error})."
        ) from error
    return _shards(axes, count)


_shards = cache(Shards)


@lru_cache(maxsize=256)
def total(all_reduce: Callable[..., Any]) -> Callable[[jax.Array], jax.Array]:
    """Return a sum over processes that can be differentiated, of one that need not say anything of its derivative.

    The loss being the sum of all processes' losses, it is its own adjoint.
    """
    made = JaxPrimitive("unifiedqr_total")
    made.def_impl(all_reduce)
    made.def_abstract_eval(lambda X: X)
    ad.deflinear(made, lambda bar: [made.bind(bar)])
    batching.defvectorized(made)
    mlir.register_lowering(made, mlir.lower_fun(all_reduce, multiple_results=False))
    return made.bind
