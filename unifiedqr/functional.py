"""The decompositions: check the input, find its backend, bind the primitive."""

from typing import Any

from unifiedqr._typing import Array, Arrays
from unifiedqr.backend import DTYPES, HALF_DTYPES, Backend
from unifiedqr.decomposition import LQResult, Primitive, QLResult, QRResult, RQResult, primitive
from unifiedqr.discovery import resolve
from unifiedqr.errors import DtypeError, OptionError, ShapeError

MODES = ("reduced",)


def qr(A: Any, /, *, mode: str = "reduced", positive: bool = True, method: str = "auto") -> QRResult:
    """Decompose A = Q R into orthonormal columns and an upper trapezoidal factor, differentiably.

    Parameters
    ----------
    A : array, shape (..., m, n)
        Deep, square, wide or zero-size, with any number of batch dimensions; float32, float64, complex64 or complex128
        (float16 and bfloat16 are computed in float32 and handed back in kind). An array of any backend, which then
        decides; a sequence of numbers goes to the selected backend.
    mode : {"reduced"}
        Shape of the factors.
    positive : bool
        Make the diagonal of R real and non-negative, which makes the factors of a full-rank matrix unique and the same
        in every framework. Otherwise the signs are the kernel's own.
    method : {"auto", "householder"}
        Algorithm of the forward.

    Returns
    -------
    QRResult
        ``Q`` (..., m, k) with Q^H Q = I and ``R`` (..., k, n) exactly upper trapezoidal, k = min(m, n), of the
        framework, device and dtype of A.

    Raises
    ------
    ShapeError
        A has fewer than two dimensions.
    DtypeError
        A is neither real nor complex floating.
    OptionError
        `mode` or `method` is not among its choices.
    ForeignArrayError
        A is no array of a backend.

    Notes
    -----
    Gauge (2), (30); derivatives (6), (7), (11), (12) with (11k), (11d). A matrix whose leading k columns are
    numerically dependent has no derivative: its gradient is NaN. The last pivot of a real square or wide matrix is
    exempt.

    References
    ----------
    D. A. O. Roberts, L. R. Roberts (2020), QR and LQ decomposition matrix backpropagation algorithms for square, wide,
    and deep - real or complex - matrices, arXiv 2009.10071.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> uqr.qr([[3.0, 1.0], [4.0, 2.0]]).R
    array([[5. , 2.2],
           [0. , 0.4]])
    """
    _check_mode(mode)
    return QRResult(*_decompose(A, primitive("qr", positive=positive, method=method)))


def lq(A: Any, /, *, mode: str = "reduced", positive: bool = True, method: str = "auto") -> LQResult:
    """Decompose A = L Q into a lower trapezoidal factor and orthonormal rows, differentiably.

    Parameters
    ----------
    A : array, shape (..., m, n)
        As in `qr`. The derivative needs the first k = min(m, n) rows to be independent.
    mode : {"reduced"}
        Shape of the factors.
    positive : bool
        Make the diagonal of L real and non-negative, which makes the factors of a full-rank matrix unique and the same
        in every framework. Otherwise the signs are the kernel's own.
    method : {"auto", "householder"}
        Algorithm of the forward.

    Returns
    -------
    LQResult
        ``L`` (..., m, k) exactly lower trapezoidal and ``Q`` (..., k, n) with Q Q^H = I, of the framework, device and
        dtype of A.

    Raises
    ------
    ShapeError
        A has fewer than two dimensions.
    DtypeError
        A is neither real nor complex floating.
    OptionError
        `mode` or `method` is not among its choices.
    ForeignArrayError
        A is no array of a backend.

    Notes
    -----
    Gauge (2), (30); derivatives (27), (27t) with (11k), (11d).

    References
    ----------
    D. A. O. Roberts, L. R. Roberts (2020), QR and LQ decomposition matrix backpropagation algorithms for square, wide,
    and deep - real or complex - matrices, arXiv 2009.10071.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> uqr.lq([[3.0, 4.0], [1.0, 2.0]]).L
    array([[5. , 0. ],
           [2.2, 0.4]])
    """
    _check_mode(mode)
    return LQResult(*_decompose(A, primitive("lq", positive=positive, method=method)))


def rq(A: Any, /, *, mode: str = "reduced", positive: bool = True) -> RQResult:
    """Decompose A = R Q into an upper trapezoidal factor and orthonormal rows, differentiably.

    Parameters
    ----------
    A : array, shape (..., m, n)
        As in `qr`. The derivative needs the last k = min(m, n) rows to be independent.
    mode : {"reduced"}
        Shape of the factors.
    positive : bool
        Make the diagonal of the triangle real and non-negative, which makes the factors of a full-rank matrix unique
        and the same in every framework. Otherwise the signs are the kernel's own.

    Returns
    -------
    RQResult
        ``R`` (..., m, k), exactly upper triangular in its last k rows, as LAPACK gerqf, and ``Q`` (..., k, n) with
        Q Q^H = I, of the framework, device and dtype of A.

    Raises
    ------
    ShapeError
        A has fewer than two dimensions.
    DtypeError
        A is neither real nor complex floating.
    OptionError
        `mode` is not among its choices.
    ForeignArrayError
        A is no array of a backend.

    Notes
    -----
    Gauge (2), (30); reversal (43) around the derivatives (27), (27t) of LQ.

    References
    ----------
    D. A. O. Roberts, L. R. Roberts (2020), QR and LQ decomposition matrix backpropagation algorithms for square, wide,
    and deep - real or complex - matrices, arXiv 2009.10071.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> uqr.rq([[2.0, 1.0], [4.0, 3.0]]).R
    array([[0.4, 2.2],
           [0. , 5. ]])
    """
    _check_mode(mode)
    return RQResult(*_decompose(A, primitive("rq", positive=positive)))


def ql(A: Any, /, *, mode: str = "reduced", positive: bool = True) -> QLResult:
    """Decompose A = Q L into orthonormal columns and a lower trapezoidal factor, differentiably.

    Parameters
    ----------
    A : array, shape (..., m, n)
        As in `qr`. The derivative needs the last k = min(m, n) columns to be independent.
    mode : {"reduced"}
        Shape of the factors.
    positive : bool
        Make the diagonal of the triangle real and non-negative, which makes the factors of a full-rank matrix unique
        and the same in every framework. Otherwise the signs are the kernel's own.

    Returns
    -------
    QLResult
        ``Q`` (..., m, k) with Q^H Q = I and ``L`` (..., k, n), exactly lower triangular in its last k columns, of the
        framework, device and dtype of A.

    Raises
    ------
    ShapeError
        A has fewer than two dimensions.
    DtypeError
        A is neither real nor complex floating.
    OptionError
        `mode` is not among its choices.
    ForeignArrayError
        A is no array of a backend.

    Notes
    -----
    Gauge (2), (30); reversal (42) around the derivatives (6), (7), (11), (12) of QR.

    References
    ----------
    D. A. O. Roberts, L. R. Roberts (2020), QR and LQ decomposition matrix backpropagation algorithms for square, wide,
    and deep - real or complex - matrices, arXiv 2009.10071.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> uqr.ql([[2.0, 4.0], [1.0, 3.0]]).L
    array([[0.4, 0. ],
           [2.2, 5. ]])
    """
    _check_mode(mode)
    return QLResult(*_decompose(A, primitive("ql", positive=positive)))


def _decompose(A: Any, row: Primitive) -> Arrays:
    backend, (A,) = resolve(A)
    if backend.is_symbolic(A):
        return backend.bind(row)(A)  # checked by the backend once the graph is given arrays
    if backend.dtype_name(A) == computed_dtype(backend, A, row.name):
        return backend.bind(row)(A)
    xp = backend.xp
    return tuple(xp.astype(X, A.dtype) for X in backend.bind(row)(xp.astype(A, xp.float32)))


def computed_dtype(backend: Backend, A: Array, name: str) -> str:
    """Give the dtype in which A is decomposed; raise unless A is a matrix, or a stack of them, that can be."""
    try:
        ndim = len(A.shape)
    except ValueError as error:  # a graph may be traced with a tensor of unknown rank
        raise ShapeError(f"{name} got a {backend.name} array of unknown rank; it needs (..., m, n).") from error
    if ndim < 2:
        raise ShapeError(
            f"{name} got a {backend.name} array of shape {tuple(A.shape)}; it needs a matrix (m, n) or a stack of them "
            f"(..., m, n). Reshape a vector to (m, 1) or (1, n)."
        )
    dtype = backend.dtype_name(A)
    if dtype in DTYPES:
        return dtype
    if dtype in HALF_DTYPES:
        return "float32"
    raise DtypeError(
        f"{name} got a {backend.name} array of dtype {dtype}; it needs {', '.join(DTYPES)} "
        f"(or {' or '.join(HALF_DTYPES)}, computed in float32). Convert it with unifiedqr.namespace(A).astype."
    )


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise OptionError(f"mode={mode!r} is unknown; choose one of {', '.join(map(repr, MODES))}.")
