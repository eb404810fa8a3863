r"""Derivative rules of the reduced LQ decomposition A = L Q.

A is m x n, k = min(m, n), L = [L_1 ; L_2] is m x k lower trapezoidal with real diagonal, Q is k x n with Q Q^H = I.
Cotangents pair as <X_bar, dX> = Re tr(X_bar^H dX) (PR.1). Deep inputs (m > n) need no partition:

    (LQ.2)  P = Q_bar Q^H - L^H L_bar,   upskew(P) = lowskew(P^H)^H
            A_bar = K Q + [L_1^-H Q_bar (I - Q^H Q) ; 0],   K = L_bar + [L_1^-H upskew(P) ; 0]
    (LQ.3)  B = L_1^-1 A_dot_1,  X = B Q^H,  Ω = skew(X^H)^H,  Q_dot = Ω Q + (B - X Q),  L_dot = A_dot Q^H - L Ω

The small matrices are those of QR for R = L^H: with W = Q Q_bar^H, K^H is `core_pullback` of (QR.3), merged as in
(QR.5) or by `merged_pullback` of (QR.4) when wide, so that (QR.6) and (QR.7) hold here by the same lines. No array of
the long side is transposed.

References
----------
D. A. O. Roberts, L. R. Roberts (2020), QR and LQ decomposition matrix backpropagation algorithms, arXiv 2009.10071.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.namespaces import is_complete
from unifiedqr.arrays.operators import adjoint, plus, shape_of_product
from unifiedqr.arrays.triangle import guarded, has_marked
from unifiedqr.rules.qr import core_pullback, core_pushforward, merged_pullback
from unifiedqr.rules.validation import check_cotangents, check_factors, check_tangent


def lq_singular(L: Array, Q: Array, *, xp: Namespace) -> Array:
    """Return per matrix, in a boolean array (..., 1, 1), whether a part of its LQ factors has no derivative."""
    return has_marked(xp, adjoint(xp, L), shape_of_product(xp, L, Q).T)  # of A^H = Q^H R


def lq_vjp(L: Array, Q: Array, L_bar: Array | None, Q_bar: Array | None, *, xp: Namespace = None) -> Array:
    """Pull cotangents of the reduced LQ factors back to the matrix.

    Parameters
    ----------
    L : array, shape (..., m, k)
        Lower trapezoidal factor with real diagonal, of either sign; k = min(m, n).
    Q : array, shape (..., k, n)
        Factor with orthonormal rows.
    L_bar, Q_bar : array or None
        Cotangents, of the shape and dtype of `L` and `Q`; None means zero; real ones are accepted for complex factors.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `Q` if it has one.

    Returns
    -------
    A_bar : array, shape (..., m, n)
        Gradient with respect to A under <X_bar, dX> = Re tr(X_bar^H dX). If row r is the first, of the leading k, that
        is numerically dependent on those before it, the gradient of that matrix of the batch exists for cotangents that
        are zero in L_bar[:, r:] and Q_bar[r:, :], and is NaN for others.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other or a cotangent does not fit its factor.

    Notes
    -----
    Equation (LQ.2), merged as in (QR.4) when wide and as in (QR.5) when n >= 8 m, with (QR.6), (QR.7) and (DC.1).

    References
    ----------
    D. A. O. Roberts, L. R. Roberts (2020), arXiv 2009.10071.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import lq_vjp
    >>> L, Q = np.array([[5.0]]), np.array([[0.6, 0.8]])  # A = [[3, 4]]
    >>> lq_vjp(L, Q, np.array([[1.0]]), None)  # gradient of L_11, the norm of the row
    array([[0.6, 0.8]])
    """
    if not is_complete(xp):
        xp = check_factors(xp, L=L, Q=Q)
        L_bar, Q_bar = check_cotangents(xp, L=(L, L_bar), Q=(Q, Q_bar))
    if (L_bar is None and Q_bar is None) or Q.shape[-2] == 0:
        return xp.zeros_like(L @ Q)
    shape = shape_of_product(xp, L, Q).T  # of A^H = Q^H R
    triangle = guarded(xp, adjoint(xp, L), shape)
    R_bar = None if L_bar is None else adjoint(xp, L_bar)
    W = None if Q_bar is None else xp.beyond.inner_of_rows(Q, Q_bar)
    undefined = triangle.undefined(Q_bar_H=Q_bar, W=W, R_bar=R_bar)
    if shape.stout and W is not None:
        M_H = adjoint(xp, plus(merged_pullback(triangle, W, R_bar), undefined))
        total = triangle.per_g(Q_bar) + xp.beyond.matrix_product(M_H, Q)
        return xp.beyond.solve_triangular(triangle.undone_per_g(), total, upper=True)  # (QR.4), (QR.7)
    K, Y = core_pullback(triangle, W, R_bar, Y_H=Q_bar if shape.deep else None)  # L_1^-H Q_bar
    K = adjoint(xp, plus(K, undefined))
    return xp.beyond.combination((K, Q)) if Y is None else xp.beyond.combination(Y, (K, Q))  # (LQ.2); (LQ.2), (QR.5)


def lq_jvp(L: Array, Q: Array, A_dot: Array, *, xp: Namespace = None) -> tuple[Array, Array]:
    """Push a tangent of the matrix forward to the reduced LQ factors.

    Parameters
    ----------
    L : array, shape (..., m, k)
        Lower trapezoidal factor with real diagonal, of either sign; k = min(m, n).
    Q : array, shape (..., k, n)
        Factor with orthonormal rows.
    A_dot : array, shape (..., m, n)
        Tangent of A = L Q.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `Q` if it has one.

    Returns
    -------
    L_dot : array, shape (..., m, k)
    Q_dot : array, shape (..., k, n)
        Tangents of the factors. If row r is the first of the leading k that is numerically dependent on those before
        it, the lower trapezoid of L_dot[:, r:] and Q_dot[r:, :] are NaN.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other or the tangent does not fit them.

    Notes
    -----
    Equation (LQ.3), the mirror of (QR.1) and (QR.2), with (QR.7) and (DC.1).

    References
    ----------
    D. A. O. Roberts, L. R. Roberts (2020), arXiv 2009.10071.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import lq_jvp
    >>> L, Q = np.array([[5.0]]), np.array([[0.6, 0.8]])  # A = [[3, 4]]
    >>> L_dot, Q_dot = lq_jvp(L, Q, np.array([[-0.8, 0.6]]))  # across the row: the norm stays, the direction turns
    >>> L_dot.round(3) + 0.0, Q_dot.round(3)
    (array([[0.]]), array([[-0.16,  0.12]]))
    """
    if not is_complete(xp):
        xp = check_factors(xp, L=L, Q=Q)
        A_dot = check_tangent(xp, A_dot, dtype=Q.dtype, shape=(*L.shape[:-1], Q.shape[-1]))
    shape = shape_of_product(xp, L, Q).T  # of A^H = Q^H R
    if Q.shape[-2] == 0:
        return xp.zeros_like(L), xp.zeros_like(Q)
    triangle = guarded(xp, adjoint(xp, L), shape)
    omega, T, R_dot = core_pushforward(triangle, xp.beyond.inner_of_rows(Q, A_dot))
    L_dot = adjoint(xp, R_dot)  # (LQ.3)
    if not shape.deep:
        return L_dot, xp.beyond.matrix_product(adjoint(xp, omega), Q)  # (LQ.3), B - X Q is zero where Q is square
    if shape.tall:
        B = (adjoint(xp, triangle.inverse()), A_dot)
    else:
        B = xp.beyond.solve_triangular(adjoint(xp, triangle.undone()), A_dot, upper=False)
    return L_dot, xp.beyond.combination(B, (adjoint(xp, -T), Q))  # (LQ.3)
