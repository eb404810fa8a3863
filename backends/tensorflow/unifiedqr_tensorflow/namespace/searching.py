"""Searching, sorting and sets of the Array API standard, on TensorFlow."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import tensorflow as tf

from unifiedqr_tensorflow.namespace.dtypes import promoted


class UniqueAllResult(NamedTuple):
    """Values in rising order, where each comes first, which of them each entry is, and how often it comes."""

    values: tf.Tensor
    indices: tf.Tensor
    inverse_indices: tf.Tensor
    counts: tf.Tensor


class UniqueCountsResult(NamedTuple):
    """Values in rising order, and how often each comes."""

    values: tf.Tensor
    counts: tf.Tensor


class UniqueInverseResult(NamedTuple):
    """Values in rising order, and which of them each entry is."""

    values: tf.Tensor
    inverse_indices: tf.Tensor


def argmax(x: tf.Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> tf.Tensor:
    """Return the index of the first largest value along an axis (of the flattened x for None)."""
    return _searched(tf.argmax, x, axis, keepdims)


def argmin(x: tf.Tensor, /, *, axis: int | None = None, keepdims: bool = False) -> tf.Tensor:
    """Return the index of the first smallest value along an axis (of the flattened x for None)."""
    return _searched(tf.argmin, x, axis, keepdims)


def argsort(x: tf.Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> tf.Tensor:
    """Return the indices that sort along an axis; of equal entries the first comes first."""
    # Indices have no derivative; a forward accumulator would look for one, and fails on no entries.
    return tf.argsort(tf.stop_gradient(x), axis, "DESCENDING" if descending else "ASCENDING", stable)


def _searched(search: Callable[..., Any], x: tf.Tensor, axis: int | None, keepdims: bool) -> tf.Tensor:
    if axis is None:
        found = search(tf.reshape(x, (-1,)), axis=0)
        return tf.reshape(found, (1,) * x.shape.rank) if keepdims else found
    found = search(x, axis=axis)
    return tf.expand_dims(found, axis) if keepdims else found


def sort(x: tf.Tensor, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> tf.Tensor:
    """Sort along an axis."""
    return tf.sort(x, axis, "DESCENDING" if descending else "ASCENDING")


def searchsorted(
    x1: tf.Tensor, x2: tf.Tensor, /, *, side: Literal["left", "right"] = "left", sorter: tf.Tensor | None = None
) -> tf.Tensor:
    """Return where the entries of x2 would be inserted into the vector x1, which `sorter` sorts."""
    x1, x2 = promoted(x1 if sorter is None else tf.gather(x1, sorter), x2)
    return tf.reshape(tf.searchsorted(x1, tf.reshape(x2, (-1,)), side, tf.int64), tf.shape(x2))


def nonzero(x: tf.Tensor, /) -> tuple[tf.Tensor, ...]:
    """Return the indices of what is not zero, axis by axis."""
    return tuple(tf.unstack(tf.where(tf.cast(x, tf.bool)), num=x.shape.rank, axis=-1))


def isin(x1: tf.Tensor, x2: tf.Tensor, /, *, invert: bool = False) -> tf.Tensor:
    """Return which entries of x1 are among those of x2."""
    x1, x2 = promoted(x1, x2)
    return tf.reduce_any(tf.equal(tf.expand_dims(x1, -1), tf.reshape(x2, (-1,))), -1) != invert


def unique_all(x: tf.Tensor, /) -> UniqueAllResult:
    """Return the different values, where each comes first, which of them each entry is, and how often it comes."""
    entries = tf.reshape(x, (-1,))
    order = tf.argsort(entries, stable=True)
    values, inverse, counts = tf.unique_with_counts(tf.gather(entries, order), out_idx=tf.int64)
    first = tf.gather(order, tf.cumsum(counts, exclusive=True))
    inverse = tf.scatter_nd(order[:, None], inverse, tf.shape(order))
    return UniqueAllResult(values, tf.cast(first, tf.int64), tf.reshape(inverse, tf.shape(x)), counts)


def unique_counts(x: tf.Tensor, /) -> UniqueCountsResult:
    """Return the different values and how often each comes."""
    found = unique_all(x)
    return UniqueCountsResult(found.values, found.counts)


def unique_inverse(x: tf.Tensor, /) -> UniqueInverseResult:
    """Return the different values and which of them each entry is."""
    found = unique_all(x)
    return UniqueInverseResult(found.values, found.inverse_indices)


def unique_values(x: tf.Tensor, /) -> tf.Tensor:
    """Return the different values."""
    return unique_all(x).values
