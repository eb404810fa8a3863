"""Data types of the Array API standard as TensorFlow has them, and their promotion."""

# ruff: noqa: A002 (names and parameters are the standard's)

from typing import Any, NamedTuple

import ml_dtypes
import numpy as np
import tensorflow as tf

DTYPES: dict[str, tf.DType] = {
    name: getattr(tf, name)
    for name in (
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    )
}

KINDS: dict[str, tuple[str, ...]] = {
    "bool": ("bool",),
    "signed integer": ("int8", "int16", "int32", "int64"),
    "unsigned integer": ("uint8", "uint16", "uint32", "uint64"),
    "real floating": ("float16", "bfloat16", "float32", "float64"),
    "complex floating": ("complex64", "complex128"),
}
KINDS["integral"] = KINDS["signed integer"] + KINDS["unsigned integer"]
KINDS["numeric"] = KINDS["integral"] + KINDS["real floating"] + KINDS["complex floating"]

SCALAR_DTYPES = {bool: tf.bool, int: tf.int32, float: tf.float32, complex: tf.complex64}
"""Default dtype of each Python scalar; TensorFlow's own default float decides for complex too."""


class FloatInfo(NamedTuple):
    """Machine limits of a floating dtype; of a complex dtype, those of its parts."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: tf.DType


class IntegerInfo(NamedTuple):
    """Machine limits of an integer dtype."""

    bits: int
    max: int
    min: int
    dtype: tf.DType


def isdtype(dtype: tf.DType, kind: Any) -> bool:
    """Return whether a dtype is of a kind: a name of `KINDS`, a dtype, or a tuple of these."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, part) for part in kind)
    if isinstance(kind, str):
        return tf.as_dtype(dtype).name in KINDS[kind]
    return tf.as_dtype(dtype) == kind


def finfo(type: Any, /) -> FloatInfo:
    """Return the machine limits of a floating dtype, or of an array's."""
    dtype = tf.as_dtype(getattr(type, "dtype", type)).real_dtype
    limits = ml_dtypes.finfo(dtype.as_numpy_dtype)
    eps, largest, least, smallest = map(float, (limits.eps, limits.max, limits.min, limits.smallest_normal))
    return FloatInfo(int(limits.bits), eps, largest, least, smallest, dtype)


def iinfo(type: Any, /) -> IntegerInfo:
    """Return the machine limits of an integer dtype, or of an array's."""
    dtype = tf.as_dtype(getattr(type, "dtype", type))
    return IntegerInfo(8 * dtype.size, dtype.max, dtype.min, dtype)


def result_type(*arrays_and_dtypes: Any) -> tf.DType:
    """Return the dtype that tensors, dtypes and Python scalars promote to; scalars never widen within their kind."""
    dtypes = [tf.as_dtype(getattr(x, "dtype", x)) for x in arrays_and_dtypes if type(x) not in SCALAR_DTYPES]
    scalars = [SCALAR_DTYPES[type(x)] for x in arrays_and_dtypes if type(x) in SCALAR_DTYPES]
    if not dtypes:
        return _joined(scalars)
    joined = _joined(dtypes)
    for scalar in scalars:
        if scalar.is_complex and joined.is_floating:
            joined = tf.complex128 if joined == tf.float64 else tf.complex64
        elif _rank(scalar) > _rank(joined):
            joined = scalar
    return joined


def can_cast(from_: Any, to: tf.DType, /) -> bool:
    """Return whether a dtype, or an array's, promotes to another without loss."""
    return result_type(from_, to) == to


def promoted(*arrays: Any) -> tuple[tf.Tensor, ...]:
    """Return tensors and Python scalars as tensors of their common dtype: TensorFlow's operations promote nothing."""
    dtype = result_type(*arrays)
    return tuple(converted(x, dtype) for x in arrays)


def converted(x: Any, dtype: tf.DType) -> tf.Tensor:
    """Return a tensor or Python scalar in another dtype."""
    if isinstance(x, (bool, int, float, complex)):
        return tf.constant(np.asarray(x), dtype=dtype)  # a cast would round it to single precision on the way
    if not dtype.is_complex or getattr(x, "dtype", dtype).is_complex:
        return tf.cast(x, dtype)
    # The gradient of a cast to complex is a cast back, of which TensorFlow warns.
    real = tf.cast(x, dtype.real_dtype)
    return tf.complex(real, tf.zeros_like(real))


def _rank(dtype: tf.DType) -> int:
    return next(
        i for i, kind in enumerate((dtype.is_bool, dtype.is_integer, dtype.is_floating, dtype.is_complex)) if kind
    )


def _joined(dtypes: list[tf.DType]) -> tf.DType:
    joined = dtypes[0]
    for dtype in dtypes[1:]:
        if (joined.is_integer and dtype.is_floating) or joined.is_bool:
            joined = dtype  # as PyTorch and JAX do; the standard leaves integer with floating open
        elif not ((joined.is_floating and dtype.is_integer) or dtype.is_bool):
            joined = _widened(joined, dtype)
    return joined


def _widened(one: tf.DType, other: tf.DType) -> tf.DType:
    if one == other:
        return one
    if {one, other} == {tf.float16, tf.bfloat16}:
        return tf.float32
    if one.is_complex or other.is_complex:
        wide = tf.float64 in (one.real_dtype, other.real_dtype)
        return tf.complex128 if wide else tf.complex64
    if one.is_unsigned != other.is_unsigned and one.is_integer:
        signed, unsigned = (other, one) if one.is_unsigned else (one, other)
        size = max(signed.size, min(2 * unsigned.size, tf.int64.size))
        return tf.as_dtype(f"int{8 * size}")
    return one if one.size >= other.size else other
