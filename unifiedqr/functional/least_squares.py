"""Least squares and minimum norm solutions."""

from collections.abc import Sequence
from typing import Any, TypedDict, Unpack, overload

from unifiedqr._typing import Array, ArrayOf, ArrayT
from unifiedqr.applications import least_squares_of_constant_rank, row
from unifiedqr.arguments import resolve
from unifiedqr.backend import COMPLEX_OF_REAL, HALF_DTYPES, Backend
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import CapabilityError, OptionError, ShapeError
from unifiedqr.functional.inputs import computed_dtype, floating_dtype, promoted, rank_of, sizes_of
from unifiedqr.results import LstsqResult


class Conditions(TypedDict, total=False):
    """Options of `lstsq` besides the matrix and the right-hand sides."""

    pivoting: bool
    rcond: float | None
    weights: Any
    damping: Any
    constraints: tuple[Any, Any] | None


@overload
def lstsq(
    A: ArrayOf[ArrayT], b: ArrayOf[ArrayT] | Sequence[Any], /, **options: Unpack[Conditions]
) -> LstsqResult[ArrayT]: ...
@overload
def lstsq(A: Sequence[Any], b: ArrayOf[ArrayT], /, **options: Unpack[Conditions]) -> LstsqResult[ArrayT]: ...
@overload
def lstsq(A: object, b: object, /, **options: Unpack[Conditions]) -> LstsqResult[Any]: ...
def lstsq(
    A: Any,
    b: Any,
    /,
    *,
    pivoting: bool = False,
    rcond: float | None = None,
    weights: Any = None,
    damping: Any = None,
    constraints: tuple[Any, Any] | None = None,
) -> LstsqResult[Any]:
    """Solve min |b - A x| for each right-hand side, differentiably; of several solutions return the shortest.

    Parameters
    ----------
    A : array, shape (..., m, n)
        Deep or square: least squares. Wide: minimum norm. Dtypes as in `qr`.
    b : array, shape (..., m) or (..., m, s)
        Right-hand side, or s of them: a vector if it has one dimension fewer than A, or only one. Batch dimensions
        broadcast against those of A, and dtypes are promoted.
    pivoting : bool
        Determine the rank by pivoted QR and return the solution of minimum norm; otherwise A must have full rank.
    rcond : float, optional
        With pivoting: a pivot |R_jj| <= rcond |R_11| counts as zero. Default max(m, n) eps.
    weights : array, shape (..., m), optional
        Real and non-negative weights w of the rows, for min sum_i w_i |b_i - a_i x|^2; m > n, unless there is damping.
    damping : number or array, shape () or (..., n), optional
        Real d: |d x|^2, entry by entry, is added to the minimized sum (Tikhonov). Then a wide A has full rank too.
    constraints : pair of arrays, shapes (..., p, n) and (..., p) or (..., p, s), optional
        C and e of C x = e, p < n independent equations that x satisfies exactly.

    Returns
    -------
    LstsqResult
        ``x`` (..., n) or (..., n, s); ``residuals`` (...) or (..., s), the squared norms of b - A x, with weights or
        damping the minimum itself, real and differentiable, exactly zero if A is square or wide and of full rank;
        ``rank`` (...), integers, of the matrix that was decomposed: with constraints that of A on their null space.

    Raises
    ------
    ShapeError
        A is not a matrix, or the length of b does not fit.
    DtypeError
        A or b is neither real nor complex floating.
    OptionError
        `rcond` is negative, not a number, or given without pivoting; a weight is negative, where that can be seen;
        weights are given with pivoting, or for a matrix of full rank with no more rows than columns, where they change
        nothing.
    ForeignArrayError
        A or b is not an array of any backend, or they belong to two backends.

    Notes
    -----
    Derivatives (LS.3) and (LS.4), at constant rank (LS.6); no singular value decomposition is computed. Without
    pivoting a numerically rank-deficient matrix of the batch gives NaN, in values and derivatives. With pivoting the
    derivative is that along perturbations which keep the rank; under others the solution jumps.

    Weights have the derivative (LS.8), even at zero. Damping appends the rows diag(d) to A and zeros to b (LS.9);
    constraints are solved by the null-space method (LS.10): x = C^+ e + N z, with N a basis of the null space of C. A
    negative weight in a compiled program, dependent constraints, and a rank-deficient matrix give NaN.

    Rows may differ greatly in size, as weights of 1e8 or row scalings make them: where the first rows are much smaller
    than others, the largest are factored first, and the error in each row is then small relative to that row. For this
    to hold whatever the columns, columns must be pivoted too.

    References
    ----------
    G. H. Golub, V. Pereyra (1973), The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate; A. J. Cox, N. J. Higham (1998), Stability of Householder QR factorization for weighted least
    squares problems.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> solution = uqr.lstsq([[1.0, 0.0], [1.0, 1.0], [1.0, 2.0]], [1.0, 2.0, 4.0])
    >>> solution.x.round(4), solution.residuals.round(4)
    (array([0.8333, 1.5   ]), 0.1667)
    >>> uqr.lstsq([[1.0, 1.0], [1.0, 1.0]], [2.0, 2.0], pivoting=True).x.round(4)
    array([1., 1.])
    """
    if weights is None and damping is None and constraints is None:
        backend, (A, b) = resolve(A, b)
        return _solved(backend, A, b, None, pivoting, rcond)
    return _under_conditions(A, b, weights, damping, constraints, pivoting, rcond)


def _solved(
    backend: Backend, A: Array, b: Array, w: Array | None, pivoting: bool, rcond: float | None
) -> LstsqResult[Any]:
    """Return the solution for arrays of a backend; `w` is None or has shape (..., m), and the dtype of A."""
    primitive = row("lstsq" if w is None else "lstsq-weighted")
    if pivoting:
        primitive = least_squares_of_constant_rank(_tolerance(rcond))
    elif rcond is not None:
        raise OptionError(f"rcond={rcond!r} needs pivoting=True: without pivoting the rank is not determined.")
    return solution(backend, A, b, w, primitive)


def solution(backend: Backend, A: Array, b: Array, w: Array | None, primitive: Primitive) -> LstsqResult[Any]:
    """Return the solution by a primitive of the table."""
    m, n = sizes_of(backend, A, "lstsq")
    is_vector = _is_vector(backend, A, b)
    if m != b.shape[-1 if is_vector else -2] and None not in (m, b.shape[-1 if is_vector else -2]):
        raise ShapeError(
            f"lstsq got A of shape {tuple(A.shape)} and b of shape {tuple(b.shape)}; b must be (..., {m}) or "
            f"(..., {m}, s). If b has one dimension fewer than A, it is a stack of vectors: add an axis for a matrix."
        )
    half = backend.dtype_name(A) in HALF_DTYPES and backend.dtype_name(b) in HALF_DTYPES
    A, b, given = *_promoted(backend, A, b), A.dtype
    xp = backend.xp
    b = xp.expand_dims(b, axis=-1) if is_vector else b
    A, b = _stacked(backend, A, b)
    inputs = (A, b) if w is None else (A, b, _column_of(backend, w, A))
    if 0 in (m, n) and None not in (*A.shape, *b.shape):
        x, squares, rank = without_entries(backend, A, b)
    else:
        x, squares, rank = backend.bind(primitive)(*inputs)[: primitive.results]
        x = backend.sized(x, (*A.shape[:-2], n, b.shape[-1]))
        squares = backend.sized(real_of(backend, squares), (*A.shape[:-2], 1, b.shape[-1]))
        squares = xp.squeeze(squares, axis=-2)  # an index finds nothing in an empty batch
        rank = xp.squeeze(real_of(backend, rank), axis=(-2, -1))
    x, squares = (xp.squeeze(X, axis=-1) for X in (x, squares)) if is_vector else (x, squares)
    if half:
        x, squares = xp.astype(x, given), xp.astype(squares, given)
    return LstsqResult(x, squares, xp.astype(rank, xp.int32))


def _column_of(backend: Backend, w: Array, A: Array) -> Array:
    """Return weights (..., m) as numbers (..., m, 1) of the dtype of A, one for each row of each matrix."""
    xp = backend.xp
    column = xp.expand_dims(xp.astype(w, A.dtype), axis=-1)
    return xp.broadcast_to(column, (*A.shape[:-1], 1)) if tuple(column.shape[:-2]) != tuple(A.shape[:-2]) else column


def _under_conditions(
    A: Any, b: Any, weights: Any, damping: Any, constraints: Any, pivoting: bool, rcond: float | None
) -> LstsqResult[Any]:
    """Return the solution with weights, damping, constraints, any of which may be None: (LS.8) to (LS.10)."""
    pair: Any = (None, None) if constraints is None else constraints
    if type(pair) not in (tuple, list) or len(pair) != 2:
        raise OptionError(f"got constraints of type {type(pair).__name__}; expected a pair (C, e), for C x = e.")
    given: dict[str, Any] = {"A": A, "b": b, "weights": weights, "damping": damping, "C": pair[0], "e": pair[1]}
    named = {name: X for name, X in given.items() if X is not None}
    backend, arrays = resolve(*named.values())
    found = dict(zip(named, arrays, strict=True))
    A, b = found["A"], found["b"]
    m, n = sizes_of(backend, A, "lstsq")
    if None in (m, n) or not isinstance(m, int) or not isinstance(n, int):
        raise CapabilityError(
            f"lstsq got a {backend.name} array of sizes {m} x {n}; weights, damping and constraints need known ones."
        )
    xp, is_vector = backend.xp, _is_vector(backend, A, b)
    A, b = _promoted(backend, A, b)
    b = xp.expand_dims(b, axis=-1) if is_vector else b
    w = found.get("weights")
    if w is not None:
        w = _checked_weights(backend, w, A, m)
        if pivoting:
            raise OptionError("got weights and pivoting=True; expected one or the other: the rank is that of all rows.")
        if m <= n and damping is None and constraints is None:
            raise OptionError(
                f"got weights for a matrix of {m} x {n}; expected more rows than columns: otherwise all equations are "
                f"satisfied, whatever their weights. Leave them out, or give damping."
            )
    if damping is not None:
        A, b, w = _damped(backend, A, b, w, found["damping"])
    if constraints is None:
        x, squares, rank = _solved(backend, A, b, w, pivoting, rcond)
    else:
        x, squares, rank = _constrained(backend, A, b, w, found["C"], found["e"], pivoting, rcond)
    if is_vector:
        x, squares = (xp.squeeze(X, axis=-1) for X in (x, squares))
    return LstsqResult(x, squares, rank)


def _checked_weights(backend: Backend, w: Array, A: Array, m: int) -> Array:
    """Return weights (..., m) in the real dtype of A."""
    xp, dtype = backend.xp, backend.dtype_name(A)
    if not xp.isdtype(w.dtype, "real floating") or len(w.shape) < 1 or w.shape[-1] != m:
        raise OptionError(
            f"got weights of shape {tuple(w.shape)} and dtype {w.dtype}; expected real ones of shape (..., {m}), one "
            f"for each row."
        )
    values = xp.beyond.seen(w)
    if values is not None and (values < 0).any():
        raise OptionError(f"got a weight of {values.min():.3g}; expected weights that are not negative.")
    real = getattr(xp, next((real for real, complex_ in COMPLEX_OF_REAL.items() if complex_ == dtype), dtype))
    return w if w.dtype == real else xp.astype(w, real)


def _damped(backend: Backend, A: Array, b: Array, w: Array | None, d: Array) -> tuple[Array, Array, Array | None]:
    """Return the problem with the rows diag(d) appended to A, zeros to b and ones to the weights (LS.9)."""
    xp, n = backend.xp, A.shape[-1]
    if not xp.isdtype(d.dtype, ("real floating", "integral")) or (len(d.shape) > 0 and d.shape[-1] not in (1, n)):
        raise OptionError(
            f"got damping of shape {tuple(d.shape)} and dtype {d.dtype}; expected a real number or {n} of them, one "
            f"for each column."
        )
    d = xp.astype(d, A.dtype)
    d = xp.reshape(d, (1,)) if len(d.shape) == 0 else d
    A, b = _stacked(backend, A, b)
    identity = backend.beside(xp.eye(n, dtype=A.dtype), A) + xp.zeros_like(A[..., :1, :])  # in the batch of A
    below = xp.expand_dims(d, axis=-2) * identity
    batch = broadcast(tuple(A.shape[:-2]), tuple(below.shape[:-2]))
    below = xp.broadcast_to(below, (*batch, n, n))
    A, b = (xp.broadcast_to(X, (*batch, *X.shape[-2:])) for X in (A, b))
    zeros = xp.zeros_like(xp.matmul(below, xp.zeros_like(below[..., :1]))) + xp.zeros_like(b[..., :1, :])
    if w is not None:
        ones = real_of(backend, xp.ones_like(below[..., 0, :]))
        w = xp.concat([xp.broadcast_to(w, (*batch, w.shape[-1])), ones], axis=-1)
    return xp.concat([A, below], axis=-2), xp.concat([b, zeros], axis=-2), w


def _constrained(
    backend: Backend, A: Array, b: Array, w: Array | None, C: Array, e: Array, pivoting: bool, rcond: float | None
) -> tuple[Array, Array, Array]:
    """Return solution, minimum and rank under C x = e, by the null-space method (LS.10); b is (..., m, s)."""
    xp, n = backend.xp, A.shape[-1]
    p, columns = sizes_of(backend, C, "lstsq's C of the constraints C x = e")
    is_vector = _is_vector(backend, C, e)
    e = xp.expand_dims(e, axis=-1) if is_vector else e
    if p is None or columns != n or e.shape[-2] != p or not 0 < p < n:
        raise ShapeError(
            f"lstsq got constraints C of shape {tuple(C.shape)} and e of shape {tuple(e.shape)} for A of shape "
            f"{tuple(A.shape)}; expected C of shape (..., p, {n}) and e of (..., p) or (..., p, s), 0 < p < {n}."
        )
    C, e = (xp.astype(X, A.dtype) for X in (C, e))
    x_0 = _solved(backend, C, e, None, False, None).x
    N = backend.bind(row("null_space"))(C)[0]
    z, squares, rank = _solved(backend, xp.matmul(A, N), b - xp.matmul(A, x_0), w, pivoting, rcond)
    return x_0 + xp.matmul(N, z), squares, rank  # (LS.10)


def without_entries(backend: Backend, A: Array, b: Array) -> tuple[Array, Array, Array]:
    """Return the solution, which is zero, the squared lengths of b, and rank zero."""
    xp, (*batch, m, _) = backend.xp, A.shape
    x = xp.matmul(xp.matrix_transpose(A), b)  # a sum of nothing
    squares = real_of(backend, xp.zeros((*batch, b.shape[-1]), dtype=A.dtype))
    squares = xp.sum(xp.square(xp.abs(b)), axis=-2) if m else squares
    return x, squares, real_of(backend, xp.zeros(tuple(batch), dtype=A.dtype))


def _tolerance(rcond: Any) -> float | None:
    if rcond is None:
        return None
    try:
        value = float(rcond)
    except (TypeError, ValueError) as error:
        raise OptionError(f"got rcond={rcond!r}; expected a number that is not negative, or None.") from error
    if not value >= 0:
        raise OptionError(f"got rcond={rcond!r}; expected a number that is not negative. None means max(m, n) eps.")
    return value


def _is_vector(backend: Backend, A: Array, b: Array) -> bool:
    floating_dtype(backend, b, "lstsq")
    ndim = rank_of(backend, b, "lstsq")
    if ndim == 0:
        raise ShapeError("lstsq got a number for b; expected (..., m) or (..., m, s).")
    return ndim == 1 or ndim == len(A.shape) - 1


def _promoted(backend: Backend, A: Array, b: Array) -> tuple[Array, Array]:
    dtypes = (computed_dtype(backend, A, "lstsq"), floating_dtype(backend, b, "lstsq"))
    A, b = promoted(backend, dtypes, A, b)
    return A, b


def _stacked(backend: Backend, A: Array, b: Array) -> tuple[Array, Array]:
    """Return A and b with the same batch dimensions."""
    if None in (*A.shape[:-2], *b.shape[:-2]):
        # A sum of no entries, and zero whatever they are: it has the batch dimensions, whatever they will be.
        of_A, of_b = (backend.xp.zeros_like(backend.xp.sum(X, axis=(-2, -1), keepdims=True)) for X in (A, b))
        return A + of_b, b + of_A
    if tuple(A.shape[:-2]) == tuple(b.shape[:-2]):
        return A, b
    xp, batch = backend.xp, broadcast(tuple(A.shape[:-2]), tuple(b.shape[:-2]))
    A, b = (xp.broadcast_to(X, (*batch, *X.shape[-2:])) for X in (A, b))
    return A, b


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the batch dimensions to which those of A and of b broadcast."""
    length = max(map(len, shapes))
    padded = [(1,) * (length - len(shape)) + shape for shape in shapes]
    sizes: list[int] = []
    for along in zip(*padded, strict=True):
        larger = {size for size in along if size != 1}
        if len(larger) > 1:
            raise ShapeError(
                f"got batch dimensions {shapes[0]} of A and {shapes[1]} of b, which do not broadcast. If b has one "
                f"dimension fewer than A, it is a stack of vectors: add an axis for a matrix."
            )
        sizes.append(larger.pop() if larger else 1)
    return tuple(sizes)


def real_of(backend: Backend, X: Array) -> Array:
    """Return the real part of X, in its own dtype."""
    return backend.xp.real(X) if backend.dtype_name(X).startswith("complex") else X
