"""What every function does with its input before the primitive runs, and with its output."""

import math
from collections.abc import Iterable
from itertools import zip_longest
from typing import Any

from unifiedqr._typing import Array, Arrays
from unifiedqr.arrays.operators import TALL
from unifiedqr.backend import COMPLEX_OF_REAL, DTYPES, HALF_DTYPES, Backend
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import CapabilityError, DtypeError, OptionError, ShapeError

LONGEST = {"float32": 2**24, "complex64": 2**24}
"""Number of columns from which on a dtype cannot number them all."""

LONG = 2**18
"""Number of entries of tall matrices from which the memory of Q is worth more than passes over A."""


def run_resolved(backend: Backend, A: Array, row: Primitive) -> Arrays:
    """Run a primitive of one matrix; return its results in the dtype of A, except for pivots, which are integers."""
    if not backend.dtype_name(A):
        if row.discrete[:1] == ("P",) or "P" in row.outputs:
            raise CapabilityError(
                f"{row.name} got a {backend.name} symbol: pivots cannot be expressed in a graph that is built before "
                f"its sizes are known. Call it on arrays, or without pivoting."
            )
        return backend.bind(row)(A)[: row.results]  # checked by the backend once the graph is given arrays
    dtype = computed_dtype(backend, A, row.name)
    xp = backend.xp
    is_half = dtype == "float32" and backend.dtype_name(A) != dtype
    found = backend.bind(row)(xp.astype(A, xp.float32) if is_half else A)[: row.results]
    if not is_half and not row.discrete:
        return found
    named = zip(row.outputs, found, strict=False)
    return tuple(
        integers(backend, X) if name in row.discrete else xp.astype(X, A.dtype) if is_half else X for name, X in named
    )


def integers(backend: Backend, P: Array) -> Array:
    """Return pivots, (..., 1, n) as numbers of a floating dtype, as integers in shape (..., n)."""
    xp = backend.xp
    real = xp.real(P) if backend.dtype_name(P).startswith("complex") else P
    return xp.argsort(xp.argsort(real, axis=-1), axis=-1)[..., 0, :]  # in the framework's dtype of indices


def computed_dtype(backend: Backend, A: Array, name: str) -> str:
    """Return the dtype in which A is decomposed; raise unless A is a matrix, or a stack of them, that can be."""
    dtype = floating_dtype(backend, A, name)
    if rank_of(backend, A, name) < 2:
        raise ShapeError(
            f"{name} got a {backend.name} array of shape {tuple(A.shape)}; expected a matrix (m, n) or a stack of them "
            f"(..., m, n). Reshape a vector to (m, 1) or (1, n)."
        )
    return dtype


def rank_of(backend: Backend, X: Array, name: str) -> int:
    """Return the number of dimensions of X; raise if a graph is traced without it."""
    try:
        return len(X.shape)
    except ValueError as error:
        raise ShapeError(
            f"{name} got a {backend.name} array of unknown rank; expected (..., m, n). Sizes may be unknown while a "
            f"graph is traced, but their number may not: give it in the signature, as in [None, None]."
        ) from error


def floating_dtype(backend: Backend, X: Array, name: str) -> str:
    """Return the dtype in which X is processed; raise unless there is one."""
    dtype = backend.dtype_name(X)
    if dtype in DTYPES:
        return dtype
    if dtype in HALF_DTYPES:
        return "float32"
    raise DtypeError(
        f"{name} got a {backend.name} array of dtype {dtype}; expected {', '.join(DTYPES)} "
        f"(or {' or '.join(HALF_DTYPES)}, computed in float32). Convert it with unifiedqr.namespace(A).astype."
    )


def sizes_of(backend: Backend, A: Array, name: str) -> tuple[int | None, int | None]:
    """Return m and n, None for what is not known while a graph is traced; raise unless A is a matrix, or a stack."""
    if not backend.dtype_name(A):
        raise CapabilityError(
            f"{name} got a {backend.name} symbol of unknown sizes; expected known ones. Call it on arrays."
        )
    computed_dtype(backend, A, name)
    m, n = A.shape[-2:]
    return m, n


def is_cheaper_with_Q(shape: tuple[Any, ...], is_adjoint: bool = False) -> bool:
    """Return whether a derivative of R alone is had sooner from Q and R than from A and R, as measured: but for tall A.

    Sizes that only the run will tell do not say so.
    """
    m, n = reversed(shape[-2:]) if is_adjoint else shape[-2:]
    if type(m) is not int or type(n) is not int:
        return False
    return m < TALL * n or (all(type(size) is int for size in shape) and math.prod(shape) < LONG)


def chosen(option: str, value: Any, choices: tuple[str, ...]) -> str:
    """Return an option's value; raise unless it is among its choices."""
    if value not in choices:
        raise OptionError(f"{option}={value!r} is unknown; choose one of {', '.join(map(repr, choices))}.")
    return value


def check_pivots(backend: Backend, A: Array, name: str, count: int | None) -> None:
    """Raise if A has more columns (rows) than its dtype can number."""
    dtype = computed_dtype(backend, A, name)
    if backend.orders(count, LONGEST.get(dtype, count)) == (1,):
        raise ShapeError(
            f"{name} with pivoting got {count} columns or rows to permute in {dtype}, which numbers at most "
            f"{LONGEST[dtype]}. Convert the matrix to double precision."
        )


def check_rank(backend: Backend, rank: Any, k: int | None, *, pivoting: bool, mode: str) -> int | None:
    """Return the number of steps, None for all; raise unless it fits, as far as k is known."""
    if rank is None:
        return None
    if not pivoting:
        raise OptionError(
            f"rank={rank!r} needs pivoting=True: without pivots the first columns are no better than others."
        )
    if mode != "reduced":
        raise OptionError(f"rank={rank!r} with mode={mode!r}: truncated factors are reduced ones. Leave mode out.")
    is_integer = not isinstance(rank, bool) and hasattr(rank, "__index__")
    more = backend.orders(k, rank.__index__()) if is_integer and rank.__index__() >= 0 else (-1,)
    if more[0] < 0:
        known = "" if k is None else f" = {k}"
        raise OptionError(f"got rank={rank!r}; expected an integer from 0 to min(m, n){known}.")
    if more == (1, 0):
        raise OptionError(
            f"got rank={rank!r}, which may be all of min(m, n) = {k}; expected one that is known to be smaller. Add "
            f"the constraint '{k} > {rank}', or leave rank out."
        )
    return None if more == (0,) else rank.__index__()


def as_matrix(backend: Backend, X: Array, Q: Array, name: str, axis: int) -> Array:
    """Return X, which may be a vector where Q is a matrix, as a matrix: a vector gets a new axis."""
    floating_dtype(backend, X, name)
    ndim = rank_of(backend, X, name)
    if ndim == 0:
        raise ShapeError(
            f"{name} got a number; expected a vector or a matrix beside factors of shape {tuple(Q.shape)}."
        )
    return backend.xp.expand_dims(X, axis=axis) if ndim in (1, len(Q.shape) - 1) else X


def promoted(backend: Backend, dtypes: Iterable[str], *arrays: Array) -> tuple[Array, ...]:
    """Return arrays in the dtype that several of `DTYPES` are promoted to."""
    dtypes = set(dtypes)
    real = "float64" if dtypes & {"float64", "complex128"} else "float32"
    common = COMPLEX_OF_REAL[real] if any("complex" in dtype for dtype in dtypes) else real
    xp = backend.xp
    return tuple(X if backend.dtype_name(X) == common else xp.astype(X, getattr(xp, common)) for X in arrays)


def together(backend: Backend, name: str, *arrays: Array) -> tuple[Array, ...]:
    """Return arrays in the dtype of all of them, with the same batch dimensions."""
    xp, arrays = backend.xp, promoted(backend, [floating_dtype(backend, X, name) for X in arrays], *arrays)
    batches = [tuple(X.shape[:-2]) for X in arrays]
    if all(batch == batches[0] for batch in batches[1:]):
        return arrays
    for along in zip_longest(*map(reversed, batches), fillvalue=1):
        if len({size for size in along if size not in (1, None)}) > 1:
            raise ShapeError(
                f"{name} got arrays with batch dimensions {', '.join(map(str, batches))}, which do not broadcast. A "
                f"stack of vectors has one dimension less than the stack of matrices."
            )
    # A sum of no entries: it has the batch dimensions of all, also those that are known only later.
    zeros = [xp.zeros_like(xp.sum(X, axis=(-2, -1), keepdims=True)) for X in arrays]
    return tuple(X + sum(zeros[1:], zeros[0]) for X in arrays)


def half_of(backend: Backend, *arrays: Array) -> Any:
    """Return the half precision that all arrays are in, which their result is given back in; None if there is none."""
    return arrays[0].dtype if all(backend.dtype_name(X) in HALF_DTYPES for X in arrays) else None
