"""QR and LQ: reduced, complete, triangle only, pivoted, truncated."""

from typing import Any, Literal, TypeAlias, Unpack, overload

from unifiedqr._typing import ArrayOf, Arrays, ArrayT, Pivoted, PivotedOrNot, Unpivoted
from unifiedqr.arguments import resolve
from unifiedqr.backend import DTYPES
from unifiedqr.decomposition import KEEPING_Q, UNPIVOTED, check_method, primitive, truncated
from unifiedqr.discovery import DEFAULT, backend_name, loaded
from unifiedqr.errors import OptionError
from unifiedqr.functional.inputs import (
    check_pivots,
    check_rank,
    chosen,
    is_cheaper_with_Q,
    run_resolved,
    sizes_of,
)
from unifiedqr.results import LQResult, PivotedLQResult, PivotedLResult, PivotedQRResult, PivotedRResult, QRResult

Factors: TypeAlias = Literal["reduced", "complete"]
RAlone: TypeAlias = Literal["r"]
LAlone: TypeAlias = Literal["l"]

MODES = {
    "qr": ("reduced", "complete", "r"),
    "lq": ("reduced", "complete", "l"),
    "rq": ("reduced",),
    "ql": ("reduced",),
}


@overload
def qr(A: ArrayOf[ArrayT], /, *, mode: Factors = ..., **options: Unpack[Unpivoted]) -> QRResult[ArrayT]: ...
@overload
def qr(A: ArrayOf[ArrayT], /, *, mode: RAlone, **options: Unpack[Unpivoted]) -> ArrayT: ...
@overload
def qr(A: ArrayOf[ArrayT], /, *, mode: Factors = ..., **options: Unpack[Pivoted]) -> PivotedQRResult[ArrayT]: ...
@overload
def qr(A: ArrayOf[ArrayT], /, *, mode: RAlone, **options: Unpack[Pivoted]) -> PivotedRResult[ArrayT]: ...
@overload
def qr(A: object, /, *, mode: Factors | RAlone = ..., **options: Unpack[Unpivoted]) -> Any: ...
@overload
def qr(A: object, /, *, mode: Factors | RAlone = ..., **options: Unpack[PivotedOrNot]) -> Any: ...
def qr(
    A: Any,
    /,
    *,
    mode: str = "reduced",
    pivoting: bool = False,
    rank: int | None = None,
    positive: bool = True,
    method: str = "auto",
) -> Any:
    """Decompose A = Q R into orthonormal columns and an upper trapezoidal factor, differentiably.

    Parameters
    ----------
    A : array, shape (..., m, n)
        Deep, square, wide or zero-size, with any number of batch dimensions; float32, float64, complex64 or complex128
        (float16 and bfloat16 are computed in float32 and returned in their own dtype). An array's own framework serves
        the call; a sequence of numbers goes to the selected backend.
    mode : {"reduced", "complete", "r"}
        Shape of the factors; "r" gives R alone. Q is then formed only for a derivative, and not where A is tall and so
        large that Q would matter.
    pivoting : bool
        Take the columns in the order of LAPACK geqp3, each the longest of what remains, for each matrix of a batch. Of
        equally long ones it is the first, in the order left by the exchanges so far, as long as their lengths are
        computed without rounding (columns of the identity or a square Hadamard matrix, zero columns) or by the same
        operations (equal columns, while the rank is not exhausted). Rounding decides other ties, such as the order of
        columns of which nothing is left: there LAPACK, which updates lengths, and the kernel for graphs, other devices
        and other libraries, which recomputes them, may differ, as LAPACK itself does between dtypes.
    rank : int, optional
        With pivoting, stop after this many steps.
    positive : bool
        Make the diagonal of R real and non-negative, which makes the factors of a full-rank matrix unique and the same
        in every framework. Otherwise the signs are the kernel's own.
    method : {"auto", "householder", "cholesky"}
        Algorithm of the forward: the framework's Householder kernel; CholeskyQR2, for deep matrices (wide ones, for
        LQ), with Householder where its guard refuses; or the faster one, as measured.

    Returns
    -------
    QRResult
        ``Q`` (..., m, k) with Q^H Q = I and ``R`` (..., k, n) exactly upper trapezoidal, k = min(m, n), of the
        framework, device and dtype of A; with ``mode="complete"`` (..., m, m) and (..., m, n). The last columns of
        Q are then those of a product of Householder reflectors.
    array
        ``R`` (..., k, n), with ``mode="r"``.
    PivotedQRResult
        ``Q``, ``R`` and ``P`` (..., n), integers with ``A[..., :, P] = Q R`` per matrix; ``PivotedRResult`` of ``R``
        and ``P`` with ``mode="r"``. With `rank`, ``Q`` is (..., m, rank) and ``R`` (..., rank, n).

    Raises
    ------
    ShapeError
        A has fewer than two dimensions, or sizes that must be known are unknown while a graph is traced.
    DtypeError
        A is neither real nor complex floating.
    OptionError
        `mode` or `method` is not among its choices, `rank` is out of range or given without pivoting, or
        ``method="cholesky"`` is combined with pivoting.
    ForeignArrayError
        A is not an array of any backend.

    Notes
    -----
    Gauge (PR.2), (PR.3); derivatives (QR.1), (QR.2), (QR.3), (QR.4) with (QR.6), (QR.7). If column r is the first of
    the leading k columns that is numerically dependent on those before it, only Q[:, :r] and R[:r, :] have a derivative
    (DC.1): a cotangent of anything else gives NaN. The last pivot of a real square or wide matrix is exempt, except for
    ``mode="r"`` where sizes are unknown while a graph is traced. R alone, of large tall matrices: (R.1), (R.2), (DC.2).
    Complete: (CQ.1), (CQ.4), exact for every loss. Pivoted: (PV.1), which only needs A to have rank k; at ties of
    pivots, and where a perturbation changes the pivots, Q and R jump, and the derivative is the one-sided one.
    Truncated: (PV.2), whatever the rank of A. CholeskyQR: (CH.1), (CH.2), (CH.3), orthonormal to
    rounding.

    Rows that lie on several devices of a mesh stay there, and Q and gradients are distributed like A: n x n arrays
    move, whatever the number of rows. Pivoting and complete factors gather A.

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
    >>> uqr.qr([[3.0, 1.0], [4.0, 2.0]], mode="r")
    array([[5. , 2.2],
           [0. , 0.4]])
    >>> uqr.qr([[3.0], [4.0]], mode="complete").Q.round(3)
    array([[ 0.6, -0.8],
           [ 0.8,  0.6]])
    >>> uqr.qr([[1.0, 3.0], [2.0, 4.0]], pivoting=True).P
    array([1, 0])
    >>> uqr.qr([[1.0, 3.0], [2.0, 4.0]], pivoting=True, rank=1).R
    array([[5. , 2.2]])
    """
    found = decompose("qr", A, mode, pivoting, rank, positive, method)
    if mode == "r":
        return PivotedRResult(*found) if pivoting else found[0]
    return PivotedQRResult(*found) if pivoting else QRResult(*found)


@overload
def lq(A: ArrayOf[ArrayT], /, *, mode: Factors = ..., **options: Unpack[Unpivoted]) -> LQResult[ArrayT]: ...
@overload
def lq(A: ArrayOf[ArrayT], /, *, mode: LAlone, **options: Unpack[Unpivoted]) -> ArrayT: ...
@overload
def lq(A: ArrayOf[ArrayT], /, *, mode: Factors = ..., **options: Unpack[Pivoted]) -> PivotedLQResult[ArrayT]: ...
@overload
def lq(A: ArrayOf[ArrayT], /, *, mode: LAlone, **options: Unpack[Pivoted]) -> PivotedLResult[ArrayT]: ...
@overload
def lq(A: object, /, *, mode: Factors | LAlone = ..., **options: Unpack[Unpivoted]) -> Any: ...
@overload
def lq(A: object, /, *, mode: Factors | LAlone = ..., **options: Unpack[PivotedOrNot]) -> Any: ...
def lq(
    A: Any,
    /,
    *,
    mode: str = "reduced",
    pivoting: bool = False,
    rank: int | None = None,
    positive: bool = True,
    method: str = "auto",
) -> Any:
    """Decompose A = L Q into a lower trapezoidal factor and orthonormal rows, differentiably.

    Parameters
    ----------
    A : array, shape (..., m, n)
        As in `qr`. The derivative needs the first k = min(m, n) rows to be independent; with pivoting, rank k.
    mode : {"reduced", "complete", "l"}
        Shape of the factors; "l" gives L alone; Q as in `qr`.
    pivoting : bool
        Take the rows in the order of LAPACK geqp3 for A^H, for each matrix of a batch.
    rank : int, optional
        With pivoting, stop after this many steps.
    positive : bool
        Make the diagonal of L real and non-negative, which makes the factors of a full-rank matrix unique and the same
        in every framework. Otherwise the signs are the kernel's own.
    method : {"auto", "householder", "cholesky"}
        As in `qr`.

    Returns
    -------
    LQResult
        ``L`` (..., m, k) exactly lower trapezoidal and ``Q`` (..., k, n) with Q Q^H = I, of the framework, device and
        dtype of A; with ``mode="complete"`` (..., m, n) and (..., n, n).
    array
        ``L`` (..., m, k), with ``mode="l"``.
    PivotedLQResult
        ``L``, ``Q`` and ``P`` (..., m), integers with ``A[..., P, :] = L Q`` per matrix; ``PivotedLResult`` of ``L``
        and ``P`` with ``mode="l"``. With `rank`, ``L`` is (..., m, rank) and ``Q`` (..., rank, n).

    Raises
    ------
    ShapeError
        A has fewer than two dimensions, or sizes that must be known are unknown while a graph is traced.
    DtypeError
        A is neither real nor complex floating.
    OptionError
        `mode` or `method` is not among its choices, `rank` is out of range or given without pivoting, or
        ``method="cholesky"`` is combined with pivoting.
    ForeignArrayError
        A is not an array of any backend.

    Notes
    -----
    Gauge (PR.2), (PR.3); derivatives (LQ.2), (LQ.3) with (QR.6), (QR.7); all else as in `qr` for A^H (LQ.1).

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
    >>> uqr.lq([[1.0, 2.0], [3.0, 4.0]], pivoting=True).P
    array([1, 0])
    """
    found = decompose("lq", A, mode, pivoting, rank, positive, method)
    if mode == "l":
        return PivotedLResult(*found) if pivoting else found[0]
    return PivotedLQResult(*found) if pivoting else LQResult(*found)


def decompose(name: str, A: Any, mode: str, pivoting: bool, rank: Any, positive: bool, method: str) -> Arrays:
    """Return the factors of A: with the options of most calls, and in a dtype of decompositions, without a detour."""
    try:
        row = UNPIVOTED.get((name, mode, positive, method)) if rank is None and pivoting is False else None
    except TypeError:  # an option without a hash
        row = None
    if row is None:
        return _with_options(name, A, mode, pivoting, rank, positive, method)
    given: object = A
    owner = backend_name(type(given))  # not a dictionary's look-up: Dynamo cannot guard one whose keys are types
    if owner is None or owner == DEFAULT:
        backend, (A,) = resolve(A)
    else:
        backend = loaded[owner]
    if backend.dtype_name(A) not in DTYPES or (getattr(A, "ndim", None) or 0) < 2:
        return run_resolved(backend, A, row)
    if row in KEEPING_Q and backend.is_watched(A) and is_cheaper_with_Q(A.shape, row.orientation.adjoint):
        row = KEEPING_Q[row]
    bound = backend.bound.get(row)
    if bound is None:
        bound = backend.bound[row] = backend.bind(row)
    return bound(A)[: row.results]


def _with_options(name: str, A: Any, mode: str, pivoting: Any, rank: Any, positive: bool, method: str) -> Arrays:
    chosen("mode", mode, MODES[name])
    if pivoting not in (True, False):
        raise OptionError(f"got pivoting={pivoting!r}; expected True or False.")
    backend, (A,) = resolve(A)
    if mode != "complete" and not pivoting:
        check_rank(backend, rank, 0, pivoting=False, mode=mode)
        words = (name,) if mode == "reduced" else (name, mode)
        return run_resolved(backend, A, primitive("-".join(words), positive=positive, method=method))
    m, n = sizes_of(backend, A, f"{name} with pivoting" if pivoting else f"{name} with mode='complete'")
    lines, others = (n, m) if name == "qr" else (m, n)
    order = backend.orders(others, lines)[0]
    k = None if None in (lines, others) else lines if order > 0 else others
    steps = check_rank(backend, rank, k, pivoting=pivoting, mode=mode)
    if mode == "complete" and order <= 0:
        mode = "reduced"  # Q is square
    if pivoting:
        check_pivots(backend, A, name, lines)
    if steps is not None:
        check_method(method, pivoting=True)
        error = OptionError(f"got rank={steps}; expected an integer from 0 to min(m, n), which is smaller.")
        A = backend.assured(A, lambda m, n: (steps <= m) & (steps <= n), error)
        return run_resolved(backend, A, truncated(name, steps, bool(positive)))
    words = [name, *(["pivoted"] if pivoting else []), *([] if mode == "reduced" else [mode])]
    return run_resolved(backend, A, primitive("-".join(words), positive=positive, method=method))
