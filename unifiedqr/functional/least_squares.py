"""Least squares and minimum norm solutions."""

from collections.abc import Sequence
from typing import Any, overload

from unifiedqr._typing import Array, ArrayOf, ArrayT
from unifiedqr.applications import least_squares_of_constant_rank, row
from unifiedqr.arguments import resolve
from unifiedqr.backend import COMPLEX_OF_REAL, HALF_DTYPES, Backend
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import OptionError, ShapeError
from unifiedqr.functional.inputs import computed_dtype, floating_dtype, rank_of, sizes_of
from unifiedqr.results import LstsqResult


@overload
def lstsq(
    A: ArrayOf[ArrayT], b: ArrayOf[ArrayT] | Sequence[Any], /, *, pivoting: bool = ..., rcond: float | None = ...
) -> LstsqResult[ArrayT]: ...
@overload
def lstsq(
    A: Sequence[Any], b: ArrayOf[ArrayT], /, *, pivoting: bool = ..., rcond: float | None = ...
) -> LstsqResult[ArrayT]: ...
@overload
def lstsq(A: object, b: object, /, *, pivoting: bool = ..., rcond: float | None = ...) -> LstsqResult[Any]: ...
def lstsq(A: Any, b: Any, /, *, pivoting: bool = False, rcond: float | None = None) -> LstsqResult[Any]:
    """Solve min |b - A x| for each right-hand side, with the solution of minimum norm, differentiably.

    Parameters
    ----------
    A : array, shape (..., m, n)
        Deep or square: least squares. Wide: minimum norm. Dtypes as in `qr`.
    b : array, shape (..., m) or (..., m, s)
        Right-hand side, or s of them: a vector if it has one dimension less than A, or only one. Batch dimensions
        broadcast against those of A, dtypes are promoted.
    pivoting : bool
        Find the rank by pivoted QR and give the solution of minimum norm; without, A must have full rank.
    rcond : float, optional
        With pivoting: a pivot |R_jj| <= rcond |R_11| counts as zero. Default max(m, n) eps.

    Returns
    -------
    LstsqResult
        ``x`` (..., n) or (..., n, s); ``residuals`` (...) or (..., s), the squared norms of b - A x, real and
        differentiable, exactly zero if A is square or wide and of full rank; ``rank`` (...), integers.

    Raises
    ------
    ShapeError
        A is no matrix or b has another length.
    DtypeError
        A or b is neither real nor complex floating.
    OptionError
        `rcond` is negative, not a number, or given without pivoting.
    ForeignArrayError
        A or b is no array of a backend, or they belong to two of them.

    Notes
    -----
    Derivatives (31) and (32), at constant rank (33); no singular value decomposition takes part. Without pivoting a
    matrix of the batch that is numerically rank-deficient gives NaN, in values and derivatives. With pivoting the
    derivative is that along perturbations which keep the rank; at others the solution jumps.

    Rows may be of very unlike size, as weights of 1e8 or row scalings make them: where the first rows are much smaller
    than others the largest are factored first, and each row then has errors as small as itself is. For this to hold
    whatever the columns, columns must be pivoted too.

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
    primitive = row("lstsq")
    if pivoting:
        primitive = least_squares_of_constant_rank(_tolerance(rcond))
    elif rcond is not None:
        raise OptionError(f"rcond={rcond!r} needs pivoting=True: without pivots the rank is not looked for.")
    backend, (A, b) = resolve(A, b)
    return solution(backend, A, b, primitive)


def solution(backend: Backend, A: Array, b: Array, primitive: Primitive) -> LstsqResult[Any]:
    """Return the solution by a row of the table."""
    m, n = sizes_of(backend, A, "lstsq")
    is_vector = _is_vector(backend, A, b)
    if m != b.shape[-1 if is_vector else -2] and None not in (m, b.shape[-1 if is_vector else -2]):
        raise ShapeError(
            f"lstsq got A of shape {tuple(A.shape)} and b of shape {tuple(b.shape)}; b must be (..., {m}) or "
            f"(..., {m}, s). A b of one dimension less than A is a stack of vectors: add an axis to make it one matrix."
        )
    half = backend.dtype_name(A) in HALF_DTYPES and backend.dtype_name(b) in HALF_DTYPES
    A, b, given = *_promoted(backend, A, b), A.dtype
    xp = backend.xp
    b = xp.expand_dims(b, axis=-1) if is_vector else b
    A, b = _stacked(backend, A, b)
    if 0 in (m, n) and None not in (*A.shape, *b.shape):
        x, squares, rank = _without_entries(backend, A, b)
    else:
        x, squares, rank = backend.bind(primitive)(A, b)[: primitive.results]
        x = backend.sized(x, (*A.shape[:-2], n, b.shape[-1]))
        squares = backend.sized(_real(backend, squares), (*A.shape[:-2], 1, b.shape[-1]))
        squares = xp.squeeze(squares, axis=-2)  # an index finds nothing in an empty batch
        rank = xp.squeeze(_real(backend, rank), axis=(-2, -1))
    x, squares = (xp.squeeze(X, axis=-1) for X in (x, squares)) if is_vector else (x, squares)
    if half:
        x, squares = xp.astype(x, given), xp.astype(squares, given)
    return LstsqResult(x, squares, xp.astype(rank, xp.int32))


def _without_entries(backend: Backend, A: Array, b: Array) -> tuple[Array, Array, Array]:
    """Return the solution, which is zero, the squared lengths of b, and rank zero."""
    xp, (*batch, m, _) = backend.xp, A.shape
    x = xp.matmul(xp.matrix_transpose(A), b)  # a sum of nothing
    squares = _real(backend, xp.zeros((*batch, b.shape[-1]), dtype=A.dtype))
    squares = xp.sum(xp.square(xp.abs(b)), axis=-2) if m else squares
    return x, squares, _real(backend, xp.zeros(tuple(batch), dtype=A.dtype))


def _tolerance(rcond: Any) -> float | None:
    if rcond is None:
        return None
    try:
        value = float(rcond)
    except (TypeError, ValueError) as error:
        raise OptionError(f"rcond={rcond!r} came; it must be a number that is not negative, or None.") from error
    if not value >= 0:
        raise OptionError(f"rcond={rcond!r} came; it must not be negative. None stands for max(m, n) eps.")
    return value


def _is_vector(backend: Backend, A: Array, b: Array) -> bool:
    floating_dtype(backend, b, "lstsq")
    ndim = rank_of(backend, b, "lstsq")
    if ndim == 0:
        raise ShapeError("lstsq got a number for b; it needs (..., m) or (..., m, s).")
    return ndim == 1 or ndim == len(A.shape) - 1


def _promoted(backend: Backend, A: Array, b: Array) -> tuple[Array, Array]:
    dtypes = {computed_dtype(backend, A, "lstsq"), floating_dtype(backend, b, "lstsq")}
    double = any(dtype in ("float64", "complex128") for dtype in dtypes)
    real = "float64" if double else "float32"
    common = COMPLEX_OF_REAL[real] if any("complex" in dtype for dtype in dtypes) else real
    xp = backend.xp
    A, b = (X if backend.dtype_name(X) == common else xp.astype(X, getattr(xp, common)) for X in (A, b))
    return A, b


def _stacked(backend: Backend, A: Array, b: Array) -> tuple[Array, Array]:
    """Return A and b with the same batch dimensions."""
    if None in (*A.shape[:-2], *b.shape[:-2]):
        # A sum of no entries, and zero whatever they are: it has the batch dimensions, whatever they will be.
        of_A, of_b = (backend.xp.zeros_like(backend.xp.sum(X, axis=(-2, -1), keepdims=True)) for X in (A, b))
        return A + of_b, b + of_A
    if tuple(A.shape[:-2]) == tuple(b.shape[:-2]):
        return A, b
    xp, batch = backend.xp, _broadcast(tuple(A.shape[:-2]), tuple(b.shape[:-2]))
    A, b = (xp.broadcast_to(X, (*batch, *X.shape[-2:])) for X in (A, b))
    return A, b


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    length = max(map(len, shapes))
    padded = [(1,) * (length - len(shape)) + shape for shape in shapes]
    sizes: list[int] = []
    for along in zip(*padded, strict=True):
        larger = {size for size in along if size != 1}
        if len(larger) > 1:
            raise ShapeError(
                f"lstsq got batch dimensions {shapes[0]} of A and {shapes[1]} of b, which do not broadcast. A b of one "
                f"dimension less than A is a stack of vectors: add an axis to make it one matrix."
            )
        sizes.append(larger.pop() if larger else 1)
    return tuple(sizes)


def _real(backend: Backend, X: Array) -> Array:
    return backend.xp.real(X) if backend.dtype_name(X).startswith("complex") else X
