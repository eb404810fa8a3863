"""Dask as an Array API namespace, by array-api-compat, for matrices of many blocks of rows.

QR is TSQR: each block gives a triangle, the triangles are decomposed together, and each block, read again, is
decomposed again and multiplied by its share. No value is inspected, and nothing is computed before it is requested.

References
----------
J. Demmel, L. Grigori, M. Hoemmen, J. Langou (2012), Communication-optimal parallel and sequential QR and LU
factorizations.
"""

from collections.abc import Callable
from functools import partial
from itertools import accumulate
from typing import Any

import array_api_compat.dask.array as compatible
import dask.array as da
import numpy as np
import scipy.linalg

from unifiedqr.arrays.namespaces import extend_namespace
from unifiedqr.arrays.operations import Operations
from unifiedqr.arrays.operators import Shape
from unifiedqr_dask.graphs import again, small, task

Array = Any

SWAMPED = 2.0**10
"""How many times as large as the least of the first rows of a block the largest is when its rows are sorted."""

FAN = 64
"""How many triangles are decomposed together on the way to one."""


def qr_of_block(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return factors whose errors are as small in every row as the row is: the largest come first if they must."""
    sizes = np.abs(a).max(axis=1, initial=0)
    if not SWAMPED * sizes[: a.shape[1]].min(initial=np.inf) < sizes.max(initial=0):
        Q, R = np.linalg.qr(a)
        return Q, R
    order = np.argsort(-sizes, kind="stable")
    Q, R = np.linalg.qr(a[order])
    back = np.empty_like(Q)
    back[order] = Q
    return back, R


def _triangle(a: np.ndarray) -> np.ndarray:
    return qr_of_block(a)[1]


def _both(a: np.ndarray) -> np.ndarray:
    Q, R = qr_of_block(a)
    return np.concatenate([Q, R.T])  # of which each has k columns


def _last(both: np.ndarray, *, rows: int) -> np.ndarray:
    return both[-rows:].T


def _share(a: np.ndarray, both: np.ndarray, *, ends: list[int], block_id: tuple[int, int]) -> np.ndarray:
    i = block_id[0]
    return qr_of_block(a)[0] @ both[ends[i] : ends[i + 1]]


def _triangles(A: Array) -> Array:
    n = A.shape[1]
    rows = tuple(min(size, n) for size in A.chunks[0])
    return da.map_blocks(_triangle, A, chunks=(rows, (n,)), dtype=A.dtype, meta=A._meta)


def in_blocks_of_rows(A: Array) -> Array:
    """Return A with all columns in one chunk."""
    return A if len(A.chunks[1]) == 1 else A.rechunk({1: -1})


def qr(A: Array, /, *, mode: str = "reduced") -> tuple[Array, Array]:
    """Return Q, in the blocks of rows of A, and R."""
    del mode
    A = in_blocks_of_rows(A)
    stack = small(_triangles(A))
    k, n = min(A.shape), A.shape[1]
    both = task(_both, stack, shape=(stack.shape[0] + n, k))
    ends = [0, *accumulate(min(size, n) for size in A.chunks[0])]
    chunks = (A.chunks[0], (k,))
    Q = da.map_blocks(_share, again(A, both), both, ends=ends, chunks=chunks, dtype=A.dtype, meta=A._meta)
    return Q, task(partial(_last, rows=n), both, shape=(k, n))


def qr_r(A: Array, /) -> Array:
    """Return R alone, by a tree."""
    triangles = _triangles(in_blocks_of_rows(A))
    while triangles.numblocks[0] > FAN:
        triangles = _triangles(triangles.rechunk({0: _joined(triangles.chunks[0])}))
    return task(_triangle, triangles, shape=(min(A.shape), A.shape[1]))


def _joined(sizes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sum(sizes[i : i + FAN]) for i in range(0, len(sizes), FAN))


def _inner(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return x.conj().T @ y


def _sum(parts: np.ndarray, *, rows: int) -> np.ndarray:
    return parts.reshape(-1, rows, parts.shape[1]).sum(axis=0)


def _solved(U: np.ndarray, B: np.ndarray, *, lower: bool) -> np.ndarray:
    if not np.isfinite(U).all() or (np.diagonal(U) == 0).any():
        return np.full_like(B, np.nan)
    return scipy.linalg.solve_triangular(U, B, lower=lower, check_finite=False)


def _inverse(U: np.ndarray) -> np.ndarray:
    return np.triu(_solved(U, np.eye(len(U), dtype=U.dtype), lower=False))


def _sum_of_products(*arrays: np.ndarray, begun: bool) -> np.ndarray:
    """Return the sum of X K, of arrays X, K, X, K, ...; after an array to begin with."""
    total = arrays[0] if begun else arrays[0] @ arrays[1]
    rest = arrays[1:] if begun else arrays[2:]
    for X, K in zip(rest[::2], rest[1::2], strict=True):
        total = total + X @ K
    return total


class DaskOperations(Operations):
    """Operations on blocks of rows, and on small matrices that are one task."""

    def shape_of_product(self, X: Array, Y: Array) -> Shape:
        return super().shape_of_product(X, Y)._replace(spread=True)

    def solve_triangular(self, A: Array, B: Array, *, upper: bool) -> Array:
        B = B if len(B.chunks[0]) == 1 else B.rechunk({0: -1})
        return da.map_blocks(_solved, small(A), B, lower=not upper, chunks=B.chunks, dtype=B.dtype, meta=B._meta)

    def inverse_upper(self, U: Array) -> Array:
        return task(_inverse, U, shape=U.shape)

    def inner(self, X: Array, Y: Array) -> Array:
        # Y is read for this alone: shared with what need not wait for X, its blocks would pile up until X is there.
        X = in_blocks_of_rows(X)
        Y = again(Y, X).rechunk({0: X.chunks[0], 1: -1})
        k, s = X.shape[1], Y.shape[1]
        dtype = np.result_type(X.dtype, Y.dtype)
        meta = np.empty((0, 0), dtype)
        parts = da.map_blocks(_inner, X, Y, chunks=((k,) * X.numblocks[0], (s,)), dtype=dtype, meta=meta)
        while parts.numblocks[0] > FAN:
            parts = parts.rechunk({0: _joined(parts.chunks[0])})
            parts = parts.map_blocks(_sum, rows=k, chunks=((k,) * parts.numblocks[0], (s,)), meta=meta)
        return task(partial(_sum, rows=k), parts, shape=(k, s))

    def inner_of_rows(self, X: Array, Y: Array) -> Array:
        return self.inner(self.xp.conj(X.T), self.xp.conj(Y.T))

    def combination(self, *terms: Any) -> Array:
        X, K = terms[-1]
        if X.shape[0] < K.shape[1]:  # the long side is the other one
            turned = (term.T if not isinstance(term, tuple) else (term[1].T, term[0].T) for term in terms)
            return self._by_blocks(*turned).T
        return self._by_blocks(*terms)

    def _by_blocks(self, *terms: Any) -> Array:
        """Return the sum by one task a block: of several a scheduler would make one product of all blocks first."""
        begun = not isinstance(terms[0], tuple)
        pairs = [(X, small(K)) for X, K in terms[1 if begun else 0 :]]
        small_ones = [K for _, K in pairs]
        long = [again(X, *small_ones) for X in ([terms[0]] if begun else []) + [X for X, _ in pairs]]
        rows = long[-1].chunks[0]
        long = [X.rechunk({0: rows, 1: -1}) for X in long]
        arrays = long[:1] if begun else []
        for X, K in zip(long[1:] if begun else long, small_ones, strict=True):
            arrays += [X, K]
        chunks, dtype = (rows, (small_ones[0].shape[1],)), arrays[0].dtype
        return da.map_blocks(_sum_of_products, *arrays, begun=begun, chunks=chunks, dtype=dtype, meta=long[0]._meta)

    def qr_r(self, A: Array) -> Array:
        return qr_r(A)

    def branch(self, predicate: Array, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
        # The one question there is, whether rows are of unlike size, is one of each block, and `qr_of_block` asks it.
        del predicate, then
        return otherwise()


def take_along_axis(x: Array, indices: Array, /, *, axis: int = -1) -> Array:
    """Return the numbers at indices along an axis, which is in one chunk after this."""
    x, indices = (X.rechunk({axis % X.ndim: -1}) for X in (x, indices))
    return da.map_blocks(np.take_along_axis, x, indices, axis=axis, dtype=x.dtype, chunks=indices.chunks, meta=x._meta)


def _triangular(name: str) -> Callable[..., Array]:
    of_block, of_many = getattr(np, name), getattr(da, name)

    def select(x: Array, /, *, k: int = 0) -> Array:
        # What is triangular is small; Dask's own function casts complex numbers to real ones on the way, and warns.
        return task(partial(of_block, k=k), x, shape=x.shape) if x.ndim == 2 else of_many(x, k=k)

    return select


plain = extend_namespace(
    "unifiedqr_dask.namespace.plain",
    compatible,
    linalg={"qr": qr},
    operations=DaskOperations,
    take_along_axis=take_along_axis,
    tril=_triangular("tril"),
    triu=_triangular("triu"),
)
