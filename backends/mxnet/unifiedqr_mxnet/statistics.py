"""Reductions of the namespace. MXNet's own `var` and `std` give a gradient of zero: these are written out."""

import math
import operator
from collections.abc import Callable
from functools import reduce
from itertools import accumulate
from typing import Any

import array_api_compat.numpy as np_xp
import numpy as np

from unifiedqr_mxnet.arithmetic import multiply
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.creation import astype, full, identity
from unifiedqr_mxnet.elementwise import truth
from unifiedqr_mxnet.empty import empty_by
from unifiedqr_mxnet.manipulation import Axes, concat, expand_dims, nonnegative, on_parts, reshape, stack, unstack
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
    """Return the variance over axes, with n - correction in the denominator."""
    n = math.prod(x.shape[i] for i in nonnegative(axis, x.ndim))
    deviation = x - mean(x, axis=axis, keepdims=True)
    size = modulus(deviation) if isinstance(deviation, ComplexArray) else deviation
    return mnp.sum(size * size, axis=axis, keepdims=keepdims) / (n - correction)


def std(x: Any, /, *, axis: Axes = None, correction: float = 0.0, keepdims: bool = False) -> Any:
    """Return the standard deviation over axes."""
    return mnp.sqrt(var(x, axis=axis, correction=correction, keepdims=keepdims))


def _reduction(name: str, prepare: Callable[[Any], Any] = lambda x: x) -> Callable[..., Any]:
    native = getattr(mnp, name)

    @empty_by(getattr(np_xp, name))
    def reduced(x: Any, /, *, axis: Axes = None, keepdims: bool = False) -> Any:
        return native(prepare(x), axis=axis, keepdims=keepdims)

    return reduced


def count_nonzero(x: Any, /, *, axis: Axes = None, keepdims: bool = False) -> Any:
    """Return the number of values along axes that are not zero."""
    return total(truth(x).astype("int64"), axis=axis, keepdims=keepdims)


@empty_by(np.prod)
def prod(x: Any, /, *, axis: Axes = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """Multiply over axes."""
    x = x if dtype is None else astype(x, dtype, copy=False)
    if not isinstance(x, ComplexArray):
        return mnp.prod(x, axis=axis, keepdims=keepdims)
    axes = nonnegative(axis, x.ndim)
    for i in axes:
        x = expand_dims(reduce(multiply, unstack(x, axis=i)), axis=i)
    return x if keepdims else reshape(x, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def _cumulative(accumulate: Callable[..., Any], initial: int) -> Callable[..., Any]:
    def running(x: Any, /, *, axis: int | None = None, dtype: Any = None, include_initial: bool = False) -> Any:
        (axis,) = nonnegative(axis, x.ndim)
        x = x if dtype is None else astype(x, dtype, copy=False)
        found = accumulate(x, axis=axis) if x.size else x
        if not include_initial:
            return found
        sizes = tuple(1 if i == axis else n for i, n in enumerate(x.shape))
        return concat([full(sizes, initial, dtype=x.dtype, device=x.ctx), found], axis=axis)

    return running


def _cumprod(x: Any, axis: int) -> Any:
    """Multiply up to and with each entry; MXNet has no such function."""
    return stack(list(accumulate(unstack(x, axis=axis), operator.mul)), axis=axis)


cumulative_sum = _cumulative(_cumsum, 0)
cumulative_prod = _cumulative(_cumprod, 1)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sum": total,
    "mean": mean,
    "var": var,
    "std": std,
    "prod": prod,
    "count_nonzero": count_nonzero,
    "cumulative_sum": cumulative_sum,
    "cumulative_prod": cumulative_prod,
    **{name: _reduction(name, truth) for name in ("all", "any")},
    **{name: _reduction(name) for name in ("max", "min")},
}
"""The namespace's functions of this kind by name."""
