"""Reduced QR, LQ, RQ and QL, and R alone, by the algorithm asked for; triangles are exactly triangular.

CholeskyQR passes over a tall matrix by products alone, Householder's reflectors wait for memory. Which is faster
depends on the framework's kernels, on the device and on the shape: ``xp.beyond.limits`` says where it was measured.
"""

from functools import partial

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.operators import adjoint, reverse, reverse_columns, reverse_rows, shape_of_product
from unifiedqr.kernels.cholesky import cholesky_qr, cholesky_r
from unifiedqr.kernels.householder import householder_qr, householder_r

METHODS = ("auto", "householder", "cholesky")
"""Algorithms of the forward."""


def reduced_qr(xp: Namespace, A: Array, *, positive: bool, method: str = "auto") -> tuple[Array, Array]:
    """Return Q (..., m, k) and R (..., k, n) of A = Q R; diag(R) real, and non-negative if `positive` (2), (30)."""
    if is_by_cholesky(xp, A, positive=positive, method=method):
        return cholesky_qr(xp, A, partial(householder_qr, positive=True))
    return householder_qr(xp, A, positive=positive)


def r_alone(xp: Namespace, A: Array, *, positive: bool, method: str = "auto") -> Array:
    """Return R (..., k, n) of A = Q R, Q never being formed."""
    if is_by_cholesky(xp, A, positive=positive, method=method):
        return cholesky_r(xp, A, _householder_r)
    return householder_r(xp, A, positive=positive)


def _householder_r(xp: Namespace, A: Array) -> Arrays:
    return (householder_r(xp, A, positive=True),)


def is_by_cholesky(xp: Namespace, A: Array, *, positive: bool, method: str) -> bool:
    """Return whether A is to be decomposed by CholeskyQR: a deep matrix of known sizes, asked for or faster so."""
    m, n = A.shape[-2:]
    if method == "householder" or m is None or n is None or n == 0 or not xp.beyond.has_cholesky:
        return False
    if method == "cholesky":
        return shape_of_product(xp, A, A).deep
    if not positive or type(m) is not int or type(n) is not int:  # a program for many sizes, of which some are small
        return False
    limits = xp.beyond.limits(A)
    return limits is not None and limits.include(A.shape)


def reduced_lq(xp: Namespace, A: Array, *, positive: bool, method: str = "auto") -> tuple[Array, Array]:
    """Return L (..., m, k) and Q (..., k, n) of A = L Q; diag(L) real, and non-negative if `positive` (25)."""
    Q, R = reduced_qr(xp, adjoint(xp, A), positive=positive, method=method)
    # The conjugate of a zero is 0 - 0i: select the triangle last.
    return xp.tril(adjoint(xp, R)), adjoint(xp, Q)


def reduced_ql(xp: Namespace, A: Array, *, positive: bool, method: str = "auto") -> tuple[Array, Array]:
    """Return Q (..., m, k) and L (..., k, n) of A = Q L, L lower triangular in its last k columns (42)."""
    Q, R = reduced_qr(xp, reverse_columns(xp, A), positive=positive, method=method)
    return reverse_columns(xp, Q), reverse(xp, R)


def reduced_rq(xp: Namespace, A: Array, *, positive: bool, method: str = "auto") -> tuple[Array, Array]:
    """Return R (..., m, k) and Q (..., k, n) of A = R Q, R upper triangular in its last k rows (43)."""
    L, Q = reduced_lq(xp, reverse_rows(xp, A), positive=positive, method=method)
    return reverse(xp, L), reverse_rows(xp, Q)
