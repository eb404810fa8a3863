"""The rules of products with Q by themselves, on plain arrays: `unifiedqr.rules.factored` has the formulas."""

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.factored import Factored
from unifiedqr.rules.factored import adjoint_product_pushforward, product_pushforward, turned_pullback
from unifiedqr.rules.validation import check_completion, check_factors, check_permutation, check_tangent


def _given(
    xp: Namespace, Q: Array, R: Array, X: Array, P: Array, WY: tuple[Array, Array] | None, *, adjoint: bool
) -> tuple[Namespace, Factored, Array]:
    """Return the namespace, the factors and X that a rule was given, which fit each other."""
    xp = check_factors(xp, Q=Q, R=R)
    check_completion(xp, Q, R, WY)
    factors = Factored(xp, Q, R, None if P is None else check_permutation(xp, P, R), *(WY or (None, None)))
    shape = (*Q.shape[:-2], Q.shape[-2 if adjoint or WY else -1], *X.shape[-1:])
    return xp, factors, check_tangent(xp, X, dtype=Q.dtype, shape=shape, name="X")


def _fitted(xp: Namespace, factors: Factored, X: Array, Y_bar: Array, *, adjoint: bool) -> Array:
    """Return a cotangent of the product, which fits it."""
    Q = factors.Q
    shape = (*Q.shape[:-2], Q.shape[-1 if adjoint and factors.G is None else -2], X.shape[-1])
    return check_tangent(xp, Y_bar, dtype=Q.dtype, shape=shape, name="cotangent Y_bar")


def qr_apply_vjp(
    Q: Array,
    R: Array,
    X: Array,
    Y_bar: Array,
    *,
    P: Array = None,
    WY: tuple[Array, Array] | None = None,
    xp: Namespace = None,
) -> tuple[Array, Array]:
    """Pull a cotangent of Q X back to the matrix that Q is a factor of, and to X.

    Parameters
    ----------
    Q : array, shape (..., m, k)
        Orthonormal factor, k = min(m, n).
    R : array, shape (..., k, n)
        Upper trapezoidal factor with real diagonal, of either sign.
    X : array, shape (..., k, s)
        What Q is multiplied by; (..., m, s) with `WY`.
    Y_bar : array, shape (..., m, s)
        Cotangent of Q X. A real one does for complex factors.
    P : integer array, shape (..., n), optional
        Pivots: ``A[..., :, P] = Q R`` per matrix.
    WY : pair of arrays, shapes (..., n, n) and (..., 1, n), optional
        G and S of (CQ.1), for the complete Q of a deep matrix: `QRFactor.WY`.
    xp : namespace, optional
        Array API namespace of the arrays; found from `Q` when it has one.

    Returns
    -------
    A_bar : array, shape (..., m, n)
    X_bar : array, of the shape of `X`
        Gradients under <X_bar, dX> = Re tr(X_bar^H dX). If column r of a matrix is the first, of the leading k, that is
        numerically dependent on those before it, A_bar is NaN if a cotangent is not zero in a column of Y that X[r:]
        reaches.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (FA.1), and (FA.4) for the complete Q: no cotangent of Q itself is formed.

    References
    ----------
    R. Schreiber, C. Van Loan (1989), A storage-efficient WY representation.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_apply_vjp
    >>> Q, R = np.array([[0.6], [0.8]]), np.array([[5.0]])  # A = [[3], [4]]
    >>> qr_apply_vjp(Q, R, np.array([[10.0]]), np.array([[1.0], [0.0]]))
    (array([[ 1.28],
           [-0.96]]), array([[0.6]]))
    """
    xp, factors, X = _given(xp, Q, R, X, P, WY, adjoint=False)
    Y_bar = _fitted(xp, factors, X, Y_bar, adjoint=False)
    return turned_pullback(factors, Y_bar, X), factors.times_adjoint(Y_bar)


def qr_apply_jvp(
    Q: Array,
    R: Array,
    X: Array,
    A_dot: Array,
    X_dot: Array,
    *,
    P: Array = None,
    WY: tuple[Array, Array] | None = None,
    xp: Namespace = None,
) -> Array:
    """Push tangents of the matrix that Q is a factor of, and of X, forward to Q X.

    Parameters
    ----------
    Q : array, shape (..., m, k)
        Orthonormal factor, k = min(m, n).
    R : array, shape (..., k, n)
        Upper trapezoidal factor with real diagonal, of either sign.
    X : array, shape (..., k, s)
        What Q is multiplied by; (..., m, s) with `WY`.
    A_dot : array, shape (..., m, n)
        Tangent of A.
    X_dot : array
        Tangent of `X`, in its shape.
    P : integer array, shape (..., n), optional
        Pivots: ``A[..., :, P] = Q R`` per matrix.
    WY : pair of arrays, shapes (..., n, n) and (..., 1, n), optional
        G and S of (CQ.1), for the complete Q of a deep matrix: `QRFactor.WY`.
    xp : namespace, optional
        Array API namespace of the arrays; found from `Q` when it has one.

    Returns
    -------
    Y_dot : array, shape (..., m, s)
        Tangent of the product. If column r of a matrix is the first, of the leading k, that is
        numerically dependent on those before it, NaN in the columns that X[r:] reaches.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (FA.2), and (FA.5) for the complete Q.

    References
    ----------
    R. Schreiber, C. Van Loan (1989), A storage-efficient WY representation.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_apply_jvp
    >>> Q, R = np.array([[0.6], [0.8]]), np.array([[5.0]])  # A = [[3], [4]]
    >>> qr_apply_jvp(Q, R, np.array([[10.0]]), np.array([[-0.8], [0.6]]), np.array([[1.0]]))
    array([[-1.],
           [ 2.]])
    """
    xp, factors, X = _given(xp, Q, R, X, P, WY, adjoint=False)
    A_dot = check_tangent(xp, A_dot, dtype=Q.dtype, shape=(*Q.shape[:-1], R.shape[-1]))
    X_dot = check_tangent(xp, X_dot, dtype=X.dtype, shape=X.shape, name="tangent X_dot")
    return product_pushforward(factors, X, A_dot, X_dot)


def qr_apply_adjoint_vjp(
    Q: Array,
    R: Array,
    X: Array,
    Y_bar: Array,
    *,
    P: Array = None,
    WY: tuple[Array, Array] | None = None,
    xp: Namespace = None,
) -> tuple[Array, Array]:
    """Pull a cotangent of Q^H X back to the matrix that Q is a factor of, and to X.

    Parameters
    ----------
    Q : array, shape (..., m, k)
        Orthonormal factor, k = min(m, n).
    R : array, shape (..., k, n)
        Upper trapezoidal factor with real diagonal, of either sign.
    X : array, shape (..., m, s)
        What Q^H is multiplied by.
    Y_bar : array, shape (..., k, s)
        Cotangent of Q^H X; (..., m, s) with `WY`. A real one does for complex factors.
    P : integer array, shape (..., n), optional
        Pivots: ``A[..., :, P] = Q R`` per matrix.
    WY : pair of arrays, shapes (..., n, n) and (..., 1, n), optional
        G and S of (CQ.1), for the complete Q of a deep matrix: `QRFactor.WY`.
    xp : namespace, optional
        Array API namespace of the arrays; found from `Q` when it has one.

    Returns
    -------
    A_bar : array, shape (..., m, n)
    X_bar : array, of the shape of `X`
        Gradients under <X_bar, dX> = Re tr(X_bar^H dX). If column r of a matrix is the first, of the leading k, that is
        numerically dependent on those before it, A_bar is NaN if a cotangent is not zero in Y[r:], in a column in which
        X is not zero.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (FA.1), and (FA.4) for the complete Q: no cotangent of Q itself is formed.

    References
    ----------
    R. Schreiber, C. Van Loan (1989), A storage-efficient WY representation.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_apply_adjoint_vjp
    >>> Q, R = np.array([[0.6], [0.8]]), np.array([[5.0]])  # A = [[3], [4]]
    >>> qr_apply_adjoint_vjp(Q, R, np.array([[10.0], [0.0]]), np.array([[1.0]]))
    (array([[ 1.28],
           [-0.96]]), array([[0.6],
           [0.8]]))
    """
    xp, factors, X = _given(xp, Q, R, X, P, WY, adjoint=True)
    Y_bar = _fitted(xp, factors, X, Y_bar, adjoint=True)
    return turned_pullback(factors, X, Y_bar), factors.times(Y_bar)


def qr_apply_adjoint_jvp(
    Q: Array,
    R: Array,
    X: Array,
    A_dot: Array,
    X_dot: Array,
    *,
    P: Array = None,
    WY: tuple[Array, Array] | None = None,
    xp: Namespace = None,
) -> Array:
    """Push tangents of the matrix that Q is a factor of, and of X, forward to Q^H X.

    Parameters
    ----------
    Q : array, shape (..., m, k)
        Orthonormal factor, k = min(m, n).
    R : array, shape (..., k, n)
        Upper trapezoidal factor with real diagonal, of either sign.
    X : array, shape (..., m, s)
        What Q^H is multiplied by.
    A_dot : array, shape (..., m, n)
        Tangent of A.
    X_dot : array
        Tangent of `X`, in its shape.
    P : integer array, shape (..., n), optional
        Pivots: ``A[..., :, P] = Q R`` per matrix.
    WY : pair of arrays, shapes (..., n, n) and (..., 1, n), optional
        G and S of (CQ.1), for the complete Q of a deep matrix: `QRFactor.WY`.
    xp : namespace, optional
        Array API namespace of the arrays; found from `Q` when it has one.

    Returns
    -------
    Y_dot : array, shape (..., k, s)
        Tangent of the product; (..., m, s) with `WY`. If column r of a matrix is the first, of the leading k, that is
        numerically dependent on those before it, NaN in Y[r:], in columns in which X is not zero.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (FA.2), and (FA.6) for the complete Q.

    References
    ----------
    R. Schreiber, C. Van Loan (1989), A storage-efficient WY representation.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_apply_adjoint_jvp
    >>> Q, R = np.array([[0.6], [0.8]]), np.array([[5.0]])  # A = [[3], [4]]
    >>> qr_apply_adjoint_jvp(Q, R, np.array([[10.0], [0.0]]), np.array([[-0.8], [0.6]]), np.zeros((2, 1)))
    array([[-1.6]])
    """
    xp, factors, X = _given(xp, Q, R, X, P, WY, adjoint=True)
    A_dot = check_tangent(xp, A_dot, dtype=Q.dtype, shape=(*Q.shape[:-1], R.shape[-1]))
    X_dot = check_tangent(xp, X_dot, dtype=X.dtype, shape=X.shape, name="tangent X_dot")
    return adjoint_product_pushforward(factors, X, A_dot, X_dot)
