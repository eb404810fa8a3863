"""Derivatives by central differences: (f(A + h E) - f(A - h E)) / 2h in 100 digits.

The step is 2^-116 (about 1e-35) of the size of the column it perturbs, so that the truncation error, of the order
(κ 1e-35)^2, and the rounding error, of the order κ 1e-65, both lie below 1e-40 for every κ a double can express. No
derivative rule takes part.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from unifiedqr_mpmath.array import COMPLEX, ExactArray, as_object, context

ExactArrays = tuple[ExactArray, ...]

STEP = context.ldexp(context.one, -116)


def directional(f: Callable[..., ExactArrays], primals: ExactArrays, tangents: Sequence[ExactArray]) -> ExactArrays:
    """Return the derivative of f along the tangents."""
    ratios = [
        size / length
        for primal, tangent in zip(primals, tangents, strict=True)
        for size, length in zip(_column_sizes(primal), _largest(tangent), strict=True)
        if length
    ]
    step = STEP * min(ratios, default=context.one)
    return _difference(f, primals, [tangent * step for tangent in tangents], step)


class Jacobian:
    """Every partial derivative of f at the primals, computed when first asked for."""

    def __init__(self, f: Callable[..., ExactArrays], primals: ExactArrays) -> None:
        self._f, self._primals = f, primals
        self._partials: list[list[tuple[Any, Any, ExactArrays]]] | None = None

    def pull(self, cotangents: Sequence[ExactArray | None]) -> ExactArrays:
        """Return the gradient of Re <cotangents, f> with respect to each primal (PR.1)."""
        if self._partials is None:
            self._partials = [list(self._of(position)) for position in range(len(self._primals))]
        gradients: list[ExactArray] = []
        for primal, partials in zip(self._primals, self._partials, strict=True):
            values = np.full(primal.shape, context.zero, dtype=object)
            for index, unit, outputs in partials:
                values[index] += unit * _pairing(cotangents, outputs)
            gradients.append(ExactArray(as_object(values), primal.dtype))
        return tuple(gradients)

    def _of(self, position: int) -> Iterator[tuple[Any, Any, ExactArrays]]:
        """Return (entry, 1 or i, partial derivatives of all outputs) for every real direction of one primal."""
        primal = self._primals[position]
        sizes = np.broadcast_to(_column_sizes(primal).reshape(*primal.shape[:-2], 1, -1), primal.shape)
        for index in np.ndindex(primal.shape):
            for unit in (context.one, context.mpc(0, 1)) if primal.dtype is COMPLEX else (context.one,):
                step = STEP * sizes[index]
                offset = np.full(primal.shape, context.zero, dtype=object)
                offset[index] = unit * step
                offsets: list[ExactArray | None] = [None] * len(self._primals)
                offsets[position] = ExactArray(offset, primal.dtype)
                yield index, unit, _difference(self._f, self._primals, offsets, step)


def _difference(f: Callable[..., Any], primals: ExactArrays, offsets: Sequence[Any], step: Any) -> tuple[Any, ...]:
    pairs = list(zip(primals, offsets, strict=True))
    above = f(*(x if offset is None else x + offset for x, offset in pairs))
    below = f(*(x if offset is None else x - offset for x, offset in pairs))
    return tuple(
        (high - low) / (2 * step) if isinstance(high, ExactArray) else np.zeros(np.shape(high), dtype=object)
        for high, low in zip(above, below, strict=True)  # pivots and masks, which are NumPy's, do not vary
    )


def _pairing(cotangents: Sequence[ExactArray | None], tangents: ExactArrays) -> Any:
    terms = [
        (bar.conjugate() * dot).real
        for X_bar, X_dot in zip(cotangents, tangents, strict=True)
        if X_bar is not None
        for bar, dot in zip(X_bar.values.flat, X_dot.values.flat, strict=True)
    ]
    return context.fsum(terms)


def _largest(x: ExactArray) -> np.ndarray:
    """Return max |entry| of every column, flat; a vector or scalar counts as one row."""
    rows = np.abs(x.values.reshape((-1, *x.shape[-2:]) if x.ndim >= 2 else (1, 1, -1)))
    return np.asarray(rows.max(axis=1, initial=context.zero), dtype=object).reshape(-1)


def _column_sizes(x: ExactArray) -> np.ndarray:
    return np.asarray([size or context.one for size in _largest(x)], dtype=object)
