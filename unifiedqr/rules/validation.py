"""What the public rules check before any arithmetic: shapes, dtypes and the library of the arrays.

Each function takes the namespace that the user named, or None, and returns the one to compute in, or the arrays.
"""

from collections.abc import Sequence
from typing import Any

import array_api_compat

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.namespaces import complete_namespace
from unifiedqr.errors import DtypeError, ForeignArrayError, ShapeError

NOT_PLAIN = ("MaskedArray", "matrix")
"""Subclasses of NumPy's array that would pass as plain arrays and give wrong results."""


def check_factors(
    xp: Namespace | None, *, truncated: bool = False, square: bool = False, **factors: Array
) -> Namespace:
    """Return the namespace of the two factors of A = X Y, left one first, which fit each other."""
    (left_name, left), (right_name, right) = factors.items()
    xp = _namespace_of(left, right, named=xp)
    k = min(left.shape[-2], right.shape[-1]) if _are_stacked(left, right) else -1
    r = right.shape[-2] if k >= 0 else -1
    fits = 0 <= r <= k if truncated else r == k >= 0
    if not fits or left.shape[-1] != r or (square and left.shape[-2] != right.shape[-1]):
        raise ShapeError(
            f"{left_name} {tuple(left.shape)} and {right_name} {tuple(right.shape)} are not "
            f"{'truncated' if truncated else 'reduced'} factors of one {'square ' if square else ''}matrix: with A of "
            f"shape (..., m, n) and {'r at most' if truncated else 'k ='} min(m, n), {left_name} is (..., m, "
            f"{'r' if truncated else 'k'}) and {right_name} (..., {'r' if truncated else 'k'}, n). Pass both as one "
            f"decomposition returned them."
        )
    check_dtypes(xp, **factors)
    return xp


def check_complete_factors(xp: Namespace | None, **factors: Array) -> Namespace:
    """Return the namespace of the two factors of a complete decomposition, left one first, which fit each other."""
    (left_name, left), (right_name, right) = factors.items()
    xp = _namespace_of(left, right, named=xp)
    unitary, other = (left, right) if left_name == "Q" else (right, left)
    longer = max(other.shape[-2:], default=-1)
    if not _are_stacked(left, right) or not (unitary.shape[-2] == unitary.shape[-1] == longer == left.shape[-1]):
        raise ShapeError(
            f"{left_name} {tuple(left.shape)} and {right_name} {tuple(right.shape)} are not complete factors of one "
            f"matrix: Q is square and as large as the longer side of the other one. Pass both as one decomposition "
            f"returned them."
        )
    check_dtypes(xp, **factors)
    return xp


def check_triangle(xp: Namespace | None, A: Array, **factor: Array) -> Namespace:
    """Return the namespace of a matrix and its triangular factor, R or L, which fit each other."""
    ((name, X),) = factor.items()
    xp = _namespace_of(A, X, named=xp)
    fits = _are_stacked(A, X)
    if fits:
        m, n = A.shape[-2:]
        fits = tuple(X.shape[-2:]) == ((min(m, n), n) if name == "R" else (m, min(m, n)))
    if not fits:
        needed = "(..., k, n)" if name == "R" else "(..., m, k)"
        raise ShapeError(
            f"A {tuple(A.shape)} and {name} {tuple(X.shape)} do not belong together: with A of shape (..., m, n) and "
            f"k = min(m, n), {name} is {needed}. Pass what one decomposition of A returned."
        )
    check_dtypes(xp, A=A, **factor)
    return xp


def check_least_squares(xp: Namespace | None, A: Array, b: Array, Q: Array, R: Array) -> Namespace:
    """Return the namespace of a least squares problem and the factors of A, or of A^H if A is wide, which fit."""
    xp = check_factors(xp, Q=Q, R=R)
    m, n = A.shape[-2:] if A.ndim >= 2 else (-1, -1)
    if not _are_stacked(A, Q) or (Q.shape[-2], R.shape[-1]) != (max(m, n), min(m, n)):
        raise ShapeError(
            f"A {tuple(A.shape)} with Q {tuple(Q.shape)} and R {tuple(R.shape)}: Q and R must be the reduced QR "
            f"factors of A, or of A^H if A is wide."
        )
    if not _are_stacked(A, b) or b.shape[-2] != m:
        raise ShapeError(
            f"b has shape {tuple(b.shape)}; for A of shape {tuple(A.shape)} it must be (..., {m}, s), with the batch "
            f"dimensions of A. Give a single right-hand side as (..., {m}, 1)."
        )
    check_dtypes(xp, A=A, b=b, Q=Q)
    return xp


def check_weights(named: Namespace | None, A: Array, b: Array, w: Array, Q: Array, R: Array) -> Namespace:
    """Return the namespace of a weighted least squares problem and the factors of the weighted matrix, which fit."""
    xp = check_least_squares(named, A, b, Q, R)
    if A.shape[-2] <= A.shape[-1]:
        raise ShapeError(f"got A of shape {tuple(A.shape)}; expected more rows than columns where rows have weights.")
    if tuple(w.shape) != tuple(A.shape[:-1]) or not xp.isdtype(w.dtype, "real floating"):
        raise ShapeError(
            f"got weights of shape {tuple(w.shape)} and dtype {w.dtype}; expected real ones of shape "
            f"{tuple(A.shape[:-1])}, one for each row of A."
        )
    return xp


def check_update(named: Namespace | None, Q: Array, R: Array, F: Array, T: Array, U: Array, V: Array) -> Namespace:
    """Return the namespace of what F T + U V^H is made of and its factors, which fit each other."""
    xp = check_factors(named, Q=Q, R=R)
    given = {"F": F, "T": T, "U": U, "V": V}
    shapes = {name: tuple(X.shape[-2:]) for name, X in given.items() if _are_stacked(X, Q)}
    count, s = shapes.get("F", (-1, -1))[1], shapes.get("U", (-1, -1))[1]
    m, n = Q.shape[-2], R.shape[-1]
    if shapes != {"F": (m, count), "T": (count, n), "U": (m, s), "V": (n, s)}:
        came = ", ".join(f"{name} {tuple(X.shape)}" for name, X in given.items())
        raise ShapeError(
            f"got {came} with Q {tuple(Q.shape)} and R {tuple(R.shape)}; expected F (..., m, l), T (..., l, n), "
            f"U (..., m, s) and V (..., n, s) for the reduced QR factors of F T + U V^H."
        )
    check_dtypes(xp, Q=Q, **given)
    return xp


def check_append(named: Namespace | None, T: Array, B: Array, R: Array) -> Namespace:
    """Return the namespace of T, the rows B below it, and the triangle of both, which fit each other."""
    xp = _namespace_of(T, B, R, named=named)
    fits = _are_stacked(T, B) and _are_stacked(T, R) and T.shape[-1] == B.shape[-1] == R.shape[-1]
    if not fits or R.shape[-2] != min(T.shape[-2] + B.shape[-2], R.shape[-1]):
        raise ShapeError(
            f"got T {tuple(T.shape)}, B {tuple(B.shape)} and R {tuple(R.shape)}; expected T (..., l, n), B (..., p, n) "
            f"and R (..., k, n), the triangle of [T; B], k = min(l + p, n)."
        )
    check_dtypes(xp, T=T, B=B, R=R)
    return xp


def check_interpolative(named: Namespace | None, A: Array, P: Array, T: Array, Q: Array, R: Array) -> Namespace:
    """Return the namespace of an interpolative decomposition and the factors of its columns, which fit each other."""
    xp = check_factors(named, Q=Q, R=R)
    m, n = A.shape[-2:] if _are_stacked(A, Q) else (-1, -1)
    r, batch = R.shape[-1], tuple(R.shape[:-2])
    fits = Q.shape[-2] == m >= r <= n and tuple(T.shape) == (*batch, r, n) and tuple(P.shape) == (*batch, r)
    if not fits or not xp.isdtype(P.dtype, "integral"):
        raise ShapeError(
            f"got A {tuple(A.shape)}, P {tuple(P.shape)} of dtype {P.dtype}, T {tuple(T.shape)}, Q {tuple(Q.shape)} "
            f"and R {tuple(R.shape)}; expected (..., m, n), integers (..., r), (..., r, n), and the reduced QR factors "
            f"of the r columns of A that P names."
        )
    check_dtypes(xp, A=A, T=T, Q=Q)
    return xp


def check_chain(named: Namespace | None, A: Array, Omega: Array, factors: Sequence[Array]) -> Namespace:
    """Return the namespace of a matrix, a sketch of it, and the factors of the steps of the range finder, which fit."""
    r = len(factors) % 4
    if r != 2:
        raise ShapeError(f"got {len(factors)} factors; expected Q_0, R_0, ..., Q_2q, R_2q: two of each step.")
    xp = _namespace_of(A, Omega, *factors, named=named)
    sizes = (A.shape[-2], A.shape[-1]) if _are_stacked(A, Omega) and A.shape[-1] == Omega.shape[-2] else (-1, -1)
    r = Omega.shape[-1] if sizes[0] >= 0 else -1
    for i, (Q, R) in enumerate(zip(factors[::2], factors[1::2], strict=True)):
        if tuple(Q.shape) != (*A.shape[:-2], sizes[i % 2], r) or tuple(R.shape) != (*A.shape[:-2], r, r):
            raise ShapeError(
                f"got A {tuple(A.shape)}, Omega {tuple(Omega.shape)}, Q_{i} {tuple(Q.shape)} and R_{i} "
                f"{tuple(R.shape)}; expected (..., m, n), (..., n, r), (..., {'n' if i % 2 else 'm'}, r) and "
                f"(..., r, r), with one batch."
            )
        check_dtypes(xp, A=A, Omega=Omega, Q=Q, R=R)
    return xp


def check_permutation(xp: Namespace, P: Array, R: Array) -> Array:
    """Return pivots, integers (..., n) per R (..., r, n), as (..., 1, n) in the dtype of R."""
    expected = (*R.shape[:-2], R.shape[-1])
    if tuple(P.shape) != expected or not xp.isdtype(P.dtype, "integral"):
        raise ShapeError(
            f"P has shape {tuple(P.shape)} and dtype {P.dtype}; expected integers in shape {expected}. Pass it as "
            f"the decomposition returned it."
        )
    return xp.astype(xp.expand_dims(P, axis=-2), R.dtype)


def check_completion(xp: Namespace, Q: Array, R: Array, WY: tuple[Array, Array] | None) -> None:
    """Check that G and S of (CQ.1) fit reduced factors of a deep matrix; None does for the reduced Q."""
    if WY is None:
        return
    (*batch, m, n), (G, S) = Q.shape, WY
    if m <= n or R.shape[-1] != n or tuple(G.shape) != (*batch, n, n) or tuple(S.shape) != (*batch, 1, n):
        raise ShapeError(
            f"got WY of shapes {tuple(G.shape)} and {tuple(S.shape)} for Q {tuple(Q.shape)}; expected (..., n, n) and "
            f"(..., 1, n) for a Q of shape (..., m, n) with m > n. Pass QRFactor.WY of a complete factorization."
        )
    check_dtypes(xp, Q=Q, G=G)
    check_dtypes(xp, Q=Q, S=S)


def check_dtypes(xp: Namespace, **arrays: Array) -> None:
    """Check that arrays have the same dtype, one in which derivatives are computed."""
    (name, first), *others = arrays.items()
    for other_name, other in others:
        if first.dtype != other.dtype or not _is_computed_in(xp, first.dtype):
            raise DtypeError(
                f"{name} is {first.dtype} and {other_name} is {other.dtype}; both must have the same real or complex "
                f"floating dtype, of single or double precision. Convert them with xp.astype."
            )


def _are_stacked(X: Array, Y: Array) -> bool:
    return X.ndim >= 2 and X.ndim == Y.ndim and X.shape[:-2] == Y.shape[:-2]


def check_cotangents(xp: Namespace, **pairs: tuple[Array, Array | None]) -> tuple[Array | None, ...]:
    """Check that every cotangent that is not None has the shape and dtype of its factor; real becomes complex."""
    return tuple(
        None if cotangent is None else _fitted(xp, f"cotangent {name}_bar", cotangent, factor.dtype, factor.shape)
        for name, (factor, cotangent) in pairs.items()
    )


def check_tangent(
    xp: Namespace, A_dot: Array, *, dtype: object, shape: tuple[int, ...], name: str = "tangent A_dot"
) -> Array:
    """Check that a tangent, or what `name` says, has the shape and dtype of the matrix; a real one becomes complex."""
    return _fitted(xp, name, A_dot, dtype, shape)


def _is_computed_in(xp: Namespace, dtype: Any) -> bool:
    floating = xp.isdtype(dtype, ("real floating", "complex floating"))
    return bool(floating) and xp.finfo(dtype).bits in (32, 64)


def _fitted(xp: Namespace, name: str, array: Array, dtype: Any, shape: Sequence[int]) -> Array:
    _refuse_unusual(array)
    if tuple(array.shape) != tuple(shape):
        raise ShapeError(
            f"{name} has shape {tuple(array.shape)}; expected shape {tuple(shape)}. Reshape or transpose it."
        )
    if array.dtype == dtype:
        return array
    same_precision = xp.isdtype(array.dtype, "real floating") and xp.isdtype(dtype, "complex floating")
    if same_precision and xp.finfo(array.dtype).bits == xp.finfo(dtype).bits:
        return xp.astype(array, dtype)
    raise DtypeError(f"{name} has dtype {array.dtype}; expected dtype {dtype}. Convert it with xp.astype.")


def _refuse_unusual(*arrays: Array) -> None:
    unusual = [type(array).__name__ for array in arrays if type(array).__name__ in NOT_PLAIN]
    if unusual:
        raise ForeignArrayError(
            f"got a {unusual[0]}, whose arithmetic is not that of arrays; expected a plain one: numpy.asarray drops a "
            f"mask, numpy.ma.filled replaces what it hides."
        )


def _namespace_of(*arrays: Array, named: Namespace | None) -> Namespace:
    _refuse_unusual(*arrays)
    if named is not None:
        return complete_namespace(named)
    try:
        xp = array_api_compat.array_namespace(*arrays)
    except TypeError as error:
        kinds = ", ".join(type(array).__name__ for array in arrays)
        raise ForeignArrayError(
            f"got {kinds}, which have no Array API namespace; expected arrays of one Array API library. Or name the "
            f"namespace: xp=unifiedqr.namespace(array)."
        ) from error
    return complete_namespace(xp)
