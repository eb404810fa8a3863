"""RQ and QL: the LQ and QR decompositions in reverse order."""

from typing import Any, Literal, TypeAlias, overload

from unifiedqr._typing import ArrayOf, ArrayT
from unifiedqr.functional.qr_lq import decompose
from unifiedqr.results import QLResult, RQResult

Mode: TypeAlias = Literal["reduced"]


@overload
def rq(A: ArrayOf[ArrayT], /, *, mode: Mode = ..., positive: bool = ...) -> RQResult[ArrayT]: ...
@overload
def rq(A: object, /, *, mode: Mode = ..., positive: bool = ...) -> RQResult[Any]: ...
def rq(A: Any, /, *, mode: str = "reduced", positive: bool = True) -> RQResult[Any]:
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
        ``R`` (..., m, k), exactly upper triangular in its last k rows, as in LAPACK gerqf, and ``Q`` (..., k, n) with
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
        A is not an array of any backend.

    Notes
    -----
    Gauge (PR.2), (PR.3); reversal (LQ.5) around the derivatives (LQ.2), (LQ.3) of LQ.

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
    return RQResult(*decompose("rq", A, mode, False, None, positive, "auto"))


@overload
def ql(A: ArrayOf[ArrayT], /, *, mode: Mode = ..., positive: bool = ...) -> QLResult[ArrayT]: ...
@overload
def ql(A: object, /, *, mode: Mode = ..., positive: bool = ...) -> QLResult[Any]: ...
def ql(A: Any, /, *, mode: str = "reduced", positive: bool = True) -> QLResult[Any]:
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
        A is not an array of any backend.

    Notes
    -----
    Gauge (PR.2), (PR.3); reversal (LQ.4) around the derivatives (QR.1), (QR.2), (QR.3), (QR.4) of QR.

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
    return QLResult(*decompose("ql", A, mode, False, None, positive, "auto"))
