"""Searching, sorting and sets of the namespace, and shifts of bits; NumPy computes what has no derivative anyway."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.creation import asarray
from unifiedqr_mxnet.manipulation import nonnegative, reshape, take, take_along_axis

mnp: Any = mx.np


class UniqueAllResult(NamedTuple):
    """Values in rising order, where each comes first, which of them each entry is, and how often it comes."""

    values: Any
    indices: Any
    inverse_indices: Any
    counts: Any


class UniqueCountsResult(NamedTuple):
    """Values in rising order, and how often each comes."""

    values: Any
    counts: Any


class UniqueInverseResult(NamedTuple):
    """Values in rising order, and which of them each entry is."""

    values: Any
    inverse_indices: Any


def sort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """Sort along an axis."""
    return take_along_axis(x, argsort(x, axis=axis, descending=descending, stable=stable), axis=axis)


def argsort(x: Any, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Any:
    """Return the indices that sort along an axis; of equal entries the first comes first."""
    values = x.asnumpy()
    order = np.argsort(-values if descending else values, axis=axis, kind="stable" if stable else None)
    return asarray(order, device=x.ctx)


def argmax(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the index of the first largest entry."""
    return _index(mnp.argmax, x, axis, keepdims)


def argmin(x: Any, /, *, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the index of the first smallest entry."""
    return _index(mnp.argmin, x, axis, keepdims)


def _index(function: Callable[..., Any], x: Any, axis: int | None, keepdims: bool) -> Any:
    index = function(x, axis=axis)
    if not keepdims:
        return index
    reduced = nonnegative(axis, x.ndim)
    return mnp.reshape(index, tuple(1 if i in reduced else n for i, n in enumerate(x.shape)))


def _by_numpy(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return NumPy's function of arrays whose results are integers or truths, for arrays of MXNet."""

    def apply(*arrays: Any, **options: Any) -> Any:
        found = function(*(x.asnumpy() if hasattr(x, "asnumpy") else x for x in arrays), **options)
        device = next(x.ctx for x in arrays if hasattr(x, "ctx"))
        return (
            tuple(asarray(x, device=device) for x in found)
            if isinstance(found, tuple)
            else asarray(found, device=device)
        )

    return apply


def searchsorted(x1: Any, x2: Any, /, *, side: str = "left", sorter: Any = None) -> Any:
    """Return where the entries of x2 would be inserted into the vector x1, which `sorter` sorts."""
    return _by_numpy(np.searchsorted)(x1, x2, side=side, sorter=None if sorter is None else sorter.asnumpy())


def isin(x1: Any, x2: Any, /, *, invert: bool = False) -> Any:
    """Return which entries of x1 are among those of x2."""
    return _by_numpy(np.isin)(x1, x2, invert=invert)


def unique_all(x: Any, /) -> UniqueAllResult:
    """Return the different values, where each comes first, which of them each entry is, and how often it comes."""
    _, first, inverse, counts = np.unique(x.asnumpy(), return_index=True, return_inverse=True, return_counts=True)
    first, inverse, counts = (asarray(X, device=x.ctx) for X in (first, np.reshape(inverse, x.shape), counts))
    return UniqueAllResult(take(reshape(x, (-1,)), first), first, inverse, counts)


def unique_counts(x: Any, /) -> UniqueCountsResult:
    """Return the different values and how often each comes."""
    found = unique_all(x)
    return UniqueCountsResult(found.values, found.counts)


def unique_inverse(x: Any, /) -> UniqueInverseResult:
    """Return the different values and which of them each entry is."""
    found = unique_all(x)
    return UniqueInverseResult(found.values, found.inverse_indices)


def unique_values(x: Any, /) -> Any:
    """Return the different values."""
    return unique_all(x).values


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sort": sort,
    "argsort": argsort,
    "argmax": argmax,
    "argmin": argmin,
    "bitwise_left_shift": _by_numpy(np.left_shift),
    "bitwise_right_shift": _by_numpy(np.right_shift),
    "nonzero": _by_numpy(np.nonzero),
    "searchsorted": searchsorted,
    "isin": isin,
    "unique_all": unique_all,
    "unique_counts": unique_counts,
    "unique_inverse": unique_inverse,
    "unique_values": unique_values,
}
"""The namespace's functions of this kind by name."""
