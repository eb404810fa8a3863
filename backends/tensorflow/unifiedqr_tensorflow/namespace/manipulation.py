"""Manipulation and indexing functions of the Array API standard, on TensorFlow."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from unifiedqr_tensorflow.namespace.dtypes import promoted

Axes = int | tuple[int, ...]


def reshape(x: tf.Tensor, /, shape: Sequence[int], *, copy: bool | None = None) -> tf.Tensor:
    """Return x in another shape; one size may be -1."""
    return tf.reshape(x, shape)


def permute_dims(x: tf.Tensor, /, axes: Sequence[int]) -> tf.Tensor:
    """Return x with its axes in another order."""
    return tf.transpose(x, [axis % x.shape.rank for axis in axes])


def moveaxis(x: tf.Tensor, source: Axes, destination: Axes, /) -> tf.Tensor:
    """Return x with some axes moved, the others in their order."""
    rank = x.shape.rank
    sources, destinations = ([axis % rank for axis in _several(axes)] for axes in (source, destination))
    order = [axis for axis in range(rank) if axis not in sources]
    for place, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(place, axis)
    return tf.transpose(x, order)


def expand_dims(x: tf.Tensor, /, *, axis: int = 0) -> tf.Tensor:
    """Return x with a new axis of size one."""
    return tf.expand_dims(x, axis)


def squeeze(x: tf.Tensor, /, axis: Axes) -> tf.Tensor:
    """Return x without axes, which must have size one."""
    return tf.squeeze(x, list(_several(axis)))


def concat(arrays: Sequence[tf.Tensor], /, *, axis: int | None = 0) -> tf.Tensor:
    """Join arrays along an axis, flattened for None."""
    joined = promoted(*arrays)
    return tf.concat([tf.reshape(x, (-1,)) for x in joined], 0) if axis is None else tf.concat(joined, axis)


def stack(arrays: Sequence[tf.Tensor], /, *, axis: int = 0) -> tf.Tensor:
    """Join arrays along a new axis."""
    return tf.stack(promoted(*arrays), axis)


def unstack(x: tf.Tensor, /, *, axis: int = 0) -> tuple[tf.Tensor, ...]:
    """Take x apart along an axis."""
    return tuple(tf.unstack(x, axis=axis))


def flip(x: tf.Tensor, /, *, axis: Axes | None = None) -> tf.Tensor:
    """Reverse the order along axes, along all for None."""
    return tf.reverse(x, list(range(x.shape.rank)) if axis is None else list(_several(axis)))


def roll(x: tf.Tensor, /, shift: Axes, *, axis: Axes | None = None) -> tf.Tensor:
    """Shift entries along axes, around the end; of the flattened x for None."""
    if axis is None:
        return tf.reshape(tf.roll(tf.reshape(x, (-1,)), shift, 0), tf.shape(x))
    axes = _several(axis)
    return tf.roll(x, list(_several(shift)) * (len(axes) if isinstance(shift, int) else 1), list(axes))


def broadcast_to(x: tf.Tensor, /, shape: Sequence[int]) -> tf.Tensor:
    """Repeat x to a shape."""
    return tf.broadcast_to(x, shape)


def broadcast_arrays(*arrays: tf.Tensor) -> list[tf.Tensor]:
    """Repeat arrays to their common shape."""
    shape = tf.shape(arrays[0])
    for x in arrays[1:]:
        shape = tf.broadcast_dynamic_shape(shape, tf.shape(x))
    return [tf.broadcast_to(x, shape) for x in arrays]


def tile(x: tf.Tensor, repetitions: Sequence[int], /) -> tf.Tensor:
    """Repeat x along each of its axes."""
    missing = max(len(repetitions) - x.shape.rank, 0)
    x = tf.reshape(x, (*(1,) * missing, *x.shape))
    return tf.tile(x, (*(1,) * (x.shape.rank - len(repetitions)), *repetitions))


def repeat(x: tf.Tensor, repeats: Any, /, *, axis: int | None = None) -> tf.Tensor:
    """Repeat each entry along an axis, of the flattened x for None."""
    return tf.repeat(x, repeats, axis)


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """Return the shape to which all are broadcast."""
    return np.broadcast_shapes(*map(tuple, shapes))


def take(x: tf.Tensor, indices: tf.Tensor, /, *, axis: int | None = None) -> tf.Tensor:
    """Return the slices of x at some indices along an axis (of a vector, its only one)."""
    axis = 0 if axis is None else axis
    return tf.gather(x, _counted(indices, x, axis), axis=axis)


def take_along_axis(x: tf.Tensor, indices: tf.Tensor, /, *, axis: int = -1) -> tf.Tensor:
    """Return one entry of x for each index, the other axes broadcast."""
    indices = moveaxis(_counted(indices, x, axis), axis, -1)
    x = moveaxis(x, axis, -1)
    batch = tf.broadcast_dynamic_shape(tf.shape(x)[:-1], tf.shape(indices)[:-1])
    x = tf.broadcast_to(x, tf.concat([batch, tf.shape(x)[-1:]], 0))
    indices = tf.broadcast_to(indices, tf.concat([batch, tf.shape(indices)[-1:]], 0))
    return moveaxis(tf.gather(x, indices, axis=-1, batch_dims=x.shape.rank - 1), -1, axis)


def _counted(indices: tf.Tensor, x: tf.Tensor, axis: int) -> tf.Tensor:
    """Count negative indices from the end: `tf.gather` reads zeros there on a GPU."""
    indices = tf.convert_to_tensor(indices)
    return tf.where(indices < 0, indices + tf.cast(tf.shape(x)[axis], indices.dtype), indices)


def _several(axes: Axes) -> tuple[int, ...]:
    return (axes,) if isinstance(axes, int) else tuple(axes)
