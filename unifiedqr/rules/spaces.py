r"""Derivative rules of orthonormal bases of the range of A and of its orthogonal complement, and of null spaces.

A basis as such is arbitrary: the rules are those of losses that depend on the spanned space alone, and a basis turns no
more than its space does. With the frame A_1 = Q R, G = R^-1 of the leading k columns and N a basis of the complement,

    (LS.2)  A_bar = Π Q_bar G^H,       Q_dot = Π A_dot_1 G
    (CQ.5)  Q_bar' = -N N_bar^H Q,     N_dot = -Q (Q_dot^H N)
    (CQ.6)  v = |S - S^H|_F / 2,       S = N^H N_bar

A loss depends on the spanned space alone only if v = 0. It is the skew part of S that must vanish, not S.

References
----------
G. H. Golub, V. Pereyra (1973), The differentiation of pseudo-inverses and nonlinear least squares problems whose
variables separate.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.namespaces import is_complete
from unifiedqr.arrays.operators import Shape, adjoint, leading_columns, plus, shape_of_product
from unifiedqr.arrays.triangle import frame_inverse
from unifiedqr.checks import report_gauge
from unifiedqr.rules.frame import frame_pullback, frame_pushforward, marked_of, report_frame, undefined_unless_zero
from unifiedqr.rules.validation import (
    check_cotangents,
    check_dtypes,
    check_factors,
    check_tangent,
)


def gauge_violation(xp: Namespace, N: Array, N_bar: Array) -> Array:
    """Return v of (CQ.6) per matrix, relative to the size of N_bar, 0 where that is zero; real, (..., 1, 1)."""
    S = adjoint(xp, N) @ N_bar
    size = xp.sqrt(xp.sum(xp.abs(N_bar) ** 2, axis=(-2, -1), keepdims=True))
    skew = xp.sqrt(xp.sum(xp.abs(S - adjoint(xp, S)) ** 2, axis=(-2, -1), keepdims=True)) / 2  # (CQ.6)
    return skew / xp.where(size > 0, size, xp.ones_like(size))


def complement_pullback(xp: Namespace, N: Array, Q: Array, N_bar: Array) -> Array:
    """Return the cotangent of Q that one of the basis N of its complement amounts to (CQ.5); report it by (CQ.6)."""
    allowed = 10 * shape_of_product(xp, N, N).longer * float(xp.finfo(N.dtype).eps)
    report_gauge(xp, gauge_violation(xp, N, N_bar) / allowed)
    return -N @ (adjoint(xp, N_bar) @ Q)


def complement_pushforward(xp: Namespace, N: Array, Q: Array, Q_dot: Array) -> Array:
    """Return the tangent of the basis N of the complement of Q (CQ.5)."""
    return -Q @ (adjoint(xp, Q_dot) @ N)


def range_pullback(
    xp: Namespace,
    Q: Array,
    G: Array,
    Q_bar: Array | None,
    G_bar: Array | None,
    shape: Shape,
    like: Array,
    N_bar: Array | None = None,
) -> Array:
    """Return A_bar, shaped as `like`, from cotangents of the frame of its leading columns (LS.2).

    `N_bar` is a cotangent of the complement, which is part of Q_bar already, and depends on every column.
    """
    A_bar = frame_pullback(xp, Q, G, Q_bar, G_bar, shape)
    A_bar = plus(A_bar, undefined_unless_zero(xp, Q, marked_of(xp, G), N_bar))
    return xp.concat([A_bar, xp.zeros_like(like[..., shape.k :])], axis=-1) if shape.wide else A_bar


def orth_vjp(Q: Array, R: Array, Q_bar: Array | None, *, xp: Namespace = None) -> Array:
    """Pull a cotangent of an orthonormal basis of the range back to the matrix.

    Parameters
    ----------
    Q : array, shape (..., m, k)
        The basis, from A = Q R.
    R : array, shape (..., k, n)
        Upper trapezoidal factor.
    Q_bar : array or None
        Cotangent, of the shape and dtype of `Q`; None means zero.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `Q` if it has one.

    Returns
    -------
    A_bar : array, shape (..., m, n)
        Gradient with respect to A of a loss that depends on the range alone. If column r is the first, of the leading
        k, that is numerically dependent on those before it, the gradient of that matrix of the batch is that of a loss
        of the range of the first r columns, NaN if Q_bar[:, r:] is not zero. Zero for a wide matrix of full rank, whose
        range is everything.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other or the cotangent does not fit Q.

    Notes
    -----
    Equation (LS.2), with (DC.1).

    References
    ----------
    G. H. Golub, V. Pereyra (1973).

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import orth_vjp
    >>> Q, R = np.array([[0.6], [0.8]]), np.array([[5.0]])  # A = [[3], [4]]
    >>> orth_vjp(Q, R, np.array([[-0.8], [0.6]])).round(3)
    array([[-0.16],
           [ 0.12]])
    """
    if not is_complete(xp):
        xp = check_factors(xp, Q=Q, R=R)
        (Q_bar,) = check_cotangents(xp, Q=(Q, Q_bar))
    shape = shape_of_product(xp, Q, R)
    return range_pullback(xp, Q, frame_inverse(xp, R, shape), Q_bar, None, shape, R)


def orth_jvp(Q: Array, R: Array, A_dot: Array, *, xp: Namespace = None) -> Array:
    """Push a tangent of the matrix forward to an orthonormal basis of its range.

    Parameters
    ----------
    Q : array, shape (..., m, k)
        The basis, from A = Q R.
    R : array, shape (..., k, n)
        Upper trapezoidal factor.
    A_dot : array, shape (..., m, n)
        Tangent of A.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `Q` if it has one.

    Returns
    -------
    Q_dot : array, shape (..., m, k)
        Tangent of the basis that turns no more than the range does, NaN in Q_dot[:, r:] with r as in `orth_vjp`.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other or the tangent does not fit them.

    Notes
    -----
    Equation (LS.2), with (DC.1).

    References
    ----------
    G. H. Golub, V. Pereyra (1973).

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import orth_jvp
    >>> Q, R = np.array([[0.6], [0.8]]), np.array([[5.0]])  # A = [[3], [4]]
    >>> orth_jvp(Q, R, np.array([[-0.8], [0.6]])).round(3)
    array([[-0.16],
           [ 0.12]])
    """
    if not is_complete(xp):
        xp = check_factors(xp, Q=Q, R=R)
        A_dot = check_tangent(xp, A_dot, dtype=Q.dtype, shape=(*Q.shape[:-1], R.shape[-1]))
    shape = shape_of_product(xp, Q, R)
    G = frame_inverse(xp, R, shape)
    report_frame(xp, Q, G)
    return frame_pushforward(xp, Q, G, leading_columns(A_dot, shape), shape)[0]


def left_null_space_vjp(N: Array, Q: Array, R: Array, N_bar: Array | None, *, xp: Namespace = None) -> Array:
    """Pull a cotangent of a basis of range(A)^perp back to the matrix.

    Parameters
    ----------
    N : array, shape (..., m, m - n)
        Orthonormal basis of the complement of the range, of any origin.
    Q : array, shape (..., m, n)
        Orthonormal factor of the deep matrix A = Q R.
    R : array, shape (..., n, n)
        Upper triangular factor.
    N_bar : array or None
        Cotangent, of the shape and dtype of `N`; None means zero.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `Q` if it has one.

    Returns
    -------
    A_bar : array, shape (..., m, n)
        Gradient with respect to A of a loss that depends on the space alone; NaN for a matrix of the batch whose
        columns are numerically dependent, unless the cotangent is zero.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other or the cotangent does not fit N.
    GaugeError
        After ``set_checks("raise")``, when the cotangent depends on the choice of basis (CQ.6).

    Warns
    -----
    GaugeWarning
        When the cotangent depends on the choice of basis (CQ.6).

    Notes
    -----
    Equations (CQ.5) and (LS.2).

    References
    ----------
    G. H. Golub, V. Pereyra (1973).

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import left_null_space_vjp
    >>> N, Q, R = np.array([[-0.8], [0.6]]), np.array([[0.6], [0.8]]), np.array([[5.0]])  # A = [[3], [4]]
    >>> left_null_space_vjp(N, Q, R, np.array([[1.0], [0.0]])).round(3)
    array([[ 0.096],
           [-0.072]])
    """
    if not is_complete(xp):
        xp = check_factors(xp, Q=Q, R=R)
        check_dtypes(xp, N=N, Q=Q)
        (N_bar,) = check_cotangents(xp, N=(N, N_bar))
    shape = shape_of_product(xp, Q, R)
    Q_bar = None if N_bar is None else complement_pullback(xp, N, Q, N_bar)
    return range_pullback(xp, Q, frame_inverse(xp, R, shape), Q_bar, None, shape, R, N_bar)
