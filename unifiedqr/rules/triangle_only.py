r"""Derivative rules of R alone, Q never having been formed, and of L alone.

A is m x n, k = min(m, n), A_1 its first k columns, R = [U V]. From A and R

    (R.2)  Q_0 = A_1 U^-1,   Q = Q_0 (I - up(Q_0^H Q_0 - I)) + O(|Q_0^H Q_0 - I|^2)
    (R.1)  A_bar = Q (R_bar - [lowskew(R_bar R^H) U^-H, 0])

The factor of (R.2) is the inverse of the Cholesky factor of Q_0^H Q_0, to first order: without it (R.1) would lose the
digits that Q_0 has lost, with it the result is as good as from Householder's Q. The small factor is multiplied first,
so that the long side is passed three times. The last pivot of a real square or wide matrix is needed like any other.

Where columns r, r + 1, ... are marked (DC.1), Q_1 = Q[:, :r] and A_1, A_2 the first r columns of A and the others,

    (DC.2)  A_bar_1 = Q_1 (U_bar - lowskew(R_bar R^H) U^-H) + Π A_2 V_bar^H U^-H,   A_bar_2 = Q_1 V_bar

with Π = I - Q_1 Q_1^H, which is (PV.2) for Q_bar = 0. It is (R.1) for A = Q R with the identity in the marked rows of R
and Π A_2 in the marked columns of Q, and what columns beyond the first k add to that.

References
----------
M. Seeger, A. Hetzel, Z. Dai, E. Meissner, N. Lawrence (2017), Auto-differentiating linear algebra; N. J. Higham (2002),
Accuracy and Stability of Numerical Algorithms, chapter 19.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.dependence import anywhere
from unifiedqr.arrays.namespaces import is_complete
from unifiedqr.arrays.operators import (
    Shape,
    add_to_leading_columns,
    adjoint,
    identity_like,
    leading_columns,
    plus,
    shape_of_product,
    up,
)
from unifiedqr.arrays.triangle import Triangle, guarded, has_marked
from unifiedqr.rules.qr import core_pullback, core_pushforward
from unifiedqr.rules.validation import check_cotangents, check_tangent, check_triangle


def r_singular(A: Array, R: Array, *, xp: Namespace) -> Array:
    """Return per matrix, in a boolean array (..., 1, 1), whether a part of R has no derivative from A and R."""
    return has_marked(xp, R, shape_of_product(xp, A, A), every=True)


def _frame(xp: Namespace, A: Array, R: Array, shape: Shape) -> tuple[Triangle, Array, Array]:
    """Return the triangle, Q_0 and the factor I - up(Q_0^H Q_0 - I) of (R.2).

    Of marked columns the rows of the triangle become those of the identity: A = Q R still holds, for the columns that
    R does not reach, with what is orthogonal to Q[:, :r] of A's own columns in the place of Q[:, r:] (DC.2).
    """
    triangle = guarded(xp, R, shape, every=True)
    # The inverse of a triangle loses no more than a solve, and a product is faster (N. J. Higham 2002, section 14.2).
    Q = xp.beyond.combination((leading_columns(A, shape), triangle.inverse()))
    identity = identity_like(xp, triangle.U)
    off = xp.beyond.inner(Q, Q) - identity
    marked = triangle.marked
    if marked is not None:
        rows = xp.matrix_transpose(marked)
        off = xp.where(xp.logical_and(rows, marked), xp.zeros_like(off), off)
        beyond = R[..., shape.k :]
        undone = triangle.undone()
        undone = xp.concat([undone, xp.zeros_like(beyond)], axis=-1) if shape.wide else undone
        triangle = triangle._replace(R=xp.where(rows, undone, R))
    return triangle, Q, identity - up(xp, off)


def _rest(xp: Namespace, Q: Array, marked: Array, X: Array) -> Array:
    """Return Π X for the Q[:, :r] of marked matrices, Q being orthonormal there, and zero for the others."""
    Q = xp.where(marked, xp.zeros_like(Q), Q)
    return xp.where(anywhere(xp, marked), X - Q @ xp.beyond.inner(Q, X), xp.zeros_like(X))


def qr_r_vjp(A: Array, R: Array, R_bar: Array | None, *, xp: Namespace = None) -> Array:
    """Pull a cotangent of R alone back to the matrix.

    Parameters
    ----------
    A : array, shape (..., m, n)
        The matrix.
    R : array, shape (..., k, n)
        Upper trapezoidal factor of A = Q R with real diagonal, of either sign; k = min(m, n).
    R_bar : array or None
        Cotangent, of the shape and dtype of `R`; None means zero; a real one is accepted for a complex factor.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `A` if it has one.

    Returns
    -------
    A_bar : array, shape (..., m, n)
        Gradient with respect to A under <X_bar, dX> = Re tr(X_bar^H dX). If column r is the first, of the leading k,
        that is numerically dependent on those before it, the gradient of that matrix of the batch exists for cotangents
        that are zero in R_bar[r:, :], and is NaN for others.

    Raises
    ------
    ShapeError, DtypeError
        When A, the factor and the cotangent do not fit each other.

    Notes
    -----
    Equation (R.1) with (R.2), (QR.7) and (DC.2).

    References
    ----------
    M. Seeger et al. (2017), Auto-differentiating linear algebra.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_r_vjp
    >>> qr_r_vjp(np.array([[3.0], [4.0]]), np.array([[5.0]]), np.array([[1.0]]))  # gradient of the norm
    array([[0.6],
           [0.8]])
    """
    if not is_complete(xp):
        xp = check_triangle(xp, A, R=R)
        (R_bar,) = check_cotangents(xp, R=(R, R_bar))
    if R_bar is None or R.shape[-2] == 0:
        return xp.zeros_like(A)
    shape = shape_of_product(xp, A, A)
    triangle, Q, factor = _frame(xp, A, R, shape)
    K, _ = core_pullback(triangle, None, R_bar)
    K = plus(K, triangle.undefined(W=None, R_bar=R_bar))
    A_bar = xp.beyond.combination((Q, factor @ K))  # (R.1), (R.2)
    if triangle.marked is None or not shape.wide:
        return A_bar
    outside = A[..., shape.k :] @ adjoint(xp, triangle.unmarked_rows(R_bar)[..., shape.k :])
    outside = _rest(xp, Q @ factor, triangle.marked, outside)
    return add_to_leading_columns(xp, A_bar, triangle.divide_adjoint(outside), shape)  # (DC.2)


def qr_r_jvp(A: Array, R: Array, A_dot: Array, *, xp: Namespace = None) -> Array:
    """Push a tangent of the matrix forward to R alone.

    Parameters
    ----------
    A : array, shape (..., m, n)
        The matrix.
    R : array, shape (..., k, n)
        Upper trapezoidal factor of A = Q R with real diagonal, of either sign; k = min(m, n).
    A_dot : array, shape (..., m, n)
        Tangent of A.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `A` if it has one.

    Returns
    -------
    R_dot : array, shape (..., k, n)
        Tangent of R. If column r is the first of the leading k that is numerically dependent on those before it, the
        upper trapezoid of R_dot[r:, :] is NaN.

    Raises
    ------
    ShapeError, DtypeError
        When A, the factor and the tangent do not fit each other.

    Notes
    -----
    Equation (QR.2) with (R.2), (QR.7) and (DC.2).

    References
    ----------
    S. F. Walter, L. Lehmann (2010), Algorithmic differentiation of linear algebra functions.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_r_jvp
    >>> A = np.array([[3.0], [4.0]])
    >>> qr_r_jvp(A, np.array([[5.0]]), A)
    array([[5.]])
    """
    if not is_complete(xp):
        xp = check_triangle(xp, A, R=R)
        A_dot = check_tangent(xp, A_dot, dtype=A.dtype, shape=A.shape)
    if R.shape[-2] == 0:
        return xp.zeros_like(R)
    shape = shape_of_product(xp, A, A)
    triangle, Q, factor = _frame(xp, A, R, shape)
    C = adjoint(xp, factor) @ xp.beyond.inner(Q, A_dot)  # (R.2)
    R_dot = core_pushforward(triangle, C)[2]  # (QR.2)
    if triangle.marked is None or not shape.wide:
        return R_dot
    outside = _rest(xp, Q @ factor, triangle.marked, triangle.divide(A_dot[..., : shape.k]))
    outside = xp.where(triangle.marked, xp.zeros_like(outside), outside)
    V_dot = R_dot[..., shape.k :] + xp.beyond.inner(outside, A[..., shape.k :])  # (DC.2)
    return xp.concat([R_dot[..., : shape.k], V_dot], axis=-1)
