r"""Derivative rules of column-pivoted QR, whole or truncated, and of row-pivoted LQ.

A[:, p] = Q R with p locally constant, so that

    (PV.1)  A_bar[:, p] = qr_vjp(Q, R, Q_bar, R_bar),   (Q_dot, R_dot) = qr_jvp(Q, R, A_dot[:, p])

for every shape, real and complex: the wide case uses the leading pivots, not the leading columns of A. After r < k
steps Q is m x r, R = [U V] is r x n, and both are smooth functions of A as long as U is nonsingular, whatever the rank:

    (PV.2)  A_bar_1 = Q (U_bar + lowskew(Q^H Q_bar - R_bar R^H) U^-H) + Π (Q_bar + A_2 V_bar^H) U^-H,  A_bar_2 = Q V_bar
    (QR.2)  V_dot = Q^H A_dot_2 - Ω V + N^H A_2,   N = B - Q X of (QR.1)

with A_1 the pivot columns, A_2 the others. At ties of pivots Q and R jump; the rules give the one-sided derivative for
the p that was used.

References
----------
D. A. O. Roberts, L. R. Roberts (2020), QR and LQ decomposition matrix backpropagation algorithms, arXiv 2009.10071.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.namespaces import is_complete
from unifiedqr.arrays.operators import (
    Shape,
    add_to_leading_columns,
    adjoint,
    columns_at,
    inverse_of,
    leading_columns,
    lowskew,
    order_of,
    plus,
    shape_of_product,
)
from unifiedqr.arrays.triangle import guarded, has_marked
from unifiedqr.rules.qr import core_pushforward, qr_jvp, qr_singular, qr_vjp
from unifiedqr.rules.validation import check_cotangents, check_factors, check_permutation, check_tangent


def qr_pivoted_vjp(
    Q: Array, R: Array, P: Array, Q_bar: Array | None, R_bar: Array | None, *, A: Array = None, xp: Namespace = None
) -> Array:
    """Pull cotangents of column-pivoted QR factors back to the matrix.

    Parameters
    ----------
    Q : array, shape (..., m, r)
        Orthonormal factor; r = k = min(m, n), or less if the factorization was truncated.
    R : array, shape (..., r, n)
        Upper trapezoidal factor with real diagonal, of either sign.
    P : integer array, shape (..., n)
        Pivots: ``A[..., :, P] = Q R`` per matrix, up to what was truncated.
    Q_bar, R_bar : array or None
        Cotangents, of the shape and dtype of `Q` and `R`; None means zero; real ones are accepted for complex factors.
    A : array, shape (..., m, n), optional
        The matrix itself, which is needed if r < k.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `Q` if it has one. P is then (..., 1, n), of the dtype of `Q`.

    Returns
    -------
    A_bar : array, shape (..., m, n)
        Gradient with respect to A under <X_bar, dX> = Re tr(X_bar^H dX). For a matrix of the batch whose rank is less
        than r it exists for cotangents that are zero beyond that rank, as in `qr_vjp`, and is NaN for others.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other, a cotangent does not fit its factor, or A is missing.

    Notes
    -----
    Equation (PV.1), and (PV.2) if truncated.

    References
    ----------
    D. A. O. Roberts, L. R. Roberts (2020), arXiv 2009.10071.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_pivoted_vjp
    >>> Q, R, P = np.array([[1.0]]), np.array([[2.0, 1.0]]), np.array([1, 0])  # A = [[1, 2]]
    >>> qr_pivoted_vjp(Q, R, P, None, np.array([[1.0, 0.0]]))  # gradient of R_11 = |A_12|
    array([[0., 1.]])
    """
    if not is_complete(xp):
        xp = check_factors(xp, truncated=A is not None, Q=Q, R=R)
        Q_bar, R_bar = check_cotangents(xp, Q=(Q, Q_bar), R=(R, R_bar))
        P = check_permutation(xp, P, R)
        A = None if A is None else check_tangent(xp, A, dtype=Q.dtype, shape=(*Q.shape[:-1], R.shape[-1]), name="A")
    if R.shape[-2] == 0:  # no column to derive, and in some frameworks none to permute
        return xp.zeros_like(Q @ R)
    inverse = inverse_of(xp, P)
    if A is None or _is_whole(xp, A, R):
        return columns_at(xp, qr_vjp(Q, R, Q_bar, R_bar, xp=xp), inverse)  # (PV.1)
    if Q_bar is None and R_bar is None:
        return xp.zeros_like(A)
    A = columns_at(xp, A, xp.argsort(inverse, axis=-1))
    return columns_at(xp, _truncated_pullback(xp, A, Q, R, Q_bar, R_bar), inverse)


def qr_pivoted_jvp(
    Q: Array, R: Array, P: Array, A_dot: Array, *, A: Array = None, xp: Namespace = None
) -> tuple[Array, Array]:
    """Push a tangent of the matrix forward to its column-pivoted QR factors.

    Parameters
    ----------
    Q : array, shape (..., m, r)
        Orthonormal factor; r = k = min(m, n), or less if the factorization was truncated.
    R : array, shape (..., r, n)
        Upper trapezoidal factor with real diagonal, of either sign.
    P : integer array, shape (..., n)
        Pivots: ``A[..., :, P] = Q R`` per matrix, up to what was truncated.
    A_dot : array, shape (..., m, n)
        Tangent of A.
    A : array, shape (..., m, n), optional
        The matrix itself, which is needed if r < k.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `Q` if it has one. P is then (..., 1, n), of the dtype of `Q`.

    Returns
    -------
    Q_dot : array, shape (..., m, r)
    R_dot : array, shape (..., r, n)
        Tangents of the factors; NaN beyond the rank of a matrix of the batch, as in `qr_jvp`.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other, the tangent does not fit them, or A is missing.

    Notes
    -----
    Equation (PV.1) around (QR.1) and (QR.2), with N^H A_2 in (QR.2) if truncated.

    References
    ----------
    D. A. O. Roberts, L. R. Roberts (2020), arXiv 2009.10071.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_pivoted_jvp
    >>> Q, R, P = np.array([[1.0]]), np.array([[2.0, 1.0]]), np.array([1, 0])  # A = [[1, 2]]
    >>> qr_pivoted_jvp(Q, R, P, np.array([[5.0, 7.0]]))[1]
    array([[7., 5.]])
    """
    if not is_complete(xp):
        xp = check_factors(xp, truncated=A is not None, Q=Q, R=R)
        whole = (*Q.shape[:-1], R.shape[-1])
        A_dot = check_tangent(xp, A_dot, dtype=Q.dtype, shape=whole)
        P = check_permutation(xp, P, R)
        A = None if A is None else check_tangent(xp, A, dtype=Q.dtype, shape=whole, name="A")
    if R.shape[-2] == 0:  # no column to derive, and in some frameworks none to permute
        return xp.zeros_like(Q), xp.zeros_like(R)
    order = order_of(xp, P)
    A_dot = columns_at(xp, A_dot, order)
    if A is None or _is_whole(xp, A, R):
        return qr_jvp(Q, R, A_dot, xp=xp)  # (PV.1)
    return _truncated_pushforward(xp, columns_at(xp, A, order), Q, R, A_dot)


def pivoted_singular(Q: Array, R: Array, *, A: Array = None, xp: Namespace) -> Array:
    """Return per matrix, in a boolean array (..., 1, 1), whether a part of its pivoted factors has no derivative."""
    if A is None or _is_whole(xp, A, R) or R.shape[-2] == 0:
        return qr_singular(Q, R, xp=xp)
    return has_marked(xp, R, _truncated_shape(xp, A, R))


def _is_whole(xp: Namespace, A: Array, R: Array) -> bool:
    """Return whether nothing was truncated; the truncated rule is right there too, if not the fastest."""
    return None not in A.shape[-2:] and R.shape[-2] == shape_of_product(xp, A, A).k


def _truncated_shape(xp: Namespace, A: Array, R: Array) -> Shape:
    """Return the shape as the rules see it: Q has more rows than columns, and R more columns than rows."""
    r = shape_of_product(xp, R, adjoint(xp, R)).k
    return Shape(r, shape_of_product(xp, A, A).longer, deep=True, wide=True)


def _truncated_pullback(xp: Namespace, A: Array, Q: Array, R: Array, Q_bar: Array | None, R_bar: Array | None) -> Array:
    """Return A_bar by (PV.2), A having its pivot columns first; at least one cotangent is given."""
    shape = _truncated_shape(xp, A, R)
    r = shape.k
    triangle = guarded(xp, R, shape)
    read = xp.zeros_like(R) if R_bar is None else triangle.unmarked_rows(R_bar)
    bar = triangle.per_g(read)
    P, outside, W = -(bar @ adjoint(xp, R)), A[..., r:] @ adjoint(xp, bar[..., r:]), None  # A_2 V_bar^H + Q_bar
    if Q_bar is not None:
        given = triangle.per_g(Q_bar)
        W = xp.beyond.inner(Q, given)
        P, outside = P + W, outside + given
    F = lowskew(xp, P) - xp.beyond.inner(Q, outside)
    X, first = (triangle.by_D(xp.beyond.quotients(triangle.U, Y)[0]) for Y in (F, outside))  # (QR.7)
    K = add_to_leading_columns(xp, read, X, shape)
    K = plus(K, triangle.undefined(Q_bar=Q_bar, W=W, R_bar=R_bar))
    A_bar = Q @ K
    return xp.concat([A_bar[..., :r] + first, A_bar[..., r:]], axis=-1)  # (PV.2)


def _truncated_pushforward(xp: Namespace, A: Array, Q: Array, R: Array, A_dot: Array) -> tuple[Array, Array]:
    shape = _truncated_shape(xp, A, R)
    r = shape.k
    triangle = guarded(xp, R, shape)
    omega, T, R_dot = core_pushforward(triangle, xp.beyond.inner(Q, A_dot))
    N = triangle.divide_scaled(leading_columns(A_dot, shape)) - Q @ (omega + T)  # (QR.1)
    V_dot = R_dot[..., r:] + xp.beyond.inner(N, A[..., r:])  # (QR.2)
    return Q @ omega + N, xp.concat([R_dot[..., :r], V_dot], axis=-1)
