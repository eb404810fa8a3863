r"""Derivative rule of the sign and the logarithm of the modulus of a determinant.

For square A = Q R, with cotangents g of log |det A| and s of sign(det A) = exp(i θ):

    (LS.11)  A_bar = (g + i θ_bar) A^-H,   A^-H = Q R^-H,   θ_bar = Im(conj(sign) s)
             t = tr(A^-1 A_dot),   logabsdet_dot = Re t,   sign_dot = i Im(t) sign

A real sign is constant.

References
----------
K. B. Petersen, M. S. Pedersen (2012), The Matrix Cookbook, equations (43) and (57); M. Giles (2008), An extended
collection of matrix derivative results for forward and reverse mode algorithmic differentiation.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.dependence import anywhere
from unifiedqr.arrays.namespaces import is_complete
from unifiedqr.arrays.operators import adjoint, is_complex, plus, shape_of_product
from unifiedqr.arrays.triangle import frame_inverse
from unifiedqr.rules.frame import marked_of, report_frame, undefined_unless_zero, without
from unifiedqr.rules.validation import check_cotangents, check_factors, check_tangent


def inverse_of_factors(xp: Namespace, Q: Array, R: Array) -> Array:
    """Return A^-1 of a square A = Q R, NaN for matrices with dependent columns."""
    return frame_inverse(xp, R, shape_of_product(xp, R, R)) @ adjoint(xp, Q)


def determinant_pullback(
    xp: Namespace, sign: Array, inverse: Array, sign_bar: Array | None, logabsdet_bar: Array | None
) -> Array:
    """Return A_bar by (LS.11); `sign` and the cotangents are (..., 1, 1), of the dtype of the matrix."""
    marked = marked_of(xp, inverse)
    undefined = undefined_unless_zero(xp, sign, marked, sign_bar, logabsdet_bar)
    factor = 0 * sign if logabsdet_bar is None else logabsdet_bar
    if is_complex(xp, inverse):
        factor = xp.astype(xp.real(factor), inverse.dtype)
        if sign_bar is not None:
            factor = factor + 1j * xp.astype(xp.imag(xp.conj(sign) * sign_bar), inverse.dtype)
    return plus(factor, undefined) * adjoint(xp, _sound(xp, inverse, marked))  # (LS.11)


def determinant_pushforward(xp: Namespace, sign: Array, inverse: Array, A_dot: Array) -> tuple[Array, Array]:
    """Return the tangents of the sign and of the logarithm by (LS.11), (..., 1, 1), in the dtype of the matrix."""
    report_frame(xp, sign, inverse)
    t = xp.sum(xp.matrix_transpose(inverse) * A_dot, axis=(-2, -1), keepdims=True)
    if not is_complex(xp, inverse):
        return 0 * t, t
    return 1j * xp.astype(xp.imag(t), t.dtype) * sign, xp.astype(xp.real(t), t.dtype)  # (LS.11)


def inverse_pullback(xp: Namespace, sign: Array, inverse: Array, inverse_bar: Array) -> Array:
    """Return A_bar from a cotangent of A^-1: d(A^-1) = -A^-1 dA A^-1."""
    marked = marked_of(xp, inverse)
    undefined = undefined_unless_zero(xp, sign, marked, inverse_bar)
    inverse_H = adjoint(xp, _sound(xp, inverse, marked))
    return plus(-inverse_H @ inverse_bar @ inverse_H, undefined)


def _sound(xp: Namespace, inverse: Array, marked: Array | None) -> Array:
    """Return inverses, zero for matrices that have none."""
    return inverse if marked is None else without(xp, inverse, anywhere(xp, marked))


def slogdet_vjp(
    Q: Array, R: Array, sign: Array, sign_bar: Array | None, logabsdet_bar: Array | None, *, xp: Namespace = None
) -> Array:
    """Pull cotangents of sign and logarithm of the determinant back to the matrix.

    Parameters
    ----------
    Q, R : array, shape (..., n, n)
        QR factors of the square matrix A.
    sign : array, shape (...)
        det A / |det A|.
    sign_bar : array, shape (...), or None
        Cotangent of the sign; None means zero. A real sign has no derivative.
    logabsdet_bar : array, shape (...), or None
        Cotangent of log |det A|; None means zero.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `Q` if it has one.

    Returns
    -------
    A_bar : array, shape (..., n, n)
        Gradient with respect to A under <X_bar, dX> = Re tr(X_bar^H dX). For a numerically singular matrix
        of the batch zero where both cotangents are, NaN elsewhere.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (LS.11).

    References
    ----------
    M. Giles (2008), An extended collection of matrix derivative results.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import slogdet_vjp
    >>> slogdet_vjp(np.eye(2), np.diag([2.0, 4.0]), np.array(1.0), None, np.array(1.0))
    array([[0.5 , 0.  ],
           [0.  , 0.25]])
    """
    if not is_complete(xp):
        xp = check_factors(xp, square=True, Q=Q, R=R)
        sign = check_tangent(xp, sign, dtype=Q.dtype, shape=Q.shape[:-2], name="sign")
    like = sign if sign.dtype == Q.dtype else xp.astype(sign, Q.dtype)
    sign_bar, logabsdet_bar = check_cotangents(xp, sign=(like, sign_bar), logabsdet=(like, logabsdet_bar))
    whole = (None if X is None else X[..., None, None] for X in (sign_bar, logabsdet_bar))
    return determinant_pullback(xp, sign[..., None, None], inverse_of_factors(xp, Q, R), *whole)


def slogdet_jvp(Q: Array, R: Array, sign: Array, A_dot: Array, *, xp: Namespace = None) -> tuple[Array, Array]:
    """Push a tangent of the matrix forward to sign and logarithm of its determinant.

    Parameters
    ----------
    Q, R : array, shape (..., n, n)
        QR factors of the square matrix A.
    sign : array, shape (...)
        det A / |det A|.
    A_dot : array, shape (..., n, n)
        Tangent of A.
    xp : namespace, optional
        Array API namespace of the arrays; inferred from `Q` if it has one.

    Returns
    -------
    sign_dot : array, shape (...)
    logabsdet_dot : array, shape (...)
        Tangents; the second is real. NaN for a numerically singular matrix.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (LS.11).

    References
    ----------
    M. Giles (2008), An extended collection of matrix derivative results.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import slogdet_jvp
    >>> float(slogdet_jvp(np.eye(2), np.diag([2.0, 4.0]), np.array(1.0), np.eye(2))[1])
    0.75
    """
    if not is_complete(xp):
        xp = check_factors(xp, square=True, Q=Q, R=R)
        sign = check_tangent(xp, sign, dtype=Q.dtype, shape=Q.shape[:-2], name="sign")
        A_dot = check_tangent(xp, A_dot, dtype=Q.dtype, shape=Q.shape)
    dots = determinant_pushforward(xp, sign[..., None, None], inverse_of_factors(xp, Q, R), A_dot)
    sign_dot, logabsdet_dot = (X[..., 0, 0] for X in dots)
    return sign_dot, xp.real(logabsdet_dot) if is_complex(xp, logabsdet_dot) else logabsdet_dot
