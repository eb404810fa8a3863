"""Creation functions of the Array API standard, on TensorFlow."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np
import tensorflow as tf

from unifiedqr_tensorflow.namespace.dtypes import SCALAR_DTYPES, converted, promoted, result_type


def _placed(create: Callable[..., tf.Tensor]) -> Callable[..., tf.Tensor]:
    """Return a creation function the standard's keyword ``device``."""

    @wraps(create)
    def create_on(*arguments: Any, device: str | None = None, **keywords: Any) -> tf.Tensor:
        if device is None:
            return create(*arguments, **keywords)
        with tf.device(device):
            return tf.identity(create(*arguments, **keywords))

    return create_on


@_placed
def asarray(obj: Any, /, *, dtype: tf.DType | None = None, copy: bool | None = None) -> tf.Tensor:
    """Return a tensor of an array, a scalar or nested sequences.

    NumPy arrays keep their dtype, Python's numbers get TensorFlow's default of 32 bits. Tensors are immutable, so that
    `copy` changes nothing.
    """
    if isinstance(obj, (tf.Tensor, tf.Variable)):
        x = tf.convert_to_tensor(obj)
        return x if dtype is None else converted(x, dtype)
    if isinstance(obj, (np.ndarray, np.generic)):
        x = tf.constant(np.asarray(obj))
        return x if dtype is None else converted(x, dtype)
    leaves = tf.nest.flatten(obj)
    if any(hasattr(leaf, "dtype") for leaf in leaves):
        x = tf.convert_to_tensor(tf.nest.map_structure(lambda leaf: converted(leaf, result_type(*leaves)), obj))
        return x if dtype is None else converted(x, dtype)
    numbers = np.asarray(obj)  # before the dtype is narrowed: TensorFlow would round Python's numbers to float32 first
    kind = {"b": bool, "i": int, "u": int, "f": float, "c": complex}[numbers.dtype.kind]
    return tf.constant(numbers.astype((dtype or SCALAR_DTYPES[kind]).as_numpy_dtype))


@_placed
def zeros(shape: int | Sequence[int], *, dtype: tf.DType | None = None) -> tf.Tensor:
    """Return zeros."""
    return tf.zeros(_sizes(shape), dtype or tf.float32)


@_placed
def ones(shape: int | Sequence[int], *, dtype: tf.DType | None = None) -> tf.Tensor:
    """Return ones."""
    return tf.ones(_sizes(shape), dtype or tf.float32)


@_placed
def empty(shape: int | Sequence[int], *, dtype: tf.DType | None = None) -> tf.Tensor:
    """Return zeros: TensorFlow has no uninitialized tensors."""
    return tf.zeros(_sizes(shape), dtype or tf.float32)


@_placed
def empty_like(x: tf.Tensor, /, *, dtype: tf.DType | None = None) -> tf.Tensor:
    """Return zeros in the shape of x."""
    return tf.zeros_like(x, dtype)


@_placed
def from_dlpack(x: Any, /, *, copy: bool | None = None) -> tf.Tensor:
    """Return the tensor of another library as TensorFlow's, in the same memory unless `copy` asks otherwise."""
    shared = tf.experimental.dlpack.from_dlpack(x.__dlpack__())
    return tf.identity(shared) if copy else shared


@_placed
def full(shape: int | Sequence[int], fill_value: Any, *, dtype: tf.DType | None = None) -> tf.Tensor:
    """Return an array of one value."""
    return tf.fill(_sizes(shape), tf.cast(fill_value, dtype or result_type(fill_value)))


@_placed
def zeros_like(x: tf.Tensor, /, *, dtype: tf.DType | None = None) -> tf.Tensor:
    """Return zeros in the shape of x."""
    return tf.zeros_like(x, dtype)


@_placed
def ones_like(x: tf.Tensor, /, *, dtype: tf.DType | None = None) -> tf.Tensor:
    """Return ones in the shape of x."""
    return tf.ones_like(x, dtype)


@_placed
def full_like(x: tf.Tensor, /, fill_value: Any, *, dtype: tf.DType | None = None) -> tf.Tensor:
    """Return one value in the shape of x."""
    return tf.fill(tf.shape(x), tf.cast(fill_value, dtype or x.dtype))


@_placed
def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: tf.DType | None = None) -> tf.Tensor:
    """Return ones on the k-th diagonal and zeros elsewhere."""
    rows, columns = tf.range(n_rows)[:, None], tf.range(n_rows if n_cols is None else n_cols)[None, :]
    return tf.cast(tf.equal(columns - rows, k), dtype or tf.float32)


@_placed
def arange(start: float, /, stop: float | None = None, step: float = 1, *, dtype: tf.DType | None = None) -> tf.Tensor:
    """Return evenly spaced values in [start, stop), or [0, start)."""
    start, stop = (0, start) if stop is None else (start, stop)
    # In double precision first: in the narrow one the number of values could come out different.
    wide = tf.int64 if all(isinstance(x, int) for x in (start, stop, step)) else tf.float64
    limits = (tf.cast(x, wide) for x in (start, stop, step))
    return tf.cast(tf.range(*limits), dtype or result_type(start, stop, step))


@_placed
def linspace(
    start: complex, stop: complex, /, num: int, *, dtype: tf.DType | None = None, endpoint: bool = True
) -> tf.Tensor:
    """Return `num` evenly spaced values from `start` to `stop`, the latter included with `endpoint`."""
    dtype = dtype or result_type(start, stop, 0.0)
    wide = tf.complex128 if dtype.is_complex else tf.float64
    first, last = converted(start, wide), converted(stop, wide)
    gaps = max(num - 1 if endpoint else num, 1)
    steps = tf.cast(tf.range(num), wide)
    values = first + (last - first) * (steps / gaps)
    if endpoint and num > 1:
        values = tf.concat([values[:-1], last[tf.newaxis]], axis=0)
    return tf.cast(values, dtype)


def meshgrid(*arrays: tf.Tensor, indexing: str = "xy") -> tuple[tf.Tensor, ...]:
    """Return coordinate matrices of coordinate vectors."""
    return tuple(tf.meshgrid(*promoted(*arrays), indexing=indexing))


def tril(x: tf.Tensor, /, *, k: int = 0) -> tf.Tensor:
    """Select the entries on and below the k-th diagonal, +0 elsewhere; sizes may be unknown."""
    rows, columns = _matrix_sizes(x)
    if k >= 0 and not _is_stack(x):
        return tf.linalg.band_part(x, -1, _at_most(k, columns))
    if k >= 0:
        return _selected(x, tf.linalg.band_part(_everywhere(x), -1, _at_most(k, columns)))
    return _selected(x, ~tf.linalg.band_part(_everywhere(x), _at_most(-k - 1, rows), -1))


def triu(x: tf.Tensor, /, *, k: int = 0) -> tf.Tensor:
    """Select the entries on and above the k-th diagonal, +0 elsewhere; sizes may be unknown."""
    rows, columns = _matrix_sizes(x)
    if k <= 0 and not _is_stack(x):
        return tf.linalg.band_part(x, _at_most(-k, rows), -1)
    if k <= 0:
        return _selected(x, tf.linalg.band_part(_everywhere(x), _at_most(-k, rows), -1))
    return _selected(x, ~tf.linalg.band_part(_everywhere(x), -1, _at_most(k - 1, columns)))


def _is_stack(x: tf.Tensor) -> bool:
    """Return whether a band is selected sooner by a mask than by TensorFlow's operation: twice as fast for 8 x 8."""
    return x.shape.rank is not None and x.shape.rank > 2


def _everywhere(x: tf.Tensor) -> tf.Tensor:
    return tf.ones(_matrix_sizes(x), tf.bool)


def _selected(x: tf.Tensor, where: tf.Tensor) -> tf.Tensor:
    return tf.where(where, x, tf.zeros((), x.dtype))


def _matrix_sizes(x: tf.Tensor) -> tuple[Any, Any]:
    """Return the last two sizes, as numbers where they are known."""
    if x.shape.rank is None or None in x.shape[-2:]:
        sizes = tf.shape(x)
        return sizes[-2], sizes[-1]
    return x.shape[-2], x.shape[-1]


def _at_most(count: int, size: Any) -> Any:
    return min(count, size) if isinstance(size, int) else tf.minimum(count, size)


def _sizes(shape: int | Sequence[int]) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)
