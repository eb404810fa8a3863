"""What decompositions return: named tuples of arrays of the framework of the input."""

from typing import NamedTuple

from unifiedqr._typing import Array


class QRResult(NamedTuple):
    """Factors of A = Q R."""

    Q: Array
    R: Array


class PivotedQRResult(NamedTuple):
    """Factors of A[..., :, P] = Q R, P integers (..., n)."""

    Q: Array
    R: Array
    P: Array


class PivotedRResult(NamedTuple):
    """The triangular factor of A[..., :, P] = Q R, and P, integers (..., n)."""

    R: Array
    P: Array


class LQResult(NamedTuple):
    """Factors of A = L Q."""

    L: Array
    Q: Array


class PivotedLQResult(NamedTuple):
    """Factors of A[..., P, :] = L Q, P integers (..., m)."""

    L: Array
    Q: Array
    P: Array


class PivotedLResult(NamedTuple):
    """The triangular factor of A[..., P, :] = L Q, and P, integers (..., m)."""

    L: Array
    P: Array


class RQResult(NamedTuple):
    """Factors of A = R Q."""

    R: Array
    Q: Array


class QLResult(NamedTuple):
    """Factors of A = Q L."""

    Q: Array
    L: Array


class LstsqResult(NamedTuple):
    """Solutions of least squares problems, squared residual norms per right-hand side, and numerical ranks."""

    x: Array
    residuals: Array
    rank: Array


class SlogdetResult(NamedTuple):
    """Signs of determinants and logarithms of their moduli."""

    sign: Array
    logabsdet: Array
