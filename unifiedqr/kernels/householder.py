"""Reduced QR, and R alone, by the namespace's Householder kernel; triangles are exactly triangular."""

from unifiedqr._typing import Array, Namespace
from unifiedqr.kernels.gauge import phases, positive_gauge
from unifiedqr.rules.operators import is_complex
from unifiedqr.rules.triangular import exponents_of, scaled, sizes_of_columns, smallest_normal


def householder_qr(xp: Namespace, A: Array, *, positive: bool) -> tuple[Array, Array]:
    """Return Q (..., m, k) and R (..., k, n) of A = Q R; diag(R) real, and non-negative if `positive` (2), (30)."""
    m, n = A.shape[-2], A.shape[-1]
    if m == 0 or n == 0:
        return xp.zeros_like(A[..., :0]), xp.zeros_like(A[..., :0, :])
    e = _exponents(xp, A)
    Q, R = xp.linalg.qr(A if e is None else scaled(xp, A, -e))
    R = R if e is None else scaled(xp, R, e)
    return positive_gauge(xp, Q, R) if positive else (Q, xp.triu(R))


def householder_r(xp: Namespace, A: Array, *, positive: bool) -> Array:
    """Return R (..., k, n) of A = Q R alone; a namespace that computes it without Q offers it as ``linalg.qr_r(A)``."""
    if not hasattr(xp.linalg, "qr_r") or 0 in A.shape[-2:]:
        return householder_qr(xp, A, positive=positive)[1]
    e = _exponents(xp, A)
    triangle = _triangle_of_blocks if positive else _triangle  # whose signs are not the kernel's
    R = triangle(xp, A if e is None else scaled(xp, A, -e))
    R = R if e is None else scaled(xp, R, e)
    return xp.triu(xp.expand_dims(_conjugate(xp, phases(xp, R)), axis=-1) * R if positive else R)


BLOCK = 2**18
"""Number of entries of a block of rows that stays in the cache while it is factored."""


def _triangle(xp: Namespace, A: Array) -> Array:
    return xp.linalg.qr_r(A)


def _triangle_of_blocks(xp: Namespace, A: Array) -> Array:
    """Return R of a tall matrix from those of blocks of its rows, one below the other (J. Demmel et al. 2012, TSQR)."""
    m, n = A.shape[-2:]
    if type(m) is not int or type(n) is not int:  # known only later
        return _triangle(xp, A)
    rows = max(BLOCK // n, 8 * n)
    blocks = m // rows
    if blocks < 2:
        return _triangle(xp, A)
    whole = xp.reshape(A[..., : blocks * rows, :], (*A.shape[:-2], blocks, rows, n))
    triangles = xp.reshape(_triangle(xp, whole), (*A.shape[:-2], blocks * n, n))
    return _triangle(xp, xp.concat([triangles, A[..., blocks * rows :, :]], axis=-2))


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
