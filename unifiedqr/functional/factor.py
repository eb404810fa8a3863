"""Stored factorizations: products with Q, which is never formed completely, and solutions."""

from typing import Any, Generic, Literal, NamedTuple, TypedDict, Unpack, overload

from unifiedqr import factors
from unifiedqr._typing import Array, ArrayOf, ArrayT
from unifiedqr.arguments import resolve
from unifiedqr.backend import Backend
from unifiedqr.functional.factored import adjoint, adjoint_of, numbers, product, solution
from unifiedqr.functional.inputs import chosen, computed_dtype, sizes_of
from unifiedqr.functional.qr_lq import Factors, decompose
from unifiedqr.results import LstsqResult

MODES = ("reduced", "complete")


class Options(TypedDict, total=False):
    """Options of a factorization."""

    mode: Factors
    pivoting: bool
    positive: bool
    method: Literal["auto", "householder", "cholesky"]


class QRFactor(NamedTuple, Generic[ArrayT]):
    """A matrix with its QR factors A = Q R, or A[..., :, P] = Q R, from `qr_factor`: a named tuple of arrays.

    It passes through `jax.jit`, `vmap`, `scan`, `torch.func`, `torch.compile` and `tf.function` like any tuple of
    arrays. Its methods are differentiable with respect to the factored matrix and to their argument, to any order the
    framework supports, without storing anything as large as a derivative of Q. Where columns are dependent, a cotangent
    of what has no derivative (DC.1) gives NaN, which `set_checks` reports.

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
            A vector, if it has one dimension fewer than A or only one, or a matrix; with the complete Q (..., m) or
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
        return product(self, X, adjoint=False)

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
        return product(self, X, adjoint=True)

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
        return solution(self, b, "solve", adjoint=False).x

    def lstsq(self, b: Any, /) -> LstsqResult[ArrayT]:
        """Solve min |b - A x| for each right-hand side, A being deep or square.

        Parameters
        ----------
        b : array, shape (..., m) or (..., m, s)
            A vector or a matrix, as for `apply`.

        Returns
        -------
        LstsqResult
            As from `lstsq`: NaN for a matrix that is numerically rank deficient.

        Raises
        ------
        ShapeError, DtypeError, ForeignArrayError
            A is wide, or b does not fit it.

        Notes
        -----
        Derivative (LS.3). Unlike in `unifiedqr.lstsq`, rows of A of very different sizes are not sorted.
        """
        return solution(self, b, "lstsq", adjoint=False)


class LQFactor(NamedTuple, Generic[ArrayT]):
    """A matrix with its LQ factors A = L Q, or A[..., P, :] = L Q, from `lq_factor`: a named tuple of arrays.

    It holds the `QRFactor` of A^H (LQ.1).

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
        return adjoint(self.of_adjoint.R)

    @property
    def Q(self) -> ArrayT:
        """The factor with orthonormal rows, (..., k, n), k = min(m, n)."""
        return adjoint(self.of_adjoint.Q)

    @property
    def P(self) -> Any:
        """Pivots, integers (..., m); an empty tuple without pivoting."""
        return self.of_adjoint.P

    def apply(self, X: Any, /) -> ArrayT:
        """Return Q X, for X of shape (..., n) or (..., n, s): as `QRFactor.apply_adjoint` of A^H."""
        return product(self.of_adjoint, X, adjoint=True, lq=True)

    def apply_adjoint(self, X: Any, /) -> ArrayT:
        """Return Q^H X, for X of shape (..., k) or (..., k, s): as `QRFactor.apply` of A^H."""
        return product(self.of_adjoint, X, adjoint=False, lq=True)

    def solve(self, b: Any, /) -> ArrayT:
        """Return the solution x of A x = b, of a square A: as `QRFactor.solve`, with derivative (LS.4)."""
        return solution(self.of_adjoint, b, "solve", adjoint=True).x

    def lstsq(self, b: Any, /) -> LstsqResult[ArrayT]:
        """Return the shortest solution of A x = b, A being wide or square: as `lstsq`, with derivative (LS.4)."""
        return solution(self.of_adjoint, b, "lstsq", adjoint=True)


@overload
def qr_factor(A: ArrayOf[ArrayT], /, **options: Unpack[Options]) -> QRFactor[ArrayT]: ...
@overload
def qr_factor(A: object, /, **options: Unpack[Options]) -> QRFactor[Any]: ...
def qr_factor(
    A: Any, /, *, mode: str = "reduced", pivoting: bool = False, positive: bool = True, method: str = "auto"
) -> QRFactor[Any]:
    """Factor A = Q R once, to multiply by Q and solve with it any number of times, differentiably.

    Parameters
    ----------
    A : array, shape (..., m, n)
        As in `qr`; float16 and bfloat16 become float32 and remain so.
    mode : {"reduced", "complete"}
        Which Q: for a deep matrix m x n or m x m. The complete one is never formed: it takes n x n numbers in addition
        to the reduced one, and its products O(m n) operations per column.
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
    ``Q`` and ``R`` are those of `qr`, with its derivatives. The methods have their own rules (FA.1), (LS.3), whose
    derivative goes to A directly: a cotangent of Q remains a product of thin matrices.

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
def lq_factor(A: ArrayOf[ArrayT], /, **options: Unpack[Options]) -> LQFactor[ArrayT]: ...
@overload
def lq_factor(A: object, /, **options: Unpack[Options]) -> LQFactor[Any]: ...
def lq_factor(
    A: Any, /, *, mode: str = "reduced", pivoting: bool = False, positive: bool = True, method: str = "auto"
) -> LQFactor[Any]:
    """Factor A = L Q once, to multiply by Q and solve with it any number of times, differentiably.

    Parameters
    ----------
    A : array, shape (..., m, n)
        As in `lq`; float16 and bfloat16 become float32 and remain so.
    mode : {"reduced", "complete"}
        Which Q: for a wide matrix m x n or n x n, which is never formed.
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
    A = adjoint_of(backend, A)
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
    G, S = backend.bind(row)(A, Q, R, *numbers(backend, pivots, A))
    return QRFactor(A, Q, R, P, (G, S))
