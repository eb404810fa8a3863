r"""Derivative rules of the reduced RQ decomposition A = R Q, by reversal of LQ.

With J the exchange matrix, which reverses what it multiplies and is its own inverse and adjoint,

    (43)  J A = L'Q',   R = J L'J,   Q = J Q'

so that R (m x k) has its upper triangle in the last k rows, as LAPACK gerqf. Cotangents and tangents are reversed the
same way, and the rules are those of LQ between two reversals.

References
----------
D. A. O. Roberts, L. R. Roberts (2020), QR and LQ decomposition matrix backpropagation algorithms, arXiv 2009.10071.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.namespaces import is_complete
from unifiedqr.arrays.operators import reverse, reverse_rows
from unifiedqr.rules.lq import lq_jvp, lq_singular, lq_vjp
from unifiedqr.rules.validation import check_cotangents, check_factors, check_tangent


def rq_singular(R: Array, Q: Array, *, xp: Namespace) -> Array:
    """Return per matrix, in a boolean array (..., 1, 1), whether no derivative of its RQ factors exists."""
    return lq_singular(reverse(xp, R), reverse_rows(xp, Q), xp=xp)


def rq_vjp(R: Array, Q: Array, R_bar: Array | None, Q_bar: Array | None, *, xp: Namespace = None) -> Array:
    """Pull cotangents of the reduced RQ factors back to the matrix.

    Parameters
    ----------
    R : array, shape (..., m, k)
        Factor whose last k = min(m, n) rows are upper triangular with real diagonal, of either sign.
    Q : array, shape (..., k, n)
        Factor with orthonormal rows.
    R_bar, Q_bar : array or None
        Cotangents, of the shape and dtype of `R` and `Q`; None stands for zero; real ones do for complex factors.
    xp : namespace, optional
        Array API namespace of the arrays; found from `Q` when it has one.

    Returns
    -------
    A_bar : array, shape (..., m, n)
        Gradient with respect to A under <X_bar, dX> = Re tr(X_bar^H dX); NaN for a matrix of the batch whose last k
        rows are numerically dependent, where no derivative exists.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other or a cotangent does not fit its factor.

    Notes
    -----
    Equation (43) around (27).

    References
    ----------
    D. A. O. Roberts, L. R. Roberts (2020), arXiv 2009.10071.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import rq_vjp
    >>> R, Q = np.array([[5.0]]), np.array([[0.6, 0.8]])  # A = [[3, 4]]
    >>> rq_vjp(R, Q, np.array([[1.0]]), None)  # gradient of R_11, the norm of the row
    array([[0.6, 0.8]])
    """
    if not is_complete(xp):
        xp = check_factors(xp, R=R, Q=Q)
        R_bar, Q_bar = check_cotangents(xp, R=(R, R_bar), Q=(Q, Q_bar))
    A_bar = lq_vjp(
        reverse(xp, R),
        reverse_rows(xp, Q),
        None if R_bar is None else reverse(xp, R_bar),
        None if Q_bar is None else reverse_rows(xp, Q_bar),
        xp=xp,
    )
    return reverse_rows(xp, A_bar)  # (43)


def rq_jvp(R: Array, Q: Array, A_dot: Array, *, xp: Namespace = None) -> tuple[Array, Array]:
    """Push a tangent of the matrix forward to the reduced RQ factors.

    Parameters
    ----------
    R : array, shape (..., m, k)
        Factor whose last k = min(m, n) rows are upper triangular with real diagonal, of either sign.
    Q : array, shape (..., k, n)
        Factor with orthonormal rows.
    A_dot : array, shape (..., m, n)
        Tangent of A = R Q.
    xp : namespace, optional
        Array API namespace of the arrays; found from `Q` when it has one.

    Returns
    -------
    R_dot : array, shape (..., m, k)
    Q_dot : array, shape (..., k, n)
        Tangents of the factors; NaN for a matrix of the batch whose last k rows are numerically dependent.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other or the tangent does not fit them.

    Notes
    -----
    Equation (43) around (27t).

    References
    ----------
    S. F. Walter, L. Lehmann (2010), Algorithmic differentiation of linear algebra functions.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import rq_jvp
    >>> R, Q = np.array([[5.0]]), np.array([[0.6, 0.8]])
    >>> rq_jvp(R, Q, Q)  # lengthening the row leaves its direction
    (array([[1.]]), array([[0., 0.]]))
    """
    if not is_complete(xp):
        xp = check_factors(xp, R=R, Q=Q)
        A_dot = check_tangent(xp, A_dot, dtype=Q.dtype, shape=(*R.shape[:-1], Q.shape[-1]))
    L_dot, Q_dot = lq_jvp(reverse(xp, R), reverse_rows(xp, Q), reverse_rows(xp, A_dot), xp=xp)
    return reverse(xp, L_dot), reverse_rows(xp, Q_dot)  # (43)
