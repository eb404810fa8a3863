"""The part of the Array API standard that losses and rules are written in, for 100-digit numbers."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from unifiedqr.arrays.namespaces import make_namespace
from unifiedqr.arrays.operations import Operations
from unifiedqr_mpmath import functions
from unifiedqr_mpmath.array import COMPLEX, REAL, ExactArray, ExactDtype, as_object, combine, context, exact, values_of

Axis = int | tuple[int, ...] | None


def _filled(value: float) -> Callable[..., ExactArray]:
    def create(shape: int | tuple[int, ...], *, dtype: ExactDtype | None = None, device: Any = None) -> ExactArray:
        return full(shape, value, dtype=dtype)

    return create


def asarray(obj: Any, *, dtype: ExactDtype | None = None, device: Any = None, copy: bool | None = None) -> ExactArray:
    """Return numbers or nested lists of them exactly."""
    x = obj if isinstance(obj, ExactArray) else exact(np.asarray(obj))
    return x if dtype is None else astype(x, dtype)


def astype(x: Any, dtype: Any, *, copy: bool = True, device: Any = None) -> Any:
    """Convert between real and complex; a boolean array becomes zeros and ones, and integers are a NumPy array."""
    if not isinstance(dtype, ExactDtype):
        return (x.values if isinstance(x, ExactArray) else x).astype(dtype)
    if isinstance(x, np.ndarray):
        x = exact(x.astype(float))
    number = context.mpc if dtype is COMPLEX else context.mpf
    return ExactArray(as_object(np.frompyfunc(number, 1, 1)(x.values)), dtype)


def arange(start: float, stop: float | None = None, step: float = 1, *, dtype: Any = None, device: Any = None) -> Any:
    """Return equally spaced numbers: a NumPy array of integers, or what `dtype` says."""
    numbers = np.arange(start, stop, step) if stop is not None else np.arange(start)
    return numbers if dtype is None and numbers.dtype.kind == "i" else astype(numbers, dtype or REAL)


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> np.ndarray:
    """Return the indices that sort along an axis; of equal entries the first comes first."""
    values = x.values if isinstance(x, ExactArray) else x
    return np.argsort(-values if descending else values, axis=axis, kind="stable")


def argmax(x: ExactArray, /, *, axis: int | None = None, keepdims: bool = False) -> np.ndarray:
    """Return the index of the first largest entry."""
    return np.asarray(np.argmax(x.values, axis=axis, keepdims=keepdims))


def full(
    shape: int | tuple[int, ...], value: Any, *, dtype: ExactDtype | None = None, device: Any = None
) -> ExactArray:
    """Return an array of one value."""
    dtype = dtype or (COMPLEX if isinstance(value, complex) else REAL)
    values = np.empty(shape, dtype=object)
    values.fill(context.mpc(value) if dtype is COMPLEX else context.mpf(value))
    return ExactArray(values, dtype)


def full_like(x: Any, value: Any, *, dtype: ExactDtype | None = None, device: Any = None) -> Any:
    """Return an array of one value in the shape of x, of integers too."""
    if isinstance(x, np.ndarray):
        return np.full_like(x, value)
    return full(x.shape, value, dtype=dtype or x.dtype)


def eye(n_rows: int, n_cols: int | None = None, *, k: int = 0, dtype: ExactDtype | None = None) -> ExactArray:
    """Return ones on a diagonal."""
    return asarray(np.eye(n_rows, n_cols, k=k), dtype=dtype)


def where(condition: np.ndarray, x: Any, y: Any) -> Any:
    """Select from x where the condition holds, else from y; from integers too."""
    if isinstance(x, np.ndarray):
        return np.where(condition, x, y)
    return combine(lambda a, b: np.where(condition, a, b), x, y)


def total(x: ExactArray, *, axis: Axis = None, keepdims: bool = False, dtype: Any = None) -> ExactArray:
    """Sum over axes."""
    if isinstance(x, np.ndarray):  # integers
        return np.sum(x, axis=axis, keepdims=keepdims)
    return ExactArray(as_object(np.sum(x.values, axis=axis, keepdims=keepdims, initial=context.zero)), x.dtype)


def mean(x: ExactArray, *, axis: Axis = None, keepdims: bool = False) -> ExactArray:
    """Average over axes."""
    summed = total(x, axis=axis, keepdims=keepdims)
    return summed / (x.values.size / max(1, summed.values.size))


def _extreme(function: Callable[..., Any]) -> Callable[..., ExactArray]:
    def reduce(x: ExactArray, *, axis: Axis = None, keepdims: bool = False) -> ExactArray:
        return ExactArray(as_object(function(x.values, axis=axis, keepdims=keepdims)), x.dtype)

    return reduce


def _triangle(selects: Callable[..., np.ndarray]) -> Callable[..., ExactArray]:
    def select(x: ExactArray, /, *, k: int = 0) -> ExactArray:
        return where(selects(np.ones(x.shape[-2:], dtype=bool), k=k), x, full_like(x, 0))

    return select


def concat(arrays: Sequence[ExactArray], /, *, axis: int | None = 0) -> ExactArray:
    """Join arrays along an axis."""
    return _joined(np.concatenate, arrays, axis)


def stack(arrays: Sequence[ExactArray], /, *, axis: int = 0) -> ExactArray:
    """Join arrays along a new axis."""
    return _joined(np.stack, arrays, axis)


def _joined(join: Callable[..., Any], arrays: Sequence[ExactArray], axis: int | None) -> ExactArray:
    dtype = COMPLEX if any(x.dtype is COMPLEX for x in arrays) else REAL
    return ExactArray(join([x.values for x in arrays], axis=axis), dtype)


def isdtype(dtype: ExactDtype, kind: Any) -> bool:
    """Return whether a dtype is of a kind, or of one in a tuple of kinds."""
    kinds = kind if isinstance(kind, tuple) else (kind,)
    return any(k is dtype or k in ("numeric", f"{dtype.kind} floating") for k in kinds)


def qr(x: ExactArray, /, *, mode: str = "reduced") -> tuple[ExactArray, ExactArray]:
    """Return the reduced QR factors with positive diagonal, by modified Gram-Schmidt in 100 digits."""
    m, n = x.shape[-2:]
    k = min(m, n)
    Q = full((*x.shape[:-1], k), 0, dtype=x.dtype)
    R = full((*x.shape[:-2], k, n), 0, dtype=x.dtype)
    for index in np.ndindex(x.shape[:-2]):
        _orthogonalize(x.values[index], Q.values[index], R.values[index])
    return Q, R


def _orthogonalize(A: np.ndarray, Q: np.ndarray, R: np.ndarray) -> None:
    for j in range(A.shape[1]):
        column = A[:, j].copy()
        for i in range(min(j, Q.shape[1])):
            R[i, j] = context.fdot(column, Q[:, i], conjugate=True)
            column -= R[i, j] * Q[:, i]
        if j < Q.shape[1]:
            norm = context.sqrt(context.fsum(column, absolute=True, squared=True))
            R[j, j] = type(R[j, j])(norm)
            Q[:, j] = column / norm if norm else context.nan


def pivoted_qr(A: ExactArray, rank: int, /) -> tuple[ExactArray, ExactArray, ExactArray]:
    """Return Q, R and the pivots (..., 1, n) after some steps of column-pivoted modified Gram-Schmidt in 100 digits."""
    order = np.empty((*A.shape[:-2], 1, A.shape[-1]), dtype=int)
    for index in np.ndindex(A.shape[:-2]):
        order[index] = _pivots(A.values[index], rank)
    permuted = xp.take_along_axis(A, np.broadcast_to(order, A.shape), axis=-1)
    Q, R = qr(permuted[..., :rank])
    rest = xp.matrix_transpose(xp.conj(Q)) @ permuted[..., rank:]
    return Q, concat([R, rest], axis=-1), astype(order, A.dtype)


def _pivots(A: np.ndarray, rank: int) -> np.ndarray:
    """Return the order of columns: each step takes the longest remainder, which changes places with the one there."""
    W, order = A.copy(), np.arange(A.shape[1])
    for j in range(rank):
        squares = [context.fsum(W[:, i], absolute=True, squared=True) for i in range(j, W.shape[1])]
        taken = j + max(range(len(squares)), key=squares.__getitem__)
        W[:, [j, taken]], order[[j, taken]] = W[:, [taken, j]], order[[taken, j]]
        norm = context.sqrt(squares[taken - j])
        if not norm:
            break
        q = W[:, j] / norm
        for i in range(j + 1, W.shape[1]):
            W[:, i] = W[:, i] - context.fdot(W[:, i], q, conjugate=True) * q
    return order


def solve_triangular(A: ExactArray, B: ExactArray, /, *, upper: bool) -> ExactArray:
    """Return A^-1 B for triangular A, by substitution."""
    k = A.shape[-1]
    X = np.broadcast_to(B.values, (*np.broadcast_shapes(A.shape[:-2], B.shape[:-2]), *B.shape[-2:])).copy()
    for i in reversed(range(k)) if upper else range(k):
        X[..., i, :] /= A.values[..., i, i, None]
        rest = slice(0, i) if upper else slice(i + 1, k)
        X[..., rest, :] -= A.values[..., rest, i, None] * X[..., i, None, :]
    return ExactArray(X, COMPLEX if COMPLEX in (A.dtype, B.dtype) else REAL)


def diagonal(x: ExactArray, /, *, offset: int = 0) -> ExactArray:
    """Return the diagonals of the last two axes."""
    return ExactArray(np.diagonal(x.values, offset, -2, -1), x.dtype)


def matrix_norm(x: ExactArray, /, *, keepdims: bool = False, ord: str = "fro") -> ExactArray:  # noqa: A002
    """Return Frobenius norms of the last two axes."""
    if ord != "fro":
        raise NotImplementedError(f"ord={ord!r}: 100-digit matrix norms are Frobenius norms only, ord='fro'.")
    return vector_norm(x, axis=(-2, -1), keepdims=keepdims)


def vector_norm(x: ExactArray, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> ExactArray:  # noqa: A002
    """Return Euclidean norms over axes."""
    if ord != 2:
        raise NotImplementedError(f"ord={ord!r}: 100-digit vector norms are Euclidean only, ord=2.")
    return xp.sqrt(total(abs(x) ** 2, axis=axis, keepdims=keepdims))


class ExactOperations(Operations):
    """Substitution and pivoted Gram-Schmidt in 100 digits."""

    def solve_triangular(self, A: ExactArray, B: ExactArray, *, upper: bool) -> ExactArray:
        return solve_triangular(A, B, upper=upper)

    def pivoted_qr(self, A: ExactArray, rank: int) -> tuple[ExactArray, ExactArray, ExactArray]:
        return pivoted_qr(A, rank)


xp = make_namespace(
    "unifiedqr_mpmath.namespace.xp",
    functions.FUNCTIONS
    | {
        "float32": REAL,
        "float64": REAL,
        "complex64": COMPLEX,
        "complex128": COMPLEX,
        "bool": np.dtype(bool),
        "int32": np.dtype(np.int32),
        "int64": np.dtype(np.int64),
        "asarray": asarray,
        "arange": arange,
        "argsort": argsort,
        "argmax": argmax,
        "astype": astype,
        "full": full,
        "full_like": full_like,
        "zeros": _filled(0),
        "ones": _filled(1),
        "zeros_like": lambda x, **kwargs: full_like(x, 0, **kwargs),
        "ones_like": lambda x, **kwargs: full_like(x, 1, **kwargs),
        "eye": eye,
        "where": where,
        "sum": total,
        "mean": mean,
        "max": _extreme(np.max),
        "min": _extreme(np.min),
        "all": lambda x, **options: np.asarray(np.all(values_of(x) != 0, **options)),
        "any": lambda x, **options: np.asarray(np.any(values_of(x) != 0, **options)),
        "tril": _triangle(np.tril),
        "triu": _triangle(np.triu),
        "concat": concat,
        "stack": stack,
        "isdtype": isdtype,
        "finfo": lambda dtype: SimpleNamespace(eps=10.0**-context.dps, bits=64, smallest_normal=2.0**-1022, dtype=REAL),
    },
    functions.LINALG
    | {
        "qr": qr,
        "solve_triangular": solve_triangular,
        "diagonal": diagonal,
        "trace": lambda x, /, *, offset=0, dtype=None: total(diagonal(x, offset=offset), axis=-1),
        "matrix_norm": matrix_norm,
        "vector_norm": vector_norm,
    },
    ExactOperations,
)
"""The namespace rules, kernels and losses are written against."""
