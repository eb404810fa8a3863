r"""Derivative rules of complete QR of deep matrices, Q = [Q_1 Q_2] being m x m, and of complete LQ of wide ones.

Q_2 is a basis of the complement of range(A), which A does not determine; `unifiedqr.qr` returns that of a product of n
reflectors. With S a diagonal of signs, E_1 and E_2 the first n and last m - n columns of I,

    (CQ.1)  Y = Q_1 S - E_1,   B = Y[:n],   C = Y[n:],   G = B^-1,   Z = G^H C^H,   Q_2 = E_2 + Y Z
    (CQ.4)  F = G Y^H Q_2_bar,   Y_bar = Q_2_bar Z^H + [-Z F^H ; F^H],   Q_1_bar' = Q_1_bar + Y_bar S
    (CQ.3)  Y_dot = Q_1_dot S,   Q_2_dot = Y_dot Z + Y G^H (C_dot^H - B_dot^H Z),   G_dot = -G B_dot G

and the rest is the rule of the reduced factors. This is exact for every loss. A basis Q_2 of other origin has no
formula: then the derivative is that of losses that depend on the spanned space alone,

    (CQ.5)  Q_1_bar' = Q_1_bar - Q_2 Q_2_bar^H Q_1,   Q_2_dot = -Q_1 (Q_1_dot^H Q_2)

and whether a loss is one of these shows in (CQ.6), see `unifiedqr.rules.spaces`.

References
----------
R. Schreiber, C. Van Loan (1989), A storage-efficient WY representation; G. Ballard et al. (2014), Reconstructing
Householder vectors from tall-skinny QR.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.namespaces import is_complete
from unifiedqr.arrays.operators import adjoint, reflected, shape_of_product
from unifiedqr.rules.qr import qr_jvp, qr_pullback, qr_singular
from unifiedqr.rules.spaces import complement_pullback, complement_pushforward
from unifiedqr.rules.validation import check_complete_factors, check_cotangents, check_tangent


def householder_vjp(
    Q: Array,
    R: Array,
    G: Array,
    S: Array,
    Q_bar: Array | None,
    R_bar: Array | None,
    G_bar: Array | None,
    *,
    xp: Namespace,
) -> Array:
    """Return A_bar by (CQ.4), from what the kernel gave and cotangents of it; G is (..., n, n), S is (..., 1, n)."""
    n = shape_of_product(xp, Q, R).k
    Q_1, R_1, Y_bar = Q[..., :n], R[..., :n, :], None
    if Q_bar is not None:
        Y, _, C = reflected(xp, Q_1, S)
        Z = adjoint(xp, C @ G)  # (CQ.1)
        Q_2_bar = Q_bar[..., n:]
        F = G @ (adjoint(xp, Y) @ Q_2_bar)
        Y_bar = Q_2_bar @ adjoint(xp, Z) + xp.concat([-Z @ adjoint(xp, F), adjoint(xp, F)], axis=-2)  # (CQ.4)
    if G_bar is not None:
        B_bar = -adjoint(xp, G) @ G_bar @ adjoint(xp, G)
        below = xp.zeros_like(Q_1[..., n:, :])
        B_bar = xp.concat([B_bar, below], axis=-2)
        Y_bar = B_bar if Y_bar is None else Y_bar + B_bar
    Q_1_bar = None if Q_bar is None else Q_bar[..., :n]
    if Y_bar is not None:
        Q_1_bar = Y_bar * S if Q_1_bar is None else Q_1_bar + Y_bar * S
    # The last columns are a function of all of the first ones.
    others = tuple(X for X in (None if Q_bar is None else Q_bar[..., n:], G_bar) if X is not None)
    return qr_pullback(xp, Q_1, R_1, Q_1_bar, None if R_bar is None else R_bar[..., :n, :], others)


def householder_jvp(
    Q: Array, R: Array, G: Array, S: Array, A_dot: Array, *, xp: Namespace
) -> tuple[Array, Array, Array]:
    """Return Q_dot, R_dot and G_dot by (CQ.3), from what the kernel gave."""
    n = shape_of_product(xp, Q, R).k
    Q_1 = Q[..., :n]
    Q_1_dot, R_1_dot = qr_jvp(Q_1, R[..., :n, :], A_dot, xp=xp)
    Y, _, C = reflected(xp, Q_1, S)
    Z = adjoint(xp, C @ G)
    Y_dot = Q_1_dot * S
    B_dot, C_dot = Y_dot[..., :n, :], Y_dot[..., n:, :]
    Q_2_dot = Y_dot @ Z + Y @ (adjoint(xp, C_dot @ G) - adjoint(xp, B_dot @ G) @ Z)  # (CQ.3)
    R_dot = xp.concat([R_1_dot, xp.zeros_like(R[..., n:, :])], axis=-2)
    return xp.concat([Q_1_dot, Q_2_dot], axis=-1), R_dot, -G @ B_dot @ G


def complete_singular(Q: Array, R: Array, *, xp: Namespace) -> Array:
    """Return per matrix, in a boolean array (..., 1, 1), whether no derivative of its complete QR factors exists."""
    n = R.shape[-1]
    return qr_singular(Q[..., :n], R[..., :n, :], xp=xp)


def qr_complete_vjp(Q: Array, R: Array, Q_bar: Array | None, R_bar: Array | None, *, xp: Namespace = None) -> Array:
    """Pull cotangents of complete QR factors back to the matrix, whatever basis the last columns of Q are.

    Parameters
    ----------
    Q : array, shape (..., m, m)
        Unitary factor of a deep or square matrix.
    R : array, shape (..., m, n)
        Upper trapezoidal factor with real diagonal, of either sign; its last m - n rows are zero.
    Q_bar, R_bar : array or None
        Cotangents, of the shape and dtype of `Q` and `R`; None means zero; real ones are accepted for complex factors.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `Q` if it has one.

    Returns
    -------
    A_bar : array, shape (..., m, n)
        Gradient with respect to A of a loss that depends on the last m - n columns of Q through the space they span;
        for a matrix of the batch with dependent columns as in `qr_vjp`, and NaN if the cotangent of those last columns
        is not zero.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other or a cotangent does not fit its factor.
    GaugeError
        After ``set_checks("raise")``, when the cotangent depends on the choice of basis (CQ.6).

    Warns
    -----
    GaugeWarning
        When the cotangent depends on the choice of basis (CQ.6).

    Notes
    -----
    Equation (CQ.5), then (QR.4). `unifiedqr.qr` itself differentiates its own choice of basis exactly (CQ.4).

    References
    ----------
    D. A. O. Roberts, L. R. Roberts (2020), arXiv 2009.10071.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_complete_vjp
    >>> Q, R = np.array([[0.6, -0.8], [0.8, 0.6]]), np.array([[5.0], [0.0]])  # A = [[3], [4]]
    >>> qr_complete_vjp(Q, R, None, np.array([[1.0], [0.0]]))
    array([[0.6],
           [0.8]])
    """
    if not is_complete(xp):
        xp = check_complete_factors(xp, Q=Q, R=R)
        Q_bar, R_bar = check_cotangents(xp, Q=(Q, Q_bar), R=(R, R_bar))
    n = R.shape[-1]
    Q_1, Q_2, R_1 = Q[..., :n], Q[..., n:], R[..., :n, :]
    Q_1_bar = None if Q_bar is None else Q_bar[..., :n] + complement_pullback(xp, Q_2, Q_1, Q_bar[..., n:])
    others = () if Q_bar is None else (Q_bar[..., n:],)
    return qr_pullback(xp, Q_1, R_1, Q_1_bar, None if R_bar is None else R_bar[..., :n, :], others)


def qr_complete_jvp(Q: Array, R: Array, A_dot: Array, *, xp: Namespace = None) -> tuple[Array, Array]:
    """Push a tangent of the matrix forward to complete QR factors, the complement turning no more than it must.

    Parameters
    ----------
    Q : array, shape (..., m, m)
        Unitary factor of a deep or square matrix.
    R : array, shape (..., m, n)
        Upper trapezoidal factor with real diagonal, of either sign; its last m - n rows are zero.
    A_dot : array, shape (..., m, n)
        Tangent of A = Q R.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `Q` if it has one.

    Returns
    -------
    Q_dot : array, shape (..., m, m)
    R_dot : array, shape (..., m, n)
        Tangents of the factors; NaN beyond the first dependent column of a matrix of the batch, as in `qr_jvp`.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other or the tangent does not fit them.

    Notes
    -----
    Equations (QR.1) and (QR.2), with (CQ.5) for the last columns of Q.

    References
    ----------
    S. F. Walter, L. Lehmann (2010), Algorithmic differentiation of linear algebra functions.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_complete_jvp
    >>> Q, R = np.array([[0.6, -0.8], [0.8, 0.6]]), np.array([[5.0], [0.0]])  # A = [[3], [4]]
    >>> qr_complete_jvp(Q, R, np.array([[-0.8], [0.6]]))[0].round(3)  # all turns alike
    array([[-0.16, -0.12],
           [ 0.12, -0.16]])
    """
    if not is_complete(xp):
        xp = check_complete_factors(xp, Q=Q, R=R)
        A_dot = check_tangent(xp, A_dot, dtype=Q.dtype, shape=R.shape)
    n = R.shape[-1]
    Q_1, Q_2 = Q[..., :n], Q[..., n:]
    Q_1_dot, R_1_dot = qr_jvp(Q_1, R[..., :n, :], A_dot, xp=xp)
    Q_2_dot = complement_pushforward(xp, Q_2, Q_1, Q_1_dot)  # (CQ.5)
    R_dot = xp.concat([R_1_dot, xp.zeros_like(R[..., n:, :])], axis=-2)
    return xp.concat([Q_1_dot, Q_2_dot], axis=-1), R_dot
