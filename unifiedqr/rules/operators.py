r"""The small linear maps from which every derivative rule is built.

X is square, X^H its conjugate transpose. Each map is real-linear and selects entries (it never multiplies by a
0/1 mask), so that it can be differentiated to any order and an Inf or NaN stays where it stands.

    (5)   up(X)      = strict_upper(X) + diag(X)/2            T = up(X + X^H) inverts X = Ω + T
    (6)   skew(X)    = X - up(X + X^H)                        Ω, skew-Hermitian
    (10)  lowskew(P) = strict_lower(P - P^H) + diag(P - P^H)/2

with T upper triangular of real diagonal (4). Written out, skew(X) is strict_lower(X), minus its adjoint, plus
i Im diag(X): it reads the strictly lower triangle and the diagonal of X only, which is what lets (11k) leave the
last pivot alone.
"""

from unifiedqr._typing import Array, Namespace


def is_complex(xp: Namespace, X: Array) -> bool:
    """Tell whether X has a complex dtype."""
    return bool(xp.isdtype(X.dtype, "complex floating"))


def adjoint(xp: Namespace, X: Array) -> Array:
    """Give the conjugate transpose X^H of the last two axes."""
    X_transposed = xp.matrix_transpose(X)
    return xp.conj(X_transposed) if is_complex(xp, X) else X_transposed


def lowskew(xp: Namespace, P: Array) -> Array:
    """Give the lower triangle of P - P^H with its (imaginary) diagonal halved, the adjoint side of `skew`."""
    S = P - adjoint(xp, P)
    if is_complex(xp, P):
        return (xp.tril(S, k=-1) + xp.tril(S)) / 2  # (10)
    return xp.tril(S, k=-1)  # (10), the diagonal of a real S is zero


def skew(xp: Namespace, X: Array) -> Array:
    """Give the skew-Hermitian Ω of the splitting X = Ω + T, T upper triangular with real diagonal."""
    lower = xp.tril(X, k=-1)
    omega = lower - adjoint(xp, lower)  # (6)
    if is_complex(xp, X):
        diagonal = xp.tril(X) - lower
        omega = omega + (diagonal - adjoint(xp, diagonal)) / 2
    return omega


def leading_columns(X: Array, k: int) -> Array:
    """Give the first k columns of X, and X itself where that is all of them (some transforms reject a full slice)."""
    return X if X.shape[-1] == k else X[..., :k]


def add_to_leading_columns(xp: Namespace, X: Array, Y: Array) -> Array:
    """Give X + [Y, 0], Y having at most as many columns as X."""
    k = Y.shape[-1]
    if X.shape[-1] == k:
        return X + Y
    return xp.concat([X[..., :k] + Y, X[..., k:]], axis=-1)


def reverse_columns(xp: Namespace, X: Array) -> Array:
    """Give X J, the columns in reverse order (42)."""
    return xp.flip(X, axis=-1)


def reverse_rows(xp: Namespace, X: Array) -> Array:
    """Give J X, the rows in reverse order (43)."""
    return xp.flip(X, axis=-2)


def reverse(xp: Namespace, X: Array) -> Array:
    """Give J X J, rows and columns in reverse order: an upper triangle becomes a lower one."""
    return xp.flip(X, axis=(-2, -1))
