r"""The frame (Q, G) of independent columns A: the derivative that everything built on range(A) shares.

A = Q R is m x n with independent columns, G = R^-1, Π = I - Q Q^H. What is built on a frame here (the solution of a
least squares problem, a basis of the range as such, a determinant) does not change when Q and G turn into Q W and G W,
with any unitary W. Then any W may be followed along a path, and the one that does not turn at all costs the least:

    (44)  Q_dot = Π A_dot G,   G_dot = -G Q^H A_dot G,   A_bar = (Π Q_bar - Q G^H G_bar) G^H

`frame` gives NaN in G for a matrix with dependent columns, so that whatever is derived from it is NaN.

References
----------
G. H. Golub, V. Pereyra (1973), The differentiation of pseudo-inverses and nonlinear least squares problems whose
variables separate.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.checks import report_dependent
from unifiedqr.rules.operators import Shape, adjoint, identity_like, leading_columns
from unifiedqr.rules.triangular import dependent, equilibrated, inverse_upper, poison


def frame_inverse(xp: Namespace, R: Array, shape: Shape) -> Array:
    """Give G = U^-1 for the leading k columns U of R, NaN in the matrices in which one of them is dependent."""
    U = leading_columns(R, shape)
    if R.shape[-2] == 0:
        return U
    nowhere = dependent(xp, equilibrated(xp, R, shape).U, shape, every=True)
    U = xp.where(nowhere, identity_like(xp, U), U)  # some solvers refuse a singular matrix, and the batch with it
    return poison(xp, inverse_upper(xp, U), nowhere)


def frame_singular(xp: Namespace, G: Array) -> Array:
    """Tell per matrix, in a boolean array (..., 1, 1), whether it has no frame."""
    return xp.any(xp.isnan(G), axis=(-2, -1), keepdims=True)


def report_frame(xp: Namespace, G: Array) -> None:
    """Report the matrices that have no frame, and so no derivative."""
    report_dependent(xp, frame_singular(xp, G))


def frame_pullback(xp: Namespace, Q: Array, G: Array, Q_bar: Array | None, G_bar: Array | None, shape: Shape) -> Array:
    """Give A_bar by (44); zero, where G is sound, if both cotangents are None."""
    G_H, X = adjoint(xp, G), None
    if Q_bar is not None and shape.deep:
        X = Q_bar - Q @ (adjoint(xp, Q) @ Q_bar)
    if G_bar is not None:
        turned = Q @ (G_H @ G_bar)
        X = -turned if X is None else X - turned
    return Q @ (0 * G_H) if X is None else X @ G_H  # (44)


def frame_pushforward(xp: Namespace, Q: Array, G: Array, A_dot: Array, shape: Shape) -> tuple[Array, Array]:
    """Give Q_dot and G_dot by (44)."""
    C = adjoint(xp, Q) @ A_dot @ G
    Q_dot = A_dot @ G - Q @ C if shape.deep else Q @ (0 * C)
    return Q_dot, -G @ C  # (44)
