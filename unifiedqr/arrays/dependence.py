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
    ones = xp.ones_like(U)
    ones = xp.triu(xp.real(ones) if is_complex(xp, U) else ones)
    return xp.beyond.matrix_product(xp.expand_dims(xp.astype(dependent, bound.dtype), axis=-2), ones) > 0.5


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


def sum_of(xp: Namespace, X: Array, marks: Array | None = None) -> Array:
    """Return the sum of the entries of each matrix that are marked, or of all, (..., 1, 1)."""
    X = X if marks is None else xp.where(marks, X, xp.zeros_like(X))
    return xp.sum(X, axis=(-2, -1), keepdims=True)


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
        Gives a number per matrix, (..., 1, 1), that is zero if every cotangent of what has no derivative because of the
        marked columns is zero, and positive or NaN otherwise. Of matrices without marked columns it may be any.
    summed : callable
        Gives likewise a sum of these cotangents, or of their products with Q^H. A derivative of the result with respect
        to these is NaN where marked: a loss that vanishes there to first order need not to second.

    Notes
    -----
    A program that can leave out what it does not need looks at no cotangent unless something is marked.
    """
    some = anywhere(xp, marked)

    def found() -> tuple[Array]:
        hit = xp.logical_and(some, xp.logical_not(meetings() <= 0))  # or NaN
        report_dependent(xp, hit, factor)
        X = summed()
        result = xp.where(hit, X * nan_where(xp, some, X.dtype), xp.zeros_like(X))
        return (result if result.dtype == factor.dtype else xp.astype(result, factor.dtype),)

    if not xp.beyond.skips or xp.beyond.seen(marked) is not None:
        return found()[0]
    predicate = xp.reshape(some, ()) if some.ndim == 2 else xp.any(some)
    return xp.beyond.branch(predicate, found, lambda: (xp.zeros_like(some, dtype=factor.dtype),))[0]


def _rounding(xp: Namespace, U: Array, shape: Shape) -> Array:
    """Return the modulus up to which a pivot is rounding noise, (..., k)."""
    length = xp.sqrt(xp.sum((xp.abs(U) if is_complex(xp, U) else U) ** 2, axis=-2))
    rounding = 4 * shape.longer * float(xp.finfo(U.dtype).eps) * length
    subnormal = length < 0.5  # other columns are of size 1, give or take the rounding of a logarithm
    return xp.where(subnormal, xp.ones_like(length), rounding)
