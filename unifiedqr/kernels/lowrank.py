"""Low rank: columns that span the others, and a basis of the span of a few random combinations of the columns."""

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.dependence import unless_empty
from unifiedqr.arrays.operators import columns_at, identity_like, inverse_of, shape_of_product
from unifiedqr.arrays.triangle import frame_inverse
from unifiedqr.kernels.pivoting import pivoted_qr
from unifiedqr.kernels.reduced import reduced_qr


def interpolative(xp: Namespace, A: Array, *, rank: int) -> Arrays:
    """Return T (..., r, n) with A ~ A[:, P[:r]] T, the pivots P (..., 1, n), and the frame of A[:, P[:r]] (LR.1).

    Rows of T for pivot columns that depend on those before them are zero except for their unit entries.
    """
    Q, R, P = pivoted_qr(xp, A, rank=rank, positive=True)
    r, n = rank, A.shape[-1]
    if r == 0:
        return R, P, Q, R[..., :0]
    U, V = R[..., :r], R[..., r:]
    G = frame_inverse(xp, U, shape_of_product(xp, Q, U))
    marked = unless_empty(xp, xp.any(xp.isnan(G), axis=-2, keepdims=True))
    if marked is not None:
        U = xp.where(marked, identity_like(xp, U), U)
        V = xp.where(xp.matrix_transpose(marked), 0 * V, V)  # NaN stays NaN
    T = identity_like(xp, U)
    if r != n:
        T = xp.concat([T, xp.beyond.solve_triangular(U, V, upper=True)], axis=-1)
    return columns_at(xp, T, inverse_of(xp, P)), P, Q, G


def range_finder(xp: Namespace, A: Array, Omega: Array, *, iterations: int) -> Arrays:
    """Return Q and R of the last step of the chain (LR.2), then those of the steps before it, in order."""
    Q, R = reduced_qr(xp, A @ Omega, positive=True)
    chain: list[Array] = []
    for _ in range(iterations):
        chain += Q, R
        Q, R = reduced_qr(xp, xp.beyond.inner(A, Q), positive=True)
        chain += Q, R
        Q, R = reduced_qr(xp, A @ Q, positive=True)
    return Q, R, *chain
