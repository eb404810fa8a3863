r"""Derivative rules of least squares and minimum norm solutions, directly, without cotangents of the factors.

Deep or square A = Q R with independent columns, G = R^-1, r = b - A x, ρ = |r|^2 per right-hand side (r^H A = 0):

    (LS.3)  t = G^H x_bar,  w = Q t + 2 r ρ_bar,  y = G t;         b_bar = w,  A_bar = r y^H - w x^H
            x_dot = G (Q^H f + G^H A_dot^H r),  ρ_dot = 2 Re r^H f,  f = b_dot - A_dot x

Wide A with independent rows, A^H = Q R, the solution of minimum norm (ρ = 0):

    (LS.4)  c = Q^H x_bar,  w = G c,  z = G Q^H x,  p = x_bar - Q c;   b_bar = w,  A_bar = z p^H - w x^H
            x_dot = Q G^H f + Π A_dot^H z

Constant rank, A^+ the pseudo-inverse:

    (LS.6)  w = A^+H x_bar,  y = A^+ w,  z = A^+H x,  p = x_bar - A^+ A x_bar;
            b_bar = w + 2 r ρ_bar,  A_bar = r y^H + z p^H - b_bar x^H
            x_dot = A^+ f + A^+ A^+H A_dot^H r + (I - A^+ A) A_dot^H z

In exact arithmetic r and p are orthogonal to the range of A and of A^H. Rounding leaves in them what is not, as large
as the largest entries of b and A x times the unit roundoff: of rows that are 1e8 times as large as others, more than
the others hold; and where r must vanish, because the rank is m, that is all there is. So they are projected again,

    (LS.7)  r <- r - Q (Q^H r),   p <- p - V (V^H p)

with orthonormal bases Q and V of the ranges of A and of A^H.

The frame (Q, G) has the derivative (LS.1), and the pseudo-inverse that of Golub and Pereyra:

    (LS.5)  d(A^+) = -A^+ dA A^+ + A^+ A^+H dA^H (I - A A^+) + (I - A^+ A) dA^H A^+H A^+
            Q_dot = (I - A A^+) dA A^+ Q,  V_dot = (I - A^+ A) dA^H A^+H V

References
----------
G. H. Golub, V. Pereyra (1973), The differentiation of pseudo-inverses and nonlinear least squares problems whose
variables separate; N. J. Higham (2002), Accuracy and Stability of Numerical Algorithms, chapter 20.
"""

from typing import NamedTuple

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.dependence import anywhere
from unifiedqr.arrays.namespaces import is_complete
from unifiedqr.arrays.operators import adjoint, frame_shape, is_complex, orthogonal_to, plus, real_part
from unifiedqr.arrays.triangle import frame_inverse
from unifiedqr.rules.frame import (
    frame_pullback,
    frame_pushforward,
    marked_of,
    report_frame,
    undefined_unless_zero,
    without,
)
from unifiedqr.rules.validation import check_cotangents, check_least_squares, check_tangent


def real_pairing(xp: Namespace, X: Array, Y: Array) -> Array:
    """Return Re <x_j, y_j> of the columns, in the dtype of X, in shape (..., 1, s)."""
    products = xp.conj(X) * Y if is_complex(xp, X) else X * Y
    return real_part(xp, xp.beyond.total(xp.sum(products, axis=-2, keepdims=True)))


def solution_pullback(
    xp: Namespace, A: Array, b: Array, x: Array, Q: Array, G: Array, x_bar: Array | None, residuals_bar: Array | None
) -> tuple[Array, Array]:
    """Return A_bar and b_bar of a full-rank problem from its frame, by (LS.3) or (LS.4).

    A matrix of less rank has no solution here, and gives NaN unless the cotangents are zero.
    """
    shape, is_adjoint = frame_shape(xp, A)
    marked = marked_of(xp, G)
    undefined = undefined_unless_zero(xp, Q, marked, x_bar, residuals_bar)
    if marked is not None:
        lacking = anywhere(xp, marked)
        G, x = without(xp, G, lacking), without(xp, x, lacking)
    x_bar = plus(0 * x if x_bar is None else x_bar, undefined)
    if is_adjoint:
        c = xp.beyond.inner(Q, x_bar)
        w, z = G @ c, G @ xp.beyond.inner(Q, x)
        return difference_of_products(xp, z, orthogonal_to(xp, Q, x_bar - Q @ c), w, x), w  # (LS.4)
    t = adjoint(xp, G) @ x_bar
    w, y = Q @ t, G @ t
    if not shape.deep:  # the residual is zero
        return -w @ adjoint(xp, x), w
    r = orthogonal_to(xp, Q, b - A @ x)
    w = w if residuals_bar is None else w + 2 * r * real_part(xp, residuals_bar)
    return difference_of_products(xp, r, y, w, x), w  # (LS.3)


def solution_pushforward(
    xp: Namespace, A: Array, b: Array, x: Array, Q: Array, G: Array, A_dot: Array, b_dot: Array
) -> tuple[Array, Array]:
    """Return the tangents of x and of the squared residuals of a full-rank problem, by (LS.3) or (LS.4)."""
    report_frame(xp, Q, G)
    shape, is_adjoint = frame_shape(xp, A)
    f = b_dot - A_dot @ x
    if is_adjoint:
        z = G @ xp.beyond.inner(Q, x)
        across = adjoint(xp, A_dot) @ z
        x_dot = Q @ (adjoint(xp, G) @ f - xp.beyond.inner(Q, across)) + across  # (LS.4)
        return x_dot, 0 * x_dot[..., :1, :]
    if not shape.deep:
        x_dot = G @ xp.beyond.inner(Q, f)
        return x_dot, 0 * x_dot[..., :1, :]
    r = orthogonal_to(xp, Q, b - A @ x)
    x_dot = G @ (xp.beyond.inner(Q, f) + adjoint(xp, G) @ xp.beyond.inner(A_dot, r))
    return x_dot, 2 * real_pairing(xp, r, f)  # (LS.3)


def solution_frame_pullback(
    xp: Namespace, A: Array, Q: Array, G: Array, Q_bar: Array | None, G_bar: Array | None
) -> Array | None:
    """Return what cotangents of the frame itself add to A_bar (LS.1); None if there are none."""
    if Q_bar is None and G_bar is None:
        return None
    shape, is_adjoint = frame_shape(xp, A)
    A_bar = frame_pullback(xp, Q, G, Q_bar, G_bar, shape)
    return adjoint(xp, A_bar) if is_adjoint else A_bar


def solution_frame_pushforward(xp: Namespace, A: Array, Q: Array, G: Array, A_dot: Array) -> tuple[Array, Array]:
    """Return the tangents of the frame itself (LS.1)."""
    shape, is_adjoint = frame_shape(xp, A)
    return frame_pushforward(xp, Q, G, adjoint(xp, A_dot) if is_adjoint else A_dot, shape)


def difference_of_products(xp: Namespace, X: Array, Y: Array, W: Array, Z: Array) -> Array:
    """Return X Y^H - W Z^H, by one product."""
    return xp.concat([X, -W], axis=-1) @ adjoint(xp, xp.concat([Y, Z], axis=-1))


class PseudoInverse(NamedTuple):
    """A^+ of a rank that does not change, with bases of what its projectors leave alone.

    Attributes
    ----------
    G : array, shape (..., n, m)
        A^+.
    Q, V : array, shape (..., m, k) and (..., n, k)
        Orthonormal bases of the ranges of A and of A^H, followed by columns of zeros.
    """

    G: Array
    Q: Array
    V: Array

    def across(self, xp: Namespace, X: Array) -> Array:
        """Return (I - A A^+) X, zero to the square of the unit roundoff where the rank is m (LS.7)."""
        return orthogonal_to(xp, self.Q, orthogonal_to(xp, self.Q, X))

    def along(self, xp: Namespace, X: Array) -> Array:
        """Return (I - A^+ A) X, zero to the square of the unit roundoff where the rank is n (LS.7)."""
        return orthogonal_to(xp, self.V, orthogonal_to(xp, self.V, X))


def constant_rank_pullback(
    xp: Namespace,
    inverse: PseudoInverse,
    A: Array,
    b: Array,
    x: Array,
    x_bar: Array | None,
    residuals_bar: Array | None,
) -> tuple[Array, Array]:
    """Return A_bar and b_bar from the pseudo-inverse (LS.6)."""
    x_bar = 0 * x if x_bar is None else x_bar
    G_H, r = adjoint(xp, inverse.G), inverse.across(xp, b - A @ x)
    w, z = G_H @ x_bar, G_H @ x
    y, p = inverse.G @ w, inverse.along(xp, x_bar)
    b_bar = w if residuals_bar is None else w + 2 * r * real_part(xp, residuals_bar)
    return difference_of_products(xp, r, y, b_bar, x) + z @ adjoint(xp, p), b_bar  # (LS.6)


def constant_rank_pushforward(
    xp: Namespace, inverse: PseudoInverse, A: Array, b: Array, x: Array, A_dot: Array, b_dot: Array
) -> tuple[Array, Array]:
    """Return the tangents of x and of the squared residuals from the pseudo-inverse (LS.6)."""
    G_H, A_dot_H = adjoint(xp, inverse.G), adjoint(xp, A_dot)
    r, f = inverse.across(xp, b - A @ x), b_dot - A_dot @ x
    x_dot = inverse.G @ (f + G_H @ (A_dot_H @ r)) + inverse.along(xp, A_dot_H @ (G_H @ x))  # (LS.6)
    return x_dot, 2 * real_pairing(xp, r, f)


def pseudo_inverse_pullback(
    xp: Namespace, inverse: PseudoInverse, G_bar: Array | None, Q_bar: Array | None, V_bar: Array | None
) -> Array | None:
    """Return what cotangents of the pseudo-inverse and its bases add to A_bar, by the adjoint of (LS.5)."""
    G, Q, V = inverse
    G_H = adjoint(xp, G)
    terms: list[Array] = []
    if G_bar is not None:
        left = inverse.across(xp, adjoint(xp, G_bar) @ G) @ G_H
        terms.append(left + G_H @ adjoint(xp, inverse.along(xp, G_bar @ G_H)) - G_H @ G_bar @ G_H)
    if Q_bar is not None:
        terms.append(inverse.across(xp, Q_bar) @ adjoint(xp, G @ Q))
    if V_bar is not None:
        terms.append(G_H @ V @ adjoint(xp, inverse.along(xp, V_bar)))
    return sum(terms[1:], terms[0]) if terms else None


def pseudo_inverse_pushforward(xp: Namespace, inverse: PseudoInverse, A_dot: Array) -> PseudoInverse:
    """Return the tangents of the pseudo-inverse and its bases, which turn no more than their spaces (LS.5)."""
    G, Q, V = inverse
    G_H, A_dot_H = adjoint(xp, G), adjoint(xp, A_dot)
    X = adjoint(xp, inverse.across(xp, A_dot))
    G_dot = G @ (G_H @ X) + inverse.along(xp, A_dot_H @ (G_H @ G)) - G @ (A_dot @ G)
    Q_dot, V_dot = inverse.across(xp, A_dot @ (G @ Q)), inverse.along(xp, A_dot_H @ (G_H @ V))
    return PseudoInverse(G_dot, Q_dot, V_dot)


def lstsq_vjp(
    A: Array,
    b: Array,
    Q: Array,
    R: Array,
    x_bar: Array | None,
    residuals_bar: Array | None = None,
    *,
    xp: Namespace = None,
) -> tuple[Array, Array]:
    """Pull cotangents of a full-rank least squares solution back to the matrix and the right-hand sides.

    Parameters
    ----------
    A : array, shape (..., m, n)
        Matrix of full rank.
    b : array, shape (..., m, s)
        Right-hand sides.
    Q, R : array
        Reduced QR factors of A, or of A^H if A is wide.
    x_bar : array, shape (..., n, s), or None
        Cotangent of the solution; None means zero.
    residuals_bar : array, shape (..., s), or None
        Cotangent of the squared residual norms.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `A` if it has one.

    Returns
    -------
    A_bar : array, shape (..., m, n)
    b_bar : array, shape (..., m, s)
        Gradients under <X_bar, dX> = Re tr(X_bar^H dX). For a matrix of the batch that is numerically of less rank they
        are zero where the cotangents are, and NaN elsewhere.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (LS.3), and (LS.4) if A is wide.

    References
    ----------
    G. H. Golub, V. Pereyra (1973).

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import lstsq_vjp
    >>> A, b = np.array([[3.0], [4.0]]), np.array([[1.0], [0.0]])  # x = 3/25
    >>> A_bar, b_bar = lstsq_vjp(A, b, A / 5, np.array([[5.0]]), np.array([[1.0]]))
    >>> A_bar.round(4), b_bar.round(4)
    (array([[ 0.0112],
           [-0.0384]]), array([[0.12],
           [0.16]]))
    """
    if not is_complete(xp):
        xp = check_least_squares(xp, A, b, Q, R)
    shape, is_adjoint = frame_shape(xp, A)
    G = frame_inverse(xp, R, shape)
    x = Q @ (adjoint(xp, G) @ b) if is_adjoint else G @ xp.beyond.inner(Q, b)
    (x_bar,) = check_cotangents(xp, x=(x, x_bar))
    if residuals_bar is not None:
        residuals_bar = check_tangent(
            xp, residuals_bar, dtype=x.dtype, shape=(*x.shape[:-2], x.shape[-1]), name="residuals_bar"
        )
        residuals_bar = xp.expand_dims(residuals_bar, axis=-2)
    return solution_pullback(xp, A, b, x, Q, G, x_bar, residuals_bar)


def lstsq_jvp(
    A: Array, b: Array, Q: Array, R: Array, A_dot: Array, b_dot: Array, *, xp: Namespace = None
) -> tuple[Array, Array]:
    """Push tangents of the matrix and the right-hand sides forward to a full-rank least squares solution.

    Parameters
    ----------
    A : array, shape (..., m, n)
        Matrix of full rank.
    b : array, shape (..., m, s)
        Right-hand sides.
    Q, R : array
        Reduced QR factors of A, or of A^H if A is wide.
    A_dot, b_dot : array
        Tangents of `A` and `b`, in their shapes.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `A` if it has one.

    Returns
    -------
    x_dot : array, shape (..., n, s)
    residuals_dot : array, shape (..., s)
        Tangents of the solution and of the squared residual norms, real; NaN as in `lstsq_vjp`.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (LS.3), and (LS.4) if A is wide.

    References
    ----------
    G. H. Golub, V. Pereyra (1973).

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import lstsq_jvp
    >>> A, b = np.array([[3.0], [4.0]]), np.array([[1.0], [0.0]])
    >>> x_dot, residuals_dot = lstsq_jvp(A, b, A / 5, np.array([[5.0]]), np.zeros((2, 1)), b)
    >>> x_dot.round(4), residuals_dot.round(4)
    (array([[0.12]]), array([1.28]))
    """
    if not is_complete(xp):
        xp = check_least_squares(xp, A, b, Q, R)
    A_dot = check_tangent(xp, A_dot, dtype=A.dtype, shape=A.shape)
    b_dot = check_tangent(xp, b_dot, dtype=b.dtype, shape=b.shape, name="tangent b_dot")
    shape, is_adjoint = frame_shape(xp, A)
    G = frame_inverse(xp, R, shape)
    x = Q @ (adjoint(xp, G) @ b) if is_adjoint else G @ xp.beyond.inner(Q, b)
    x_dot, residuals_dot = solution_pushforward(xp, A, b, x, Q, G, A_dot, b_dot)
    residuals_dot = xp.real(residuals_dot) if is_complex(xp, residuals_dot) else residuals_dot
    return x_dot, residuals_dot[..., 0, :]
