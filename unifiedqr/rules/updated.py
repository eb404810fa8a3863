r"""Derivative rules of updated QR factors: those of the decomposed matrix, a known function of the inputs.

    (UP.4)  A = F T + U V^H = Q R,  A_bar by (QR.3), (QR.4):
            F_bar = A_bar T^H,  T_bar = F^H A_bar,  U_bar = A_bar V,  V_bar = A_bar^H U
            A_dot = F_dot T + F T_dot + U_dot V^H + U V_dot^H,  Q_dot and R_dot by (QR.1), (QR.2)
    (UP.5)  A = [T; B], R alone:  [T_bar; B_bar] = A_bar by (R.1),  R_dot by (R.2), (QR.2);
            by (QR.3), (QR.4) and (QR.2) where Q is at hand

That F has orthonormal columns is used by the algorithm (UP.1), not by the rule: (UP.4) is the derivative for every F.
Where leading columns of A are dependent, (DC.1) and (DC.2) hold, for all inputs at once.
"""

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.namespaces import is_complete
from unifiedqr.arrays.operators import adjoint
from unifiedqr.rules.qr import qr_jvp, qr_pullback
from unifiedqr.rules.triangle_only import qr_r_jvp, qr_r_vjp
from unifiedqr.rules.validation import check_append, check_cotangents, check_tangent, check_update


def product_pullback(xp: Namespace, F: Array, T: Array, A_bar: Array) -> tuple[Array, Array]:
    """Return F_bar and T_bar of A = F T (UP.4)."""
    return xp.beyond.combination((A_bar, adjoint(xp, T))), xp.beyond.inner(F, A_bar)


def product_pushforward(xp: Namespace, F: Array, T: Array, F_dot: Array, T_dot: Array) -> Array:
    """Return the tangent of A = F T (UP.4)."""
    return xp.beyond.combination((F_dot, T), (F, T_dot))


def update_pullback(xp: Namespace, F: Array, T: Array, U: Array, V: Array, A_bar: Array) -> Arrays:
    """Return F_bar, T_bar, U_bar and V_bar of A = F T + U V^H (UP.4)."""
    return *product_pullback(xp, F, T, A_bar), xp.beyond.combination((A_bar, V)), xp.beyond.inner(A_bar, U)


def update_pushforward(xp: Namespace, F: Array, T: Array, U: Array, V: Array, dots: Arrays) -> Array:
    """Return the tangent of A = F T + U V^H (UP.4)."""
    F_dot, T_dot, U_dot, V_dot = dots
    return xp.beyond.combination((F_dot, T), (F, T_dot), (U_dot, adjoint(xp, V)), (U, adjoint(xp, V_dot)))


def qr_update_vjp(
    F: Array,
    T: Array,
    U: Array,
    V: Array,
    Q: Array,
    R: Array,
    Q_bar: Array | None,
    R_bar: Array | None,
    *,
    xp: Namespace = None,
) -> tuple[Array, Array, Array, Array]:
    """Pull cotangents of updated QR factors back to the original factors and to the update.

    Parameters
    ----------
    F : array, shape (..., m, l)
    T : array, shape (..., l, n)
        The original matrix, F T: Q and R in `qr_update`, with zeros inserted or lines left out in `qr_insert` and
        `qr_delete`.
    U : array, shape (..., m, s)
    V : array, shape (..., n, s)
        The change, U V^H; s may be 0.
    Q : array, shape (..., m, k)
    R : array, shape (..., k, n)
        Reduced QR factors of F T + U V^H; k = min(m, n).
    Q_bar, R_bar : array or None
        Cotangents, of the shape and dtype of `Q` and `R`; None stands for zero; real ones do for complex factors.
    xp : namespace, optional
        Array API namespace of the arrays; found from `Q` when it has one.

    Returns
    -------
    F_bar, T_bar, U_bar, V_bar : array
        Gradients under <X_bar, dX> = Re tr(X_bar^H dX), in the shapes of `F`, `T`, `U` and `V`; NaN where `qr_vjp` of
        F T + U V^H is.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (UP.4), with (QR.3) or (QR.4).

    References
    ----------
    S. F. Walter, L. Lehmann (2010), Algorithmic differentiation of linear algebra functions.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_update_vjp
    >>> F, T, U, V = np.array([[1.0], [0.0]]), np.array([[3.0]]), np.array([[0.0], [4.0]]), np.array([[1.0]])
    >>> Q, R = np.array([[0.6], [0.8]]), np.array([[5.0]])
    >>> qr_update_vjp(F, T, U, V, Q, R, None, np.array([[1.0]]))[2]  # gradient of |(3, 4)|
    array([[0.6],
           [0.8]])
    """
    if not is_complete(xp):
        xp = check_update(xp, Q, R, F, T, U, V)
        Q_bar, R_bar = check_cotangents(xp, Q=(Q, Q_bar), R=(R, R_bar))
    F_bar, T_bar, U_bar, V_bar = update_pullback(xp, F, T, U, V, qr_pullback(xp, Q, R, Q_bar, R_bar))
    return F_bar, T_bar, U_bar, V_bar


def qr_update_jvp(
    F: Array,
    T: Array,
    U: Array,
    V: Array,
    Q: Array,
    R: Array,
    F_dot: Array,
    T_dot: Array,
    U_dot: Array,
    V_dot: Array,
    *,
    xp: Namespace = None,
) -> tuple[Array, Array]:
    """Push tangents of the original factors and of the update forward to updated QR factors.

    Parameters
    ----------
    F, T, U, V, Q, R : array
        As in `qr_update_vjp`.
    F_dot, T_dot, U_dot, V_dot : array
        Tangents of `F`, `T`, `U` and `V`, in their shapes.
    xp : namespace, optional
        Array API namespace of the arrays; found from `Q` when it has one.

    Returns
    -------
    Q_dot : array, shape (..., m, k)
    R_dot : array, shape (..., k, n)
        Tangents of the factors of F T + U V^H; NaN where those of `qr_jvp` are.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (UP.4), with (QR.1) and (QR.2).

    References
    ----------
    S. F. Walter, L. Lehmann (2010), Algorithmic differentiation of linear algebra functions.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_update_jvp
    >>> F, T, U, V = np.array([[1.0], [0.0]]), np.array([[3.0]]), np.array([[0.0], [4.0]]), np.array([[1.0]])
    >>> Q, R = np.array([[0.6], [0.8]]), np.array([[5.0]])
    >>> qr_update_jvp(F, T, U, V, Q, R, 0 * F, 0 * T, 0 * U, V)[1]
    array([[3.2]])
    """
    if not is_complete(xp):
        xp = check_update(xp, Q, R, F, T, U, V)
        given = {"F": (F, F_dot), "T": (T, T_dot), "U": (U, U_dot), "V": (V, V_dot)}
        F_dot, T_dot, U_dot, V_dot = _tangents(xp, given)
    return qr_jvp(Q, R, update_pushforward(xp, F, T, U, V, (F_dot, T_dot, U_dot, V_dot)), xp=xp)


def _tangents(xp: Namespace, given: dict[str, tuple[Array, Array]]) -> Arrays:
    """Return tangents of the shapes and dtypes of their arrays."""
    return tuple(
        check_tangent(xp, X_dot, dtype=X.dtype, shape=X.shape, name=f"tangent {name}_dot")
        for name, (X, X_dot) in given.items()
    )


def qr_append_vjp(T: Array, B: Array, R: Array, R_bar: Array | None, *, xp: Namespace = None) -> tuple[Array, Array]:
    """Pull a cotangent of the triangle of [T; B] back to T and to the rows B that were appended.

    Parameters
    ----------
    T : array, shape (..., l, n)
        The original triangle, or any matrix.
    B : array, shape (..., p, n)
        The rows appended.
    R : array, shape (..., k, n)
        Upper trapezoidal factor of [T; B], k = min(l + p, n).
    R_bar : array or None
        Cotangent, of the shape and dtype of `R`; None stands for zero; a real one does for a complex factor.
    xp : namespace, optional
        Array API namespace of the arrays; found from `T` when it has one.

    Returns
    -------
    T_bar, B_bar : array
        Gradients under <X_bar, dX> = Re tr(X_bar^H dX), in the shapes of `T` and `B`; that of T is full, since every
        entry of T counts. NaN where that of `qr_r_vjp` is.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (UP.5), with (R.1), (R.2) and (DC.2).

    References
    ----------
    M. Seeger et al. (2017), Auto-differentiating linear algebra.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_append_vjp
    >>> T, B, R = np.array([[3.0]]), np.array([[4.0]]), np.array([[5.0]])
    >>> qr_append_vjp(T, B, R, np.array([[1.0]]))  # gradient of the norm
    (array([[0.6]]), array([[0.8]]))
    """
    if not is_complete(xp):
        xp = check_append(xp, T, B, R)
        (R_bar,) = check_cotangents(xp, R=(R, R_bar))
    A_bar, count = qr_r_vjp(xp.concat([T, B], axis=-2), R, R_bar, xp=xp), T.shape[-2]
    return A_bar[..., :count, :], A_bar[..., count:, :]  # (UP.5)


def qr_append_jvp(T: Array, B: Array, R: Array, T_dot: Array, B_dot: Array, *, xp: Namespace = None) -> Array:
    """Push tangents of T and of the rows B that were appended forward to the triangle of [T; B].

    Parameters
    ----------
    T, B, R : array
        As in `qr_append_vjp`.
    T_dot, B_dot : array
        Tangents of `T` and `B`, in their shapes.
    xp : namespace, optional
        Array API namespace of the arrays; found from `T` when it has one.

    Returns
    -------
    R_dot : array, shape (..., k, n)
        Tangent of the triangle; NaN where that of `qr_r_jvp` is.

    Raises
    ------
    ShapeError, DtypeError
        When the arrays do not fit each other.

    Notes
    -----
    Equation (UP.5), with (QR.2) and (R.2).

    References
    ----------
    S. F. Walter, L. Lehmann (2010), Algorithmic differentiation of linear algebra functions.

    Examples
    --------
    >>> import numpy as np
    >>> from unifiedqr.rules import qr_append_jvp
    >>> T, B, R = np.array([[3.0]]), np.array([[4.0]]), np.array([[5.0]])
    >>> qr_append_jvp(T, B, R, T, B)
    array([[5.]])
    """
    if not is_complete(xp):
        xp = check_append(xp, T, B, R)
        T_dot, B_dot = _tangents(xp, {"T": (T, T_dot), "B": (B, B_dot)})
    return qr_r_jvp(xp.concat([T, B], axis=-2), R, xp.concat([T_dot, B_dot], axis=-2), xp=xp)  # (UP.5)
