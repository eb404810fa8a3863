"""Reduced QR, and R alone, by the namespace's Householder kernel; triangles are exactly triangular."""

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.operators import is_complex
from unifiedqr.arrays.scaling import exponents_of, scaled, sizes_of_columns, smallest_normal


def householder_qr(xp: Namespace, A: Array, *, positive: bool) -> tuple[Array, Array]:
    """Return Q (..., m, k) and R (..., k, n) of A = Q R; diag(R) real, and non-negative if `positive` (2), (30)."""
    m, n = A.shape[-2], A.shape[-1]
    if m == 0 or n == 0:
        return xp.zeros_like(A[..., :0]), xp.zeros_like(A[..., :0, :])
    e = _exponents(xp, A)
    Q, R = xp.linalg.qr(A if e is None else scaled(xp, A, -e))
    R = R if e is None else scaled(xp, R, e)
    return xp.beyond.turn(Q, R) if positive else (Q, xp.triu(R))


def householder_r(xp: Namespace, A: Array, *, positive: bool) -> Array:
    """Return R (..., k, n) of A = Q R alone."""
    if 0 in A.shape[-2:]:
        return householder_qr(xp, A, positive=positive)[1]
    e = _exponents(xp, A)
    A = A if e is None else scaled(xp, A, -e)
    R = _triangle_of_blocks(xp, A) if positive else xp.beyond.qr_r(A)  # the signs of blocks are not the kernel's
    R = R if e is None else scaled(xp, R, e)
    return xp.triu(xp.expand_dims(_conjugate(xp, xp.beyond.phases(R)), axis=-1) * R if positive else R)


BLOCK = 2**18
"""Number of entries of a block of rows that stays in the cache while it is factored."""


def _triangle_of_blocks(xp: Namespace, A: Array) -> Array:
    """Return R of a tall matrix from those of blocks of its rows, one below the other (J. Demmel et al. 2012, TSQR)."""
    m, n = A.shape[-2:]
    if type(m) is not int or type(n) is not int:  # known only later
        return xp.beyond.qr_r(A)
    rows = max(BLOCK // n, 8 * n)
    blocks = m // rows
    if blocks < 2:
        return xp.beyond.qr_r(A)
    whole = xp.reshape(A[..., : blocks * rows, :], (*A.shape[:-2], blocks, rows, n))
    triangles = xp.reshape(xp.beyond.qr_r(whole), (*A.shape[:-2], blocks * n, n))
    return xp.beyond.qr_r(xp.concat([triangles, A[..., blocks * rows :, :]], axis=-2))


def _exponents(xp: Namespace, A: Array) -> Array | None:
    """Return the exponents of the powers of two that the columns of a complex A are divided by, None for a real one.

    Complex reflectors divide by what overflows near the largest numbers, and is zero near the smallest (11d).
    """
    if not is_complex(xp, A):
        return None
    sizes, normal = sizes_of_columns(xp, A)
    least = smallest_normal(xp, A) * xp.ones_like(sizes)
    return exponents_of(xp, xp.where(normal, sizes, least))


def _conjugate(xp: Namespace, D: Array) -> Array:
    return xp.conj(D) if is_complex(xp, D) else D
