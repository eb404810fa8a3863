"""Reductions, sums and searches of the Array API standard, on TensorFlow."""

# ruff: noqa: A001 (names and parameters are the standard's)

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Axis = int | tuple[int, ...] | None


def sum(x: tf.Tensor, /, *, axis: Axis = None, dtype: tf.DType | None = None, keepdims: bool = False) -> tf.Tensor:
    """Give the sum along axes; narrow integers are summed in int64."""
    return tf.reduce_sum(tf.cast(x, dtype or _accumulator(x.dtype)), axis, keepdims)


def prod(x: tf.Tensor, /, *, axis: Axis = None, dtype: tf.DType | None = None, keepdims: bool = False) -> tf.Tensor:
    """Give the product along axes; narrow integers are multiplied in int64."""
    return tf.reduce_prod(tf.cast(x, dtype or _accumulator(x.dtype)), axis, keepdims)


def mean(x: tf.Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> tf.Tensor:
    """Give the arithmetic mean along axes."""
    return tf.reduce_mean(x, axis, keepdims)


def max(x: tf.Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> tf.Tensor:
    """Give the largest value along axes, NaN if there is one."""
    return tf.reduce_max(x, axis, keepdims)


def min(x: tf.Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> tf.Tensor:
    """Give the smallest value along axes, NaN if there is one."""
    return tf.reduce_min(x, axis, keepdims)


def var(x: tf.Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> tf.Tensor:
    """Give the variance along axes, of a complex x that of its modulus about the mean."""
    deviation = tf.abs(x - tf.reduce_mean(x, axis, keepdims=True))
    total = tf.reduce_sum(tf.square(deviation), axis, keepdims)
    count = tf.cast(tf.size(x), total.dtype) / tf.cast(tf.size(total), total.dtype)
    return total / (count - tf.cast(correction, total.dtype))


def std(x: tf.Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> tf.Tensor:
    """Give the standard deviation along axes."""
    return tf.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def all(x: tf.Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> tf.Tensor:
    """Tell whether every value along axes is true (nonzero)."""
    return tf.reduce_all(tf.cast(x, tf.bool), axis, keepdims)


def any(x: tf.Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> tf.Tensor:
    """Tell whether some value along axes is true (nonzero)."""
    return tf.reduce_any(tf.cast(x, tf.bool), axis, keepdims)


def cumulative_sum(
    x: tf.Tensor, /, *, axis: int | None = None, dtype: tf.DType | None = None, include_initial: bool = False
) -> tf.Tensor:
    """Give the running sums along an axis (of a vector, its only one), with a leading zero if `include_initial`."""
    axis = 0 if axis is None else axis
    sums = tf.cumsum(tf.cast(x, dtype or _accumulator(x.dtype)), axis)
    if not include_initial:
        return sums
    zero = (
        tf.zeros_like(tf.gather(sums, [0], axis=axis)) if x.shape[axis] else tf.zeros_like(tf.reduce_sum(x, axis, True))
    )
    return tf.concat([tf.cast(zero, sums.dtype), sums], axis)


def argmax(x: tf.Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> tf.Tensor:
    """Give the index of the first largest value along an axis (of the flattened x for None)."""
    return _searched(tf.argmax, x, axis, keepdims)


def argmin(x: tf.Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> tf.Tensor:
    """Give the index of the first smallest value along an axis (of the flattened x for None)."""
    return _searched(tf.argmin, x, axis, keepdims)


def argsort(x: tf.Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> tf.Tensor:
    """Give the indices that sort along an axis; of equal entries the first comes first."""
    # Indices have no derivative; a forward accumulator would look for one, and fails on no entries.
    return tf.argsort(tf.stop_gradient(x), axis, "DESCENDING" if descending else "ASCENDING", stable)


def _searched(search: Callable[..., Any], x: tf.Tensor, axis: int | None, keepdims: bool) -> tf.Tensor:
    if axis is None:
        found = search(tf.reshape(x, (-1,)), axis=0)
        return tf.reshape(found, (1,) * x.shape.rank) if keepdims else found
    found = search(x, axis=axis)
    return tf.expand_dims(found, axis) if keepdims else found


def _accumulator(dtype: tf.DType) -> tf.DType:
    if dtype.is_bool or (dtype.is_integer and not dtype.is_unsigned):
        return tf.int64
    return tf.uint64 if dtype.is_unsigned else dtype
