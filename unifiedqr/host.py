"""Column-pivoted QR by LAPACK, of arrays in host memory: for adapters of frameworks that have no kernel of their own.

LAPACK's driver geqp3 factors all k = min(m, n) columns. To stop after `rank` of them its two parts are run here: laqps,
a block of columns at a time, which is called through the pointers SciPy exports for Cython, and for the last columns of
a matrix laqp2, which cannot be stopped and is written out. Both follow geqp3 operation by operation, because columns
that tie are distinguished by the rounding errors of their norms.

G. Quintana-Orti, X. Sun, C. H. Bischof (1998), SIAM J. Sci. Comput. 19(5), 1486-1494; Z. Drmac, Z. Bujanovic (2008),
ACM Trans. Math. Softw. 35(2), for the norms that are recomputed.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np

from unifiedqr.errors import DtypeError

Factors = tuple[Any, Any, Any]

PREFIXES = {"float32": "s", "float64": "d", "complex64": "c", "complex128": "z"}
"""What names of LAPACK's routines begin with, by dtype."""

BLOCK = 32
"""Columns that geqp3 factors at a time."""

CROSSOVER = 128
"""Columns that geqp3 factors one by one at the end, or all if there are no more."""

STEP = 2**15
"""Entries that LAPACK updates in the time of a column that is factored here."""


GLANCE = 2**22
"""Number of entries that take less time to inspect than knowing them saves."""


def glance(R: Any) -> tuple[float, float] | None:
    """Return the least modulus on the diagonals of matrices, (..., k, n), and the largest of all; None of too many."""
    if not 0 < R.size <= GLANCE:
        return None
    if R.dtype.kind == "c":
        largest = abs(R).max()
    else:
        largest = max(np.maximum.reduce(R, axis=None), -np.minimum.reduce(R, axis=None))
    return float(abs(R.diagonal(0, -2, -1)).min()), float(largest)


def pivoted_qr(A: Any, rank: int) -> Factors:
    """Return the column-pivoted QR decomposition, stopped after `rank` columns, with the pivots of LAPACK's geqp3.

    Parameters
    ----------
    A : numpy.ndarray, shape (..., m, n)
        Matrices, m and n at least 1, of dtype float32, float64, complex64 or complex128. Not written to.
    rank : int
        Number of columns of Q, from 1 to k = min(m, n).

    Returns
    -------
    Q : numpy.ndarray, shape (..., m, rank)
        Orthonormal columns, with LAPACK's signs; columns are contiguous in memory. Dtype of A.
    R : numpy.ndarray, shape (..., rank, n)
        Upper trapezoidal, with zeros below the diagonal. Dtype of A.
    P : numpy.ndarray, shape (..., n)
        The permutation: column ``P[j]`` of A stands at place j, ``A[:, P]`` = Q R if rank = k. Behind place `rank` the
        order is what the exchanges so far left. Integers.

    Raises
    ------
    DtypeError
        A has another dtype.

    Notes
    -----
    Factors of a matrix that is not finite are NaN, and its columns stay in place.

    Examples
    --------
    >>> import numpy as np
    >>> A = np.array([[1.0, 4.0], [0.0, 3.0]])
    >>> Q, R, P = pivoted_qr(A, 1)
    >>> P, abs(R)
    (array([1, 0]), array([[5. , 0.8]]))
    """
    dtype = A.dtype.name
    if dtype not in PREFIXES:
        raise DtypeError(f"got a matrix of dtype {dtype}; expected one of {', '.join(PREFIXES)}. Convert it.")
    *batch, m, n = A.shape
    columns: Any = np.empty((*batch, n, m), dtype)  # each matrix in the order of LAPACK
    columns.swapaxes(-1, -2)[...] = A
    R = np.empty((*batch, rank, n), dtype)
    P = np.empty((*batch, n), np.intp)
    finite = np.isfinite(columns).all(axis=(-2, -1))
    factor = _route(dtype, m, n, rank)
    for index in np.ndindex(*batch):
        if finite[index]:
            factor(columns[index].T, R[index], P[index])
        else:
            columns[index], R[index], P[index] = np.nan, np.triu(np.full((rank, n), np.nan)), np.arange(n)
    # A copy lets go of the columns that were not factored.
    Q = columns if rank == n else columns[..., :rank, :].copy()
    return Q.swapaxes(-1, -2), R, P


Route = Callable[[Any, Any, Any], None]
"""Factors a matrix whose columns are contiguous: Q comes in its first columns, R and P in arrays that are given."""


def _route(dtype: str, m: int, n: int, rank: int) -> Route:
    k = min(m, n)
    one_by_one = rank - max(0, k - CROSSOVER)
    if rank < k and (one_by_one <= 0 or m * n * (k - rank) > STEP * one_by_one):
        kernels = _kernels(dtype)
        if kernels is not None:
            return _stopping(kernels, dtype, m, n, rank)
    return _whole(dtype, m, n, rank)


def _whole(dtype: str, m: int, n: int, rank: int) -> Route:
    """Factor by geqp3, all columns, and keep the first."""
    geqp3: Any = _lapack("geqp3", dtype)
    form_q = _orthonormal(dtype, m, rank)
    no_values = np.empty((m, n), dtype, order="F")
    lwork = int(geqp3(no_values, lwork=-1, overwrite_a=True)[3][0].real)

    def factor(A: Any, R: Any, P: Any) -> None:
        reflectors, pivots, tau, *_ = geqp3(A, lwork=lwork, overwrite_a=True)
        P[...] = pivots - 1
        R[...] = np.triu(reflectors[:rank])
        if rank < min(m, n):
            order = _exchanged(P, rank)
            R[...] = R[:, np.argsort(P)[order]]
            P[...] = order
        form_q(A, reflectors, tau)

    return factor


def _exchanged(P: Any, rank: int) -> Any:
    """Return the order of columns after the first `rank` of the exchanges that lead to P."""
    n = int(P.size)
    order, places = np.arange(n), np.arange(n)
    for i in range(rank):
        place = places[P[i]]
        places[order[i]], places[P[i]] = place, i
        order[i], order[place] = P[i], order[i]
    return order


def _stopping(kernels: "_Kernels", dtype: str, m: int, n: int, rank: int) -> Route:
    """Factor the first `rank` columns as geqp3 does, and no more."""
    in_blocks = min(rank, max(0, min(m, n) - CROSSOVER))
    form_q = _orthonormal(dtype, m, rank)

    def factor(A: Any, R: Any, P: Any) -> None:
        state = _State(A, np.arange(1, n + 1, dtype=np.intc), np.zeros(rank, dtype), *_norms(A))
        done = 0
        while done < in_blocks:
            done += _block(kernels, state, done, min(BLOCK, in_blocks - done))
        for i in range(done, rank):
            _column(kernels, state, i)
        P[...] = state.pivots - 1
        R[...] = np.triu(A[:rank])
        form_q(A, A, state.tau)

    return factor


class _State(NamedTuple):
    """A matrix being factored, in place.

    Attributes
    ----------
    A : numpy.ndarray, shape (m, n)
        Reflectors and R in the columns that are done; columns are contiguous.
    pivots : numpy.ndarray, shape (n,)
        The permutation so far, counted from one.
    tau : numpy.ndarray, shape (rank,)
        Factors of the reflectors.
    norms, known_norms : numpy.ndarray, shape (n,)
        Norms of what is left of the columns, downdated, and as last computed.
    """

    A: Any
    pivots: Any
    tau: Any
    norms: Any
    known_norms: Any


def _block(kernels: "_Kernels", state: _State, done: int, count: int) -> int:
    """Factor up to `count` columns and update those behind; give how many there were: fewer if a norm was lost."""
    A, pivots, tau, norms, known_norms = state
    m, n = A.shape
    F, auxiliary, factored = np.empty((count, n - done), A.dtype), np.empty(count, A.dtype), ctypes.c_int(0)
    places = (_at(x[done:]) for x in (pivots, tau, norms, known_norms))
    kernels.laqps(
        *(_int(m), _int(n - done), _int(done), _int(count), ctypes.byref(factored)),
        *(_at(A[:, done:]), _int(m), *places, _at(auxiliary), _at(F), _int(n - done)),
    )
    return factored.value


def _column(kernels: "_Kernels", state: _State, i: int) -> None:
    """Factor one column and update those behind: a step of laqp2."""
    A, pivots, tau, norms, known_norms = state
    m, n = A.shape
    pivot = i + int(np.argmax(norms[i:]))
    if pivot != i:
        A[:, [i, pivot]] = A[:, [pivot, i]]
        pivots[[i, pivot]] = pivots[[pivot, i]]
        norms[pivot], known_norms[pivot] = norms[i], known_norms[i]
    last_row = i == m - 1
    kernels.larfg(_int(m - i), _at(A[i:, i]), _at(A[i if last_row else i + 1 :, i]), _int(1), _at(tau[i:]))
    if i == n - 1:
        return
    diagonal, A[i, i] = A[i, i], 1
    tau_adjoint, work = np.conj(tau[i : i + 1]), np.empty(n, A.dtype)
    kernels.larf(
        *(ctypes.c_char_p(b"L"), _int(m - i), _int(n - i - 1), _at(A[i:, i]), _int(1)),
        *(_at(tau_adjoint), _at(A[i:, i + 1 :]), _int(m), _at(work)),
    )
    A[i, i] = diagonal
    _downdate(A[i:, i + 1 :], norms[i + 1 :], known_norms[i + 1 :])


def _downdate(A: Any, norms: Any, known_norms: Any) -> None:
    """Take the first row of A out of the norms of its columns, recomputing those that cancel."""
    row = np.hypot(A[0].real, A[0].imag) if np.iscomplexobj(A) else np.abs(A[0])
    with np.errstate(all="ignore"):
        ratios, shares = row / norms, norms / known_norms
        left = np.maximum(1 - ratios * ratios, 0)
        lost = left * (shares * shares) <= np.sqrt(np.finfo(norms.dtype).eps / 2)
    nonzero = norms != 0
    norms[nonzero] *= np.sqrt(left[nonzero])
    anew = np.flatnonzero(nonzero & lost)
    norms[anew] = known_norms[anew] = _norms(A[1:, anew])[0] if A.shape[0] > 1 else 0


def _norms(A: Any) -> tuple[Any, Any]:
    """Return the norms of the columns, and a copy, by the function that geqp3 takes them from."""
    nrm2: Any = _norm_function(A.dtype.name)
    norms: Any = np.array([nrm2(column) for column in A.T], A.real.dtype)
    return norms, norms.copy()


def _orthonormal(dtype: str, m: int, rank: int) -> Callable[[Any, Any, Any], None]:
    """Return the function that makes Q of the reflectors, in the first columns of an array."""
    orgqr: Any = _lapack("ungqr" if PREFIXES[dtype] in "cz" else "orgqr", dtype)
    no_values = np.empty((m, rank), dtype, order="F")
    lwork = int(orgqr(no_values, np.empty(rank, dtype), lwork=-1, overwrite_a=True)[1][0].real)

    def form(A: Any, reflectors: Any, tau: Any) -> None:
        Q = orgqr(reflectors[:, :rank], tau[:rank], lwork=lwork, overwrite_a=True)[0]
        if _at(Q).value != _at(A).value:  # SciPy made a copy
            A[:, :rank] = Q

    return form


@cache
def _norm_function(dtype: str) -> Any:
    prefix = PREFIXES[dtype]
    return getattr(import_module("scipy.linalg.blas"), {"c": "sc", "z": "dz"}.get(prefix, prefix) + "nrm2")


@cache
def _lapack(name: str, dtype: str) -> Any:
    # Importing SciPy takes long, and adapters import this module whether or not anything is factored.
    return getattr(import_module("scipy.linalg.lapack"), PREFIXES[dtype] + name)


class _Kernels(NamedTuple):
    """Routines of LAPACK that SciPy has no function for, on pointers."""

    laqps: Callable[..., None]
    larfg: Callable[..., None]
    larf: Callable[..., None]


@cache
def _kernels(dtype: str) -> _Kernels | None:
    found = [_kernel(PREFIXES[dtype] + name) for name in ("laqps", "larfg", "larf")]
    return None if None in found else _Kernels(*found)  # pyright: ignore[reportArgumentType]


def _kernel(name: str) -> Callable[..., None] | None:
    capsule = getattr(import_module("scipy.linalg.cython_lapack"), "__pyx_capi__", {}).get(name)
    if capsule is None:
        return None
    api, anything = ctypes.pythonapi, ctypes.py_object
    signature = ctypes.PYFUNCTYPE(ctypes.c_char_p, anything)(("PyCapsule_GetName", api))(capsule)
    if b"long" in signature:  # integers of 64 bits
        return None
    address = ctypes.PYFUNCTYPE(ctypes.c_void_p, anything, ctypes.c_char_p)(("PyCapsule_GetPointer", api))
    arguments = [ctypes.c_void_p] * (signature.count(b",") + 1)
    return ctypes.CFUNCTYPE(None, *arguments)(address(capsule, signature))


def _int(value: int) -> Any:
    return ctypes.byref(ctypes.c_int(value))


def _at(x: Any) -> ctypes.c_void_p:
    return ctypes.c_void_p(x.__array_interface__["data"][0])
