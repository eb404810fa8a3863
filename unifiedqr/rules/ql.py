r"""Derivative rules of the reduced QL decomposition A = Q L, by reversal of QR.

With J the exchange matrix, which reverses what it multiplies and is its own inverse and adjoint,

    (42)  A J = Q'R',   Q = Q'J,   L = J R'J

so that L (k x n) has its lower triangle in the last k columns. Cotangents and tangents are reversed the same way, and
the rules are those of QR between two reversals.

References
----------
D. A. O. Roberts, L. R. Roberts (2020), QR and LQ decomposition matrix backpropagation algorithms, arXiv 2009.10071.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.namespaces import is_complete
from unifiedqr.arrays.operators import reverse, reverse_columns
from unifiedqr.rules.qr import qr_jvp, qr_singular, qr_vjp
from unifiedqr.rules.validation import check_cotangents, check_factors, check_tangent


def ql_singular(Q: Array, L: Array, *, xp: Namespace) -> Array:
    """Return per matrix, in a boolean array (..., 1, 1), whether no derivative of its QL factors exists."""
    return qr_singular(reverse_columns(xp, Q), reverse(xp, L), xp=xp)


def ql_vjp(Q: Array, L: Array, Q_bar: Array | None, L_bar: Array | None, *, xp: Namespace = None) -> Array:
    """Pull cotangents of the reduced QL factors back to the matrix.

    Parameters
    ----------
    Q : array, shape (..., m, k)
        Orthonormal factor, k = min(m, n).
    L : array, shape (..., k, n)
        Factor whose last k columns are lower triangular with real diagonal, of either sign.
    Q_bar, L_bar : array or None
        Cotangents, of the shape and dtype of `Q` and `L`; None stands for zero; real ones do for complex factors.
    xp : namespace, optional
        Array API namespace of the arrays; found from `Q` when it has one.

    Returns
    -------
    A_bar : array, shape (..., m, n)
        Gradient with respect to A under <X_bar, dX> = Re tr(X_bar^H dX); NaN for a matrix of the batch whose last k
        columns are numerically dependent, where no derivative exists.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other or a cotangent does not fit its factor.

    Notes
    -----
    Equation (42) around (11), (12).

    References
    ----------
    D. A. O. Roberts, L. R. Roberts (2020), arXiv 2009.10071.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import ql_vjp
    >>> Q, L = np.array([[0.6], [0.8]]), np.array([[5.0]])  # A = [[3], [4]]
    >>> ql_vjp(Q, L, None, np.array([[1.0]]))  # gradient of L_11, the norm of the column
    array([[0.6],
           [0.8]])
    """
    if not is_complete(xp):
        xp = check_factors(xp, Q=Q, L=L)
        Q_bar, L_bar = check_cotangents(xp, Q=(Q, Q_bar), L=(L, L_bar))
    A_bar = qr_vjp(
        reverse_columns(xp, Q),
        reverse(xp, L),
        None if Q_bar is None else reverse_columns(xp, Q_bar),
        None if L_bar is None else reverse(xp, L_bar),
        xp=xp,
    )
    return reverse_columns(xp, A_bar)  # (42)


def ql_jvp(Q: Array, L: Array, A_dot: Array, *, xp: Namespace = None) -> tuple[Array, Array]:
    """Push a tangent of the matrix forward to the reduced QL factors.

    Parameters
    ----------
    Q : array, shape (..., m, k)
        Orthonormal factor, k = min(m, n).
    L : array, shape (..., k, n)
        Factor whose last k columns are lower triangular with real diagonal, of either sign.
    A_dot : array, shape (..., m, n)
        Tangent of A = Q L.
    xp : namespace, optional
        Array API namespace of the arrays; found from `Q` when it has one.

    Returns
    -------
    Q_dot : array, shape (..., m, k)
    L_dot : array, shape (..., k, n)
        Tangents of the factors; NaN for a matrix of the batch whose last k columns are numerically dependent.

    Raises
    ------
    ShapeError, DtypeError
        When the factors do not fit each other or the tangent does not fit them.

    Notes
    -----
    Equation (42) around (6), (7).

    References
    ----------
    S. F. Walter, L. Lehmann (2010), Algorithmic differentiation of linear algebra functions.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import ql_jvp
    >>> Q, L = np.array([[0.6], [0.8]]), np.array([[5.0]])
    >>> ql_jvp(Q, L, Q)  # lengthening the column leaves its direction
    (array([[0.],
           [0.]]), array([[1.]]))
    """
    if not is_complete(xp):
        xp = check_factors(xp, Q=Q, L=L)
        A_dot = check_tangent(xp, A_dot, dtype=Q.dtype, shape=(*Q.shape[:-1], L.shape[-1]))
    Q_dot, R_dot = qr_jvp(reverse_columns(xp, Q), reverse(xp, L), reverse_columns(xp, A_dot), xp=xp)
    return reverse_columns(xp, Q_dot), reverse(xp, R_dot)  # (42)
