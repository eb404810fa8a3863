"""Elementwise functions of the Array API standard, on TensorFlow."""

# ruff: noqa: A002 (names and parameters are the standard's)

import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from unifiedqr_tensorflow.namespace.dtypes import converted, promoted

Elementwise = Callable[..., tf.Tensor]


def astype(x: tf.Tensor, dtype: tf.DType, /, *, copy: bool = True, device: str | None = None) -> tf.Tensor:
    """Return x in another dtype; a complex x must be taken apart with `real` and `imag`, as the standard has it."""
    x = tf.convert_to_tensor(x)
    if x.dtype.is_complex and not tf.as_dtype(dtype).is_complex:
        raise TypeError(f"{x.dtype.name} cannot become {tf.as_dtype(dtype).name}; take xp.real or xp.imag first.")
    return converted(x, tf.as_dtype(dtype))


def isfinite(x: tf.Tensor, /) -> tf.Tensor:
    """Return where x is neither infinite nor NaN, in both parts."""
    return _of_parts(tf.math.is_finite, tf.logical_and, x, others=tf.ones_like)


def isinf(x: tf.Tensor, /) -> tf.Tensor:
    """Return where x is infinite, in either part."""
    return _of_parts(tf.math.is_inf, tf.logical_or, x, others=tf.zeros_like)


def isnan(x: tf.Tensor, /) -> tf.Tensor:
    """Return where x is NaN, in either part."""
    return _of_parts(tf.math.is_nan, tf.logical_or, x, others=tf.zeros_like)


def log2(x: tf.Tensor, /) -> tf.Tensor:
    """Return the binary logarithm, to within a rounding of the natural one."""
    return tf.math.log(x) / math.log(2)


def log10(x: tf.Tensor, /) -> tf.Tensor:
    """Return the decimal logarithm, to within a rounding of the natural one."""
    return tf.math.log(x) / math.log(10)


def clip(x: tf.Tensor, /, min: Any = None, max: Any = None) -> tf.Tensor:
    """Limit x to [min, max]; None does not limit."""
    x = tf.convert_to_tensor(x)
    x = x if min is None else tf.maximum(x, converted(min, x.dtype))
    return x if max is None else tf.minimum(x, converted(max, x.dtype))


def signbit(x: tf.Tensor, /) -> tf.Tensor:
    """Return where the sign bit is set, as it is of -0."""
    integer = {2: tf.int16, 4: tf.int32, 8: tf.int64}[x.dtype.size]
    return tf.bitcast(x, integer) < 0


def _not(x: tf.Tensor, /) -> tf.Tensor:
    """Negate by a selection: in graphs TensorFlow makes x <= y of not (x > y), which is false of a NaN."""
    return tf.where(x, tf.constant(False), tf.constant(True))


def where(condition: tf.Tensor, x1: Any, x2: Any, /) -> tf.Tensor:
    """Select from x1 where the condition holds, from x2 elsewhere."""
    chosen, other = promoted(x1, x2)
    return tf.where(condition, x=chosen, y=other)


def _of_parts(test: Elementwise, join: Elementwise, x: tf.Tensor, *, others: Elementwise) -> tf.Tensor:
    if x.dtype.is_complex:
        return join(test(tf.math.real(x)), test(tf.math.imag(x)))
    return test(x) if x.dtype.is_floating else others(x, dtype=tf.bool)


def _binary(operation: Elementwise) -> Elementwise:
    def apply(x1: Any, x2: Any, /) -> tf.Tensor:
        return operation(*promoted(x1, x2))

    return _described(apply, operation)


def _of_bits(operation: Elementwise, logical: Elementwise | None = None) -> Elementwise:
    """Return an operation on the bits of integers, and on booleans a logical one."""

    def apply(*arrays: Any) -> tf.Tensor:
        alike = promoted(*arrays)
        return (logical or operation)(*alike) if alike[0].dtype.is_bool else operation(*alike)

    return _described(apply, operation)


def _copysign(x1: tf.Tensor, x2: tf.Tensor) -> tf.Tensor:
    return tf.where(signbit(x1) == signbit(x2), x1, -x1)


def _trunc(x: tf.Tensor) -> tf.Tensor:
    return _copysign(tf.floor(tf.abs(x)), x)


def _logaddexp(x1: tf.Tensor, x2: tf.Tensor) -> tf.Tensor:
    return tf.maximum(x1, x2) + tf.math.softplus(-tf.abs(x1 - x2))


def _round(x: tf.Tensor) -> tf.Tensor:
    return tf.complex(tf.round(tf.math.real(x)), tf.round(tf.math.imag(x))) if x.dtype.is_complex else tf.round(x)


def _rounding(operation: Elementwise) -> Elementwise:
    """Let a rounding function pass integers, which TensorFlow's do not take."""

    def apply(x: tf.Tensor, /) -> tf.Tensor:
        return x if x.dtype.is_integer else operation(x)

    return _described(apply, operation)


def _described(apply: Elementwise, operation: Elementwise) -> Elementwise:
    apply.__name__ = operation.__name__
    apply.__doc__ = f"Apply TensorFlow's ``{operation.__name__}`` under the standard's promotion of dtypes."
    return apply


UNARY: dict[str, Elementwise] = {
    "abs": tf.abs,
    "negative": tf.negative,
    "positive": tf.identity,
    "conj": tf.math.conj,
    "real": tf.math.real,
    "imag": tf.math.imag,
    "sign": tf.sign,
    "sqrt": tf.sqrt,
    "square": tf.square,
    "reciprocal": tf.math.reciprocal,
    "exp": tf.exp,
    "expm1": tf.math.expm1,
    "log": tf.math.log,
    "log1p": tf.math.log1p,
    "sin": tf.sin,
    "cos": tf.cos,
    "tan": tf.tan,
    "sinh": tf.sinh,
    "cosh": tf.cosh,
    "tanh": tf.tanh,
    "asin": tf.asin,
    "acos": tf.acos,
    "atan": tf.atan,
    "asinh": tf.asinh,
    "acosh": tf.acosh,
    "atanh": tf.atanh,
    "logical_not": _not,
    "floor": _rounding(tf.floor),
    "ceil": _rounding(tf.math.ceil),
    "round": _rounding(_round),
    "trunc": _rounding(_trunc),
}

BINARY: dict[str, Elementwise] = {
    name: _binary(operation)
    for name, operation in {
        "add": tf.add,
        "subtract": tf.subtract,
        "multiply": tf.multiply,
        "divide": tf.math.truediv,
        "floor_divide": tf.math.floordiv,
        "remainder": tf.math.floormod,
        "pow": tf.pow,
        "atan2": tf.math.atan2,
        "hypot": lambda x1, x2: tf.abs(tf.complex(x1, x2)),
        "maximum": tf.maximum,
        "minimum": tf.minimum,
        "equal": tf.equal,
        "not_equal": tf.not_equal,
        "less": tf.less,
        "less_equal": tf.less_equal,
        "greater": tf.greater,
        "greater_equal": tf.greater_equal,
        "copysign": _copysign,
        "logaddexp": _logaddexp,
        "nextafter": tf.math.nextafter,
        "logical_and": tf.logical_and,
        "logical_or": tf.logical_or,
        "logical_xor": tf.math.logical_xor,
    }.items()
} | {
    "bitwise_and": _of_bits(tf.bitwise.bitwise_and, tf.logical_and),
    "bitwise_or": _of_bits(tf.bitwise.bitwise_or, tf.logical_or),
    "bitwise_xor": _of_bits(tf.bitwise.bitwise_xor, tf.math.logical_xor),
    "bitwise_invert": _of_bits(tf.bitwise.invert, _not),
    "bitwise_left_shift": _of_bits(tf.bitwise.left_shift),
    "bitwise_right_shift": _of_bits(tf.bitwise.right_shift),
}
