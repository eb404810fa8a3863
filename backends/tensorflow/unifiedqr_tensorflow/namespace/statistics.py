"""Reductions, sums and differences of the Array API standard, on TensorFlow."""

# ruff: noqa: A001 (names and parameters are the standard's)

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from unifiedqr_tensorflow.namespace.dtypes import promoted
from unifiedqr_tensorflow.namespace.manipulation import moveaxis

Axis = int | tuple[int, ...] | None


def sum(x: tf.Tensor, /, *, axis: Axis = None, dtype: tf.DType | None = None, keepdims: bool = False) -> tf.Tensor:
    """Return the sum along axes; narrow integers are summed in int64."""
    return tf.reduce_sum(tf.cast(x, dtype or _accumulator(x.dtype)), axis, keepdims)


def prod(x: tf.Tensor, /, *, axis: Axis = None, dtype: tf.DType | None = None, keepdims: bool = False) -> tf.Tensor:
    """Return the product along axes; narrow integers are multiplied in int64."""
    return tf.reduce_prod(tf.cast(x, dtype or _accumulator(x.dtype)), axis, keepdims)


def mean(x: tf.Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> tf.Tensor:
    """Return the arithmetic mean along axes."""
    return tf.reduce_mean(x, axis, keepdims)


def max(x: tf.Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> tf.Tensor:
    """Return the largest value along axes, NaN if there is one, 0 if there are no values."""
    return tf.reduce_max(_with_entries(x, axis), axis, keepdims)


def min(x: tf.Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> tf.Tensor:
    """Return the smallest value along axes, NaN if there is one, 0 if there are no values."""
    return tf.reduce_min(_with_entries(x, axis), axis, keepdims)


def var(x: tf.Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> tf.Tensor:
    """Return the variance along axes, of a complex x that of its modulus about the mean."""
    deviation = tf.abs(x - tf.reduce_mean(x, axis, keepdims=True))
    total = tf.reduce_sum(tf.square(deviation), axis, keepdims)
    count = tf.cast(tf.size(x), total.dtype) / tf.cast(tf.size(total), total.dtype)
    return total / (count - tf.cast(correction, total.dtype))


def std(x: tf.Tensor, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> tf.Tensor:
    """Return the standard deviation along axes."""
    return tf.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def all(x: tf.Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> tf.Tensor:
    """Return whether every value along axes is true (nonzero)."""
    return tf.reduce_all(tf.cast(x, tf.bool), axis, keepdims)


def any(x: tf.Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> tf.Tensor:
    """Return whether some value along axes is true (nonzero)."""
    return tf.reduce_any(tf.cast(x, tf.bool), axis, keepdims)


def count_nonzero(x: tf.Tensor, /, *, axis: Axis = None, keepdims: bool = False) -> tf.Tensor:
    """Return the number of values along axes that are not zero."""
    return tf.math.count_nonzero(x, axis, keepdims)


def _cumulative(accumulate: Callable[..., tf.Tensor], initial: int) -> Callable[..., tf.Tensor]:
    def running(
        x: tf.Tensor, /, *, axis: int | None = None, dtype: tf.DType | None = None, include_initial: bool = False
    ) -> tf.Tensor:
        axis = 0 if axis is None else axis
        found = accumulate(tf.cast(x, dtype or _accumulator(x.dtype)), axis)
        if not include_initial:
            return found
        first = tf.fill(tf.shape(tf.reduce_sum(found, axis, keepdims=True)), tf.cast(initial, found.dtype))
        return tf.concat([first, found], axis)

    return running


cumulative_sum = _cumulative(tf.cumsum, 0)


def _cumprod(x: tf.Tensor, axis: int) -> tf.Tensor:
    if not x.dtype.is_complex:
        return tf.math.cumprod(x, axis)
    # TensorFlow's own function lacks a conjugate in its gradient.
    return moveaxis(tf.scan(tf.multiply, moveaxis(x, axis, 0)), 0, axis)


cumulative_prod = _cumulative(_cumprod, 1)


def diff(
    x: tf.Tensor, /, *, axis: int = -1, n: int = 1, prepend: tf.Tensor | None = None, append: tf.Tensor | None = None
) -> tf.Tensor:
    """Return the n-th differences of neighbours along an axis."""
    parts = [part for part in (prepend, x, append) if part is not None]
    differences: Any = moveaxis(tf.concat(promoted(*parts), axis), axis, -1)
    for _ in range(n):
        differences = differences[..., 1:] - differences[..., :-1]
    return moveaxis(differences, -1, axis)


def _with_entries(x: tf.Tensor, axis: Axis) -> tf.Tensor:
    """Return x with a zero along axes that are or may turn out empty: TensorFlow's extreme of nothing is Inf."""
    rank: Any = x.shape.rank
    axes = range(rank) if axis is None else (axis,) if isinstance(axis, int) else axis
    lacking = {i % rank for i in axes if not x.shape[i]}
    if not lacking:
        return x
    sizes = tf.shape(x)
    missing = [tf.maximum(1 - sizes[i], 0) if i in lacking else 0 for i in range(rank)]
    return tf.pad(x, tf.stack([tf.zeros(rank, tf.int32), missing], axis=1))


def _accumulator(dtype: tf.DType) -> tf.DType:
    if dtype.is_bool or (dtype.is_integer and not dtype.is_unsigned):
        return tf.int64
    return tf.uint64 if dtype.is_unsigned else dtype
