"""Reductions of the namespace. MXNet's own `var` and `std` give a gradient of zero: these are written out."""

from collections.abc import Callable
from math import prod
from typing import Any

import array_api_compat.numpy as np_xp
import numpy as np

from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.creation import astype, identity
from unifiedqr_mxnet.elementwise import truth
from unifiedqr_mxnet.empty import empty_by
from unifiedqr_mxnet.manipulation import Axes, nonnegative, on_parts
from unifiedqr_mxnet.pair import ComplexArray, modulus

mnp: Any = mx.np

_sum = on_parts(mnp.sum)
_cumsum = on_parts(lambda x, axis: mnp.cumsum(identity(x), axis=axis))


@empty_by(np.sum)
def total(x: Any, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Sum over axes."""
    x = x if dtype is None else astype(x, dtype, copy=False)
    return _sum(x, axis=axis, keepdims=keepdims)


@empty_by(np.mean)
@on_parts
def mean(x: Any, /, *, axis: Axes = None, keepdims: bool = False) -> Any:
    """Average over axes."""
    return mnp.mean(identity(x), axis=axis, keepdims=keepdims)


@empty_by(np_xp.var)
def var(x: Any, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Give the variance over axes, with n - correction in the denominator."""
    n = prod(x.shape[i] for i in nonnegative(axis, x.ndim))
    deviation = x - mean(x, axis=axis, keepdims=True)
    size = modulus(deviation) if isinstance(deviation, ComplexArray) else deviation
    return mnp.sum(size * size, axis=axis, keepdims=keepdims) / (n - correction)


def std(x: Any, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Give the standard deviation over axes."""
    return mnp.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def _reduction(name: str, prepare: Callable[[Any], Any] = lambda x: x) -> Callable[..., Any]:
    native = getattr(mnp, name)

    @empty_by(getattr(np_xp, name))
    def reduce(x: Any, /, *, axis: Axes = None, keepdims: bool = False) -> Any:
        return native(prepare(x), axis=axis, keepdims=keepdims)

    return reduce


@empty_by(np_xp.cumulative_sum)
def cumulative_sum(x: Any, /, *, axis: int | None = None, dtype: Any = None) -> Any:
    """Sum up to and with each entry along an axis."""
    (axis,) = nonnegative(axis, x.ndim)
    x = x if dtype is None else astype(x, dtype, copy=False)
    return _cumsum(x, axis=axis)


def sort(x: Any, /, *, axis: int = -1, descending: bool = False) -> Any:
    """Sort along an axis."""
    return -mnp.sort(-x, axis=axis) if descending else mnp.sort(x, axis=axis)


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False) -> Any:
    """Give the indices that sort along an axis."""
    return mnp.argsort(-x if descending else x, axis=axis)


def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Give the index of the first largest entry."""
    return _index(mnp.argmax, x, axis, keepdims)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Give the index of the first smallest entry."""
    return _index(mnp.argmin, x, axis, keepdims)


def _index(function: Callable[..., Any], x: Any, axis: int | None, keepdims: bool) -> Any:
    index = function(x, axis=axis)
    if not keepdims:
        return index
    reduced = nonnegative(axis, x.ndim)
    return mnp.reshape(index, tuple(1 if i in reduced else n for i, n in enumerate(x.shape)))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sum": total,
    "mean": mean,
    "var": var,
    "std": std,
    "cumulative_sum": cumulative_sum,
    **{name: _reduction(name, truth) for name in ("all", "any")},
    **{name: _reduction(name) for name in ("max", "min", "prod")},
    "sort": sort,
    "argsort": argsort,
    "argmax": argmax,
    "argmin": argmin,
}
"""The namespace's functions of this kind by name."""
