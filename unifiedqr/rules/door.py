"""What the public rules check before any arithmetic: shapes, dtypes and whose arrays these are."""

import array_api_compat

from unifiedqr._typing import Array, Namespace
from unifiedqr.errors import DtypeError, ForeignArrayError, ShapeError


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
    if left.dtype != right.dtype or not xp.isdtype(left.dtype, ("real floating", "complex floating")):
        raise DtypeError(
            f"{left_name} is {left.dtype} and {right_name} is {right.dtype}; both must have the same real or complex "
            f"floating dtype. Convert them with xp.astype."
        )
    return xp


def cotangents_at_the_door(**pairs: tuple[Array, Array | None]) -> None:
    """Check that every cotangent that is not None has the shape and dtype of its factor."""
    for name, (factor, cotangent) in pairs.items():
        if cotangent is not None:
            _check(f"cotangent {name}_bar", cotangent, factor.dtype, tuple(factor.shape))


def tangent_at_the_door(A_dot: Array, *, dtype: object, shape: tuple[int, ...]) -> None:
    """Check that a tangent has the shape and dtype of the matrix."""
    _check("tangent A_dot", A_dot, dtype, shape)


def _check(name: str, array: Array, dtype: object, shape: tuple[int, ...]) -> None:
    if tuple(array.shape) != shape:
        raise ShapeError(f"{name} has shape {tuple(array.shape)}; it must have shape {shape}. Reshape or transpose it.")
    if array.dtype != dtype:
        raise DtypeError(f"{name} has dtype {array.dtype}; it must have dtype {dtype}. Convert it with xp.astype.")


def _namespace_of(*arrays: Array) -> Namespace:
    try:
        return array_api_compat.array_namespace(*arrays)
    except TypeError as error:
        kinds = ", ".join(type(array).__name__ for array in arrays)
        raise ForeignArrayError(
            f"no Array API namespace found for {kinds}. Pass arrays of one Array API library, or name the namespace: "
            f"xp=unifiedqr.namespace(array)."
        ) from error
