r"""Derivative rules of weighted least squares, smooth in the weights down to zero.

min sum_i w_i |b_i - a_i x|^2 for a deep A of m x n with rows a_i, W = diag(w) real and non-negative, W^{1/2} A = Q R of
full rank, G = R^-1, so that (A^H W A)^-1 = G G^H; r = b - A x, ρ = sum_i w_i |r_i|^2 per right-hand side:

    (LS.8)  P = A G,  t = G^H x_bar,  z = P t,  y = G t,  u = W z + 2 W r ρ_bar
            b_bar = u,  A_bar = W r y^H - u x^H,  w_bar = Re sum_s (conj(z) r + ρ_bar |r|^2)
            x_dot = G (P^H (W f + w_dot r) + G^H A_dot^H W r),  f = b_dot - A_dot x
            ρ_dot = sum_i (w_dot_i |r_i|^2 + 2 w_i Re conj(r_i) f_i)
            G_dot = -G C,  C = P^H W A_dot G + P^H diag(w_dot) P / 2
            C_bar = -G^H G_bar,  A_bar = W P C_bar G^H,  w_bar = Re sum_j conj(P) (P C_bar) / 2

No square root of a weight is differentiated, and W^{1/2} A is read through P alone: a row of weight zero, which takes
no part in the solution, has a derivative with respect to its weight. G is a frame as in `unifiedqr.rules.frame`: what
is built on it does not change when it turns into G U, U unitary.

References
----------
A. Bjorck (1996), Numerical Methods for Least Squares Problems, chapter 4.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.dependence import anywhere, nan_where
from unifiedqr.arrays.namespaces import is_complete
from unifiedqr.arrays.operators import adjoint, is_complex, plus, real_part, shape_of_product
from unifiedqr.arrays.triangle import frame_inverse
from unifiedqr.rules.frame import marked_of, report_frame, undefined_unless_zero, without
from unifiedqr.rules.least_squares import difference_of_products, real_pairing
from unifiedqr.rules.validation import check_cotangents, check_tangent, check_weights


def _residuals(xp: Namespace, P: Array, A: Array, b: Array, w: Array, x: Array) -> Array:
    """Return r = b - A x without what rounding left of range(A) in it, in the weighted inner product (LS.7)."""
    r = b - A @ x
    return r - P @ (adjoint(xp, P) @ (w * r))


def weighted_pullback(
    xp: Namespace,
    A: Array,
    b: Array,
    w: Array,
    x: Array,
    G: Array,
    x_bar: Array | None,
    residuals_bar: Array | None,
    G_bar: Array | None,
) -> tuple[Array, Array, Array]:
    """Return A_bar, b_bar and w_bar by (LS.8); w and w_bar are (..., m, 1), of the dtype of A."""
    marked, w = marked_of(xp, G), real_part(xp, w)
    undefined = undefined_unless_zero(xp, A, marked, x_bar, residuals_bar, G_bar)
    if marked is not None:
        lacking = anywhere(xp, marked)
        G, x = without(xp, G, lacking), without(xp, x, lacking)
    x_bar = plus(0 * x if x_bar is None else x_bar, undefined)
    P, t = A @ G, adjoint(xp, G) @ x_bar
    z, y, r = P @ t, G @ t, _residuals(xp, P, A, b, w, x)
    w_bar = _sum_of_products(xp, z, r)
    u = w * z
    if residuals_bar is not None:
        rho_bar = real_part(xp, residuals_bar)
        u = u + 2 * w * r * rho_bar
        w_bar = w_bar + _sum_of_products(xp, r * rho_bar, r)
    A_bar = difference_of_products(xp, w * r, y, u, x)
    if G_bar is not None:
        PC_bar = -P @ (adjoint(xp, G) @ G_bar)
        A_bar = A_bar + w * (PC_bar @ adjoint(xp, G))
        w_bar = w_bar + _sum_of_products(xp, P, PC_bar) / 2
    return A_bar, u, w_bar  # (LS.8)


def _sum_of_products(xp: Namespace, X: Array, Y: Array) -> Array:
    """Return Re sum_j conj(X_ij) Y_ij, (..., m, 1), in the dtype of X."""
    products = xp.conj(X) * Y if is_complex(xp, X) else X * Y
    return real_part(xp, xp.sum(products, axis=-1, keepdims=True))


def weighted_pushforward(
    xp: Namespace,
    A: Array,
    b: Array,
    w: Array,
    x: Array,
    G: Array,
    A_dot: Array,
    b_dot: Array,
    w_dot: Array,
) -> tuple[Array, Array, Array]:
    """Return the tangents of x, of the weighted squared residuals and of G by (LS.8)."""
    report_frame(xp, A, G)
    marked, w, w_dot = marked_of(xp, G), real_part(xp, w), real_part(xp, w_dot)
    P, f = A @ G, b_dot - A_dot @ x
    P_H, r = adjoint(xp, P), _residuals(xp, P, A, b, w, x)
    x_dot = G @ (P_H @ (w * f + w_dot * r) + adjoint(xp, A_dot @ G) @ (w * r))
    residuals_dot = real_pairing(xp, r, 2 * w * f + w_dot * r)
    G = without(xp, G, marked)
    P = A @ G
    C = adjoint(xp, P) @ (w * (A_dot @ G) + w_dot * P / 2)
    G_dot = -G @ C
    return x_dot, residuals_dot, G_dot if marked is None else G_dot * nan_where(xp, marked, G.dtype)  # (LS.8)


def lstsq_weighted_vjp(
    A: Array,
    b: Array,
    w: Array,
    Q: Array,
    R: Array,
    x_bar: Array | None,
    residuals_bar: Array | None = None,
    *,
    xp: Namespace = None,
) -> tuple[Array, Array, Array]:
    """Pull cotangents of a weighted least squares solution back to the matrix, the right-hand sides and the weights.

    Parameters
    ----------
    A : array, shape (..., m, n)
        Matrix with m > n.
    b : array, shape (..., m, s)
        Right-hand sides.
    w : array, shape (..., m)
        Weights of the rows, real and non-negative.
    Q, R : array
        Reduced QR factors of W^{1/2} A, of full rank.
    x_bar : array, shape (..., n, s), or None
        Cotangent of the solution; None means zero.
    residuals_bar : array, shape (..., s), or None
        Cotangent of the weighted sums of squared residuals.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `A` if it has one.

    Returns
    -------
    A_bar : array, shape (..., m, n)
    b_bar : array, shape (..., m, s)
    w_bar : array, shape (..., m)
        Gradients under <X_bar, dX> = Re tr(X_bar^H dX); those of the weights are real. For a matrix of the batch that
        is numerically of less rank they are zero where the cotangents are, and NaN elsewhere.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (LS.8), which holds for weights of zero too.

    References
    ----------
    A. Bjorck (1996), Numerical Methods for Least Squares Problems, chapter 4.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import lstsq_weighted_vjp
    >>> A, b, w = np.ones((2, 1)), np.array([[1.0], [3.0]]), np.array([1.0, 3.0])  # x = (1 + 9) / (1 + 3)
    >>> Q, R = np.sqrt(w)[:, None] / 2, np.array([[2.0]])
    >>> lstsq_weighted_vjp(A, b, w, Q, R, np.array([[1.0]]))[2]  # (b_i - x) / (w_1 + w_2)
    array([-0.375,  0.125])
    """
    if not is_complete(xp):
        xp = check_weights(xp, A, b, w, Q, R)
    x, G, W = _solved(xp, A, b, w, Q, R)
    (x_bar,) = check_cotangents(xp, x=(x, x_bar))
    if residuals_bar is not None:
        shape = (*x.shape[:-2], x.shape[-1])
        residuals_bar = check_tangent(xp, residuals_bar, dtype=x.dtype, shape=shape, name="residuals_bar")
        residuals_bar = xp.expand_dims(residuals_bar, axis=-2)
    A_bar, b_bar, w_bar = weighted_pullback(xp, A, b, W, x, G, x_bar, residuals_bar, None)
    return A_bar, b_bar, xp.real(w_bar)[..., 0] if is_complex(xp, w_bar) else w_bar[..., 0]


def lstsq_weighted_jvp(
    A: Array,
    b: Array,
    w: Array,
    Q: Array,
    R: Array,
    A_dot: Array,
    b_dot: Array,
    w_dot: Array,
    *,
    xp: Namespace = None,
) -> tuple[Array, Array]:
    """Push tangents of the matrix, the right-hand sides and the weights forward to a weighted least squares solution.

    Parameters
    ----------
    A : array, shape (..., m, n)
        Matrix with m > n.
    b : array, shape (..., m, s)
        Right-hand sides.
    w : array, shape (..., m)
        Weights of the rows, real and non-negative.
    Q, R : array
        Reduced QR factors of W^{1/2} A, of full rank.
    A_dot, b_dot, w_dot : array
        Tangents of `A`, `b` and `w`, in their shapes.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `A` if it has one.

    Returns
    -------
    x_dot : array, shape (..., n, s)
    residuals_dot : array, shape (..., s)
        Tangents of the solution and of the weighted sums of squared residuals, real; NaN as in `lstsq_weighted_vjp`.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (LS.8).

    References
    ----------
    A. Bjorck (1996), Numerical Methods for Least Squares Problems, chapter 4.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import lstsq_weighted_jvp
    >>> A, b, w = np.ones((2, 1)), np.array([[1.0], [3.0]]), np.array([1.0, 3.0])
    >>> Q, R = np.sqrt(w)[:, None] / 2, np.array([[2.0]])
    >>> lstsq_weighted_jvp(A, b, w, Q, R, np.zeros((2, 1)), np.zeros((2, 1)), np.array([0.0, 1.0]))[0]
    array([[0.125]])
    """
    if not is_complete(xp):
        xp = check_weights(xp, A, b, w, Q, R)
    x, G, W = _solved(xp, A, b, w, Q, R)
    A_dot = check_tangent(xp, A_dot, dtype=A.dtype, shape=A.shape)
    b_dot = check_tangent(xp, b_dot, dtype=b.dtype, shape=b.shape, name="tangent b_dot")
    w_dot = xp.astype(check_tangent(xp, w_dot, dtype=w.dtype, shape=w.shape, name="tangent w_dot"), A.dtype)
    dots = weighted_pushforward(xp, A, b, W, x, G, A_dot, b_dot, xp.expand_dims(w_dot, axis=-1))
    x_dot, residuals_dot = dots[:2]
    residuals_dot = xp.real(residuals_dot) if is_complex(xp, residuals_dot) else residuals_dot
    return x_dot, residuals_dot[..., 0, :]


def _solved(xp: Namespace, A: Array, b: Array, w: Array, Q: Array, R: Array) -> tuple[Array, Array, Array]:
    """Return x, G and the weights as (..., m, 1) in the dtype of A."""
    G = frame_inverse(xp, R, shape_of_product(xp, Q, R))
    W = xp.expand_dims(xp.astype(w, A.dtype), axis=-1)
    return G @ (adjoint(xp, Q) @ (xp.sqrt(W) * b)), G, W
