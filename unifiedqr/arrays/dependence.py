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
    count = xp.expand_dims(xp.astype(dependent, bound.dtype), axis=-2) @ xp.triu(_ones_of_squares(xp, U))
    return count > 0.5


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
    return xp.any(xp.any(marks, axis=-1, keepdims=True), axis=-2, keepdims=True)


COLUMNS, ROWS, ENTRIES = -2, -1, (-2, -1)
"""The axes along which cotangents are summed up, where columns, rows or whole matrices are marked."""


def reached(
    xp: Namespace,
    *terms: tuple[Array, Array | None, int | tuple[int, int]],
    of_Q: tuple[Array, Array | None] | None = None,
) -> Array:
    """Return per matrix, (..., 1, 1), whether a cotangent is not zero in the columns, rows or matrices that are marked.

    `of_Q` are marks of columns and a cotangent that has the rows of A. Whole lines are looked at before the marks:
    nothing as large as a cotangent is made, but of booleans.
    """
    sums = [(marks, _found(xp, X, axis)) for marks, X, axis in terms if X is not None]
    if of_Q is not None and of_Q[1] is not None:
        sums.append((of_Q[0], xp.beyond.total(_found(xp, of_Q[1], COLUMNS))))
    found = [anywhere(xp, xp.logical_and(marks, xp.logical_not(total <= 0))) for marks, total in sums]
    struck = found[0]
    for each in found[1:]:
        struck = xp.logical_or(struck, each)
    return struck


def _found(xp: Namespace, X: Array, axis: int | tuple[int, int]) -> Array:
    """Return 1 where something along an axis is not zero, NaN included, and 0 elsewhere; real numbers."""
    found = xp.any(xp.logical_not(xp.equal(X, xp.zeros_like(X))), axis=axis, keepdims=True)
    return xp.astype(found, xp.real(X).dtype if is_complex(xp, X) else X.dtype)


def nan_where(xp: Namespace, marks: Array, dtype: object) -> Array:
    """Return numbers of a dtype that are NaN where marked and 1 elsewhere."""
    one = xp.ones_like(marks, dtype=dtype)
    if not xp.beyond.traces or xp.beyond.seen(marks) is not None:
        return xp.where(marks, xp.full_like(one, float("nan")), one)
    zero_or_one = xp.where(marks, xp.zeros_like(one), one)
    return zero_or_one / zero_or_one


def undefined(
    xp: Namespace, factor: Array, marked: Array, struck: Callable[[], Array], *terms: tuple[Array, Array | None]
) -> Array:
    """Return a number per matrix, (..., 1, 1): NaN where a cotangent meets what has no derivative, 0 elsewhere.

    Parameters
    ----------
    xp : namespace
    factor : array
        Finite where A is: it tells, in a report, dependent columns from NaN or Inf. Of the dtype of A.
    marked : array, shape (..., 1, k)
        Marked columns.
    struck : callable
        Gives whether a cotangent of what has no derivative is not zero, (..., 1, 1), see `reached`.
    *terms : (array, array or None)
        Marks, and the cotangents to which they belong, or their products with Q^H. A derivative of the result with
        respect to these is NaN where marked: a loss that vanishes there to first order need not to second.

    Notes
    -----
    A program that can leave out what it does not need looks at no cotangent unless something is marked.
    """

    def found() -> tuple[Array]:
        hit = struck()
        report_dependent(xp, hit, factor)
        total = _sum(xp, terms)
        result = xp.where(hit, total * nan_where(xp, anywhere(xp, marked), total.dtype), xp.zeros_like(total))
        return (result if result.dtype == factor.dtype else xp.astype(result, factor.dtype),)

    if not xp.beyond.skips or xp.beyond.seen(marked) is not None:
        return found()[0]
    zero = xp.zeros_like(anywhere(xp, marked), dtype=factor.dtype)
    return xp.beyond.branch(xp.any(marked), found, lambda: (zero,))[0]


def _sum(xp: Namespace, terms: tuple[tuple[Array, Array | None], ...]) -> Array:
    sums = [_sum_of_marked(xp, marks, X) for marks, X in terms if X is not None]
    return sum(sums[1:], sums[0])


def _sum_of_marked(xp: Namespace, marks: Array, X: Array) -> Array:
    """Return the sum of the marked rows, columns or matrices, each summed up first: nothing as large as X is made."""
    axis = ROWS if marks.shape[-1] == 1 else COLUMNS
    sums = xp.sum(X, axis=axis, keepdims=True)
    return xp.sum(xp.where(marks, sums, xp.zeros_like(sums)), axis=(-2, -1), keepdims=True)


def _rounding(xp: Namespace, U: Array, shape: Shape) -> Array:
    """Return the modulus up to which a pivot is rounding noise, (..., k)."""
    length = xp.sqrt(xp.sum((xp.abs(U) if is_complex(xp, U) else U) ** 2, axis=-2))
    rounding = 4 * shape.longer * float(xp.finfo(U.dtype).eps) * length
    subnormal = length < 0.5  # other columns are of size 1, give or take the rounding of a logarithm
    return xp.where(subnormal, xp.ones_like(length), rounding)


def _ones_of_squares(xp: Namespace, U: Array) -> Array:
    ones = xp.ones_like(U)
    return xp.real(ones) if is_complex(xp, U) else ones
