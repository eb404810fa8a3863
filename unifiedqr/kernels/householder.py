"""Reduced QR and LQ by the namespace's Householder kernel, with triangular factors exactly triangular."""

from unifiedqr._typing import Array, Namespace
from unifiedqr.kernels.gauge import phases, positive_gauge
from unifiedqr.rules.operators import adjoint, is_complex, reverse, reverse_columns, reverse_rows
from unifiedqr.rules.triangular import exponents_of, scaled, sizes_of_columns


def householder_qr(xp: Namespace, A: Array, *, positive: bool) -> tuple[Array, Array]:
    """Give Q (..., m, k) and R (..., k, n) of A = Q R; diag(R) real, and non-negative if `positive` (2), (30)."""
    m, n = A.shape[-2], A.shape[-1]
    if m == 0 or n == 0:
        return xp.zeros_like(A[..., :0]), xp.zeros_like(A[..., :0, :])
    if is_complex(xp, A):
        # Complex reflectors divide by what overflows near the largest numbers, and is zero near the smallest (11d).
        sizes, normal = sizes_of_columns(xp, A)
        least = float(xp.finfo(A.dtype).smallest_normal) * xp.ones_like(sizes)
        e = exponents_of(xp, xp.where(normal, sizes, least))
        Q, R = xp.linalg.qr(scaled(xp, A, -e))
        R = scaled(xp, R, e)
    else:
        Q, R = xp.linalg.qr(A)
    if positive:
        Q, R = positive_gauge(xp, Q, R)
    return Q, xp.triu(R)


def householder_r(xp: Namespace, A: Array, *, positive: bool) -> Array:
    """Give R (..., k, n) of A = Q R alone; a namespace that computes it without Q offers it as ``linalg.qr_r(A)``."""
    native = getattr(xp.linalg, "qr_r", None)
    if native is None or 0 in A.shape[-2:] or is_complex(xp, A):
        return householder_qr(xp, A, positive=positive)[1]
    R = native(A)
    return xp.triu(xp.expand_dims(phases(xp, R), axis=-1) * R if positive else R)


def householder_l(xp: Namespace, A: Array, *, positive: bool) -> Array:
    """Give L (..., m, k) of A = L Q alone."""
    return xp.tril(adjoint(xp, householder_r(xp, adjoint(xp, A), positive=positive)))


def householder_lq(xp: Namespace, A: Array, *, positive: bool) -> tuple[Array, Array]:
    """Give L (..., m, k) and Q (..., k, n) of A = L Q; diag(L) real, and non-negative if `positive` (25)."""
    Q, R = householder_qr(xp, adjoint(xp, A), positive=positive)
    # The conjugate of a zero is 0 - 0i: select the triangle last.
    return xp.tril(adjoint(xp, R)), adjoint(xp, Q)


def householder_ql(xp: Namespace, A: Array, *, positive: bool) -> tuple[Array, Array]:
    """Give Q (..., m, k) and L (..., k, n) of A = Q L, L lower triangular in its last k columns (42)."""
    Q, R = householder_qr(xp, reverse_columns(xp, A), positive=positive)
    return reverse_columns(xp, Q), reverse(xp, R)


def householder_rq(xp: Namespace, A: Array, *, positive: bool) -> tuple[Array, Array]:
    """Give R (..., m, k) and Q (..., k, n) of A = R Q, R upper triangular in its last k rows (43)."""
    L, Q = householder_lq(xp, reverse_rows(xp, A), positive=positive)
    return reverse(xp, L), reverse_rows(xp, Q)
