"""What decompositions return: named tuples of arrays of the framework of the input.

For a type checker they are generic in the type of array. What has another dtype than A (pivots and ranks, and what is
real for a complex A) is ``Any`` to it, because the array types of some frameworks name their dtype.
"""

from typing import Any, Generic, NamedTuple

from unifiedqr._typing import ArrayT


class QRResult(NamedTuple, Generic[ArrayT]):
    """Factors of A = Q R."""

    Q: ArrayT
    R: ArrayT


class PivotedQRResult(NamedTuple, Generic[ArrayT]):
    """Factors of A[..., :, P] = Q R, P integers (..., n)."""

    Q: ArrayT
    R: ArrayT
    P: Any


class PivotedRResult(NamedTuple, Generic[ArrayT]):
    """The triangular factor of A[..., :, P] = Q R, and P, integers (..., n)."""

    R: ArrayT
    P: Any


class LQResult(NamedTuple, Generic[ArrayT]):
    """Factors of A = L Q."""

    L: ArrayT
    Q: ArrayT


class PivotedLQResult(NamedTuple, Generic[ArrayT]):
    """Factors of A[..., P, :] = L Q, P integers (..., m)."""

    L: ArrayT
    Q: ArrayT
    P: Any


class PivotedLResult(NamedTuple, Generic[ArrayT]):
    """The triangular factor of A[..., P, :] = L Q, and P, integers (..., m)."""

    L: ArrayT
    P: Any


class RQResult(NamedTuple, Generic[ArrayT]):
    """Factors of A = R Q."""

    R: ArrayT
    Q: ArrayT


class QLResult(NamedTuple, Generic[ArrayT]):
    """Factors of A = Q L."""

    Q: ArrayT
    L: ArrayT


class LstsqResult(NamedTuple, Generic[ArrayT]):
    """Solutions of least squares problems, squared residual norms per right-hand side, and numerical ranks."""

    x: ArrayT
    residuals: Any
    rank: Any


class SlogdetResult(NamedTuple, Generic[ArrayT]):
    """Signs of determinants and logarithms of their moduli."""

    sign: ArrayT
    logabsdet: Any
