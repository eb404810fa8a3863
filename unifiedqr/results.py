"""What decompositions return: named tuples of arrays of the framework of the input.

For a type checker they are generic in the type of array. What has another dtype than A (pivots and ranks, and what is
real for a complex A) is ``Any`` to it, because the array types of some frameworks name their dtype.
"""

import html
import math
from typing import Any, Generic, NamedTuple

from unifiedqr._typing import ArrayT

SMALL = 64
"""Entries of an array that a notebook shows."""


def _as_html(self: Any) -> str:
    """Return what a notebook shows: names, shapes, dtypes, and the entries of small arrays as their framework does."""
    rows: list[str] = []
    for name, X in zip(self._fields, self, strict=True):
        shape: tuple[Any, ...] = tuple(X.shape)
        small = all(isinstance(n, int) for n in shape) and math.prod(shape) <= SMALL
        cells = (" × ".join(map(str, shape)) or "scalar", str(X.dtype), repr(X) if small else "")
        entries = "".join(f'<td style="text-align: left"><pre>{html.escape(cell)}</pre></td>' for cell in cells)
        rows.append(f'<tr><th scope="row">{name}</th>{entries}</tr>')
    headings = "".join(f'<th scope="col">{heading}</th>' for heading in ("", "shape", "dtype", "entries"))
    caption = f"<caption>{type(self).__name__}</caption>"
    return f"<table>{caption}<thead><tr>{headings}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


class QRResult(NamedTuple, Generic[ArrayT]):
    """Factors of A = Q R."""

    Q: ArrayT
    R: ArrayT

    def _repr_html_(self) -> str:
        return _as_html(self)


class PivotedQRResult(NamedTuple, Generic[ArrayT]):
    """Factors of A[..., :, P] = Q R, P integers (..., n)."""

    Q: ArrayT
    R: ArrayT
    P: Any

    def _repr_html_(self) -> str:
        return _as_html(self)


class PivotedRResult(NamedTuple, Generic[ArrayT]):
    """The triangular factor of A[..., :, P] = Q R, and P, integers (..., n)."""

    R: ArrayT
    P: Any

    def _repr_html_(self) -> str:
        return _as_html(self)


class LQResult(NamedTuple, Generic[ArrayT]):
    """Factors of A = L Q."""

    L: ArrayT
    Q: ArrayT

    def _repr_html_(self) -> str:
        return _as_html(self)


class PivotedLQResult(NamedTuple, Generic[ArrayT]):
    """Factors of A[..., P, :] = L Q, P integers (..., m)."""

    L: ArrayT
    Q: ArrayT
    P: Any

    def _repr_html_(self) -> str:
        return _as_html(self)


class PivotedLResult(NamedTuple, Generic[ArrayT]):
    """The triangular factor of A[..., P, :] = L Q, and P, integers (..., m)."""

    L: ArrayT
    P: Any

    def _repr_html_(self) -> str:
        return _as_html(self)


class RQResult(NamedTuple, Generic[ArrayT]):
    """Factors of A = R Q."""

    R: ArrayT
    Q: ArrayT

    def _repr_html_(self) -> str:
        return _as_html(self)


class QLResult(NamedTuple, Generic[ArrayT]):
    """Factors of A = Q L."""

    Q: ArrayT
    L: ArrayT

    def _repr_html_(self) -> str:
        return _as_html(self)


class LstsqResult(NamedTuple, Generic[ArrayT]):
    """Solutions of least squares problems, squared residual norms per right-hand side, and numerical ranks."""

    x: ArrayT
    residuals: Any
    rank: Any

    def _repr_html_(self) -> str:
        return _as_html(self)


class InterpolativeResult(NamedTuple, Generic[ArrayT]):
    """Columns P, integers (..., r), and coefficients of A ~ A[..., :, P] T."""

    P: Any
    T: ArrayT

    def _repr_html_(self) -> str:
        return _as_html(self)


class SlogdetResult(NamedTuple, Generic[ArrayT]):
    """Signs of determinants and logarithms of their moduli."""

    sign: ArrayT
    logabsdet: Any

    def _repr_html_(self) -> str:
        return _as_html(self)
