"""Products of the Array API standard, on TensorFlow."""

from collections.abc import Sequence

import tensorflow as tf

from unifiedqr_tensorflow.namespace import manipulation
from unifiedqr_tensorflow.namespace.dtypes import promoted


def matrix_transpose(x: tf.Tensor, /) -> tf.Tensor:
    """Transpose the last two axes."""
    return tf.linalg.matrix_transpose(x)


def matmul(x1: tf.Tensor, x2: tf.Tensor, /) -> tf.Tensor:
    """Multiply matrices, stacks of them broadcast; vectors count as a row on the left and a column on the right."""
    x1, x2 = promoted(x1, x2)
    if x1.shape.rank == 1 and x2.shape.rank == 1:
        return tf.tensordot(x1, x2, 1)
    if x2.shape.rank == 1:
        return tf.linalg.matvec(x1, x2)
    if x1.shape.rank == 1:
        return tf.squeeze(tf.matmul(x1[None, :], x2), -2)
    return tf.matmul(x1, x2)


def vecdot(x1: tf.Tensor, x2: tf.Tensor, /, *, axis: int = -1) -> tf.Tensor:
    """Return sum(conj(x1) x2) along an axis."""
    x1, x2 = promoted(x1, x2)
    return tf.reduce_sum(tf.math.conj(x1) * x2, axis)


def tensordot(x1: tf.Tensor, x2: tf.Tensor, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> tf.Tensor:
    """Contract axes of two arrays."""
    return tf.tensordot(*promoted(x1, x2), axes)


def outer(x1: tf.Tensor, x2: tf.Tensor, /) -> tf.Tensor:
    """Return the products of the entries of two vectors."""
    return tf.tensordot(*promoted(x1, x2), 0)


def cross(x1: tf.Tensor, x2: tf.Tensor, /, *, axis: int = -1) -> tf.Tensor:
    """Return the vector product along an axis, the others broadcast."""
    a, b = (manipulation.moveaxis(x, axis, -1) for x in manipulation.broadcast_arrays(*promoted(x1, x2)))
    (a, b), (c, d) = ([tf.roll(x, -shift, -1) for shift in (1, 2)] for x in (a, b))
    return manipulation.moveaxis(a * d - b * c, -1, axis)


def matrix_power(x: tf.Tensor, n: int, /) -> tf.Tensor:
    """Return the n-th power of square matrices, by repeated squaring; that of the inverse for n < 0."""
    if n < 0:
        return matrix_power(tf.linalg.inv(x), -n)
    if n == 0:
        return tf.linalg.diag(tf.ones_like(tf.linalg.diag_part(x)))
    half = matrix_power(x, n // 2)
    square = tf.matmul(half, half) if n > 1 else x
    return tf.matmul(square, x) if n > 1 and n % 2 else square
