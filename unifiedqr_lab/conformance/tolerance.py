"""How large an error may be: a single function gives every tolerance of tests, suite and comparison.

Errors are relative in the Frobenius norm. What a derivative inherits from the computed factors is of the order u κ_c,
whatever the arrangement of the rule, with κ_c the condition of the column-equilibrated leading block (row-equilibrated
leading rows for LQ): `docs/mathematics/errors.md`, N. J. Higham (2002), chapter 19.
"""

from typing import Any

import numpy as np

from unifiedqr import factors
from unifiedqr.decomposition import Primitive
from unifiedqr.diagnosis import conditions
from unifiedqr.discovery import get_backend
from unifiedqr.kernels.pivoting import greedy_pivots

FACTOR = 50.0
"""Multiple of the unit that is allowed; adversarial matrices reach about 3."""

MARGIN = 10.0
"""Multiple of the measured error that is allowed for a well-conditioned matrix: the loss of a digit is noticed."""

WELL = 1e3
"""Condition up to which a matrix counts as well conditioned."""

FEWEST = 3
"""Rows and columns from which on no derivative nearly vanishes by chance, its relative error growing without bound."""

_ROUNDING = {
    "triangle": (0.7, 1.4),
    "factors": (1.4, 2.8),
    "complete": (1.4, 2.4),
    "basis": (2.7, 3.2),
    "solution": (0.9, 2.6),
    "determinant": (0.9, 7.3),
    "projector": (2.2, 9.0),
    "shortest": (0.7, 13.4),
    "coefficients": (0.4, 2.1),
    "sketched": (1.4, 3.6),
    "updated": (0.8, 3.5),
    "downdated": (7.0, 3.1),
    "appended": (0.6, 1.8),
    "products": (1.6, 4.4),
}

MEASURED = {
    **dict.fromkeys(("qr-r", "lq-l", "qr-pivoted-r", "lq-pivoted-l"), _ROUNDING["triangle"]),
    **dict.fromkeys(
        ("qr", "lq", "rq", "ql", "qr-pivoted", "lq-pivoted", "qr-truncated", "lq-truncated"), _ROUNDING["factors"]
    ),
    **dict.fromkeys(
        ("qr-complete", "lq-complete", "qr-pivoted-complete", "lq-pivoted-complete"), _ROUNDING["complete"]
    ),
    **dict.fromkeys(("null_space", "left_null_space"), _ROUNDING["basis"]),
    **dict.fromkeys(("lstsq", "lstsq-weighted"), _ROUNDING["solution"]),
    "lstsq-pivoted": _ROUNDING["shortest"],
    "orth": _ROUNDING["projector"],
    "slogdet": _ROUNDING["determinant"],
    "interpolative": _ROUNDING["coefficients"],
    "range_finder": _ROUNDING["sketched"],
    "qr-update": _ROUNDING["updated"],
    "qr-downdate": _ROUNDING["downdated"],
    "qr-append": _ROUNDING["appended"],
    **{name: _ROUNDING["products"] for name in factors.ROWS if "apply" in name},
    **{name: _ROUNDING["complete"] for name in factors.ROWS if "completion" in name},
    **{name: _ROUNDING["solution"] for name in factors.ROWS if "solve" in name},
}
"""The worst error of a value and of a derivative, in units of `unit`, of every kind of result.

Measured on standard normal matrices, three of each of 5 x 3, 4 x 4, 3 x 5, 12 x 5, 5 x 12, 8 x 8, 20 x 6 and a stack of
two 4 x 3, in four dtypes, for every member that takes the shape: 9888 results of NumPy and PyTorch against the rules in
long double (and 1152 of `interpolative` and `range_finder`, 1728 of updated factors), with the cotangents, tangents and
units of `unifiedqr compare`. Half of them are below 0.4, 99 of 100 below 2; those of matrices up to 60 x 10 and 40 x 40
are smaller. Where a derivative may nearly vanish (of a projector, a determinant, the shortest solution) ten times the
worst is more than `FACTOR`, which then holds. Where rows are deleted the error is that of the matrix that had them.
Operations on given factors inherit the rounding of these: they were measured on the golden vectors too, whose truth
knows the matrix alone.
"""

BACKWARD = 2.3
"""The worst residual and loss of orthonormality of the factors there, in units of `unit` for the condition 1."""


def eps(dtype: str) -> float:
    """Return the distance from 1 to the next number of a dtype; NumPy has no bfloat16."""
    return 2.0**-7 if dtype == "bfloat16" else float(np.finfo(dtype).eps)


def unit(dtype: str, m: int, n: int, condition: float = 1.0) -> float:
    """Return ``eps max(condition, sqrt(max(m, n)))``, of which errors and tolerances are multiples."""
    return eps(dtype) * max(condition, max(m, n, 1) ** 0.5)


def tolerance(dtype: str, m: int, n: int, condition: float = 1.0, factor: float = FACTOR) -> float:
    """Return the largest admissible relative error of a derivative, or of a factor.

    Parameters
    ----------
    dtype : str
        Name of the dtype the computation ran in, such as ``"complex64"``.
    m, n : int
        Size of the matrix.
    condition : float
        Condition of the equilibrated leading block, from `leading_condition`.
    factor : float
        Multiple of the `unit` that is allowed.

    Returns
    -------
    float
        ``factor eps max(condition, sqrt(max(m, n)))``, at most 1.
    """
    return float(min(1.0, factor * unit(dtype, m, n, condition)))


def member_tolerance(name: str, dtype: str, m: int, n: int, condition: float, derivative: str = "vjp") -> float:
    """Return the largest admissible relative error of a member of the table, or of anything else.

    Parameters
    ----------
    name : str
        Of the decomposition; any other name has the widest tolerance.
    dtype, m, n, condition
        As for `tolerance`.
    derivative : str
        "value", or any derivative.

    Returns
    -------
    float
        As `tolerance`, with `MARGIN` times what was `MEASURED` in place of `FACTOR`, where that is less and the
        condition at most `WELL`; not for derivatives of matrices with fewer than `FEWEST` rows or columns.
    """
    factor = FACTOR
    if name in MEASURED and condition <= WELL and (derivative == "value" or min(m, n) >= FEWEST):
        factor = min(FACTOR, MARGIN * MEASURED[name][derivative != "value"])
    return tolerance(dtype, m, n, condition, factor)


def leading_condition(A: Any, *, rows: bool = False) -> float:
    """Return the largest condition, over a batch, of the equilibrated leading block of A.

    Parameters
    ----------
    A : numpy.ndarray, shape (..., m, n)
        Real or complex.
    rows : bool
        Take the leading k = min(m, n) rows instead of columns, as LQ does.

    Returns
    -------
    float
        2-norm condition of the leading block with columns (rows) scaled to unit length; inf where one vanishes, and 1
        for a zero-size A.
    """
    A = np.asarray(A)
    A = np.swapaxes(A, -1, -2) if rows else A
    return float(np.max(conditions(A[..., : min(A.shape[-2:])]), initial=1.0))


def condition_of(row: Primitive, *matrices: Any) -> float:
    """Return the largest condition of the columns a decomposition orthonormalizes, over matrices and batches.

    With pivots these are the pivot columns; least squares sees the square of the condition of all columns (rows).
    """
    return max((_condition(row, np.asarray(A)) for A in matrices), default=1.0)


def _condition(row: Primitive, A: Any) -> float:
    xp = get_backend("numpy").xp
    if "b" in row.inputs:
        return leading_condition(A, rows=A.shape[-2] < A.shape[-1]) ** 2
    A = row.orientation.matrix(xp, A)
    if "P" in (*row.inputs, *row.outputs):
        order = greedy_pivots(xp, A, min(A.shape[-2:]))
        A = np.take_along_axis(A, order, axis=-1)
    return leading_condition(A)


def relative_error(X: Any, reference: Any) -> float:
    """Return the largest relative Frobenius error over a batch.

    Parameters
    ----------
    X, reference : numpy.ndarray, shape (..., m, n)
        The computed and the true matrices.

    Returns
    -------
    float
        ``||X - reference|| / ||reference||`` (absolute where the reference is zero); inf where exactly one of the two
        is finite, 0 for zero-size arrays.
    """
    X, reference = np.asarray(X), np.asarray(reference)
    if X.shape != reference.shape:
        return float("inf")
    if X.size == 0:
        return 0.0
    if X.ndim < 2:
        X, reference = X.reshape(1, -1), reference.reshape(1, -1)
    wide = np.result_type(X.dtype, reference.dtype, np.float64)
    X, reference = X.astype(wide), reference.astype(wide)
    finite_both = np.isfinite(X) == np.isfinite(reference)
    if not np.all(finite_both):
        return float("inf")
    X, reference = np.where(np.isfinite(X), X, 0), np.where(np.isfinite(reference), reference, 0)
    scale = np.max(np.abs(reference), axis=(-2, -1), keepdims=True)
    scale = np.where(scale > 0, scale, 1.0)
    size = np.linalg.norm(reference / scale, axis=(-2, -1))
    difference = np.linalg.norm(X / scale - reference / scale, axis=(-2, -1))
    return float(np.max(difference / np.where(size > 0, size, 1.0)))
