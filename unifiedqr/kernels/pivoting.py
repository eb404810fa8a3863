"""Column-pivoted QR, whole or truncated: by LAPACK where the namespace reaches it, else on the Array API alone."""

from typing import Any

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.operators import adjoint, columns_at, is_complex, shape_of_product
from unifiedqr.arrays.positions import is_position, positions
from unifiedqr.arrays.scaling import exponents_of, scaled
from unifiedqr.kernels.reduced import reduced_qr
from unifiedqr.kernels.reflectors import completed


def pivoted_qr(xp: Namespace, A: Array, *, rank: int | None, positive: bool) -> tuple[Array, Array, Array]:
    """Return Q (..., m, r), R (..., r, n) and P (..., 1, n), numbers of the dtype of A, with A[:, P] = Q R (PV.1).

    r is `rank`, or min(m, n) for None; the pivots are those of LAPACK geqp3.
    """
    k = shape_of_product(xp, A, A).k
    r = k if rank is None else rank
    if 0 in (A.shape[-2], A.shape[-1], rank):
        P = xp.astype(positions(xp, A), A.dtype)
        return xp.zeros_like(A[..., :0]), xp.zeros_like(A[..., :0, :]), P
    # Pivoting compares lengths of columns: all are scaled alike, and far from the limits of the exponent.
    sizes = xp.max(xp.abs(A), axis=(-2, -1), keepdims=True)
    e = exponents_of(xp, xp.where(xp.isfinite(sizes), sizes, xp.ones_like(sizes)))
    A = scaled(xp, A, -e)
    found = xp.beyond.pivoted_qr(A, r)
    if found is not None:
        Q, R, P = found
        if positive:
            Q, R = xp.beyond.turn(Q, R)
    else:
        order = greedy_pivots(xp, A, r)
        Q, R = _factors(xp, columns_at(xp, A, order), None if type(k) is int and r == k else rank, positive)
        P = xp.astype(order, A.dtype)
    return Q, xp.triu(scaled(xp, R, e)), P


def pivoted_r(xp: Namespace, A: Array, *, positive: bool) -> tuple[Array, Array]:
    """Return R and P of `pivoted_qr`."""
    return pivoted_qr(xp, A, rank=None, positive=positive)[1:]


def pivoted_complete_qr(xp: Namespace, A: Array, *, positive: bool) -> tuple[Array, Array, Array, Array, Array]:
    """Return Q (..., m, m), R (..., m, n) and P of A[:, P] = Q R, and G, S of (CQ.1)."""
    Q_1, R_1, P = pivoted_qr(xp, A, rank=None, positive=positive)
    Q, R, G, S = completed(xp, Q_1, R_1)
    return Q, R, P, G, S


def _factors(xp: Namespace, A: Array, r: int | None, positive: bool) -> tuple[Array, Array]:
    if r is None:
        return reduced_qr(xp, A, positive=positive, method="householder")
    Q, U = reduced_qr(xp, A[..., :r], positive=positive, method="householder")
    return Q, xp.concat([U, adjoint(xp, Q) @ A[..., r:]], axis=-1)


def greedy_pivots(xp: Namespace, A: Array, steps: Any) -> Array:
    """Return the order of columns after some steps, integers (..., 1, n): each step takes the longest remainder.

    A column taken changes places with the one that stands where it goes, as in LAPACK: ties are resolved alike.
    """
    places = positions(xp, A)

    def step(j: Array, state: Arrays) -> Arrays:
        W, order = state
        lengths = _lengths(xp, W)
        waiting = xp.take_along_axis(lengths, order, axis=-1)
        longest = xp.argmax(xp.where(places >= j, waiting, -xp.ones_like(waiting)), axis=-1, keepdims=True)
        longest = xp.astype(longest, order.dtype)
        taken = xp.take_along_axis(order, longest, axis=-1)
        here = is_position(xp, places, j)
        moved = xp.sum(xp.where(here, order, xp.zeros_like(order)), axis=-1, keepdims=True)
        there = xp.where(xp.equal(places, longest), xp.astype(moved, order.dtype), order)
        order = xp.where(here, taken, there)
        length = xp.take_along_axis(lengths, taken, axis=-1)
        length = xp.where(length > 0, length, xp.ones_like(length))
        q = columns_at(xp, W, taken) / xp.astype(length, W.dtype)
        return W - q @ (adjoint(xp, q) @ W), order

    return xp.beyond.repeat(steps, step, (A, places))[1]


def _lengths(xp: Namespace, W: Array) -> Array:
    sizes = xp.max(xp.abs(W), axis=-2, keepdims=True)
    sizes = xp.where(sizes > 0, sizes, xp.ones_like(sizes))
    parts = (xp.real(W), xp.imag(W)) if is_complex(xp, W) else (W,)
    return sizes * xp.sqrt(sum(xp.sum((part / sizes) ** 2, axis=-2, keepdims=True) for part in parts))
