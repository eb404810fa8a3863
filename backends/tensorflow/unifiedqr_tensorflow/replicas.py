"""Rows held by the replicas of a `tf.distribute.Strategy`, or by processes that know how to sum up tensors."""

from collections.abc import Callable
from functools import cache
from typing import Any

import tensorflow as tf

from unifiedqr.arrays.holders import Holders
from unifiedqr.errors import OptionError


class Replicas(Holders):
    """The replicas of a strategy; the loss is the sum of theirs."""

    are_even = True  # of what a strategy deals out; a last batch that is not changes no result
    may_branch = False  # TensorFlow cannot sum over replicas inside a branch

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        super().__init__(lambda X: self.context.all_reduce(SUM, X), None, strategy.num_replicas_in_sync)
        self.strategy = strategy

    @property
    def context(self) -> Any:
        """The replica that runs."""
        context = tf.distribute.get_replica_context()
        if context is None or context.strategy is not self.strategy:
            raise OptionError(
                "got rows over a strategy outside of its replicas; expected inside a function that strategy.run runs."
            )
        return context

    def here(self, xp: Any) -> tf.Tensor:
        del xp
        return tf.reshape(tf.equal(tf.range(self.count), self.context.replica_id_in_sync_group), (-1, 1, 1))

    def branch(
        self, branch: Callable[..., Any], predicate: tf.Tensor, *functions: Callable[[], tuple[tf.Tensor, ...]]
    ) -> tuple[tf.Tensor, ...]:
        del branch
        then, otherwise = (function() for function in functions)
        return tuple(tf.where(predicate, X, Y) for X, Y in zip(then, otherwise, strict=True))


SUM: Any = tf.distribute.ReduceOp.SUM

replicas = cache(Replicas)


def total(all_reduce: Callable[..., Any]) -> Callable[[tf.Tensor], tf.Tensor]:
    """Return a sum over processes that can be differentiated, of one that need not say anything of its derivative.

    The loss being the sum of all processes' losses, it is its own adjoint.
    """

    @tf.custom_gradient
    def of_all(X: tf.Tensor) -> Any:
        return all_reduce(X), of_all

    return of_all
