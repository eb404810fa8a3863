r"""The small linear maps from which every derivative rule is built.

X is square, X^H its conjugate transpose. Each map is real-linear and selects entries (it never multiplies by a
0/1 mask), so that it can be differentiated to any order and an Inf or NaN stays where it stands.

    (PR.6)  up(X)      = strict_upper(X) + diag(X)/2            T = up(X + X^H) inverts X = Ω + T
    (QR.1)  skew(X)    = X - up(X + X^H)                        Ω, skew-Hermitian
    (PR.7)  lowskew(P) = strict_lower(P - P^H) + diag(P - P^H)/2

with T upper triangular of real diagonal (PR.5). Written out, skew(X) is strict_lower(X), minus its adjoint, plus
i Im diag(X): it reads the strictly lower triangle and the diagonal of X only, which is what lets (QR.6) leave the
last pivot alone.
"""

from typing import Any, NamedTuple

from unifiedqr._typing import Array, Namespace

TALL = 8
"""How many times as many rows as columns a tall matrix has."""


class Shape(NamedTuple):
    """The shape m x n of A, as far as a kernel or a rule must know it.

    A graph may be traced before its sizes are known. Then `k` and `longer` are scalars of that graph, and `deep` and
    `wide` may be undecided: objects that raise `UndecidedShapeError` when they are asked. A framework that can then
    traces anew, once for each answer, and leaves it to the run which of the two results counts.
    """

    k: Any
    """min(m, n), to slice by."""
    longer: Any
    """max(m, n), to multiply by."""
    deep: Any
    """Whether m > n."""
    wide: Any
    """Whether m < n; if this is known only at run time, it may be true of a square matrix too."""
    spread: bool = False
    """Whether the long side lies on several devices, which a triangular solve would bring together."""

    @property
    def may_be_wide(self) -> bool:
        """Whether there may be more than k columns: to slice k of them is right in any case."""
        return self.wide is not False

    @property
    def tall(self) -> bool:
        """Whether a small inverse and a product serve better than a triangular solve: m is much larger, or spread."""
        if self.spread:
            return bool(self.deep)
        if type(self.longer) is int and type(self.k) is int:
            return bool(self.deep) and self.longer >= TALL * self.k
        return bool(self.deep)

    @property
    def stout(self) -> bool:
        """Whether A is deep, but not tall: a triangular solve serves better than an inverse."""
        return bool(self.deep) and not self.tall

    @property
    def T(self) -> "Shape":
        """The shape of the transpose of A."""
        return Shape(self.k, self.longer, self.wide, self.deep, self.spread)


def shape_of_product(xp: Namespace, X: Array, Y: Array) -> Shape:
    """Return the shape of A = X Y."""
    return xp.beyond.shape_of_product(X, Y)


_complex: dict[tuple[type, object], bool] = {}


def is_complex(xp: Namespace, X: Array) -> bool:
    """Return whether X has a complex dtype."""
    dtype: object = X.dtype
    key = type(dtype), dtype
    known = _complex.get(key)  # called very often, and some namespaces are slow
    if known is None:
        known = _complex[key] = bool(xp.isdtype(X.dtype, "complex floating"))
    return known


def adjoint(xp: Namespace, X: Array) -> Array:
    """Return the conjugate transpose X^H of the last two axes."""
    X_transposed = xp.matrix_transpose(X)
    return xp.conj(X_transposed) if is_complex(xp, X) else X_transposed


def lowskew(xp: Namespace, P: Array) -> Array:
    """Return the lower triangle of P - P^H with its (imaginary) diagonal halved, the adjoint side of `skew`."""
    S = P - adjoint(xp, P)
    if is_complex(xp, P):
        return (xp.tril(S, k=-1) + xp.tril(S)) / 2  # (PR.7)
    return xp.tril(S, k=-1)  # (PR.7), the diagonal of a real S is zero


def skew(xp: Namespace, X: Array) -> Array:
    """Return the skew-Hermitian Ω of the splitting X = Ω + T, T upper triangular with real diagonal."""
    lower = xp.tril(X, k=-1)
    omega = lower - adjoint(xp, lower)  # (QR.1)
    if is_complex(xp, X):
        diagonal = xp.tril(X) - lower
        omega = omega + (diagonal - adjoint(xp, diagonal)) / 2
    return omega


def up(xp: Namespace, X: Array) -> Array:
    """Return strict_upper(X) + diag(X)/2 (PR.6)."""
    return (xp.triu(X, k=1) + xp.triu(X)) / 2


def identity_like(xp: Namespace, X: Array) -> Array:
    """Return ones on the diagonal and zeros elsewhere, in the shape and dtype of X."""
    return xp.tril(xp.triu(xp.ones_like(X)))


def columns_at(xp: Namespace, X: Array, order: Array) -> Array:
    """Return the columns of X in an order, integers of shape (..., 1, n) per matrix."""
    return xp.take_along_axis(X, order, axis=-1)


def rows_at(xp: Namespace, X: Array, order: Array) -> Array:
    """Return the rows of X in an order, integers of shape (..., m, 1) per matrix."""
    return xp.take_along_axis(X, order, axis=-2)


def leading_columns(X: Array, shape: Shape) -> Array:
    """Return the first k columns of a k x n X, X itself where it has no more (some transforms reject a full slice)."""
    return X[..., : shape.k] if shape.may_be_wide else X


def add_to_leading_columns(xp: Namespace, X: Array, Y: Array, shape: Shape) -> Array:
    """Return X + [Y, 0] for a k x n X and a k x k Y."""
    if not shape.wide:
        return X + Y
    return xp.concat([X[..., : shape.k] + Y, X[..., shape.k :]], axis=-1)


def reverse_columns(xp: Namespace, X: Array) -> Array:
    """Return X J, the columns in reverse order (LQ.4)."""
    return xp.flip(X, axis=-1)


def reverse_rows(xp: Namespace, X: Array) -> Array:
    """Return J X, the rows in reverse order (LQ.5)."""
    return xp.flip(X, axis=-2)


def reverse(xp: Namespace, X: Array) -> Array:
    """Return J X J, rows and columns in reverse order: an upper triangle becomes a lower one."""
    return xp.flip(X, axis=(-2, -1))


def plus(X: Array, number: Array | None) -> Array:
    """Return X + number, X itself for None."""
    return X if number is None else X + number


def inverse_of(xp: Namespace, P: Array) -> Array:
    """Return the inverse of permutations that are held as real or complex numbers, (..., 1, n), as integers."""
    return xp.argsort(xp.real(P) if is_complex(xp, P) else P, axis=-1)


def order_of(xp: Namespace, P: Array) -> Array:
    """Return permutations that are held as real or complex numbers, (..., 1, n), as integers."""
    return xp.argsort(inverse_of(xp, P), axis=-1)


def orthogonal_to(xp: Namespace, Q: Array, r: Array) -> Array:
    """Return r without what rounding left of range(Q) in it (LS.7): rows that are large in A and b leave most."""
    return r - Q @ xp.beyond.inner(Q, r)


def squared_lengths(xp: Namespace, X: Array) -> Array:
    """Return the squared lengths of the columns of X, whose rows are those of A, real, in shape (..., 1, s)."""
    return xp.beyond.total(xp.sum(xp.abs(X) ** 2, axis=-2, keepdims=True))


def frame_shape(xp: Namespace, A: Array) -> tuple[Shape, bool]:
    """Return the shape of the matrix whose frame solves with A, A^H if A is wide and else A, and whether it is A^H."""
    shape = shape_of_product(xp, A, A)
    return (shape.T, True) if shape.wide else (shape, False)


def reflected(xp: Namespace, Q_1: Array, S: Array) -> tuple[Array, Array, Array]:
    """Return Y of (CQ.1), B and C."""
    n = shape_of_product(xp, Q_1, Q_1).k
    above, C = Q_1[..., :n, :] * S, Q_1[..., n:, :] * S
    B = above - identity_like(xp, above)
    return xp.concat([B, C], axis=-2), B, C


def real_part(xp: Namespace, X: Array) -> Array:
    """Return the real part of X, in the dtype of X."""
    return xp.astype(xp.real(X), X.dtype) if is_complex(xp, X) else X
