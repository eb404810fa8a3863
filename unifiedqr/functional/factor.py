"""Factorizations that are kept and used: products with Q, which is never formed complete, and solutions."""

from typing import Any, Generic, NamedTuple, overload

from unifiedqr import factors
from unifiedqr._typing import Array, ArrayOf, Arrays, ArrayT
from unifiedqr.arguments import resolve
from unifiedqr.backend import COMPLEX_OF_REAL, Backend
from unifiedqr.errors import ShapeError
from unifiedqr.functional.inputs import chosen, computed_dtype, floating_dtype, rank_of, sizes_of
from unifiedqr.functional.least_squares import broadcast, real_of, without_entries
from unifiedqr.functional.qr_lq import decompose
from unifiedqr.results import LstsqResult

MODES = ("reduced", "complete")


class QRFactor(NamedTuple, Generic[ArrayT]):
    """A matrix with its QR factors A = Q R, or A[..., :, P] = Q R, from `qr_factor`: a named tuple of arrays.

    It goes through `jax.jit`, `vmap`, `scan`, `torch.func`, `torch.compile` and `tf.function` as any tuple of arrays.
    Its methods are differentiable with respect to the matrix that was factored, and to their argument: to any order
    the framework has, without storing anything as large as a derivative of Q. Where columns are dependent, a cotangent
    of what has no derivative (DC.1) gives NaN, and a report by `set_checks`.

    Attributes
    ----------
    A : array, shape (..., m, n)
        The matrix.
    Q : array, shape (..., m, k)
        Its orthonormal factor, k = min(m, n): the first columns of the complete one.
    R : array, shape (..., k, n)
        Its upper trapezoidal factor.
    P : array, shape (..., n), or ()
        Pivots, integers; an empty tuple without pivoting.
    WY : pair of arrays, shapes (..., n, n) and (..., 1, n), or ()
        What makes Q complete (CQ.1); an empty tuple where Q is reduced, or square anyway.
    """

    A: ArrayT
    Q: ArrayT
    R: ArrayT
    P: Any = ()
    WY: Any = ()

    @property
    def shape(self) -> tuple[Any, ...]:
        """The shape of the matrix, (..., m, n)."""
        A: Any = self.A
        return tuple(A.shape)

    def apply(self, X: Any, /) -> ArrayT:
        """Return Q X.

        Parameters
        ----------
        X : array, shape (..., k) or (..., k, s)
            A vector, if it has one dimension less than A or only one, or a matrix; with the complete Q (..., m) or
            (..., m, s). Batch dimensions broadcast against those of A, dtypes are promoted.

        Returns
        -------
        array, shape (..., m) or (..., m, s)

        Raises
        ------
        ShapeError, DtypeError, ForeignArrayError
            X does not fit Q, or is no array of the backend of A.

        Notes
        -----
        (FA.3), derivative (FA.1), (FA.4).
        """
        return _product(self, X, adjoint=False)

    def apply_adjoint(self, X: Any, /) -> ArrayT:
        """Return Q^H X.

        Parameters
        ----------
        X : array, shape (..., m) or (..., m, s)
            A vector or a matrix, as for `apply`.

        Returns
        -------
        array, shape (..., k) or (..., k, s)
            With the complete Q (..., m) or (..., m, s).

        Raises
        ------
        ShapeError, DtypeError, ForeignArrayError
            X does not fit Q, or is no array of the backend of A.

        Notes
        -----
        (FA.3), derivative (FA.1), (FA.4).
        """
        return _product(self, X, adjoint=True)

    def solve(self, b: Any, /) -> ArrayT:
        """Return the solution x of A x = b, of a square A.

        Parameters
        ----------
        b : array, shape (..., n) or (..., n, s)
            A vector or a matrix, as for `apply`.

        Returns
        -------
        array, shape (..., n) or (..., n, s)
            NaN for a matrix that is numerically singular.

        Raises
        ------
        ShapeError, DtypeError, ForeignArrayError
            A is not square, or b does not fit it.

        Notes
        -----
        Derivative (LS.3).
        """
        return _solution(self, b, "solve", adjoint=False).x

    def lstsq(self, b: Any, /) -> LstsqResult[ArrayT]:
        """Solve min |b - A x| for each right-hand side, A being deep or square.

        Parameters
        ----------
        b : array, shape (..., m) or (..., m, s)
            A vector or a matrix, as for `apply`.

        Returns
        -------
        LstsqResult
            As `lstsq` gives it: NaN for a matrix that is numerically not of full rank.

        Raises
        ------
        ShapeError, DtypeError, ForeignArrayError
            A is wide, or b does not fit it.

        Notes
        -----
        Derivative (LS.3). Rows of A of very unlike size are not sorted, as `unifiedqr.lstsq` does.
        """
        return _solution(self, b, "lstsq", adjoint=False)


class LQFactor(NamedTuple, Generic[ArrayT]):
    """A matrix with its LQ factors A = L Q, or A[..., P, :] = L Q, from `lq_factor`: a named tuple of arrays.

    As `QRFactor`, of A^H, which it holds (LQ.1).

    Attributes
    ----------
    of_adjoint : QRFactor
        A^H = Q^H L^H.
    """

    of_adjoint: QRFactor[ArrayT]

    @property
    def shape(self) -> tuple[Any, ...]:
        """The shape of the matrix, (..., m, n)."""
        *batch, n, m = self.of_adjoint.shape
        return (*batch, m, n)

    @property
    def L(self) -> ArrayT:
        """The lower trapezoidal factor, (..., m, k)."""
        return _adjoint(self.of_adjoint.R)

    @property
    def Q(self) -> ArrayT:
        """The factor with orthonormal rows, (..., k, n), k = min(m, n)."""
        return _adjoint(self.of_adjoint.Q)

    @property
    def P(self) -> Any:
        """Pivots, integers (..., m); an empty tuple without pivoting."""
        return self.of_adjoint.P

    def apply(self, X: Any, /) -> ArrayT:
        """Return Q X, for X of shape (..., n) or (..., n, s): as `QRFactor.apply_adjoint` of A^H."""
        return self.of_adjoint.apply_adjoint(X)

    def apply_adjoint(self, X: Any, /) -> ArrayT:
        """Return Q^H X, for X of shape (..., k) or (..., k, s): as `QRFactor.apply` of A^H."""
        return self.of_adjoint.apply(X)

    def solve(self, b: Any, /) -> ArrayT:
        """Return the solution x of A x = b, of a square A: as `QRFactor.solve`, with derivative (LS.4)."""
        return _solution(self.of_adjoint, b, "solve", adjoint=True).x

    def lstsq(self, b: Any, /) -> LstsqResult[ArrayT]:
        """Return the shortest solution of A x = b, A being wide or square: as `lstsq`, with derivative (LS.4)."""
        return _solution(self.of_adjoint, b, "lstsq", adjoint=True)


@overload
def qr_factor(
    A: ArrayOf[ArrayT], /, *, mode: str = ..., pivoting: bool = ..., positive: bool = ..., method: str = ...
) -> QRFactor[ArrayT]: ...
@overload
def qr_factor(
    A: object, /, *, mode: str = ..., pivoting: bool = ..., positive: bool = ..., method: str = ...
) -> QRFactor[Any]: ...
def qr_factor(
    A: Any, /, *, mode: str = "reduced", pivoting: bool = False, positive: bool = True, method: str = "auto"
) -> QRFactor[Any]:
    """Factor A = Q R once, to multiply by Q and to solve with it, differentiably, as often as one likes.

    Parameters
    ----------
    A : array, shape (..., m, n)
        As in `qr`; float16 and bfloat16 become float32, and stay so.
    mode : {"reduced", "complete"}
        Which Q is meant: of a deep matrix m x n or m x m. The complete one is never formed: beside the reduced one it
        takes n x n numbers, and its products O(m n) operations for each column.
    pivoting, positive, method
        As in `qr`.

    Returns
    -------
    QRFactor
        With methods ``apply``, ``apply_adjoint``, ``solve`` and ``lstsq``.

    Raises
    ------
    ShapeError, DtypeError, OptionError, ForeignArrayError
        As `qr`.

    Notes
    -----
    ``Q`` and ``R`` are those of `qr`, and differentiate so. The methods have rules of their own (FA.1), (LS.3), by
    which the derivative goes to A directly: a cotangent of Q is kept as the product it is.

    References
    ----------
    R. Schreiber, C. Van Loan (1989), A storage-efficient WY representation.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> factor = uqr.qr_factor([[3.0], [4.0]], mode="complete")
    >>> factor.apply_adjoint([1.0, 0.0]).round(3)
    array([ 0.6, -0.8])
    >>> factor.apply([5.0, 0.0])
    array([3., 4.])
    >>> factor.lstsq([1.0, 0.0]).x
    array([0.12])
    """
    backend, A, (m, n) = _matrix(A, "qr_factor", mode)
    return _factored(backend, A, m, n, mode, (pivoting, None, positive, method))


@overload
def lq_factor(
    A: ArrayOf[ArrayT], /, *, mode: str = ..., pivoting: bool = ..., positive: bool = ..., method: str = ...
) -> LQFactor[ArrayT]: ...
@overload
def lq_factor(
    A: object, /, *, mode: str = ..., pivoting: bool = ..., positive: bool = ..., method: str = ...
) -> LQFactor[Any]: ...
def lq_factor(
    A: Any, /, *, mode: str = "reduced", pivoting: bool = False, positive: bool = True, method: str = "auto"
) -> LQFactor[Any]:
    """Factor A = L Q once, to multiply by Q and to solve with it, differentiably, as often as one likes.

    Parameters
    ----------
    A : array, shape (..., m, n)
        As in `lq`; float16 and bfloat16 become float32, and stay so.
    mode : {"reduced", "complete"}
        Which Q is meant: of a wide matrix m x n or n x n, which is never formed.
    pivoting, positive, method
        As in `lq`.

    Returns
    -------
    LQFactor
        With methods ``apply``, ``apply_adjoint``, ``solve`` and ``lstsq``.

    Raises
    ------
    ShapeError, DtypeError, OptionError, ForeignArrayError
        As `lq`.

    Notes
    -----
    `qr_factor` of A^H (LQ.1).

    References
    ----------
    R. Schreiber, C. Van Loan (1989), A storage-efficient WY representation.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> factor = uqr.lq_factor([[3.0, 4.0]])
    >>> factor.lstsq([5.0]).x
    array([0.6, 0.8])
    >>> factor.apply([3.0, 4.0])
    array([5.])
    """
    backend, A, (m, n) = _matrix(A, "lq_factor", mode)
    A = _adjoint_of(backend, A)
    return LQFactor(_factored(backend, A, n, m, mode, (pivoting, None, positive, method)))


def _matrix(A: Any, name: str, mode: str) -> tuple[Backend, Array, tuple[int | None, int | None]]:
    """Return the backend, the matrix in the dtype in which it is factored, and its sizes."""
    chosen("mode", mode, MODES)
    backend, (A,) = resolve(A)
    sizes = sizes_of(backend, A, name)
    dtype = computed_dtype(backend, A, name)
    return backend, A if backend.dtype_name(A) == dtype else backend.xp.astype(A, backend.xp.float32), sizes


def _factored(
    backend: Backend, A: Array, m: int | None, n: int | None, mode: str, options: tuple[Any, ...]
) -> QRFactor[Any]:
    found = decompose("qr", A, "reduced", *options)
    Q, R, *pivots = found
    P = pivots[0] if pivots else ()
    if mode == "reduced" or backend.orders(m, n)[0] <= 0:  # Q is square
        return QRFactor(A, Q, R, P)
    if n == 0:
        return QRFactor(A, Q, R, P, (R, R[..., :1, :] if m == 0 else Q[..., :1, :]))
    row = factors.row("qr-completion-pivoted" if pivots else "qr-completion")
    G, S = backend.bind(row)(A, Q, R, *_numbers(backend, pivots, A))
    return QRFactor(A, Q, R, P, (G, S))


def _numbers(backend: Backend, pivots: Any, A: Array) -> Arrays:
    """Return pivots, none or one array of integers (..., n), as numbers (..., 1, n) of the dtype of A."""
    return tuple(backend.xp.astype(backend.xp.expand_dims(P, axis=-2), A.dtype) for P in pivots)


def _adjoint(X: Any) -> Any:
    backend, (X,) = resolve(X)
    return _adjoint_of(backend, X)


def _adjoint_of(backend: Backend, X: Array) -> Array:
    X = backend.xp.matrix_transpose(X)
    return backend.xp.conj(X) if backend.dtype_name(X).startswith("complex") else X


class _Call(NamedTuple):
    """A factorization and what it is to meet, in one dtype and batch: s columns, of a vector one."""

    backend: Backend
    factor: QRFactor[Any]
    X: Array
    is_vector: bool

    def run(self, name: str) -> Arrays:
        """Return the results of a row of the table, by its name without pivots."""
        factor, is_pivoted = self.factor, not isinstance(self.factor.P, tuple)
        row = factors.row(f"{name}-pivoted" if is_pivoted else name)
        given = {"A": factor.A, "Q": factor.Q, "R": factor.R, "X": self.X, "b": self.X}
        given |= {"P": factor.P} if is_pivoted else {}
        given |= dict(zip(("G", "S"), factor.WY, strict=False))
        return self.backend.bind(row)(*(given[X] for X in row.inputs))[: row.results]

    def result(self, X: Array) -> Array:
        """Return a result in the form of what was given."""
        return self.backend.xp.squeeze(X, axis=-1) if self.is_vector else X


def _met(factor: QRFactor[Any], X: Any, what: str, rows: int | None) -> _Call:
    """Return the factorization and X in one dtype and batch; raise unless X has so many rows."""
    backend, (A, X) = resolve(factor.A, X)
    xp = backend.xp
    dtypes = (computed_dtype(backend, A, what), floating_dtype(backend, X, what))
    ndim = rank_of(backend, X, what)
    is_vector = ndim == 1 or ndim == len(A.shape) - 1
    given = 0 if ndim == 0 else X.shape[-1 if is_vector else -2]
    if ndim == 0 or (given != rows and None not in (given, rows)):
        m, n = A.shape[-2:]
        raise ShapeError(
            f"{what} of the factors of {m} x {n} matrices got shape {tuple(X.shape)}; expected (..., {rows}) or "
            f"(..., {rows}, s). An array of one dimension less than A is a stack of vectors: add an axis to make it "
            f"one matrix."
        )
    real = "float64" if any(dtype in ("float64", "complex128") for dtype in dtypes) else "float32"
    common = COMPLEX_OF_REAL[real] if any("complex" in dtype for dtype in dtypes) else real

    def cast(Y: Array) -> Array:
        return Y if backend.dtype_name(Y) == common else xp.astype(Y, getattr(xp, common))

    X = cast(xp.expand_dims(X, axis=-1) if is_vector else X)
    P = () if isinstance(factor.P, tuple) else xp.astype(xp.expand_dims(factor.P, axis=-2), X.dtype)
    factor = QRFactor(cast(A), cast(factor.Q), cast(factor.R), P, tuple(map(cast, factor.WY)))
    return _stacked(_Call(backend, factor, X, is_vector))


def _stacked(call: _Call) -> _Call:
    """Return the call with the same batch dimensions of all arrays."""
    A, X = call.factor.A, call.X
    batches = tuple(A.shape[:-2]), tuple(X.shape[:-2])
    if batches[0] == batches[1]:
        return call
    xp, batch = call.backend.xp, broadcast(*batches)
    X, *arrays = (xp.broadcast_to(Y, (*batch, *Y.shape[-2:])) for Y in (X, *call.factor[:3], *call.factor.WY))
    P = call.factor.P if isinstance(call.factor.P, tuple) else xp.broadcast_to(call.factor.P, (*batch, 1, A.shape[-1]))
    return call._replace(factor=QRFactor(*arrays[:3], P, tuple(arrays[3:])), X=X)


def _product(factor: QRFactor[Any], X: Any, *, adjoint: bool) -> Any:
    m, k = _sizes(factor)
    completes = bool(factor.WY)
    call = _met(factor, X, "apply_adjoint" if adjoint else "apply", m if adjoint or completes else k)
    if 0 in (k, m, call.X.shape[-1]):  # there is nothing to derive
        Q = call.factor.Q
        Y = call.X if completes else call.backend.xp.matmul(_adjoint_of(call.backend, Q) if adjoint else Q, call.X)
        return call.result(Y)
    name = "-".join(("qr-apply", *(("complete",) if completes else ()), *(("adjoint",) if adjoint else ())))
    (Y,) = call.run(name)
    return call.result(call.backend.sized(Y, (*call.X.shape[:-2], k if adjoint and not completes else m, None)))


def _sizes(factor: QRFactor[Any]) -> tuple[Any, Any]:
    return factor.Q.shape[-2], factor.Q.shape[-1]


def _solution(factor: QRFactor[Any], b: Any, what: str, *, adjoint: bool) -> LstsqResult[Any]:
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
            f"solve with {'deep' if adjoint else 'wide'} ones."
        )
    call = _met(factor, b, what, n if adjoint else m)
    xp = backend.xp
    if 0 in (m, n):
        x, squares, rank = without_entries(
            backend, _adjoint_of(backend, call.factor.A) if adjoint else call.factor.A, call.X
        )
    else:
        x, squares, rank = call.run("qr-solve-adjoint" if adjoint else "qr-solve")
        squares = xp.squeeze(real_of(backend, squares), axis=-2)
        rank = xp.squeeze(real_of(backend, rank), axis=(-2, -1))
    return LstsqResult(call.result(x), call.result(squares), xp.astype(rank, xp.int32))
