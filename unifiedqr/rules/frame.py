r"""The frame (Q, G) of independent columns A: the derivative that everything built on range(A) shares.

A = Q R is m x n with independent columns, G = R^-1, Π = I - Q Q^H. What is built on a frame here (the solution of a
least squares problem, a basis of the range as such, a determinant) does not change when Q and G turn into Q W and G W,
with any unitary W. Then any W may be followed along a path, and the one that does not turn at all costs the least:

    (LS.1)  Q_dot = Π A_dot G,   G_dot = -G Q^H A_dot G,   A_bar = (Π Q_bar - Q G^H G_bar) G^H

Where columns r, r + 1, ... are marked (DC.1), the frame is that of the first r columns, whatever follows: Q[:, :r] and
G[:, :r], which is zero below its first r rows. `frame_inverse` puts NaN in the other columns of G, and that is how it
is known later which they are. What is built on the whole frame has no derivative then, unless its cotangent is zero.

References
----------
G. H. Golub, V. Pereyra (1973), The differentiation of pseudo-inverses and nonlinear least squares problems whose
variables separate.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.dependence import (
    anywhere,
    either,
    met,
    met_by_holders,
    nan_where,
    sum_of,
    total,
    undefined,
    unless_empty,
)
from unifiedqr.arrays.operators import Shape, adjoint, plus
from unifiedqr.arrays.triangle import frame_singular
from unifiedqr.checks import report_dependent


def report_frame(xp: Namespace, factor: Array, G: Array) -> None:
    """Report the matrices that have marked columns, whose tangents are NaN; `factor` is finite where A is."""
    report_dependent(xp, frame_singular(xp, G), factor)


def marked_of(xp: Namespace, G: Array) -> Array | None:
    """Return the columns of a frame that are marked, (..., 1, k); None if it is known that there are none."""
    return unless_empty(xp, xp.any(xp.isnan(G), axis=-2, keepdims=True)) if G.shape[-1] != 0 else None


def without(xp: Namespace, X: Array, marked: Array | None) -> Array:
    """Return X, zero where marked."""
    return X if marked is None else xp.where(marked, xp.zeros_like(X), X)


def undefined_unless_zero(xp: Namespace, factor: Array, marked: Array | None, *bars: Array | None) -> Array | None:
    """Return NaN for the matrices with marked columns of which a cotangent is not zero, 0 for others, (..., 1, 1).

    `factor` is finite where A is.
    """
    given = [bar for bar in bars if bar is not None]
    if marked is None or not given:
        return None

    def found() -> Array:
        return either(xp, *(met(xp, X) for X in given))

    return undefined(xp, factor, marked, found, lambda: total(*(sum_of(xp, X) for X in given)))


def frame_pullback(xp: Namespace, Q: Array, G: Array, Q_bar: Array | None, G_bar: Array | None, shape: Shape) -> Array:
    """Return A_bar by (LS.1); zero if both cotangents are None."""
    marked = marked_of(xp, G)
    G_H, X, W = adjoint(xp, without(xp, G, marked)), None, None
    if Q_bar is not None and (shape.deep or marked is not None):
        W = xp.beyond.inner(Q, Q_bar)
        rows = None if marked is None else xp.matrix_transpose(marked)
        X = Q_bar - Q @ without(xp, W, rows)
        if not shape.deep and marked is not None:  # Q spans everything, unless
            X = xp.where(anywhere(xp, marked), X, xp.zeros_like(X))
    if G_bar is not None:
        turned = Q @ (G_H @ G_bar)
        X = -turned if X is None else X - turned
    if X is None:
        return Q @ (0 * G_H)
    if marked is not None:

        def found() -> Array:
            of_Q = None if Q_bar is None else met_by_holders(xp, Q_bar, marked)
            return either(xp, of_Q, None if G_bar is None else met(xp, G_bar, marked))

        def summed() -> Array:
            return total(*(sum_of(xp, X, marked) for X in (W, G_bar) if X is not None))

        G_H = plus(G_H, undefined(xp, Q, marked, found, summed))
    return X @ G_H  # (LS.1)


def frame_pushforward(xp: Namespace, Q: Array, G: Array, A_dot: Array, shape: Shape) -> tuple[Array, Array]:
    """Return Q_dot and G_dot by (LS.1), NaN in marked columns."""
    marked = marked_of(xp, G)
    if marked is None:
        C = xp.beyond.inner(Q, A_dot) @ G
        Q_dot = A_dot @ G - Q @ C if shape.deep else Q @ (0 * C)
        return Q_dot, -G @ C  # (LS.1)
    rows, G = xp.matrix_transpose(marked), without(xp, G, marked)
    B = A_dot @ G
    C = without(xp, xp.beyond.inner(Q, B), rows)
    Q_dot = B - Q @ C
    if not shape.deep:
        Q_dot = xp.where(anywhere(xp, marked), Q_dot, xp.zeros_like(Q_dot))
    factors = nan_where(xp, marked, G.dtype)
    return Q_dot * factors, -G @ C * factors  # (LS.1)
