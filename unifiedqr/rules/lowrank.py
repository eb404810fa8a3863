r"""Derivative rules of low rank: of interpolative decompositions, and of the randomized range finder.

Interpolative. Let P be the pivots of r steps, locally constant, C = A[:, P], D the other columns, so that S = C^+ D are
the columns of T that vary. They solve the least squares problems min |D - C S|, whose rule (LS.3) is, with N = D - C S,
C = Q R, G = R^-1,

    (LR.1)  t = G^H S_bar,  w = Q t,  y = G t;         D_bar = w,  C_bar = N y^H - w S^H
            S_dot = G (Q^H (D_dot - C_dot S) + G^H C_dot^H N)

N is orthogonal to C, and is projected again (LS.7). The other columns of T, those of the identity, are constant.

Range finder. Q of the last of the reduced decompositions

    (LR.2)  A Omega = Q_0 R_0,   A^H Q_0 = Q_1 R_1,   A Q_1 = Q_2 R_2,   ...,   A Q_{2q-1} = Q_{2q} R_{2q}

is differentiated back through them: with Y_bar from (QR.3) or (QR.4) from Q_bar_i and R_bar_i

    (LR.3)  i even:  A_bar += Y_bar Z^H,  Z_bar = A^H Y_bar;     i odd:  A_bar += Z Y_bar^H,  Z_bar = A Y_bar

where Z is Q_{i-1}, and Omega for i = 0. Columns that are marked in one step (DC.1) remain so in later ones, which
normalize what rounding leaves of them.

References
----------
H. Cheng, Z. Gimbutas, P.-G. Martinsson, V. Rokhlin (2005), On the compression of low rank matrices; N. Halko,
P.-G. Martinsson, J. A. Tropp (2011), Finding structure with randomness, algorithm 4.4.
"""

from collections.abc import Sequence

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.dependence import nan_where, unless_empty
from unifiedqr.arrays.namespaces import is_complete
from unifiedqr.arrays.operators import adjoint, columns_at, inverse_of, order_of, shape_of_product
from unifiedqr.arrays.positions import positions
from unifiedqr.arrays.triangle import frame_inverse
from unifiedqr.rules.least_squares import (
    solution_frame_pullback,
    solution_frame_pushforward,
    solution_pullback,
    solution_pushforward,
)
from unifiedqr.rules.qr import qr_jvp, qr_pullback, qr_singular
from unifiedqr.rules.validation import check_chain, check_cotangents, check_interpolative, check_tangent


def interpolative_pullback(
    xp: Namespace, A: Array, T: Array, P: Array, Q: Array, G: Array, *bars: Array | None
) -> Array:
    """Return A_bar from cotangents of T, Q and G by (LR.1); P are numbers (..., 1, n)."""
    T_bar, Q_bar, G_bar = bars
    r = T.shape[-2]
    if r == 0:
        return xp.zeros_like(A)
    order, inverse = order_of(xp, P), inverse_of(xp, P)
    A = columns_at(xp, A, order)
    C, D = A[..., :r], A[..., r:]
    C_bar, D_bar = solution_frame_pullback(xp, C, Q, G, Q_bar, G_bar), xp.zeros_like(D)
    if T_bar is not None and r != A.shape[-1]:
        S, S_bar = (columns_at(xp, X, order)[..., r:] for X in (T, T_bar))
        of_C, D_bar = solution_pullback(xp, C, D, S, Q, G, S_bar, None)
        C_bar = of_C if C_bar is None else C_bar + of_C
    C_bar = xp.zeros_like(C) if C_bar is None else C_bar
    return columns_at(xp, xp.concat([C_bar, D_bar], axis=-1), inverse)


def interpolative_pushforward(
    xp: Namespace, A: Array, T: Array, P: Array, Q: Array, G: Array, A_dot: Array
) -> tuple[Array, Array, Array]:
    """Return the tangents of T, Q and G by (LR.1)."""
    r = T.shape[-2]
    if r == 0:
        return xp.zeros_like(T), xp.zeros_like(Q), xp.zeros_like(G)
    order = order_of(xp, P)
    A, A_dot = columns_at(xp, A, order), columns_at(xp, A_dot, order)
    C, C_dot = A[..., :r], A_dot[..., :r]
    T_dot = xp.zeros_like(T)
    if r != A.shape[-1]:
        S = columns_at(xp, T, order)[..., r:]
        S_dot, _ = solution_pushforward(xp, C, A[..., r:], S, Q, G, C_dot, A_dot[..., r:])
        T_dot = columns_at(xp, xp.concat([T_dot[..., :r], S_dot], axis=-1), inverse_of(xp, P))
    return T_dot, *solution_frame_pushforward(xp, C, Q, G, C_dot)


def chain_pullback(
    xp: Namespace, A: Array, Omega: Array, factors: Sequence[Array], bars: Sequence[Array | None]
) -> tuple[Array, Array]:
    """Return A_bar and Omega_bar by (LR.3) from Q_0, R_0, Q_1, ... and their cotangents."""
    A_bar, Z_bar = xp.zeros_like(A), None
    for i in range(len(factors) - 2, -1, -2):
        Q, R, Q_bar, R_bar = *factors[i : i + 2], *bars[i : i + 2]
        Q_bar = Z_bar if Q_bar is None else Q_bar if Z_bar is None else Q_bar + Z_bar
        Z = factors[i - 2] if i else Omega
        Y_bar = qr_pullback(xp, Q, R, Q_bar, R_bar)
        if i % 4:  # two factors a step: this is an odd one
            A_bar, Z_bar = A_bar + Z @ adjoint(xp, Y_bar), A @ Y_bar
        else:
            A_bar, Z_bar = A_bar + Y_bar @ adjoint(xp, Z), xp.beyond.inner(A, Y_bar)
    return A_bar, xp.zeros_like(Omega) if Z_bar is None else Z_bar


def chain_pushforward(
    xp: Namespace, A: Array, Omega: Array, factors: Sequence[Array], A_dot: Array, Omega_dot: Array
) -> Arrays:
    """Return the tangents of Q_0, R_0, Q_1, ... by (QR.1), (QR.2) of each step (LR.2)."""
    found: list[Array] = []
    Z, Z_dot, marked = Omega, Omega_dot, None
    for i in range(0, len(factors), 2):
        Q, R = factors[i : i + 2]
        times = xp.beyond.inner if i % 4 else xp.matmul
        Y_dot = times(A_dot, Z) + times(A, Z_dot)
        Q_dot, R_dot = qr_jvp(Q, R, Y_dot, xp=xp)
        here = unless_empty(xp, xp.any(xp.isnan(Q_dot), axis=-2, keepdims=True))
        marked = here if marked is None else marked if here is None else xp.logical_or(marked, here)
        Z, Z_dot = Q, Q_dot
        if marked is not None:
            # A product would carry the NaN of a column into all of them.
            Z_dot = xp.where(marked, xp.zeros_like(Q_dot), Q_dot)
            factor = nan_where(xp, marked, Q.dtype)
            Q_dot, R_dot = Z_dot * factor, xp.triu(R_dot * xp.matrix_transpose(factor))
        found += Q_dot, R_dot
    return tuple(found)


def chain_singular(xp: Namespace, factors: Sequence[Array]) -> Array:
    """Return per matrix, in a boolean array (..., 1, 1), whether a part of a step (LR.2) has no derivative."""
    found = qr_singular(*factors[:2], xp=xp)
    for i in range(2, len(factors), 2):
        found = xp.logical_or(found, qr_singular(*factors[i : i + 2], xp=xp))
    return found


def interpolative_vjp(
    A: Array, P: Array, T: Array, Q: Array, R: Array, T_bar: Array | None, *, xp: Namespace = None
) -> Array:
    """Pull a cotangent of interpolation coefficients back to the matrix.

    Parameters
    ----------
    A : array, shape (..., m, n)
        The matrix.
    P : integer array, shape (..., r)
        Indices of the columns that span the others, all different.
    T : array, shape (..., r, n)
        Coefficients, ``C^+ A`` with ``C = A[..., :, P]``.
    Q, R : array
        Reduced QR factors of C, of full rank.
    T_bar : array, shape (..., r, n), or None
        Cotangent of T; None stands for zero.
    xp : namespace, optional
        Array API namespace of the arrays; found from `A` when it has one.

    Returns
    -------
    A_bar : array, shape (..., m, n)
        Gradient under <X_bar, dX> = Re tr(X_bar^H dX). Where C is numerically rank deficient, it is zero where the
        cotangent is, and NaN elsewhere.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (LR.1). The columns P of T_bar are not read: T is the identity there.

    References
    ----------
    H. Cheng, Z. Gimbutas, P.-G. Martinsson, V. Rokhlin (2005), On the compression of low rank matrices.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import interpolative_vjp
    >>> A, P, T = np.array([[1.0, 2.0]]), np.array([1]), np.array([[0.5, 1.0]])
    >>> interpolative_vjp(A, P, T, np.array([[1.0]]), np.array([[2.0]]), np.array([[1.0, 0.0]]))  # of A_1 / A_2
    array([[ 0.5 , -0.25]])
    """
    if not is_complete(xp):
        xp = check_interpolative(xp, A, P, T, Q, R)
    (T_bar,) = check_cotangents(xp, T=(T, T_bar))
    G = frame_inverse(xp, R, shape_of_product(xp, Q, R))
    return interpolative_pullback(xp, A, T, _all_pivots(xp, P, A), Q, G, T_bar, None, None)


def interpolative_jvp(A: Array, P: Array, T: Array, Q: Array, R: Array, A_dot: Array, *, xp: Namespace = None) -> Array:
    """Push a tangent of the matrix forward to its interpolation coefficients.

    Parameters
    ----------
    A : array, shape (..., m, n)
        The matrix.
    P : integer array, shape (..., r)
        Indices of the columns that span the others, all different.
    T : array, shape (..., r, n)
        Coefficients, ``C^+ A`` with ``C = A[..., :, P]``.
    Q, R : array
        Reduced QR factors of C, of full rank.
    A_dot : array, shape (..., m, n)
        Tangent of A.
    xp : namespace, optional
        Array API namespace of the arrays; found from `A` when it has one.

    Returns
    -------
    T_dot : array, shape (..., r, n)
        Tangent of T, zero in the columns P; NaN in the others where C is numerically rank deficient.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (LR.1).

    References
    ----------
    H. Cheng, Z. Gimbutas, P.-G. Martinsson, V. Rokhlin (2005), On the compression of low rank matrices.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import interpolative_jvp
    >>> A, P, T = np.array([[1.0, 2.0]]), np.array([1]), np.array([[0.5, 1.0]])
    >>> interpolative_jvp(A, P, T, np.array([[1.0]]), np.array([[2.0]]), np.array([[0.0, 1.0]]))  # of A_1 / A_2
    array([[-0.25,  0.  ]])
    """
    if not is_complete(xp):
        xp = check_interpolative(xp, A, P, T, Q, R)
    A_dot = check_tangent(xp, A_dot, dtype=A.dtype, shape=A.shape)
    G = frame_inverse(xp, R, shape_of_product(xp, Q, R))
    return interpolative_pushforward(xp, A, T, _all_pivots(xp, P, A), Q, G, A_dot)[0]


def _all_pivots(xp: Namespace, P: Array, A: Array) -> Array:
    """Return a permutation that begins with pivots (..., r), as numbers (..., 1, n) of the dtype of A."""
    if P.shape[-1] == 0:
        return xp.astype(positions(xp, A), A.dtype)
    places = positions(xp, A)
    turns = xp.matrix_transpose(positions(xp, A[..., : P.shape[-1]]))  # (..., r, 1)
    here = xp.equal(places, xp.expand_dims(xp.astype(P, places.dtype), axis=-1))  # (..., r, n)
    # Pivots come first, in their order: before column j, which has n + j.
    behind = xp.where(here, places + A.shape[-1] - turns, xp.zeros_like(here, dtype=places.dtype))
    keys = places + A.shape[-1] - xp.sum(behind, axis=-2, keepdims=True)
    return xp.astype(xp.argsort(keys, axis=-1), A.dtype)


def range_finder_vjp(
    A: Array, Omega: Array, factors: Sequence[Array], Q_bar: Array | None, *, xp: Namespace = None
) -> tuple[Array, Array]:
    """Pull a cotangent of the basis from the randomized range finder back to the matrix and the sketch.

    Parameters
    ----------
    A : array, shape (..., m, n)
        The matrix.
    Omega : array, shape (..., n, r)
        The sketch.
    factors : sequence of array
        Q_0, R_0, Q_1, R_1, ..., Q_2q, R_2q of (LR.2), the reduced QR factors of A Omega, A^H Q_0, A Q_1 and so on.
    Q_bar : array, shape (..., m, r), or None
        Cotangent of Q_2q; None stands for zero.
    xp : namespace, optional
        Array API namespace of the arrays; found from `A` when it has one.

    Returns
    -------
    A_bar : array, shape (..., m, n)
    Omega_bar : array, shape (..., n, r)
        Gradients under <X_bar, dX> = Re tr(X_bar^H dX). If column j of A Omega is the first that depends numerically on
        those before it, they exist for cotangents that are zero in Q_bar[:, j:], and are NaN for others.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (LR.3), around (QR.3), (QR.4).

    References
    ----------
    N. Halko, P.-G. Martinsson, J. A. Tropp (2011), Finding structure with randomness, algorithm 4.4.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import range_finder_vjp
    >>> A, Omega = np.array([[3.0, 0.0], [4.0, 0.0]]), np.array([[1.0], [0.0]])
    >>> factors = np.array([[0.6], [0.8]]), np.array([[5.0]])
    >>> range_finder_vjp(A, Omega, factors, np.array([[1.0], [0.0]]))[0].round(3)
    array([[ 0.128,  0.   ],
           [-0.096,  0.   ]])
    """
    if not is_complete(xp):
        xp = check_chain(xp, A, Omega, factors)
    (Q_bar,) = check_cotangents(xp, Q=(factors[-2], Q_bar))
    return chain_pullback(xp, A, Omega, factors, (*[None] * (len(factors) - 2), Q_bar, None))


def range_finder_jvp(
    A: Array, Omega: Array, factors: Sequence[Array], A_dot: Array, Omega_dot: Array, *, xp: Namespace = None
) -> Array:
    """Push tangents of the matrix and the sketch forward to the basis from the randomized range finder.

    Parameters
    ----------
    A : array, shape (..., m, n)
        The matrix.
    Omega : array, shape (..., n, r)
        The sketch.
    factors : sequence of array
        Q_0, R_0, Q_1, R_1, ..., Q_2q, R_2q of (LR.2), the reduced QR factors of A Omega, A^H Q_0, A Q_1 and so on.
    A_dot, Omega_dot : array
        Tangents of `A` and `Omega`, in their shapes.
    xp : namespace, optional
        Array API namespace of the arrays; found from `A` when it has one.

    Returns
    -------
    Q_dot : array, shape (..., m, r)
        Tangent of Q_2q. If column j of A Omega is the first that depends numerically on those before it, Q_dot[:, j:]
        is NaN.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equations (QR.1) and (QR.2) of each step (LR.2).

    References
    ----------
    N. Halko, P.-G. Martinsson, J. A. Tropp (2011), Finding structure with randomness, algorithm 4.4.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import range_finder_jvp
    >>> A, Omega = np.array([[3.0, 0.0], [4.0, 0.0]]), np.array([[1.0], [0.0]])
    >>> factors = np.array([[0.6], [0.8]]), np.array([[5.0]])
    >>> range_finder_jvp(A, Omega, factors, np.array([[1.0, 0.0], [0.0, 0.0]]), np.zeros((2, 1))).round(3)
    array([[ 0.128],
           [-0.096]])
    """
    if not is_complete(xp):
        xp = check_chain(xp, A, Omega, factors)
    A_dot = check_tangent(xp, A_dot, dtype=A.dtype, shape=A.shape)
    Omega_dot = check_tangent(xp, Omega_dot, dtype=A.dtype, shape=Omega.shape, name="tangent Omega_dot")
    return chain_pushforward(xp, A, Omega, factors, A_dot, Omega_dot)[-2]
