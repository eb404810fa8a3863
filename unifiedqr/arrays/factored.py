r"""Products with Q, and with the complete Q, that never form a matrix as large as what they multiply by.

Q_1 R = A[:, P] are reduced factors, G and S those of (CQ.1), E_1 and E_2 the first and the last columns of I. With X_1
the first n rows of X and X_2 the others, [0 ; X_2] being X with X_1 replaced by zeros,

    (FA.3)  t(X) = G^H S Q_1^H [0 ; X_2],   [Q_1 Q_2] X = Q_1 (X_1 + S t(X)) + [-t(X) ; X_2]
            c = Q_1^H X,   z = S G (S c - X_1),   [Q_1 Q_2]^H X = [c ; X_2 + (Q_1 z)_2]

which are (CQ.1) with the m x m matrix multiplied out: for m x s arrays X they cost O(m n s).
"""

from typing import NamedTuple

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.operators import adjoint, columns_at, inverse_of, order_of, rows_at, shape_of_product


class Factored(NamedTuple):
    """A matrix by its factors, A[:, P] = Q R.

    Attributes
    ----------
    xp : namespace
    Q, R : array, shape (..., m, k) and (..., k, n)
        Reduced factors.
    P : array, shape (..., 1, n), or None
        Pivots, as numbers of the dtype of Q; None for columns in their own order.
    G, S : array, shape (..., n, n) and (..., 1, n), or None
        What makes Q complete (CQ.1), for m > n.
    """

    xp: Namespace
    Q: Array
    R: Array
    P: Array | None = None
    G: Array | None = None
    S: Array | None = None

    def times(self, X: Array) -> Array:
        """Return Q X, where X has k rows or, for the complete Q, m."""
        xp = self.xp
        if self.G is None:
            return xp.beyond.combination((self.Q, X))
        X_1, X_2 = self.parts(X)
        t = self.turned(X)
        return xp.beyond.combination(xp.concat([-t, X_2], axis=-2), (self.Q, X_1 + self.signed(t)))  # (FA.3)

    def times_adjoint(self, X: Array) -> Array:
        """Return Q^H X."""
        xp, c = self.xp, self.xp.beyond.inner(self.Q, X)
        if self.G is None:
            return c
        X_1, X_2 = self.parts(X)
        return xp.concat([c, X_2 + self.parts(self.Q @ self.reflected(c, X_1))[1]], axis=-2)  # (FA.3)

    def parts(self, X: Array) -> tuple[Array, Array]:
        """Return the first n rows of X, and the others."""
        n = shape_of_product(self.xp, self.Q, self.R).k
        return X[..., :n, :], X[..., n:, :]

    def turned(self, X: Array) -> Array:
        """Return t(X) of (FA.3)."""
        X_1, X_2 = self.parts(X)
        below = self.xp.concat([self.xp.zeros_like(X_1), X_2], axis=-2)
        return adjoint(self.xp, self.G) @ self.signed(self.xp.beyond.inner(self.Q, below))

    def reflected(self, c: Array, X_1: Array) -> Array:
        """Return z of (FA.3)."""
        return self.signed(self.G @ (self.signed(c) - X_1))

    def signed(self, X: Array) -> Array:
        """Return S X."""
        return self.xp.matrix_transpose(self.S) * X

    def columns_of_A(self, K: Array) -> Array:
        """Return K, whose columns belong to those of A[:, P], with its columns in the order of A."""
        return K if self.P is None else columns_at(self.xp, K, inverse_of(self.xp, self.P))

    def rows_of_A(self, X: Array) -> Array:
        """Return X, whose rows belong to columns of A[:, P], with its rows in the order of A."""
        return X if self.P is None else rows_at(self.xp, X, self.xp.matrix_transpose(inverse_of(self.xp, self.P)))

    def columns_of_R(self, K: Array) -> Array:
        """Return K, whose columns belong to those of A, with its columns in the order of R."""
        return K if self.P is None else columns_at(self.xp, K, order_of(self.xp, self.P))

    def rows_of_R(self, X: Array) -> Array:
        """Return X, whose rows belong to columns of A, with its rows in the order of R."""
        return X if self.P is None else rows_at(self.xp, X, self.xp.matrix_transpose(order_of(self.xp, self.P)))


def is_met(xp: Namespace, X: Array) -> Array:
    """Return 1 where a sum of moduli is not zero, NaN included, and 0 elsewhere."""
    one = xp.ones_like(X)
    return xp.where(X <= 0, xp.zeros_like(one), one)


def meetings(xp: Namespace, F: Array, K: Array) -> Array:
    """Return the number of nonzero terms in each column of F K, (..., 1, k).

    The product itself is not formed: a column counts as nonzero as soon as one term is, even if the terms cancel, since
    each of them is the cotangent of a different column.
    """
    columns = is_met(xp, xp.beyond.total(xp.sum(xp.abs(F), axis=-2, keepdims=True)))
    return columns @ is_met(xp, xp.abs(K))
