"""What is built on the QR decomposition: least squares solutions, bases of spaces, determinants.

Each gives what users get and, after it, what the derivative rules read.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.kernels.pivoting import pivoted_qr
from unifiedqr.kernels.reduced import reduced_lq, reduced_qr
from unifiedqr.kernels.reflectors import complement, reflector_signs
from unifiedqr.rules.dependence import independent, nan_where, unless_empty
from unifiedqr.rules.determinant import inverse_of_factors
from unifiedqr.rules.frame import frame_inverse, frame_singular
from unifiedqr.rules.least_squares import frame_shape, squared_lengths
from unifiedqr.rules.operators import adjoint, identity_like, is_complex, shape_of_product
from unifiedqr.rules.pivoted import inverse_of
from unifiedqr.rules.triangular import (
    equilibrated,
    inverse_upper,
    poison,
    solve_upper,
    solve_upper_adjoint,
)


def least_squares(xp: Namespace, A: Array, b: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Give x, the squared residuals (..., 1, s), the rank (..., 1, 1), and the frame of A, or A^H, (31), (32).

    The solution is NaN for a matrix without full rank.
    """
    shape, is_adjoint = frame_shape(xp, A)
    Q, R = reduced_qr(xp, adjoint(xp, A) if is_adjoint else A, positive=True)
    G = frame_inverse(xp, R, shape)
    sound = independent(xp, equilibrated(xp, R, shape).U, shape)
    rank = xp.expand_dims(xp.sum(xp.astype(sound, A.dtype), axis=-1, keepdims=True), axis=-1)
    lacking = unless_empty(xp, frame_singular(xp, G))
    b_or_nan = b
    if lacking is not None:
        R = xp.where(lacking, identity_like(xp, R), R)  # some solvers refuse a singular matrix, and the batch with it
        b_or_nan = b * nan_where(xp, lacking, b.dtype)
    if is_adjoint:
        x = Q @ solve_upper_adjoint(xp, R, b_or_nan)
        return x, xp.zeros_like(_squares(xp, x)), rank, Q, G
    x = solve_upper(xp, R, adjoint(xp, Q) @ b_or_nan)
    residuals = _squares(xp, b - A @ x)
    return x, residuals if shape.deep else xp.zeros_like(residuals), rank, Q, G


def least_squares_of_constant_rank(
    xp: Namespace, A: Array, b: Array, *, rcond: float | None
) -> tuple[Array, Array, Array, Array]:
    """Give the solution x of minimum norm, the squared residuals, the rank (..., 1, 1), and A^+ (33)."""
    Q, R, P = pivoted_qr(xp, A, rank=None, positive=True)
    tolerance = max(A.shape[-2:]) * float(xp.finfo(A.dtype).eps) if rcond is None else rcond
    pivots = xp.abs(xp.linalg.diagonal(R))
    sound = xp.astype(pivots > tolerance * pivots[..., :1], pivots.dtype)
    down, across = (xp.expand_dims(sound, axis=axis) for axis in (-1, -2))
    rows = xp.astype(down, A.dtype)
    L, W = reduced_lq(xp, xp.where(down > 0, R, xp.zeros_like(R)), positive=True)
    L = xp.where(down * across > 0, L, identity_like(xp, L))
    U = adjoint(xp, L)
    middle = adjoint(xp, inverse_upper(xp, U)) * rows  # L^-1 on the sound rows
    back = xp.matrix_transpose(inverse_of(xp, P))
    given = adjoint(xp, Q) @ b
    x = xp.take_along_axis(adjoint(xp, W) @ solve_upper_adjoint(xp, U, rows * given), back, axis=-2)
    inverse = xp.take_along_axis(adjoint(xp, W) @ (middle @ adjoint(xp, Q)), back, axis=-2)
    return x, _squares(xp, b - A @ x), xp.sum(rows, axis=-2, keepdims=True), inverse


def _squares(xp: Namespace, X: Array) -> Array:
    return xp.astype(squared_lengths(xp, X), X.dtype)


def range_basis(xp: Namespace, A: Array) -> tuple[Array, Array]:
    """Give the basis Q of the range and G of its frame (34)."""
    Q, R = reduced_qr(xp, A, positive=True)
    return Q, frame_inverse(xp, R, shape_of_product(xp, A, A))


def complement_basis(xp: Namespace, A: Array) -> tuple[Array, Array, Array]:
    """Give a basis of the complement of the range of a deep A, and its frame Q, G."""
    Q, G = range_basis(xp, A)
    return complement(xp, Q)[0], Q, G


def signed_log_determinant(xp: Namespace, A: Array) -> tuple[Array, Array, Array]:
    """Give sign and logarithm of the determinant, (..., 1, 1) in the dtype of A, and A^-1 (35).

    The sign is that of ``linalg.slogdet`` where the namespace has it; elsewhere it is found from reflectors (47).
    """
    Q, R = reduced_qr(xp, A, positive=True)
    diagonal = xp.abs(xp.linalg.diagonal(R))
    vanishing = xp.equal(diagonal, xp.zeros_like(diagonal))
    logarithms = xp.log(xp.where(vanishing, xp.ones_like(diagonal), diagonal))
    total = xp.sum(logarithms, axis=-1)
    unknown = xp.any(xp.isnan(Q), axis=(-2, -1), keepdims=True)
    Q_known = xp.where(unknown, identity_like(xp, Q), Q)
    sign = _sign_of_unitary(xp, Q_known)
    sign, total = (_as_matrices(xp, X, A.dtype) for X in (sign, total))
    is_singular = xp.expand_dims(xp.any(vanishing, axis=-1, keepdims=True), axis=-1)
    sign = xp.where(is_singular, xp.zeros_like(sign), poison(xp, sign, unknown))
    total = xp.where(is_singular, xp.full_like(total, -float("inf")), total)
    return sign, total, inverse_of_factors(xp, Q, R)


def _as_matrices(xp: Namespace, X: Array, dtype: object) -> Array:
    """Give numbers (...) as matrices (..., 1, 1); some frameworks index no array without axes."""
    return xp.expand_dims(xp.expand_dims(xp.astype(X, dtype), axis=-1), axis=-1)


def _sign_of_unitary(xp: Namespace, Q: Array) -> Array:
    """Give the determinant, by a namespace's ``linalg.slogdet``; ``linalg.sign_of_det(Q)`` may rule it out by None."""
    slogdet, sign_of_det = (getattr(xp.linalg, name, None) for name in ("slogdet", "sign_of_det"))
    found = sign_of_det(Q) if sign_of_det is not None else slogdet(Q)[0] if slogdet is not None else None
    return _sign_by_reflectors(xp, Q) if found is None else found


def _sign_by_reflectors(xp: Namespace, Q: Array) -> Array:
    S, pivots = reflector_signs(xp, Q)
    factors = -S
    if is_complex(xp, Q):
        factors = factors * pivots / xp.conj(pivots)
    n = Q.shape[-1]
    product = factors[..., 0, 0]
    for j in range(1, n):
        product = product * factors[..., 0, j]
    return product
