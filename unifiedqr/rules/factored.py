r"""Derivative rules of operations on stored factors: Q X, Q^H X, also with the complete Q, and solutions.

A[:, P] = Q R, and Y = Q X or Y = Q^H X. The rules read Q, R and X, and return cotangents of A and X; those of Q and
R are None, since that of A includes them. Q_bar is never formed,

    (FA.1)  Q_bar = F E^H:   A_bar = F (E^H U^-H) + Q K,   W = (Q^H F) E^H in (QR.3), (QR.4)
            F, E = Y_bar, X for Q X;   F, E = X, Y_bar for Q^H X;   X_bar = Q^H Y_bar,  Q Y_bar
    (FA.2)  Q_dot X = A_dot_1 (U^-1 X) - Q (T X),   Q_dot^H X = U^-H (A_dot_1^H X) - T^H (Q^H X)   if deep
            Q_dot X = Q (Ω X),   Q_dot^H X = Ω^H (Q^H X)   if not;   Ω, T of (QR.1)

and for the complete Q, with t, z, c of (FA.3) and (M, N) = (Y_bar, X) or (X, Y_bar),

    (FA.4)  H = G (S Q_1^H M - M_1):   F = [M, [-t(N) ; N_2]],   E = [N_1 + S t(N), S H]   in (FA.1)
    (FA.5)  h = [-t ; X_2],  u = X_1 + S t:   t_dot = G^H S (Q_1_dot^H h + Q_1^H [0 ; X_dot_2]),
            Y_dot = Q_1_dot u + Q_1 (X_dot_1 + S t_dot) + [-t_dot ; X_dot_2]
    (FA.6)  c_dot = Q_1_dot^H X + Q_1^H X_dot,   z_dot = S G (S c_dot - X_dot_1 - (Q_1_dot z)_1),
            Y_dot = [c_dot ; X_dot_2 + (Q_1_dot z + Q_1 z_dot)_2]

Each column of Y counts by itself. Where columns of A are marked (DC.1), a column of Y that depends on a marked column
of Q has no derivative, and its tangent is NaN; so is A_bar if its cotangent is not zero.

References
----------
R. Schreiber, C. Van Loan (1989), A storage-efficient WY representation.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.dependence import anywhere, nan_where
from unifiedqr.arrays.factored import Factored, is_met
from unifiedqr.arrays.operators import adjoint, leading_columns, orthogonal_to, plus, shape_of_product, skew
from unifiedqr.arrays.triangle import Triangle, frame_inverse, guarded
from unifiedqr.checks import report_dependent
from unifiedqr.rules.frame import marked_of, report_frame, undefined_unless_zero, without
from unifiedqr.rules.least_squares import difference_of_products
from unifiedqr.rules.qr import pullback_terms


def turned_pullback(factors: Factored, M: Array, N: Array) -> Array:
    """Return A_bar for the cotangent M N^H of Q, or of the complete Q, by (FA.1) and (FA.4)."""
    xp, others, F, E = factors.xp, (), M, N
    if factors.G is not None:
        N_1, N_2 = factors.parts(N)
        t = factors.turned(N)
        H = factors.G @ (factors.signed(xp.beyond.inner(factors.Q, M)) - factors.parts(M)[0])
        F = xp.concat([M, xp.concat([-t, N_2], axis=-2)], axis=-1)
        E = xp.concat([N_1 + factors.signed(t), factors.signed(H)], axis=-1)  # (FA.4)
        # The last columns of Q are a function of all of the first ones.
        others = (_columns_met(xp, M) * _columns_met(xp, N_2),)
    terms = pullback_terms(xp, factors.Q, factors.R, (F, adjoint(xp, E)), None, others)
    return xp.beyond.combination(*((X, factors.columns_of_A(K)) for X, K in terms))  # (FA.1)


def _columns_met(xp: Namespace, X: Array) -> Array:
    return is_met(xp, xp.sum(xp.abs(X), axis=-2, keepdims=True))


def completion_pullback(factors: Factored, G_bar: Array) -> Array:
    """Return A_bar for a cotangent of G, by (CQ.3)."""
    xp, G_H = factors.xp, adjoint(factors.xp, factors.G)
    top = -G_H @ G_bar @ G_H * factors.S
    below = xp.zeros_like(factors.parts(factors.Q)[1])
    terms = pullback_terms(xp, factors.Q, factors.R, xp.concat([top, below], axis=-2), None, (G_bar,))
    return factors.columns_of_A(xp.beyond.combination(*terms))


class Turning:
    """How Q turns along a tangent of A (FA.2).

    Parameters
    ----------
    factors : Factored
    A_dot : array, shape (..., m, n)
    """

    def __init__(self, factors: Factored, A_dot: Array) -> None:
        xp = self.xp = factors.xp
        self.factors, self.A_dot = factors, A_dot
        self.shape = shape_of_product(xp, factors.Q, factors.R)
        self.triangle: Triangle = guarded(xp, factors.R, self.shape)
        C = factors.columns_of_R(xp.beyond.inner(factors.Q, A_dot))
        X = self.triangle.divide_scaled(leading_columns(C, self.shape))
        self.omega = skew(xp, X)
        self.T = X - self.omega

    def times(self, X: Array, X_dot: Array) -> Array:
        """Return Q_dot X + Q X_dot, of the reduced Q."""
        xp, Q = self.xp, self.factors.Q
        if not self.shape.deep:
            return Q @ (self.omega @ X + X_dot)
        Z = xp.beyond.solve_triangular(self.triangle.undone(), X, upper=True)
        return xp.beyond.combination((self.A_dot, self.factors.rows_of_A(Z)), (Q, X_dot - self.T @ X))

    def times_adjoint(self, X: Array, X_dot: Array) -> Array:
        """Return Q_dot^H X + Q^H X_dot, of the reduced Q."""
        xp, Q = self.xp, self.factors.Q
        if not self.shape.deep:
            return adjoint(xp, self.omega) @ xp.beyond.inner(Q, X) + xp.beyond.inner(Q, X_dot)
        V = self.factors.rows_of_R(xp.beyond.inner(self.A_dot, X))
        V = xp.beyond.solve_triangular(adjoint(xp, self.triangle.undone()), V, upper=False)
        return V + xp.beyond.inner(Q, X_dot) - adjoint(xp, self.T) @ xp.beyond.inner(Q, X)

    def above(self) -> Array:
        """Return the first n rows of Q_dot, of a deep matrix."""
        B = self.triangle.divide(self.factors.columns_of_R(self.factors.parts(self.A_dot)[0]))
        return B - self.factors.parts(self.factors.Q)[0] @ self.T

    def undefined(self, X_1: Array, X_2: Array | None) -> Array | None:
        """Return NaN for the columns of Q X that have no derivative, 0 for others, (..., 1, s)."""
        xp, marked = self.xp, self.triangle.marked
        if marked is None:
            return None
        rows = xp.matrix_transpose(marked)
        read = xp.where(rows, X_1, xp.zeros_like(X_1))
        read = read if X_2 is None else xp.concat([read, X_2], axis=-2)
        return self._nan(anywhere(xp, marked), read)

    def undefined_adjoint(self, X: Array) -> tuple[Array | None, Array | None]:
        """Return NaN for entries of Q^H X that have no derivative, 0 for others: (..., k, s), and in the rows below."""
        xp, marked = self.xp, self.triangle.marked
        if marked is None:
            return None, None
        return self._nan(xp.matrix_transpose(marked), X), self._nan(anywhere(xp, marked), X)

    def _nan(self, marks: Array, X: Array) -> Array:
        """Return NaN where there is a mark and the column of X is not zero, 0 elsewhere."""
        xp = self.xp
        struck = xp.logical_and(marks, _columns_met(xp, X) > 0)
        report_dependent(xp, anywhere(xp, struck), self.factors.R)
        total = xp.sum(X, axis=-2, keepdims=True)
        return xp.where(struck, total * nan_where(xp, anywhere(xp, marks), total.dtype), xp.zeros_like(total))


def product_pushforward(factors: Factored, X: Array, A_dot: Array, X_dot: Array) -> Array:
    """Return the tangent of Q X by (FA.2), of the complete Q by (FA.5)."""
    turning, xp = Turning(factors, A_dot), factors.xp
    if factors.G is None:
        return plus(turning.times(X, X_dot), turning.undefined(X, None))  # (FA.2)
    (X_1, X_2), (X_dot_1, X_dot_2) = factors.parts(X), factors.parts(X_dot)
    t = factors.turned(X)
    h = xp.concat([-t, X_2], axis=-2)
    h_dot = xp.concat([xp.zeros_like(t), X_dot_2], axis=-2)
    t_dot = adjoint(xp, factors.G) @ factors.signed(turning.times_adjoint(h, h_dot))
    Y_dot = turning.times(X_1 + factors.signed(t), X_dot_1 + factors.signed(t_dot))
    return plus(Y_dot + xp.concat([-t_dot, X_dot_2], axis=-2), turning.undefined(X_1, X_2))  # (FA.5)


def adjoint_product_pushforward(factors: Factored, X: Array, A_dot: Array, X_dot: Array) -> Array:
    """Return the tangent of Q^H X by (FA.2), of the complete Q by (FA.6)."""
    turning, xp = Turning(factors, A_dot), factors.xp
    c_dot = turning.times_adjoint(X, X_dot)
    above, below = turning.undefined_adjoint(X)
    if factors.G is None:
        return plus(c_dot, above)  # (FA.2)
    z = factors.reflected(xp.beyond.inner(factors.Q, X), factors.parts(X)[0])
    across = turning.times(z, xp.zeros_like(z))
    across_1, across_2 = factors.parts(across)
    z_dot = factors.reflected(c_dot, factors.parts(X_dot)[0] + across_1)
    rest = factors.parts(X_dot)[1] + across_2 + factors.parts(factors.Q @ z_dot)[1]
    return xp.concat([plus(c_dot, above), plus(rest, below)], axis=-2)  # (FA.6)


def completion_pushforward(factors: Factored, A_dot: Array) -> Array:
    """Return the tangent of G by (CQ.3), NaN if a column is marked."""
    xp, turning = factors.xp, Turning(factors, A_dot)
    G: Array = factors.G
    G_dot = -G @ (turning.above() * factors.S) @ G
    marked = turning.triangle.marked
    if marked is None:
        return G_dot
    turning.triangle.report()
    return G_dot * nan_where(xp, anywhere(xp, marked), G_dot.dtype)


def shortest_pullback(factors: Factored, A: Array, x: Array, x_bar: Array | None) -> tuple[Array, Array]:
    """Return A_bar and b_bar of the shortest solution of A^H x = b, by (LS.4) for A^H; A is deep or square."""
    xp, Q, G = factors.xp, factors.Q, frame_of(factors)
    marked = marked_of(xp, G)
    undefined = undefined_unless_zero(xp, Q, marked, x_bar)
    if marked is not None:
        lacking = anywhere(xp, marked)
        G, x = without(xp, G, lacking), without(xp, x, lacking)
    x_bar = plus(0 * x if x_bar is None else x_bar, undefined)
    c = xp.beyond.inner(Q, x_bar)
    w = G @ c
    if not shape_of_product(xp, A, A).deep:
        return -x @ adjoint(xp, w), w
    z = G @ xp.beyond.inner(Q, x)
    return difference_of_products(xp, orthogonal_to(xp, Q, x_bar - Q @ c), z, x, w), w  # (LS.4)


def shortest_pushforward(factors: Factored, A: Array, x: Array, A_dot: Array, b_dot: Array) -> Array:
    """Return the tangent of the shortest solution of A^H x = b, by (LS.4) for A^H; A is deep or square."""
    xp, Q, G = factors.xp, factors.Q, frame_of(factors)
    report_frame(xp, Q, G)
    y = adjoint(xp, G) @ (b_dot - xp.beyond.inner(A_dot, x))
    if not shape_of_product(xp, A, A).deep:
        return Q @ y
    across = A_dot @ (G @ xp.beyond.inner(Q, x))
    return Q @ (y - xp.beyond.inner(Q, across)) + across  # (LS.4)


def frame_of(factors: Factored) -> Array:
    """Return G with A G = Q: the frame of A itself, its rows in the order of the columns of A."""
    xp = factors.xp
    return factors.rows_of_A(frame_inverse(xp, factors.R, shape_of_product(xp, factors.Q, factors.R)))
