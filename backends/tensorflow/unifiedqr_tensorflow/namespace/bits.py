"""Powers of two, by the bits of their exponents: exact, and sooner than a logarithm or a power."""

from typing import NamedTuple

import tensorflow as tf

from unifiedqr_tensorflow.namespace.dtypes import finfo
from unifiedqr_tensorflow.vectorization import vectorized


class _Format(NamedTuple):
    """Where IEEE 754 keeps an exponent: `bits` of it, in an integer, above the digits."""

    integer: tf.DType
    digits: int
    bits: int

    @property
    def bias(self) -> int:
        return 2 ** (self.bits - 1) - 1

    @property
    def mask(self) -> int:
        return (2**self.bits - 1) << self.digits


_FORMATS = {2: _Format(tf.int16, 10, 5), 4: _Format(tf.int32, 23, 8), 8: _Format(tf.int64, 52, 11)}
"""By the bytes of a real number."""


def power_of_two(exponents: tf.Tensor, /) -> tf.Tensor:
    """Return 2 to the power of integers, real numbers whose powers are normal ones."""
    layout = _FORMATS[exponents.dtype.size]
    biased = tf.cast(exponents, layout.integer) + layout.bias
    shifted = tf.bitwise.left_shift(biased, tf.constant(layout.digits, layout.integer))
    return tf.stop_gradient(_bitcast(shifted, exponents.dtype))


def leading_power_of_two(x: tf.Tensor, /) -> tf.Tensor:
    """Return 2^floor(log2 x) for x >= 0, as if nothing were subnormal, nor so large that its reciprocal is."""
    layout = _FORMATS[x.dtype.size]
    kept = tf.bitwise.bitwise_and(_bitcast(x, layout.integer), tf.constant(layout.mask, layout.integer))
    least = finfo(x.dtype).smallest_normal
    return tf.stop_gradient(tf.clip_by_value(_bitcast(kept, x.dtype), least, 0.25 / least))


def _bitcast(x: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    bits = tf.bitcast(x, dtype)
    vectorized([bits], lambda stack: [_bitcast(stack, dtype)])
    return bits
