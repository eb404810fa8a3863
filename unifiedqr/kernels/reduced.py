"""Reduced QR, LQ, RQ and QL, and R alone, by the algorithm asked for; triangles are exactly triangular.

CholeskyQR passes over a tall matrix by products alone, Householder's reflectors wait for memory. Which is faster
depends on the framework's kernels, on the device and on the shape: ``xp.beyond.limits_of`` says where it was measured.
Where rows are apart products send n x n sums alone, whatever the shape, and Householder's reflectors become TSQR.
"""

from functools import partial
from typing import Any

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.operations import ON_DEVICES
from unifiedqr.arrays.operators import adjoint, is_complex, rows_at, shape_of_product
from unifiedqr.arrays.rows import Rows
from unifiedqr.arrays.scaling import exponents_of, scaled, sizes_of_columns, smallest_normal
from unifiedqr.arrays.stacks import matrices_of, of_stacks, stack_of
from unifiedqr.kernels.cholesky import cholesky_qr, cholesky_r, unless_accepted
from unifiedqr.kernels.tiny import tiny_qr

METHODS = ("auto", "householder", "cholesky")
"""Algorithms of the forward."""


def reduced_qr(
    xp: Namespace, A: Array, *, positive: bool, method: str = "auto", factor: Any = None
) -> tuple[Array, Array]:
    """Return Q (..., m, k) and R (..., k, n) of A = Q R; diag(R) real, and non-negative if `positive` (PR.2), (PR.3).

    `factor` gives Q and R of each matrix of a stack by reflectors, with any signs; the framework's own if it is None.
    """
    beyond, factor = xp.beyond, factor or xp.linalg.qr
    rows: Rows | None = None if beyond.rows_apart is None else beyond.rows_apart(A)
    if beyond.tiny is not None and rows is None and positive and method == "auto" and is_tiny(xp, A):
        return _of_tiny_ones(xp, A)
    if method != "householder" and is_by_cholesky(xp, A, rows, positive=positive, method=method):
        return cholesky_qr(xp, A, partial(reduced_qr, positive=True, method="householder"))
    m, n = A.shape[-2], A.shape[-1]
    if m == 0 or n == 0:
        return xp.zeros_like(A[..., :0]), xp.zeros_like(A[..., :0, :])
    e = _exponents(xp, A) if is_complex(xp, A) else None
    A = A if e is None else scaled(xp, A, -e)
    if rows is None:
        Q, R = factor(A)
    else:
        Q, R = factor(rows.split(A))
        Q_2, R = factor(rows.stacked(R))
        Q = rows.joined(xp.beyond.combination((Q, rows.shares(Q_2))))
    R = R if e is None else scaled(xp, R, e)
    return xp.beyond.turn(Q, R) if positive else (Q, xp.triu(R))


def is_tiny(xp: Namespace, A: Array) -> bool:
    """Return whether A is a stack of so many tiny matrices that it is computed with the stack as the last axis."""
    tiny = xp.beyond.tiny
    return tiny is not None and tiny.include(A.shape) and not xp.beyond.is_spread(A)


def _of_tiny_ones(xp: Namespace, A: Array) -> tuple[Array, Array]:
    batch = tuple(A.shape[:-2])
    Q, R, accepted = (matrices_of(X, batch) for X in tiny_qr(of_stacks(xp), stack_of(xp, A)))
    again = partial(reduced_qr, xp, A, positive=True, method="householder")
    Q, R = unless_accepted(xp, accepted, (Q, R), lambda *_: again())
    return Q, R


def largest_rows_first(xp: Namespace, A: Array) -> tuple[Array, Array]:
    """Return Q and R of matrices by the framework's reflectors, to which the rows are given by size."""
    order = xp.argsort(-xp.matrix_transpose(sizes_of_rows(xp, A)), axis=-1)
    order, back = (xp.matrix_transpose(X) for X in (order, xp.argsort(order, axis=-1)))
    Q, R = xp.linalg.qr(rows_at(xp, A, order))
    return rows_at(xp, Q, back), R


def sizes_of_rows(xp: Namespace, A: Array) -> Array:
    """Return max|x| per row, (..., m, 1)."""
    return xp.max(xp.abs(A), axis=-1, keepdims=True)


def r_alone(xp: Namespace, A: Array, *, positive: bool, method: str = "auto") -> Array:
    """Return R (..., k, n) of A = Q R, Q never being formed."""
    apart = xp.beyond.rows_apart
    rows: Rows | None = None if apart is None else apart(A)
    if method != "householder" and is_by_cholesky(xp, A, rows, positive=positive, method=method):
        return cholesky_r(xp, A, _r_by_householder)
    if 0 in A.shape[-2:]:
        return reduced_qr(xp, A, positive=positive)[1]
    e = _exponents(xp, A) if is_complex(xp, A) else None
    A = A if e is None else scaled(xp, A, -e)
    if rows is not None:
        R = xp.beyond.qr_r(rows.stacked(xp.beyond.qr_r(rows.split(A))))
    else:
        R = _triangle_of_blocks(xp, A) if positive else xp.beyond.qr_r(A)  # the signs of blocks are not the kernel's
    R = R if e is None else scaled(xp, R, e)
    return xp.triu(xp.expand_dims(_conjugate(xp, xp.beyond.phases(R)), axis=-1) * R if positive else R)


def _r_by_householder(xp: Namespace, A: Array) -> Arrays:
    return (r_alone(xp, A, positive=True, method="householder"),)


def is_by_cholesky(xp: Namespace, A: Array, rows: Rows | None, *, positive: bool, method: str) -> bool:
    """Return whether A is to be decomposed by CholeskyQR: a deep matrix of known sizes, asked for or faster so."""
    m, n = A.shape[-2:]
    if m is None or n is None or n == 0 or not xp.beyond.has_cholesky:
        return False
    if method == "cholesky" or rows is not None:
        return shape_of_product(xp, A, A).deep
    if not positive or type(m) is not int or type(n) is not int:  # of a program for many sizes
        return False
    if m < ON_DEVICES.rows or m < ON_DEVICES.slenderness * n:  # the least there are: said before anything is asked
        return False
    limits = xp.beyond.limits_of(A)
    return limits is not None and limits.include(A.shape)


def reduced_lq(xp: Namespace, A: Array, *, positive: bool, method: str = "auto") -> tuple[Array, Array]:
    """Return L (..., m, k) and Q (..., k, n) of A = L Q; diag(L) real, and non-negative if `positive` (LQ.1)."""
    Q, R = reduced_qr(xp, adjoint(xp, A), positive=positive, method=method)
    # The conjugate of a zero is 0 - 0i: select the triangle last.
    return xp.tril(adjoint(xp, R)), adjoint(xp, Q)


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


def _exponents(xp: Namespace, A: Array) -> Array:
    """Return the exponents of the powers of two that the columns of a complex A are divided by.

    Complex reflectors divide by what overflows near the largest numbers, and is zero near the smallest (QR.7).
    """
    sizes, normal = sizes_of_columns(xp, A, spread=True)
    least = smallest_normal(xp, A) * xp.ones_like(sizes)
    return exponents_of(xp, xp.where(normal, sizes, least))


def _conjugate(xp: Namespace, D: Array) -> Array:
    return xp.conj(D) if is_complex(xp, D) else D
