r"""Derivative rules of the reduced QR decomposition A = Q R.

A is m x n, k = min(m, n), Q is m x k with Q^H Q = I, R = [U V] is k x n upper trapezoidal with real diagonal (PR.2),
and Π = I - Q Q^H. Cotangents pair as <X_bar, dX> = Re tr(X_bar^H dX) (PR.1). One arrangement serves every shape:

    (QR.1)  B = A_dot_1 U^-1,  X = Q^H B,  Ω = skew(X),  T = X - Ω,   Q_dot = Q Ω + (B - Q X)
    (QR.2)  R_dot = Q^H A_dot - Ω R                    (equal to [T U, Q^H A_dot_2 - Ω V])
    (QR.3)  A_bar = Q K + [Π Q_bar U^-H, 0],           K = R_bar + [lowskew(P) U^-H, 0],  P = Q^H Q_bar - R_bar R^H
    (QR.4)  deep, the two tall terms merged:  A_bar = (Q_bar + Q M) U^-H,   M = lowskew(P) - Q^H Q_bar + R_bar U^H
    (QR.5)  tall, products alone:  A_bar = Q_bar E + Q K,   K = R_bar + (lowskew(P) - Q^H Q_bar) E,  E the explicit U^-H
    (QR.6)  real, square or wide: the last pivot never enters
    (QR.7)  S, g powers of two, U' = U S with columns of size 1:  B = (A_dot_1 S) U'^-1,
            K = R_bar + [lowskew(P') U'^-H g S, 0],  P' = Q^H Q_bar / g - R_bar (R / g)^H,
            M / g = lowskew(P') - Q^H Q_bar / g + R_bar (U / g)^H,  A_bar = (Q_bar / g + Q M / g) (U / g)^-H

`core_pullback`, `merged_pullback` and `core_pushforward` hold all of it that is k x n; the LQ rule (LQ.2) is the same
core seen from the other side. What has no derivative where leading columns are dependent is NaN (DC.1).

References
----------
S. F. Walter, L. Lehmann (2010), Algorithmic differentiation of linear algebra functions; D. A. O. Roberts,
L. R. Roberts (2020), QR and LQ decomposition matrix backpropagation algorithms, arXiv 2009.10071; H.-J. Liao et al.
(2019), Differentiable programming tensor networks.
"""

from typing import Any

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.dependence import if_marked
from unifiedqr.arrays.namespaces import is_complete
from unifiedqr.arrays.operations import Term, is_product
from unifiedqr.arrays.operators import (
    adjoint,
    leading_columns,
    lowskew,
    plus,
    shape_of_product,
    skew,
)
from unifiedqr.arrays.triangle import Triangle, guarded, has_marked
from unifiedqr.rules.validation import check_cotangents, check_factors, check_tangent


def core_pullback(
    triangle: Triangle, W: Array | None, R_bar: Array | None, **dividend: Any
) -> tuple[Array, Term | None]:
    """Return the k x n matrix K of (QR.3) or, when deep, of (QR.5), from W = Q^H Q_bar and R_bar; one may be None.

    The second result is the quotient of an m x k matrix, see `Triangle.quotients`.
    """
    # One name for one after the other, so that none outlives its use: they may be as large as A.
    xp, R, shape = triangle.xp, triangle.R, triangle.shape
    W = None if W is None else triangle.per_g(W)
    X = None if R_bar is None else _read(triangle, R_bar)
    X = W if X is None else -X if W is None else W - X  # P of (QR.3), (QR.7)
    W = W if shape.deep else None
    X = lowskew(xp, X)
    X, Y = triangle.quotients(X if W is None else X - W, **dividend)  # (QR.5), (QR.7)
    return triangle.plus_unmarked_rows(X, xp.zeros_like(R) if R_bar is None else R_bar), Y  # (QR.3)


def merged_pullback(triangle: Triangle, W: Array, R_bar: Array | None) -> Array:
    """Return M / g of (QR.4), (QR.7) from W = Q^H Q_bar and R_bar, which may be None."""
    xp, W = triangle.xp, triangle.per_g(W)
    if R_bar is None:
        return lowskew(xp, W) - W
    N = _read(triangle, R_bar)
    X = lowskew(xp, W - N)

    def again() -> tuple[Array]:  # marked columns are not those of R, and what is divided by them must contain them
        return (xp.beyond.matrix_product(triangle.unmarked_rows(R_bar), adjoint(xp, triangle.undone_per_g())),)

    M = N if triangle.marked is None else if_marked(xp, triangle.marked, again, lambda: (N,))[0]
    return X - (W - M)


def _read(triangle: Triangle, R_bar: Array) -> Array:
    """Return what (QR.3) reads of R_bar, R_bar (R / g)^H (QR.7), without its marked rows."""
    X = triangle.xp.beyond.matrix_product(R_bar, adjoint(triangle.xp, triangle.per_g(triangle.R)))
    return triangle.unmarked_rows(X)


def core_pushforward(triangle: Triangle, C: Array) -> tuple[Array, Array, Array]:
    """Return Ω, T = X - Ω and R_dot of (QR.1), (QR.2) from C = Q^H A_dot; NaN in marked columns of Ω and T (DC.1)."""
    xp = triangle.xp
    X = triangle.divide_scaled(leading_columns(C, triangle.shape))  # (QR.7)
    omega = skew(xp, X)
    R_dot = xp.triu(triangle.unless_marked(C - xp.beyond.matrix_product(omega, triangle.R), rows=True))  # (QR.2)
    T = triangle.unless_marked(X - omega)
    triangle.report()
    return triangle.unless_marked(omega), T, R_dot


def qr_pullback(
    xp: Namespace, Q: Array, R: Array, Q_bar: Array | None, R_bar: Array | None, others: tuple[Array, ...] = ()
) -> Array:
    """Return A_bar by (QR.3), (QR.4) or (QR.5); `others` are cotangents of what depends on every column of Q.

    What reaches them is already part of Q_bar: here they only decide which matrices have no derivative (DC.1).
    """
    if (Q_bar is None and R_bar is None) or Q.shape[-1] == 0:
        return xp.zeros_like(Q @ R)
    return xp.beyond.combination(*pullback_terms(xp, Q, R, Q_bar, R_bar, others))


def pullback_terms(
    xp: Namespace, Q: Array, R: Array, Q_bar: Term | None, R_bar: Array | None, others: tuple[Array, ...] = ()
) -> tuple[Term, ...]:
    """Return the terms of the sum that `qr_pullback` gives; Q_bar may be a product, which is never formed (FA.1)."""
    shape = shape_of_product(xp, Q, R)
    triangle = guarded(xp, R, shape)
    W: Array | None = None
    if is_product(Q_bar):
        F, E_H = Q_bar
        W = xp.beyond.inner(Q, F) @ E_H
    elif Q_bar is not None:
        W = xp.beyond.inner(Q, Q_bar)
    undefined = triangle.undefined(Q_bar=Q_bar, W=W, R_bar=R_bar, others=others)
    if shape.stout and W is not None and not is_product(Q_bar):
        M = plus(merged_pullback(triangle, W, R_bar), undefined)
        return (xp.beyond.quotient_of_sum(triangle.undone_per_g(), triangle.per_g(Q_bar), Q, M),)  # (QR.4), (QR.7)
    K, Y = core_pullback(triangle, W, R_bar, Y=Q_bar if shape.deep else None)
    K = plus(K, undefined)
    return ((Q, K),) if Y is None else (Y, (Q, K))  # (QR.3); (QR.5)


def qr_singular(Q: Array, R: Array, *, xp: Namespace) -> Array:
    """Return per matrix, in a boolean array (..., 1, 1), whether a part of its QR factors has no derivative."""
    return has_marked(xp, R, shape_of_product(xp, Q, R))


def qr_vjp(Q: Array, R: Array, Q_bar: Array | None, R_bar: Array | None, *, xp: Namespace = None) -> Array:
    """Pull cotangents of the reduced QR factors back to the matrix.

    Parameters
    ----------
    Q : array, shape (..., m, k)
        Orthonormal factor, k = min(m, n).
    R : array, shape (..., k, n)
        Upper trapezoidal factor with real diagonal, of either sign.
    Q_bar, R_bar : array or None
        Cotangents, of the shape and dtype of `Q` and `R`; None means zero; real ones are accepted for complex factors.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `Q` if it has one.

    Returns
    -------
    A_bar : array, shape (..., m, n)
        Gradient with respect to A under <X_bar, dX> = Re tr(X_bar^H dX). If column r is the first, of the leading k,
        that is numerically dependent on those before it, the gradient of that matrix of the batch exists for cotangents
        that are zero in Q_bar[:, r:] and R_bar[r:, :], and is NaN for others.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other or a cotangent does not fit its factor.

    Notes
    -----
    Equation (QR.5) when m >= 8 n, (QR.4) otherwise when deep (m > n), (QR.3) when not, with (QR.6), (QR.7) and (DC.1).

    References
    ----------
    D. A. O. Roberts, L. R. Roberts (2020), arXiv 2009.10071, equations for square, wide and deep matrices.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_vjp
    >>> Q, R = np.linalg.qr(np.array([[3.0, 1.0], [4.0, 2.0]]))
    >>> qr_vjp(Q, R, None, np.diag(np.sign(np.diag(R)))).round(3)  # gradient of |R_11| + |R_22|
    array([[ 0.952, -0.8  ],
           [ 0.536,  0.6  ]])
    """
    if not is_complete(xp):
        xp = check_factors(xp, Q=Q, R=R)
        Q_bar, R_bar = check_cotangents(xp, Q=(Q, Q_bar), R=(R, R_bar))
    return qr_pullback(xp, Q, R, Q_bar, R_bar)


def qr_jvp(Q: Array, R: Array, A_dot: Array, *, xp: Namespace = None) -> tuple[Array, Array]:
    """Push a tangent of the matrix forward to the reduced QR factors.

    Parameters
    ----------
    Q : array, shape (..., m, k)
        Orthonormal factor, k = min(m, n).
    R : array, shape (..., k, n)
        Upper trapezoidal factor with real diagonal, of either sign.
    A_dot : array, shape (..., m, n)
        Tangent of A = Q R.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `Q` if it has one.

    Returns
    -------
    Q_dot : array, shape (..., m, k)
    R_dot : array, shape (..., k, n)
        Tangents of the factors. If column r is the first of the leading k that is numerically dependent on those
        before it, Q_dot[:, r:] and the upper trapezoid of R_dot[r:, :] are NaN.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other or the tangent does not fit them.

    Notes
    -----
    Equations (QR.1) and (QR.2), with (QR.7) and (DC.1). For a real square or wide matrix the strictly lower triangle of
    X alone is read, so that the last pivot of R may be zero, as in (QR.6).

    References
    ----------
    S. F. Walter, L. Lehmann (2010), Algorithmic differentiation of linear algebra functions.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_jvp
    >>> Q, R = np.linalg.qr(np.array([[3.0, 1.0], [4.0, 2.0]]))
    >>> Q_dot, R_dot = qr_jvp(Q, R, np.eye(2))
    >>> bool(np.allclose(Q_dot @ R + Q @ R_dot, np.eye(2)))
    True
    """
    if not is_complete(xp):
        xp = check_factors(xp, Q=Q, R=R)
        A_dot = check_tangent(xp, A_dot, dtype=Q.dtype, shape=(*Q.shape[:-1], R.shape[-1]))
    shape = shape_of_product(xp, Q, R)
    if Q.shape[-1] == 0:
        return xp.zeros_like(Q), xp.zeros_like(R)
    triangle = guarded(xp, R, shape)
    omega, T, R_dot = core_pushforward(triangle, xp.beyond.inner(Q, A_dot))
    if not shape.deep:
        return xp.beyond.matrix_product(Q, omega), R_dot  # (QR.1), B - Q X is zero where Q is square
    B = (A_dot, triangle.inverse()) if shape.tall else triangle.divide(A_dot)
    return xp.beyond.combination(B, (Q, -T)), R_dot  # (QR.1)
