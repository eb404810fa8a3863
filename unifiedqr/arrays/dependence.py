r"""Dependent columns: which derivatives they leave, and NaN for those they do not.

Column j of A is numerically dependent on the columns before it when |R_jj| <= 4 max(m, n) eps ||R[:, j]||; so is a
column of subnormal numbers, which have lost their digits. Let r be the number of leading columns before the first
dependent one. Q[:, :r] and R[:r, :] are the factors after r steps, smooth functions of A whatever follows (PV.2);
Q[:, r:] and R[r:, :] have no derivative. Columns r, r + 1, ... are *marked*. In the formulas

    (DC.1)  U' = [U[:, :r], I[:, r:]] stands in place of U

and they are exact for cotangents with Q_bar[:, r:] = 0 and R_bar[r:, :] = 0, the upper trapezoid of R_bar: every entry
of U'^-H beyond its first r rows is then multiplied by zero. Any other cotangent of a marked matrix gives NaN. Forward
mode gives Q_dot[:, :r] and R_dot[:r, :], and NaN beyond.

    (QR.6)  The last pivot of a real square or wide matrix never enters a derivative, since lowskew(P) has no last
            column then: the identity stands in place of the last column of U too, which is not marked.

Where the values of R are at hand and nothing is marked, nothing more is computed. Elsewhere, as in a compiled program,
marks are arrays, and a NaN is the quotient 0 / 0 of marked matrices alone, so that tools which stop a program at its
first NaN do not stop at a regular matrix.
"""

from collections.abc import Callable
from functools import reduce

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.operators import Shape, is_complex
from unifiedqr.checks import report_dependent


def independent(xp: Namespace, U: Array, shape: Shape) -> Array:
    """Return which of the leading k columns are independent of those before them, (..., k); U is equilibrated."""
    return xp.abs(xp.linalg.diagonal(U)) > _rounding(xp, U, shape)


def marked_columns(xp: Namespace, U: Array, shape: Shape, *, every: bool = False) -> Array:
    """Return which of the leading k columns are marked: dependent, or preceded by a dependent one; (..., 1, k).

    U is equilibrated. `every` pivot counts for a rule to which (QR.6) does not apply. A NaN counts as dependent.
    """
    bound = _rounding(xp, U, shape)
    if not every and last_pivot_is_free(xp, U, shape):
        bound = xp.where(last_of(xp, bound) > 0, -xp.ones_like(bound), bound)  # (QR.6)
    dependent = xp.logical_not(xp.abs(xp.linalg.diagonal(U)) > bound)
    return _from_the_first(xp, xp.expand_dims(xp.astype(dependent, bound.dtype), axis=-2), U)


MANY = 256
"""The least number of columns that are counted in log2(k) steps. Compilers run a small product faster, but a large one
takes an array of the size of U."""


def _from_the_first(xp: Namespace, marks: Array, U: Array) -> Array:
    """Return which of the columns are the first that is marked by 1, and not by 0, or come after it, (..., 1, k)."""
    k = marks.shape[-1]
    if type(k) is int and k >= MANY:
        for step in (2**i for i in range((k - 1).bit_length())):
            marks = marks + xp.concat([xp.zeros_like(marks[..., :step]), marks[..., :-step]], axis=-1)
        return marks > 0.5
    ones = xp.ones_like(U)
    ones = xp.triu(xp.real(ones) if is_complex(xp, U) else ones)
    return xp.beyond.matrix_product(marks, ones) > 0.5


def last_pivot_is_free(xp: Namespace, R: Array, shape: Shape) -> bool:
    """Return whether the last pivot of R never enters a derivative: A is real, square or wide (QR.6)."""
    return not shape.deep and not is_complex(xp, R)


def last_of(xp: Namespace, row: Array) -> Array:
    """Return 1 for the last entry along the last axis of real numbers, 0 for the others."""
    ones = xp.ones_like(row)
    return xp.concat([xp.zeros_like(ones[..., :-1]), ones[..., -1:]], axis=-1)


def unless_empty(xp: Namespace, marks: Array) -> Array | None:
    """Return boolean marks, or None if they are known to mark nothing."""
    values = xp.beyond.seen(marks)
    return marks if values is None or b"\x01" in values.tobytes() else None  # half the time of values.any()


def anywhere(xp: Namespace, marks: Array) -> Array:
    """Return per matrix, (..., 1, 1), whether an entry is marked."""
    return xp.any(marks, axis=(-2, -1), keepdims=True)


def met(xp: Namespace, X: Array, marked: Array | None = None, *, rows: bool = False) -> Array:
    """Return whether an entry in the marked columns, or rows, or anywhere, is not zero, NaN included, (..., 1, 1)."""
    along, across = (-1, -2) if rows else (-2, -1)
    found = xp.any(xp.logical_not(xp.equal(X, xp.zeros_like(X))), axis=along, keepdims=True)
    if marked is not None:
        found = xp.logical_and(found, xp.matrix_transpose(marked) if rows else marked)
    return xp.any(found, axis=across, keepdims=True)


def met_by_holders(xp: Namespace, X: Array, marked: Array) -> Array:
    """Return likewise whether an entry in the marked columns of a tall matrix is not zero, wherever its rows are."""
    found = met(xp, X, marked)
    if xp.beyond.rows_apart is None:
        return found
    ones = xp.ones_like(found, dtype=X.dtype)
    return xp.abs(xp.beyond.total(xp.where(found, ones, xp.zeros_like(ones)))) > 0


def sum_of(xp: Namespace, X: Array, marked: Array | None = None, *, rows: bool = False) -> Array:
    """Return the sum of the marked columns, or rows, of each matrix, or of all of them, (..., 1, 1).

    Columns are added up before they are chosen, which takes no other array of the size of X.
    """
    if marked is not None:
        X = xp.sum(X, axis=-1 if rows else -2, keepdims=True)
        X = xp.where(xp.matrix_transpose(marked) if rows else marked, X, xp.zeros_like(X))
    return xp.sum(X, axis=(-2, -1), keepdims=True)


def either(xp: Namespace, *terms: Array | None) -> Array:
    """Return whether one of what is given holds."""
    given = [X for X in terms if X is not None]
    return reduce(xp.logical_or, given)


def total(*terms: Array | None) -> Array:
    """Return the sum of what is given."""
    given = [X for X in terms if X is not None]
    return sum(given[1:], given[0])


def nan_where(xp: Namespace, marks: Array, dtype: object) -> Array:
    """Return numbers of a dtype that are NaN where marked and 1 elsewhere."""
    one = xp.ones_like(marks, dtype=dtype)
    if not xp.beyond.traces or xp.beyond.seen(marks) is not None:
        return xp.where(marks, xp.full_like(one, float("nan")), one)
    zero_or_one = xp.where(marks, xp.zeros_like(one), one)
    return zero_or_one / zero_or_one


def undefined(
    xp: Namespace, factor: Array, marked: Array, meetings: Callable[[], Array], summed: Callable[[], Array]
) -> Array:
    """Return a number per matrix, (..., 1, 1): NaN where a cotangent meets what has no derivative, 0 elsewhere.

    Parameters
    ----------
    xp : namespace
    factor : array
        Finite where A is: it tells, in a report, dependent columns from NaN or Inf. Of the dtype of A.
    marked : array, shape (..., 1, k)
        Marked columns.
    meetings : callable
        Gives per matrix, in a boolean array (..., 1, 1), whether a cotangent of what has no derivative because of the
        marked columns is not zero. Of matrices without marked columns it may be any.
    summed : callable
        Gives likewise a sum of these cotangents, or of their products with Q^H. A derivative of the result with respect
        to these is NaN where marked: a loss that vanishes there to first order need not to second.

    Notes
    -----
    A program that can leave out what it does not need looks at no cotangent unless something is marked.
    """
    some = anywhere(xp, marked)

    def found() -> tuple[Array]:
        hit = xp.logical_and(some, meetings())
        report_dependent(xp, hit, factor)
        X = summed()
        result = xp.where(hit, X * nan_where(xp, some, X.dtype), xp.zeros_like(X))
        return (result if result.dtype == factor.dtype else xp.astype(result, factor.dtype),)

    return if_marked(xp, marked, found, lambda: (xp.zeros_like(some, dtype=factor.dtype),))[0]


def if_marked(
    xp: Namespace, marked: Array, then: Callable[[], tuple[Array]], otherwise: Callable[[], tuple[Array]]
) -> tuple[Array]:
    """Return then(), or otherwise() in a program that can leave out the former where it finds nothing marked."""
    if not xp.beyond.skips or xp.beyond.seen(marked) is not None:
        return then()
    return xp.beyond.branch(xp.any(marked), then, otherwise)


def _rounding(xp: Namespace, U: Array, shape: Shape) -> Array:
    """Return the modulus up to which a pivot is rounding noise, (..., k)."""
    length = xp.sqrt(xp.sum((xp.abs(U) if is_complex(xp, U) else U) ** 2, axis=-2))
    rounding = 4 * shape.longer * float(xp.finfo(U.dtype).eps) * length
    subnormal = length < 0.5  # other columns are of size 1, give or take the rounding of a logarithm
    return xp.where(subnormal, xp.ones_like(length), rounding)
