r"""Reduced QR factors of a modified matrix from those of the original, by products and a small QR decomposition.

F has k orthonormal columns, A = F T + U V^H is m x n with U of m x s:

    (UP.1)  W = F^H U,  U - F W = q S with F^H q = 0 and q^H q = I,   [ T + W V^H ]  =  P R,   Q = [ F  q ] P
                                                                      [   S V^H   ]

P is (k + s) x n. Beyond finding q, only products run over the long dimension, O(m n (k + s)). Rotations (J. W. Daniel,
W. B. Gragg, L. Kaufman, G. W. Stewart 1976) take O(m (k + n)) operations for s = 1, but proceed column by column, which
is slower in eager frameworks at every size.

Where U is nearly in the range of F, the remainder is mostly rounding error, and its directions need not be orthogonal
to F. q is accepted iff

    (UP.2)  ||F^H q||_F <= 8 eps sqrt(m)

for the whole batch; else q - F (F^H q) is factored in turn, which is enough unless U lies in the range of F up to
rounding. There, and where m - k < s leaves q with m - k columns, q is the last columns of
Householder's Q of [F, U].

Deleting the rows F_2 of F T leaves F_1 T, where F = [F_1; F_2] has orthonormal columns. If F_2 carries nearly all of a
direction, the rest of it is small, and Q loses its orthogonality if these rows are subtracted by (UP.1). With a unitary
Y = [Y_1, Y_2] such that the range of Y_1 is that of F_2^H, F_1 Y_2 has orthonormal columns, however little is left:

    (UP.3)  F_1 T = (F_1 Y_2) (Y_2^H T) + (F_1 Y_1) (T^H Y_1)^H

is (UP.1) again, and its Q is orthonormal to rounding.

The summands may cancel, and deleted rows may have been the largest. Then digits are lost, and a pivot that should be
zero comes out as rounding error relative to the summands, indistinguishable from a genuine pivot later. So

    (UP.6)  R_jj = 0  where  |R_jj| <= 4 max(m, n) eps (||T[:, j]|| + sum_i ||U[:, i]|| |V_ji|)

which is what (DC.1) calls dependent, relative to the summands.

References
----------
J. W. Daniel, W. B. Gragg, L. Kaufman, G. W. Stewart (1976), Reorthogonalization and stable algorithms for updating the
Gram-Schmidt QR factorization; G. H. Golub, C. F. Van Loan (2013), Matrix Computations, section 6.5.
"""

from typing import NamedTuple

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.operators import Shape, adjoint, shape_of_product
from unifiedqr.arrays.scaling import sizes_of_columns
from unifiedqr.kernels.reduced import r_alone, reduced_qr
from unifiedqr.kernels.reflectors import complete_qr

ORTHOGONAL = 8.0
"""Multiple of eps sqrt(m) up to which F^H q counts as rounding (UP.2)."""


class Columns(NamedTuple):
    """Orthonormal columns F Z, which are not formed: F alone if Z is None.

    Attributes
    ----------
    xp : namespace
    F : array, shape (..., m, k)
    Z : array, shape (..., k, l), or None
    """

    xp: Namespace
    F: Array
    Z: Array | None = None

    def formed(self) -> Array:
        """Return F Z."""
        return self.F if self.Z is None else self.xp.beyond.combination((self.F, self.Z))

    def coefficients(self, X: Array) -> Array:
        """Return (F Z)^H X."""
        found = self.xp.beyond.inner(self.F, X)
        return found if self.Z is None else adjoint(self.xp, self.Z) @ found

    def times(self, C: Array) -> tuple[Array, Array]:
        """Return the term F Z C of a sum."""
        return self.F, C if self.Z is None else self.Z @ C

    @property
    def number(self) -> int:
        """The number of the columns."""
        return (self.F if self.Z is None else self.Z).shape[-1]

    @property
    def shape(self) -> Shape:
        """The shape of F Z."""
        return shape_of_product(self.xp, self.F, self.F if self.Z is None else self.Z)


def updated_qr(xp: Namespace, F: Array, T: Array, U: Array, V: Array, *, positive: bool) -> tuple[Array, Array]:
    """Return reduced factors of F T + U V^H, F with orthonormal columns, by (UP.1).

    F must have as many columns as the factors have, or as many fewer as U has columns.
    """
    sizes = _lengths(xp, T)
    if U.shape[-1] != 0:
        sizes = sizes + _lengths(xp, U, spread=True) @ xp.abs(xp.matrix_transpose(V))
    Q, R = _updated(xp, Columns(xp, F), T, U, adjoint(xp, V), positive=positive)
    return Q, _without_noise(xp, F, R, sizes)


def downdated_qr(xp: Namespace, F_1: Array, F_2: Array, T: Array, *, positive: bool) -> tuple[Array, Array]:
    """Return reduced factors of F_1 T, [F_1; F_2] with orthonormal columns, by (UP.3)."""
    p, k = F_2.shape[-2:]
    if p >= k:  # nothing is known of the columns of F_1
        Q, R = reduced_qr(xp, xp.beyond.combination((F_1, T)), positive=positive)
        return Q, _without_noise(xp, F_1, R, _lengths(xp, T))
    Y = complete_qr(xp, adjoint(xp, F_2), positive=False)[0]
    Y_1, Y_2 = Y[..., :p], Y[..., p:]
    U = xp.beyond.combination((F_1, Y_1))
    columns = Columns(xp, F_1, Y_2)
    Q, R = _updated(xp, columns, adjoint(xp, Y_2) @ T, U, adjoint(xp, Y_1) @ T, positive=positive)  # (UP.3)
    return Q, _without_noise(xp, F_1, R, _lengths(xp, T))


def appended_r(xp: Namespace, T: Array, B: Array, *, positive: bool) -> Arrays:
    """Return R alone of [T; B]."""
    return (r_alone(xp, xp.concat([T, B], axis=-2), positive=positive),)


def _updated(xp: Namespace, columns: Columns, T: Array, U: Array, V_H: Array, *, positive: bool) -> tuple[Array, Array]:
    """Return reduced factors of F Z T + U V^H (UP.1)."""
    if U.shape[-1] == 0:
        P, R = reduced_qr(xp, T, positive=positive, method="householder")
        return xp.beyond.combination(columns.times(P)), R
    if not columns.shape.deep:  # F Z is square
        P, R = reduced_qr(xp, T + columns.coefficients(U) @ V_H, positive=positive, method="householder")
        return xp.beyond.combination(columns.times(P)), R
    k, (W, q, S) = columns.number, _split(xp, columns, U)
    M = xp.concat([T + W @ V_H, S @ V_H], axis=-2)
    P, R = reduced_qr(xp, M, positive=positive, method="householder")
    return xp.beyond.combination(columns.times(P[..., :k, :]), (q, P[..., k:, :])), R  # (UP.1)


def _split(xp: Namespace, columns: Columns, U: Array) -> tuple[Array, Array, Array]:
    """Return W, q and S of U = F Z W + q S by the first attempt that is accepted (UP.2)."""
    m, k = columns.shape.longer, columns.number

    def attempt(X: Array) -> tuple[Array, Array, Array]:
        q, S = reduced_qr(xp, X, positive=False, method="householder")
        return q, S, columns.coefficients(q)

    def is_orthogonal(C: Array) -> Array:
        squares = xp.sum(xp.abs(C) ** 2, axis=(-2, -1))
        return xp.all(squares <= (ORTHOGONAL * float(xp.finfo(C.dtype).eps)) ** 2 * m)  # (UP.2)

    def completed() -> Arrays:
        both = xp.concat([columns.formed(), U], axis=-1)
        q = reduced_qr(xp, both, positive=False, method="householder")[0][..., k:]
        return W, q, xp.beyond.inner(q, U)

    def again() -> Arrays:
        q_2, S_2, C_2 = attempt(q - xp.beyond.combination(columns.times(C)))
        return xp.beyond.branch(is_orthogonal(C_2), lambda: (W + C @ S, q_2, S_2 @ S), completed)

    W = columns.coefficients(U)
    if m - k < U.shape[-1]:
        W, q, S = completed()
        return W, q, S
    q, S, C = attempt(U - xp.beyond.combination(columns.times(W)))
    W, q, S = xp.beyond.branch(is_orthogonal(C), lambda: (W, q, S), again)
    return W, q, S


def _lengths(xp: Namespace, X: Array, *, spread: bool = False) -> Array:
    """Return the lengths of the columns of X, real, (..., 1, n); `spread` where its rows are those of A."""
    sizes, normal = sizes_of_columns(xp, X, spread=spread)
    sizes = xp.where(normal, sizes, xp.ones_like(sizes))
    squares = xp.sum((xp.abs(X) / sizes) ** 2, axis=-2, keepdims=True)
    return sizes * xp.sqrt(xp.beyond.total(squares) if spread else squares)


def _without_noise(xp: Namespace, F: Array, R: Array, sizes: Array) -> Array:
    """Return R with zeros for pivots that are rounding noise of columns of these sizes (UP.6)."""
    bound = 4 * shape_of_product(xp, F, R).longer * float(xp.finfo(R.dtype).eps) * sizes
    return R - xp.where(xp.abs(R) <= bound, xp.tril(R), xp.zeros_like(R))  # (UP.6)
