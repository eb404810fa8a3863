"""Updated factors: after a change of low rank, with rows or columns inserted or deleted."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, SupportsIndex, TypeAlias, overload

from unifiedqr._typing import Array, ArrayOf, ArrayT
from unifiedqr.arguments import resolve
from unifiedqr.backend import Backend
from unifiedqr.decomposition import KEEPING_Q, Primitive
from unifiedqr.errors import CapabilityError, OptionError, ShapeError
from unifiedqr.functional.inputs import as_matrix, chosen, half_of, is_cheaper_with_Q, sizes_of, together
from unifiedqr.functional.lines import checked_positions, identity, inserted, integer_of, lines, places_of_new, zeros
from unifiedqr.results import QRResult
from unifiedqr.updates import row

Lines: TypeAlias = Literal["rows", "columns"]
Positions: TypeAlias = SupportsIndex | Sequence[SupportsIndex]

WHICH = ("rows", "columns")


@overload
def qr_update(
    Q: ArrayOf[ArrayT], R: ArrayOf[ArrayT], u: object, v: object, /, *, positive: bool = True
) -> QRResult[ArrayT]: ...
@overload
def qr_update(Q: object, R: object, u: object, v: object, /, *, positive: bool = True) -> QRResult[Any]: ...
def qr_update(Q: Any, R: Any, u: Any, v: Any, /, *, positive: bool = True) -> QRResult[Any]:
    """Return the QR factors of A + u v^H from those of A, differentiably.

    Parameters
    ----------
    Q : array, shape (..., m, k)
    R : array, shape (..., k, n)
        Reduced factors of A, k = min(m, n): Q with orthonormal columns, R with any entries. Dtypes as in `qr`; those of
        all arguments are promoted, batch dimensions broadcast.
    u : array, shape (..., m) or (..., m, s)
    v : array, shape (..., n) or (..., n, s)
        A change u v^H of rank one or, with s columns, of rank s. Vectors if they have one dimension fewer than Q, or
        only one.
    positive : bool
        As in `qr`.

    Returns
    -------
    QRResult
        ``Q`` (..., m, k) and ``R`` (..., k, n), those that `qr` gives for A + u v^H.

    Raises
    ------
    ShapeError
        Shapes do not fit each other.
    DtypeError
        An argument is neither real nor complex floating.
    CapabilityError
        Sizes are unknown while a graph is traced.
    ForeignArrayError
        An argument is not an array of a backend, or they belong to different ones.

    Notes
    -----
    Products and the QR decomposition of a matrix of k + s rows (UP.1): no long column is reflected or rotated. Rounding
    errors are relative to A and u v^H; a lack of orthonormality in Q persists. Where u v^H cancels A, a pivot without a
    correct digit is set to zero (UP.6).

    The derivative is that of the QR decomposition of Q R + u v^H with respect to all four arguments (UP.4), whatever Q
    is; where leading columns of that matrix are dependent it is as in `qr` (DC.1).

    References
    ----------
    J. W. Daniel, W. B. Gragg, L. Kaufman, G. W. Stewart (1976), Reorthogonalization and stable algorithms for updating
    the Gram-Schmidt QR factorization.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> Q, R = uqr.qr([[3.0, 1.0], [0.0, 2.0]])
    >>> uqr.qr_update(Q, R, [0.0, 4.0], [1.0, 0.0]).R
    array([[5. , 2.2],
           [0. , 0.4]])
    """
    given = _factors("qr_update", Q, R, u, v)
    u, v = given.others
    (m, n), s = given.sizes, u.shape[-1]
    if (u.shape[-2], v.shape[-2], v.shape[-1]) != (m, n, s):
        raise ShapeError(
            f"qr_update got u of shape {tuple(u.shape)} and v of shape {tuple(v.shape)} for factors of {m} x {n}; "
            f"expected u (..., {m}) and v (..., {n}), or (..., {m}, s) and (..., {n}, s)."
        )
    if s == 0:
        raise ShapeError("qr_update got a u without columns; expected at least one.")
    return _result(given, row("qr-update", positive=positive), given.Q, given.R, u, v)


@overload
def qr_insert(
    Q: ArrayOf[ArrayT],
    R: ArrayOf[ArrayT],
    X: object,
    position: Positions,
    /,
    which: Lines = ...,
    *,
    positive: bool = True,
) -> QRResult[ArrayT]: ...
@overload
def qr_insert(
    Q: object, R: object, X: object, position: Positions, /, which: Lines = ..., *, positive: bool = True
) -> QRResult[Any]: ...
def qr_insert(Q: Any, R: Any, X: Any, position: Any, /, which: str = "rows", *, positive: bool = True) -> QRResult[Any]:
    """Return the QR factors of A with rows or columns inserted from those of A, differentiably.

    Parameters
    ----------
    Q : array, shape (..., m, k)
    R : array, shape (..., k, n)
        Reduced factors of A, as in `qr_update`.
    X : array, shape (..., n) or (..., p, n) for rows, (..., m) or (..., m, p) for columns
        The rows or columns to insert; a single one if X has one dimension fewer than Q, or only one.
    position : int or sequence of int
        An integer: the row or column of A, from 0, before which all are inserted; their number in A appends them. A
        sequence of p: their positions in the new matrix, so that `qr_delete` with the same positions undoes it.
    which : {"rows", "columns"}
        Which of them X holds.
    positive : bool
        As in `qr`.

    Returns
    -------
    QRResult
        Those that `qr` gives for the new matrix, of (m + p) x n or m x (n + p).

    Raises
    ------
    ShapeError
        Shapes do not fit each other.
    OptionError
        A position is out of range or repeated, their number is wrong, or `which` is unknown.
    DtypeError, CapabilityError, ForeignArrayError
        As in `qr_update`.

    Notes
    -----
    `qr_update` of A with zeros inserted (UP.1); the derivative is that of the new matrix's QR decomposition (UP.4).

    References
    ----------
    G. H. Golub, C. F. Van Loan (2013), Matrix Computations, section 6.5.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> Q, R = uqr.qr([[3.0]])
    >>> uqr.qr_insert(Q, R, [4.0], 1)
    QRResult(Q=array([[0.6],
           [0.8]]), R=array([[5.]]))
    >>> uqr.qr_insert(*uqr.qr([[3.0], [4.0]]), [1.0, 2.0], 0, "columns").R.round(3)
    array([[2.236, 4.919],
           [0.   , 0.894]])
    """
    rows = chosen("which", which, WHICH) == "rows"
    given = _factors("qr_insert", Q, R, X, transposed=rows)
    (m, n), Q, R, (X,), xp = given.sizes, given.Q, given.R, given.others, given.backend.xp
    across, along = (n, m) if rows else (m, n)
    p = X.shape[-2 if rows else -1]
    if X.shape[-1 if rows else -2] != across or p == 0:
        expected = f"(..., {n}) or (..., p, {n})" if rows else f"(..., {m}) or (..., {m}, p)"
        raise ShapeError(
            f"qr_insert got {which} of shape {tuple(X.shape)} for factors of {m} x {n}; expected {expected}."
        )
    places, V = places_of_new(position, p, along), _adjoint(given.backend, X)
    if rows:
        F = inserted(xp, Q, zeros(xp, X[..., :1], Q[..., :1, :]), places, axis=-2)
        E = inserted(xp, zeros(xp, Q[..., :1], V[..., :1, :]), identity(xp, X[..., :1]), places, axis=-2)
        return _result(given, row("qr-update", positive=positive), F, R, E, V)
    T = inserted(xp, R, zeros(xp, R[..., :1], X[..., :1, :]), places, axis=-1)
    E = inserted(
        xp, zeros(xp, xp.matrix_transpose(R)[..., :1], X[..., :1, :]), identity(xp, V[..., :1]), places, axis=-2
    )
    return _result(given, row("qr-update", positive=positive), Q, T, X, E)


@overload
def qr_delete(
    Q: ArrayOf[ArrayT], R: ArrayOf[ArrayT], position: Positions, /, which: Lines = ..., *, positive: bool = True
) -> QRResult[ArrayT]: ...
@overload
def qr_delete(
    Q: object, R: object, position: Positions, /, which: Lines = ..., *, positive: bool = True
) -> QRResult[Any]: ...
def qr_delete(Q: Any, R: Any, position: Any, /, which: str = "rows", *, positive: bool = True) -> QRResult[Any]:
    """Return the QR factors of A without some rows or columns from those of A, differentiably.

    Parameters
    ----------
    Q : array, shape (..., m, k)
    R : array, shape (..., k, n)
        Reduced factors of A, as in `qr_update`.
    position : int or sequence of int
        Which rows or columns of A to delete, from 0; at least one must remain.
    which : {"rows", "columns"}
        Which of them are deleted.
    positive : bool
        As in `qr`.

    Returns
    -------
    QRResult
        Those that `qr` gives for what is left of A.

    Raises
    ------
    ShapeError
        Shapes do not fit each other.
    OptionError
        A position is out of range or repeated, none is given, nothing is left, or `which` is unknown.
    DtypeError, CapabilityError, ForeignArrayError
        As in `qr_update`.

    Notes
    -----
    Q is orthonormal to rounding however little is left (UP.3). Rounding errors in R are relative to A, deleted rows
    included: where these were 1e8 times as large as the others, half of the digits of the others are lost, and a pivot
    without a correct digit is set to zero (UP.6). Where the remaining columns are dependent, the derivative is as in
    `qr` (DC.1): NaN, which `set_checks` reports, where none exists.

    The derivative is that of the QR decomposition of Q R without these rows or columns (UP.4).

    References
    ----------
    G. H. Golub, C. F. Van Loan (2013), Matrix Computations, section 6.5.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> Q, R = uqr.qr([[3.0, 1.0], [1.0, 1.0], [4.0, 2.0]])
    >>> uqr.qr_delete(Q, R, 1).R.round(6)
    array([[5. , 2.2],
           [0. , 0.4]])
    >>> uqr.qr_delete(Q, R, [0, 2]).R.round(6)
    array([[1., 1.]])
    """
    rows = chosen("which", which, WHICH) == "rows"
    given = _factors("qr_delete", Q, R)
    (m, n), Q, R, xp = given.sizes, given.Q, given.R, given.backend.xp
    along = m if rows else n
    place = integer_of(position)
    places = checked_positions(position if place is None else [place], along)
    if not 0 < len(places) < along:
        raise OptionError(
            f"got {len(places)} positions of {along} {which}; expected at least one, and fewer than there are."
        )
    rest = [line for line in range(along) if line not in places]
    if not rows:
        T = lines(xp, R, rest, axis=-1)
        return _result(given, row("qr-update", positive=positive), Q, T, Q[..., :0], xp.matrix_transpose(T)[..., :0])
    F_1, F_2 = (lines(xp, Q, some, axis=-2) for some in (rest, sorted(places)))
    return _result(given, row("qr-downdate", positive=positive), F_1, F_2, R)


@overload
def qr_append_rows(R: ArrayOf[ArrayT], B: object, /, *, positive: bool = True) -> ArrayT: ...
@overload
def qr_append_rows(R: object, B: object, /, *, positive: bool = True) -> Any: ...
def qr_append_rows(R: Any, B: Any, /, *, positive: bool = True) -> Array:
    """Return the triangle of A with rows B appended from the triangle of A alone, differentiably.

    Parameters
    ----------
    R : array, shape (..., l, n)
        The triangle of A = Q R, or any matrix with R^H R = A^H A, such as a square root of an information matrix: every
        entry counts, also below the diagonal. Dtypes as in `qr`; those of both arguments are promoted, batch dimensions
        broadcast.
    B : array, shape (..., n) or (..., p, n)
        The rows; a single one if B has one dimension fewer than R, or only one.
    positive : bool
        As in `qr`.

    Returns
    -------
    array, shape (..., min(l + p, n), n)
        R of [R; B], the triangle of [A; B]: that of ``qr(..., mode="r")``.

    Raises
    ------
    ShapeError
        Shapes do not fit each other.
    DtypeError
        An argument is neither real nor complex floating.
    CapabilityError
        Sizes are unknown while a graph is traced.
    ForeignArrayError
        An argument is not an array of a backend, or they belong to different ones.

    Notes
    -----
    The time depends on l, p and n, not on how many rows A had. Scaling R forgets: sqrt(f) R gives the rows of A the
    weight f. Derivative (UP.5), that of `qr` with ``mode="r"``: from Q of [R; B], which is kept where a derivative may
    follow, by (QR.3), (QR.2), (DC.1); of tall stacks that are large, from R alone by (R.1), (R.2), (DC.2).

    References
    ----------
    A. Bjorck (1996), Numerical Methods for Least Squares Problems, chapter 3.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> uqr.qr_append_rows([[3.0, 1.0], [0.0, 1.0]], [4.0, 2.0]).round(3)
    array([[5.   , 2.2  ],
           [0.   , 1.077]])
    """
    backend, (R, B) = resolve(R, B)
    sizes_of(backend, R, "qr_append_rows")
    half = half_of(backend, R, B)
    R, B = together(backend, "qr_append_rows", R, as_matrix(backend, B, R, "qr_append_rows", -2))
    if R.shape[-1] != B.shape[-1] or None in (*R.shape[-2:], *B.shape[-2:]):
        raise ShapeError(
            f"qr_append_rows got R of shape {tuple(R.shape)} and B of shape {tuple(B.shape)}; expected (..., l, n) and "
            f"(..., n) or (..., p, n), of known sizes."
        )
    alone, rows = row("qr-append", positive=positive), R.shape[-2] + B.shape[-2]
    watched = backend.is_watched(R) or backend.is_watched(B)
    keeps_Q = watched and is_cheaper_with_Q((*R.shape[:-2], rows, R.shape[-1]))
    (found, *_) = backend.bind(KEEPING_Q[alone] if keeps_Q else alone)(R, B)
    return found if half is None else backend.xp.astype(found, half)


class _Given(NamedTuple):
    """Factors and the other arguments, in one dtype and with the same batch dimensions.

    Attributes
    ----------
    backend : Backend
    half : object
        The half precision of all arguments, computed in single precision; None for any other.
    sizes : tuple of int
        m and n.
    Q, R : array
    others : tuple of array
    """

    backend: Backend
    half: Any
    sizes: tuple[int, int]
    Q: Array
    R: Array
    others: tuple[Array, ...]


def _factors(name: str, Q: Any, R: Any, *others: Any, transposed: bool = False) -> _Given:
    """Return the arguments of an update; raise unless Q and R fit. A vector is a column, or a row if `transposed`."""
    backend, (Q, R, *given) = resolve(Q, R, *others)
    (m, k), (rows, n) = (sizes_of(backend, X, name) for X in (Q, R))
    if not (isinstance(m, int) and isinstance(k, int) and isinstance(n, int)):
        raise CapabilityError(f"{name} got factors of sizes {m} x {k} and {rows} x {n}; expected known ones.")
    if k != rows or k != min(m, n) or k == 0:
        raise ShapeError(
            f"{name} got Q of shape {tuple(Q.shape)} and R of shape {tuple(R.shape)}; expected the reduced factors of "
            f"a matrix (..., m, n): Q (..., m, k) and R (..., k, n), k = min(m, n) > 0. From complete factors, take "
            f"Q[..., :n] and R[..., :n, :]."
        )
    matrices = [as_matrix(backend, X, Q, name, -2 if transposed else -1) for X in given]
    half = half_of(backend, Q, R, *matrices)
    Q, R, *matrices = together(backend, name, Q, R, *matrices)
    return _Given(backend, half, (m, n), Q, R, tuple(matrices))


def _result(given: _Given, primitive: Primitive, *arrays: Array) -> QRResult[Any]:
    found = given.backend.bind(primitive)(*arrays)[: primitive.results]
    return QRResult(*(X if given.half is None else given.backend.xp.astype(X, given.half) for X in found))


def _adjoint(backend: Backend, X: Array) -> Array:
    """Return X^H; whether it is complex is asked of the backend, in a way that a compiler can follow."""
    xp = backend.xp
    X = xp.matrix_transpose(X)
    return xp.conj(X) if backend.dtype_name(X).startswith("complex") else X
