"""What the public rules check before any arithmetic: shapes, dtypes and whose arrays these are."""

from collections.abc import Sequence
from typing import Any

import array_api_compat

from unifiedqr._typing import Array, Namespace
from unifiedqr.errors import DtypeError, ForeignArrayError, ShapeError

NOT_PLAIN = ("MaskedArray", "matrix")
"""Subclasses of NumPy's array that would go through as one and come out wrong."""


def factors_at_the_door(**factors: Array) -> Namespace:
    """Check the two factors of A = X Y, left one first, and give their namespace."""
    (left_name, left), (right_name, right) = factors.items()
    xp = _namespace_of(left, right)
    stacked = left.ndim >= 2 and left.ndim == right.ndim and left.shape[:-2] == right.shape[:-2]
    if not stacked or not (left.shape[-1] == right.shape[-2] == min(left.shape[-2], right.shape[-1])):
        raise ShapeError(
            f"{left_name} {tuple(left.shape)} and {right_name} {tuple(right.shape)} are not reduced factors of one "
            f"matrix: with A of shape (..., m, n) and k = min(m, n), {left_name} is (..., m, k) and {right_name} "
            f"(..., k, n). Pass both as one decomposition returned them."
        )
    if left.dtype != right.dtype or not _is_computed_in(xp, left.dtype):
        raise DtypeError(
            f"{left_name} is {left.dtype} and {right_name} is {right.dtype}; both must have the same real or complex "
            f"floating dtype, of single or double precision. Convert them with xp.astype."
        )
    return xp


def cotangents_at_the_door(**pairs: tuple[Array, Array | None]) -> tuple[Array | None, ...]:
    """Check that every cotangent that is not None has the shape and dtype of its factor; real becomes complex."""
    return tuple(
        None if cotangent is None else _fitted(f"cotangent {name}_bar", cotangent, factor.dtype, factor.shape)
        for name, (factor, cotangent) in pairs.items()
    )


def tangent_at_the_door(A_dot: Array, *, dtype: object, shape: tuple[int, ...]) -> Array:
    """Check that a tangent has the shape and dtype of the matrix; a real one becomes complex."""
    return _fitted("tangent A_dot", A_dot, dtype, shape)


def _is_computed_in(xp: Namespace, dtype: Any) -> bool:
    floating = xp.isdtype(dtype, ("real floating", "complex floating"))
    return bool(floating) and xp.finfo(dtype).bits in (32, 64)


def _fitted(name: str, array: Array, dtype: Any, shape: Sequence[int]) -> Array:
    xp = _namespace_of(array)
    if tuple(array.shape) != tuple(shape):
        raise ShapeError(
            f"{name} has shape {tuple(array.shape)}; it must have shape {tuple(shape)}. Reshape or transpose it."
        )
    if array.dtype == dtype:
        return array
    same_precision = xp.isdtype(array.dtype, "real floating") and xp.isdtype(dtype, "complex floating")
    if same_precision and xp.finfo(array.dtype).bits == xp.finfo(dtype).bits:
        return xp.astype(array, dtype)
    raise DtypeError(f"{name} has dtype {array.dtype}; it must have dtype {dtype}. Convert it with xp.astype.")


def _namespace_of(*arrays: Array) -> Namespace:
    unusual = [type(array).__name__ for array in arrays if type(array).__name__ in NOT_PLAIN]
    if unusual:
        raise ForeignArrayError(
            f"a {unusual[0]} came, whose arithmetic is not that of arrays. Pass a plain one: numpy.asarray drops a "
            f"mask, numpy.ma.filled replaces what it hides."
        )
    try:
        return array_api_compat.array_namespace(*arrays)
    except TypeError as error:
        kinds = ", ".join(type(array).__name__ for array in arrays)
        raise ForeignArrayError(
            f"no Array API namespace found for {kinds}. Pass arrays of one Array API library, or name the namespace: "
            f"xp=unifiedqr.namespace(array)."
        ) from error
