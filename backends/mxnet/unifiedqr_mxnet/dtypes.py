"""Dtypes of the namespace: NumPy's scalar types, which MXNet uses too, and the functions on them."""

from typing import Any

import numpy as np

KINDS = {
    "bool": "b",
    "signed integer": "i",
    "unsigned integer": "u",
    "integral": "iu",
    "real floating": "f",
    "complex floating": "c",
    "numeric": "iufc",
}


def name_of(dtype: Any) -> str:
    """Return a dtype's name, such as ``"float64"``."""
    return np.dtype(dtype).name


def isdtype(dtype: Any, kind: Any) -> bool:
    """Return whether a dtype is of a kind, equals a dtype, or does so for one member of a tuple of these."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, k) for k in kind)
    if isinstance(kind, str):
        if kind not in KINDS:
            raise ValueError(f"kind {kind!r} is unknown; choose one of {', '.join(map(repr, KINDS))}.")
        return np.dtype(dtype).kind in KINDS[kind]
    return bool(np.dtype(dtype) == np.dtype(kind))


def result_type(*arrays_and_dtypes: Any) -> Any:
    """Return the dtype to which arrays, dtypes and Python numbers are promoted together."""
    dtypes = [_dtype_of(x) for x in arrays_and_dtypes if not isinstance(x, (bool, int, float, complex))]
    numbers = [x for x in arrays_and_dtypes if isinstance(x, (bool, int, float, complex))]
    result = np.result_type(*dtypes)
    if any(isinstance(x, complex) for x in numbers) and result.kind == "f":
        result = np.result_type(result, np.complex64)
    return result.type


def can_cast(from_: Any, to: Any, /) -> bool:
    """Return whether a dtype, or an array's, can be cast to another without loss of kind."""
    return bool(np.can_cast(_dtype_of(from_), to))


def finfo(type_: Any, /) -> np.finfo:
    """Return the machine limits of a floating dtype, or of an array's."""
    return np.finfo(_dtype_of(type_))


def iinfo(type_: Any, /) -> np.iinfo:
    """Return the machine limits of an integer dtype, or of an array's."""
    return np.iinfo(_dtype_of(type_))


def _dtype_of(x: Any) -> np.dtype:
    return np.dtype(x if isinstance(x, (type, str, np.dtype)) else x.dtype)


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape to which all are broadcast."""
    return np.broadcast_shapes(*shapes)
