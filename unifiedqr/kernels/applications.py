"""What is built on the QR decomposition: least squares solutions, bases of spaces, determinants.

Each gives what users get and, after it, what the derivative rules read.
"""

from functools import partial

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.dependence import independent, nan_where, unless_empty
from unifiedqr.arrays.operators import (
    Shape,
    adjoint,
    frame_shape,
    identity_like,
    inverse_of,
    is_complex,
    order_of,
    orthogonal_to,
    rows_at,
    shape_of_product,
    squared_lengths,
)
from unifiedqr.arrays.positions import is_position, positions
from unifiedqr.arrays.triangle import equilibrated, frame_inverse
from unifiedqr.kernels.pivoting import pivoted_qr
from unifiedqr.kernels.reduced import largest_rows_first, reduced_lq, reduced_qr, sizes_of_rows
from unifiedqr.kernels.reflectors import complement, reflector_signs


def least_squares(xp: Namespace, A: Array, b: Array) -> tuple[Array, Array, Array, Array, Array]:
    """Return x, the squared residuals (..., 1, s), the rank (..., 1, 1), and the frame of A, or A^H, (LS.3), (LS.4).

    The solution is NaN for a matrix without full rank.
    """
    shape, is_adjoint = frame_shape(xp, A)
    Q, R = rowwise_qr(xp, adjoint(xp, A) if is_adjoint else A)
    G = frame_inverse(xp, R, shape)
    return *solved(xp, A, b, Q, R, shape, is_adjoint=is_adjoint), Q, G


def solved(
    xp: Namespace, A: Array, b: Array, Q: Array, R: Array, shape: Shape, *, is_adjoint: bool, P: Array | None = None
) -> tuple[Array, Array, Array]:
    """Return x, the squared residuals and the rank of `least_squares` from factors of A, or of A^H, of this shape.

    With pivots P they are those of A[:, P], or of A^H[:, P].
    """
    sound = independent(xp, equilibrated(xp, R, shape).U, shape)
    rank = xp.expand_dims(xp.sum(xp.astype(sound, A.dtype), axis=-1, keepdims=True), axis=-1)
    lacking = unless_empty(xp, xp.expand_dims(xp.logical_not(xp.all(sound, axis=-1, keepdims=True)), axis=-1))
    b_or_nan = b
    if lacking is not None:
        R = xp.where(lacking, identity_like(xp, R), R)  # some solvers refuse a singular matrix, and the batch with it
        b_or_nan = b * nan_where(xp, lacking, b.dtype)
    if is_adjoint:
        b_or_nan = b_or_nan if P is None else rows_at(xp, b_or_nan, xp.matrix_transpose(order_of(xp, P)))
        x = Q @ xp.beyond.solve_triangular(adjoint(xp, R), b_or_nan, upper=False)
        return x, xp.zeros_like(_squares(xp, x)), rank
    x = xp.beyond.solve_triangular(R, xp.beyond.inner(Q, b_or_nan), upper=True)
    x = x if P is None else rows_at(xp, x, xp.matrix_transpose(inverse_of(xp, P)))
    return x, _residuals(xp, A, b, x, Q, shape), rank


def _residuals(xp: Namespace, A: Array, b: Array, x: Array, Q: Array, shape: Shape) -> Array:
    """Return the squared lengths of b - A x, (..., 1, s), zero unless A is deep."""
    return _squares(xp, orthogonal_to(xp, Q, b - A @ x)) if shape.deep else xp.zeros_like(_squares(xp, x))


def weighted_least_squares(xp: Namespace, A: Array, b: Array, w: Array) -> tuple[Array, Array, Array, Array]:
    """Return x, the weighted sums of squared residuals, the rank, and G of the frame of W^{1/2} A (LS.8), A deep.

    The weights are numbers (..., m, 1) of the dtype of A; a negative one makes everything NaN.
    """
    roots = xp.sqrt(xp.real(w) if is_complex(xp, w) else w)
    roots = xp.astype(roots, A.dtype)
    x, residuals, rank, _, G = least_squares(xp, roots * A, roots * b)
    return x, residuals, rank, G


def least_squares_of_constant_rank(xp: Namespace, A: Array, b: Array, *, rcond: float | None) -> Arrays:
    """Return the solution x of minimum norm, squared residuals, the rank (..., 1, 1), and A^+ with its bases (LS.6)."""
    order, back = _by_size_of_rows(xp, A)
    Q, R, P = pivoted_qr(xp, rows_at(xp, A, order), rank=None, positive=True)
    tolerance = shape_of_product(xp, A, A).longer * float(xp.finfo(A.dtype).eps) if rcond is None else rcond
    pivots = xp.abs(xp.linalg.diagonal(R))
    sound = xp.expand_dims(pivots > tolerance * pivots[..., :1], axis=-2)  # (..., 1, k)
    columns = xp.astype(sound, A.dtype)
    rows = xp.matrix_transpose(columns)
    L, W = reduced_lq(xp, xp.where(_marks(xp, rows), R, xp.zeros_like(R)), positive=True)
    L = xp.where(_marks(xp, rows * columns), L, identity_like(xp, L))
    Q = xp.where(sound, rows_at(xp, Q, back), xp.zeros_like(Q))
    V = rows_at(xp, adjoint(xp, W), xp.matrix_transpose(inverse_of(xp, P)))
    V = xp.where(sound, V, xp.zeros_like(V))
    x = V @ xp.beyond.solve_triangular(L, xp.beyond.inner(Q, b), upper=False)
    G = V @ (adjoint(xp, xp.beyond.inverse_upper(adjoint(xp, L))) @ adjoint(xp, Q))
    r = orthogonal_to(xp, Q, b - A @ x)
    if not shape_of_product(xp, A, A).deep:
        r = xp.where(xp.all(sound, axis=-1, keepdims=True), xp.zeros_like(r), r)
    return x, _squares(xp, r), xp.sum(columns, axis=-1, keepdims=True), G, Q, V


def rowwise_qr(xp: Namespace, A: Array) -> tuple[Array, Array]:
    """Return reduced factors of a deep or square A with errors as small in every row as the row is.

    Householder's reflectors mix rows, and the rounding of a large one would swamp a small one, unless the largest come
    first (A. J. Cox, N. J. Higham 1998). They are brought into that order where the first rows, which become R, are
    much smaller than the largest, or where that cannot be seen; of rows that are apart in each block, and in the
    triangles of the blocks.
    """
    Q, R = reduced_qr(xp, A, positive=True)
    apart, largest = xp.beyond.rows_apart, xp.max(xp.abs(R), axis=(-2, -1), keepdims=True)
    rows = None if apart is None else apart(A)
    blocks = A if rows is None else rows.split(A)
    first = xp.min(sizes_of_rows(xp, blocks[..., : shape_of_product(xp, A, A).k, :]), axis=-2, keepdims=True)
    if rows is not None:
        first = xp.reshape(first, (*A.shape[:-2], -1, 1))
    swamped = xp.any(largest > SWAMPED * first)
    if rows is not None:  # one answer for all who hold rows
        swamped = xp.beyond.total(xp.astype(swamped, first.dtype)) > 0

    def sorted_first() -> Arrays:
        return reduced_qr(xp, A, positive=True, method="householder", factor=partial(largest_rows_first, xp))

    Q, R = xp.beyond.branch(swamped, sorted_first, lambda: (Q, R))
    return Q, R


def _marks(xp: Namespace, X: Array) -> Array:
    """Return where numbers that are 0 or 1 are 1."""
    return xp.abs(X) > 0.5


SWAMPED = 2.0**10
"""How many times as large as the least of the first rows the largest column of A is when its rows are sorted."""


def _by_size_of_rows(xp: Namespace, A: Array) -> tuple[Array, Array]:
    """Return the order in which the largest rows of A come first, and its inverse, integers (..., m, 1)."""
    order = xp.argsort(-xp.matrix_transpose(sizes_of_rows(xp, A)), axis=-1)
    return xp.matrix_transpose(order), xp.matrix_transpose(xp.argsort(order, axis=-1))


def _squares(xp: Namespace, X: Array) -> Array:
    return xp.astype(squared_lengths(xp, X), X.dtype)


def range_basis(xp: Namespace, A: Array) -> tuple[Array, Array]:
    """Return the basis Q of the range and G of its frame (LS.2)."""
    Q, R = reduced_qr(xp, A, positive=True)
    return Q, frame_inverse(xp, R, shape_of_product(xp, A, A))


def complement_basis(xp: Namespace, A: Array) -> tuple[Array, Array, Array]:
    """Return a basis of the complement of the range of A, and its frame Q, G."""
    Q, G = range_basis(xp, A)
    return complement(xp, Q)[0], Q, G


def signed_log_determinant(xp: Namespace, A: Array) -> tuple[Array, Array, Array]:
    """Return sign and logarithm of the determinant, (..., 1, 1) in the dtype of A, and A^-1 (LS.11).

    The sign is that of the framework's ``slogdet`` where there is one, and else found from reflectors (CQ.2).
    """
    Q, R = reduced_qr(xp, A, positive=True)
    diagonal = xp.abs(xp.linalg.diagonal(R))
    vanishing = xp.equal(diagonal, xp.zeros_like(diagonal))
    total = xp.sum(xp.log(xp.where(vanishing, xp.ones_like(diagonal), diagonal)), axis=-1)
    unknown = unless_empty(xp, xp.any(xp.isnan(Q), axis=(-2, -1), keepdims=True))
    sign = _sign_of_unitary(xp, Q if unknown is None else xp.where(unknown, identity_like(xp, Q), Q))
    singular = unless_empty(xp, xp.any(vanishing, axis=-1, keepdims=True))
    sign = _as_matrices(xp, sign, A.dtype)
    if unknown is not None:
        sign = sign * nan_where(xp, unknown, sign.dtype)
    if singular is not None:
        total = total + _minus_infinity_where(xp, singular[..., 0], total)
        singular = xp.expand_dims(singular, axis=-1)
        sign = xp.where(singular, xp.zeros_like(sign), sign)
    return sign, _as_matrices(xp, total, A.dtype), frame_inverse(xp, R, shape_of_product(xp, R, R)) @ adjoint(xp, Q)


def _minus_infinity_where(xp: Namespace, marks: Array, like: Array) -> Array:
    """Return -inf where marked and 0 elsewhere; the infinity is computed for marked matrices alone."""
    one = xp.ones_like(like)
    if not xp.beyond.traces or xp.beyond.seen(marks) is not None:
        return xp.where(marks, xp.full_like(one, -float("inf")), xp.zeros_like(one))
    return xp.log(xp.where(marks, xp.zeros_like(one), one))


def _as_matrices(xp: Namespace, X: Array, dtype: object) -> Array:
    """Return numbers (...) as matrices (..., 1, 1); some frameworks index no array without axes."""
    return xp.expand_dims(xp.expand_dims(xp.astype(X, dtype), axis=-1), axis=-1)


def _sign_of_unitary(xp: Namespace, Q: Array) -> Array:
    found = xp.beyond.sign_of_det(Q)
    return _sign_by_reflectors(xp, Q) if found is None else found


def _sign_by_reflectors(xp: Namespace, Q: Array) -> Array:
    S, pivots = reflector_signs(xp, Q)
    factors = -S
    if is_complex(xp, Q):
        factors = factors * pivots / xp.conj(pivots)
    places = positions(xp, Q)

    def step(j: Array, state: Arrays) -> Arrays:
        (product,) = state
        here = xp.where(is_position(xp, places, j), factors, xp.zeros_like(factors))
        return (product * xp.sum(here, axis=-1),)

    one = xp.ones_like(xp.sum(factors, axis=-1))
    return xp.beyond.repeat(shape_of_product(xp, Q, Q).k, step, (one,))[0][..., 0]
