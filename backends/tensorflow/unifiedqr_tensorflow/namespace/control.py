"""Loops and branches, beyond the Array API standard: what a graph would otherwise unroll, or could not take."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

State = tuple[tf.Tensor, ...]


def branch(predicate: tf.Tensor, then: Callable[[], State], otherwise: Callable[[], State]) -> State:
    """Return then() or otherwise(), one of which alone is run; inside a graph as one operation."""
    if tf.executing_eagerly():
        return then() if predicate else otherwise()
    return tuple(tf.cond(predicate, then, otherwise))


def fori_loop(count: int, step: Callable[[Any, State], State], state: State) -> State:
    """Return the state after step(0, .), ..., step(count - 1, .); inside a graph as one operation."""
    if tf.executing_eagerly():
        for j in range(count):
            state = step(j, state)
        return state

    def body(j: tf.Tensor, *before: tf.Tensor) -> tuple[tf.Tensor, ...]:
        after = step(j, before)
        for X, like in zip(after, before, strict=True):
            X.set_shape(like.shape)
        return j + 1, *after

    return tf.while_loop(lambda j, *_: j < count, body, (tf.constant(0), *state), maximum_iterations=count)[1:]
