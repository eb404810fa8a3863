"""Sizes that are unknown while a `tf.function` is traced, and known when it runs.

A rule must be told while it is traced whether A is deep, square or wide. Where only the run will tell, the rule is
traced once for each, on arrays cut to all that they are or to no rows and columns at all, and what the three give is
joined. `tf.switch_case` would trace as much, but cannot be differentiated in forward mode, nor always compiled; cutting
and joining can, to any order.
"""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from unifiedqr._typing import Namespace
from unifiedqr.backend import extend_namespace
from unifiedqr_tensorflow.namespace import xp

Tensors = tuple[tf.Tensor, ...]


def settled(
    rule: Callable[..., Tensors], A: tf.Tensor, kept: Tensors, given: tuple[Any, ...], *, like: Tensors
) -> Tensors:
    """Run a derivative rule at an A whose sizes may be unknown; it gives tensors shaped as those of `like`."""
    if tf.executing_eagerly():
        return rule(xp, kept, given)
    known = None not in (A.shape[-2], A.shape[-1])
    results = rule(xp, kept, given) if known else _joined(_of_every_order(rule, A, kept, given), like)
    for X, Y in zip(results, like, strict=True):
        X.set_shape(Y.shape)  # tf.ensure_shape has no derivative in forward mode
    return results


def _of_every_order(rule: Callable[..., Tensors], A: tf.Tensor, kept: Tensors, given: tuple[Any, ...]) -> list[Tensors]:
    m, n = tf.unstack(tf.shape(A)[-2:])
    results = []
    for order, namespace in ORDERS.items():
        here = tf.cast(tf.equal(tf.sign(m - n), order), tf.int32)
        results.append(rule(namespace, *(tuple(_cut(X, here) for X in arrays) for arrays in (kept, given))))
    return results


def _cut(X: tf.Tensor | None, here: tf.Tensor) -> tf.Tensor | None:
    """Give X where `here` is 1, and where it is 0 a matrix without rows and columns."""
    if X is None:
        return None
    whole: Any = X
    sizes = tf.shape(X) * here
    return whole[..., : sizes[-2], : sizes[-1]]


def _joined(results: list[Tensors], like: Tensors) -> Tensors:
    """Join what the orders gave, of which one has entries, in the shapes of `like`."""
    flat = (tf.concat([tf.reshape(X, [-1]) for X in pieces], 0) for pieces in zip(*results, strict=True))
    return tuple(tf.reshape(X, tf.shape(Y)) for X, Y in zip(flat, like, strict=True))


def _namespace_of(order: int) -> Namespace:
    """Give the namespace for matrices with more (1), as many (0) or fewer (-1) rows than columns."""
    deep, wide = order > 0, order < 0

    def shape_of_product(X: tf.Tensor, Y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, bool, bool]:
        m, n = tf.shape(X)[-2], tf.shape(Y)[-1]
        k, longer = (n, m) if deep else (m, n)
        return k, tf.cast(longer, X.dtype.real_dtype), deep, wide

    return extend_namespace(f"{xp.__name__}.of_order_{order}", xp, shape_of_product=shape_of_product)


ORDERS = {order: _namespace_of(order) for order in (1, 0, -1)}
