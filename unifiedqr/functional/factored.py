"""A stored factorization applied to an array: both in one dtype and batch, by a row of the table."""

from typing import Any, NamedTuple

from unifiedqr import factors
from unifiedqr._typing import Array, Arrays
from unifiedqr.arguments import resolve
from unifiedqr.backend import Backend
from unifiedqr.errors import ShapeError
from unifiedqr.functional.inputs import computed_dtype, floating_dtype, promoted, rank_of
from unifiedqr.functional.least_squares import broadcast, real_of, without_entries
from unifiedqr.results import LstsqResult


def numbers(backend: Backend, pivots: Any, A: Array) -> Arrays:
    """Return pivots, none or one array of integers (..., n), as numbers (..., 1, n) of the dtype of A."""
    return tuple(backend.xp.astype(backend.xp.expand_dims(P, axis=-2), A.dtype) for P in pivots)


def adjoint(X: Any) -> Any:
    """Return X^H of an array of any backend."""
    backend, (X,) = resolve(X)
    return adjoint_of(backend, X)


def adjoint_of(backend: Backend, X: Array) -> Array:
    """Return X^H."""
    X = backend.xp.matrix_transpose(X)
    return backend.xp.conj(X) if backend.dtype_name(X).startswith("complex") else X


def is_pivoted(factor: Any) -> bool:
    """Return whether a factorization has pivots: it has an empty tuple otherwise."""
    return not isinstance(factor.P, tuple)


class _Call(NamedTuple):
    """A factorization and the array it is applied to, in one dtype and batch; a vector is one column."""

    backend: Backend
    factor: Any
    X: Array
    is_vector: bool

    def run(self, name: str) -> Arrays:
        """Return the results of a row of the table, by its name without pivots."""
        factor, pivoted = self.factor, is_pivoted(self.factor)
        row = factors.row(f"{name}-pivoted" if pivoted else name)
        given = {"A": factor.A, "Q": factor.Q, "R": factor.R, "X": self.X, "b": self.X}
        given |= {"P": factor.P} if pivoted else {}
        given |= dict(zip(("G", "S"), factor.WY, strict=False))
        return self.backend.bind(row)(*(given[X] for X in row.inputs))[: row.results]

    def result(self, X: Array) -> Array:
        """Return a result in the form of what was given."""
        return self.backend.xp.squeeze(X, axis=-1) if self.is_vector else X


def _met(factor: Any, X: Any, what: str, rows: int | None, *, lq: bool) -> _Call:
    """Return the factorization and X in one dtype and batch; raise unless X has so many rows.

    What is raised names the matrix that users gave, of which the factorization is that of A^H if `lq`.
    """
    backend, (A, X) = resolve(factor.A, X)
    xp = backend.xp
    dtypes = (computed_dtype(backend, A, what), floating_dtype(backend, X, what))
    ndim = rank_of(backend, X, what)
    is_vector = ndim == 1 or ndim == len(A.shape) - 1
    given = 0 if ndim == 0 else X.shape[-1 if is_vector else -2]
    if ndim == 0 or (given != rows and None not in (given, rows)):
        m, n = reversed(A.shape[-2:]) if lq else A.shape[-2:]
        raise ShapeError(
            f"{what} of the factors of {m} x {n} matrices got shape {tuple(X.shape)}; expected (..., {rows}) or "
            f"(..., {rows}, s). An array of one dimension fewer than A is a stack of vectors: add an axis to make it "
            f"one matrix."
        )
    X = xp.expand_dims(X, axis=-1) if is_vector else X
    X, A, Q, R, *WY = promoted(backend, dtypes, X, A, factor.Q, factor.R, *factor.WY)
    P = factor.P if not is_pivoted(factor) else xp.astype(xp.expand_dims(factor.P, axis=-2), X.dtype)
    factor = factor._replace(A=A, Q=Q, R=R, P=P, WY=tuple(WY))
    return _stacked(_Call(backend, factor, X, is_vector))


def _stacked(call: _Call) -> _Call:
    """Return the call with the same batch dimensions of all arrays."""
    A, X = call.factor.A, call.X
    batches = tuple(A.shape[:-2]), tuple(X.shape[:-2])
    if batches[0] == batches[1]:
        return call
    xp, batch = call.backend.xp, broadcast(*batches)
    X, *arrays = (xp.broadcast_to(Y, (*batch, *Y.shape[-2:])) for Y in (X, *call.factor[:3], *call.factor.WY))
    P = xp.broadcast_to(call.factor.P, (*batch, 1, A.shape[-1])) if is_pivoted(call.factor) else ()
    A, Q, R, *WY = arrays
    return call._replace(factor=call.factor._replace(A=A, Q=Q, R=R, P=P, WY=tuple(WY)), X=X)


def product(factor: Any, X: Any, *, adjoint: bool, lq: bool = False) -> Any:
    """Return Q X, or Q^H X, by a `unifiedqr.QRFactor`, which is that of A^H if `lq`."""
    m, k = _sizes(factor)
    completes = bool(factor.WY)
    what = "apply" if adjoint == lq else "apply_adjoint"
    call = _met(factor, X, what, m if adjoint or completes else k, lq=lq)
    if 0 in (k, m, call.X.shape[-1]):  # nothing to differentiate
        Q = call.factor.Q
        Y = call.X if completes else call.backend.xp.matmul(adjoint_of(call.backend, Q) if adjoint else Q, call.X)
        return call.result(Y)
    name = "-".join(("qr-apply", *(("complete",) if completes else ()), *(("adjoint",) if adjoint else ())))
    (Y,) = call.run(name)
    return call.result(call.backend.sized(Y, (*call.X.shape[:-2], k if adjoint and not completes else m, None)))


def _sizes(factor: Any) -> tuple[Any, Any]:
    return factor.Q.shape[-2], factor.Q.shape[-1]


def solution(factor: Any, b: Any, what: str, *, adjoint: bool) -> LstsqResult[Any]:
    """Return the solution of A x = b, or of A^H x = b, by the factors of A."""
    m, n = factor.shape[-2:]
    backend, _ = resolve(factor.A)
    order = backend.orders(m, n)
    shown = f"{n} x {m}" if adjoint else f"{m} x {n}"
    if what == "solve" and order != (0,):
        raise ShapeError(f"solve got the factors of {shown} matrices; expected square ones. Call lstsq.")
    if order[0] < 0:
        other = "qr_factor" if adjoint else "lq_factor"
        raise ShapeError(
            f"lstsq got the {'LQ' if adjoint else 'QR'} factors of {shown} matrices; expected those of {other}, which "
            f"solves with {'deep' if adjoint else 'wide'} ones."
        )
    call = _met(factor, b, what, n if adjoint else m, lq=adjoint)
    xp = backend.xp
    if 0 in (m, n):
        x, squares, rank = without_entries(
            backend, adjoint_of(backend, call.factor.A) if adjoint else call.factor.A, call.X
        )
    else:
        x, squares, rank = call.run("qr-solve-adjoint" if adjoint else "qr-solve")
        squares = xp.squeeze(real_of(backend, squares), axis=-2)
        rank = xp.squeeze(real_of(backend, rank), axis=(-2, -1))
    return LstsqResult(call.result(x), call.result(squares), xp.astype(rank, xp.int32))
