"""Functions of the namespace that select and rearrange entries; MXNet's own reject negative axes and mixed dtypes."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.creation import asarray, astype, identity
from unifiedqr_mxnet.dtypes import result_type
from unifiedqr_mxnet.empty import empty_by
from unifiedqr_mxnet.pair import ComplexArray

mnp: Any = mx.np

Axes = int | tuple[int, ...] | None


def promoted(*arrays: Any) -> list[Any]:
    """Return arrays in the dtype to which all of them are promoted."""
    dtype = result_type(*arrays)
    return [astype(x, dtype, copy=False) for x in arrays]


def on_parts(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of an array that works on the two parts of a pair alike."""

    def apply(x: Any, /, *args: Any, **kwargs: Any) -> Any:
        return x.each(function, *args, **kwargs) if isinstance(x, ComplexArray) else function(x, *args, **kwargs)

    return apply


def joining(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of a sequence of arrays that promotes them and works on the parts of pairs alike."""

    def join(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Any:
        alike = promoted(*arrays)
        if not isinstance(alike[0], ComplexArray):
            return function(alike, axis=axis)
        return ComplexArray(*(function([getattr(x, part) for x in alike], axis=axis) for part in ("real", "imag")))

    return join


def nonnegative(axis: Axes, ndim: int) -> tuple[int, ...]:
    """Return axes counted from the front; all of them for None."""
    axes = range(ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    if not all(-ndim <= i < ndim for i in axes):
        raise IndexError(f"axis {axis} is out of range for an array of {ndim} dimensions.")
    return tuple(i % ndim for i in axes)


concat = joining(mnp.concatenate)
stack = joining(mnp.stack)


@on_parts
def flip(x: Any, /, *, axis: Axes = None) -> Any:
    """Reverse the order along axes."""
    axes = nonnegative(axis, len(x.shape))
    return mnp.flip(identity(x), axis=axes) if axes else x


@on_parts
def expand_dims(x: Any, /, *, axis: int | tuple[int, ...] = 0) -> Any:
    """Insert axes of length one."""
    count = 1 if isinstance(axis, int) else len(axis)
    shape = list(x.shape)
    for i in sorted(nonnegative(axis, len(shape) + count)):
        shape.insert(i, 1)
    return mnp.reshape(x, tuple(shape))


@on_parts
def permute_dims(x: Any, /, axes: tuple[int, ...]) -> Any:
    """Reorder the axes."""
    return mnp.transpose(x, axes)


def moveaxis(x: Any, source: int | tuple[int, ...], destination: int | tuple[int, ...], /) -> Any:
    """Move axes to other places; MXNet's own function cannot add its gradient to another."""
    sources, destinations = nonnegative(source, x.ndim), nonnegative(destination, x.ndim)
    order = [i for i in range(x.ndim) if i not in sources]
    for place, axis in sorted(zip(destinations, sources, strict=True)):
        order.insert(place, axis)
    return permute_dims(x, tuple(order))


@on_parts
def matrix_transpose(x: Any, /) -> Any:
    """Transpose the last two axes."""
    if x.dtype == bool:  # MXNet swaps the axes of numbers only
        return matrix_transpose(x.astype("uint8")).astype(bool)
    return mnp.swapaxes(x, -1, -2)


@on_parts
def reshape(x: Any, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Any:
    """Return the same entries in another shape."""
    return mnp.reshape(identity(x) if copy else x, shape)


@on_parts
def tril(x: Any, /, *, k: int = 0) -> Any:
    """Select the entries on and below the k-th diagonal."""
    return mnp.tril(x, k=k)


@on_parts
def triu(x: Any, /, *, k: int = 0) -> Any:
    """Select the entries on and above the k-th diagonal; MXNet has `tril` only."""
    if x.size == 0:
        return x
    return mnp.where(_upper(x.shape[-2:], k, x.ctx), x, mnp.zeros_like(x))


@lru_cache(maxsize=64)
def _upper(shape: tuple[int, int], k: int, ctx: Any) -> Any:
    return mnp.array(np.triu(np.ones(shape, dtype=bool), k=k), dtype="bool", ctx=ctx)


@on_parts
def repeat(x: Any, repeats: Any, /, *, axis: int | None = None) -> Any:
    """Repeat each entry along an axis, of the flattened x for None."""
    x, axis = (mnp.reshape(x, (-1,)), 0) if axis is None else (x, axis)
    if isinstance(repeats, mnp.ndarray):
        repeats = repeats.asnumpy()
    return take(x, asarray(np.repeat(np.arange(x.shape[axis]), repeats), device=x.ctx), axis=axis)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """Take x apart along an axis."""
    x = moveaxis(x, axis, 0)
    return tuple(x[i] for i in range(x.shape[0]))


def diff(x: Any, /, *, axis: int = -1, n: int = 1, prepend: Any = None, append: Any = None) -> Any:
    """Return the n-th differences of neighbours along an axis."""
    x = moveaxis(concat([part for part in (prepend, x, append) if part is not None], axis=axis), axis, -1)
    for _ in range(n):
        x = x[..., 1:] - x[..., :-1]
    return moveaxis(x, -1, axis)


def where(condition: Any, x1: Any, x2: Any, /) -> Any:
    """Select from x1 where the condition holds, else from x2; a number becomes an array of the other's dtype."""
    # MXNet's `where` with a number in a branch has a wrong gradient, without saying so.
    arrays = [x for x in (x1, x2) if hasattr(x, "dtype")]
    dtype = result_type(*arrays, *(x for x in (x1, x2) if not hasattr(x, "dtype"))) if arrays else None
    x1, x2 = (x if hasattr(x, "dtype") else asarray(x, dtype=dtype, device=condition.ctx) for x in (x1, x2))
    x1, x2 = promoted(x1, x2)
    if 0 in (condition.size, x1.size, x2.size):  # MXNet reads beyond the end of what it broadcasts
        shape = np.broadcast_shapes(condition.shape, x1.shape, x2.shape)
        return asarray(np.zeros(shape, x1.dtype), device=condition.ctx)
    if not isinstance(x1, ComplexArray):
        return mnp.where(condition, x1, x2)
    return ComplexArray(mnp.where(condition, x1.real, x2.real), mnp.where(condition, x1.imag, x2.imag))


@empty_by(np.take)
@on_parts
def take(x: Any, indices: Any, /, *, axis: int = 0) -> Any:
    """Select along an axis by a vector of indices."""
    (axis,) = nonnegative(axis, len(x.shape))
    return mnp.take(x, from_the_front(indices, x.shape[axis]), axis=axis)


@empty_by(np.take_along_axis)
@on_parts
def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """Select along an axis by indices of their own for every vector; MXNet's own function has no gradient."""
    x, indices = moveaxis(x, axis, -1), moveaxis(indices, axis, -1)
    batch = np.broadcast_shapes(x.shape[:-1], indices.shape[:-1])
    x = mnp.broadcast_to(x, (*batch, x.shape[-1]))
    indices = mnp.broadcast_to(indices, (*batch, indices.shape[-1])).astype("int64")
    n = x.shape[-1]
    first = asarray(n * np.arange(int(np.prod(batch))).reshape((*batch, 1)), device=x.ctx)
    flat = mnp.take(mnp.reshape(x, (-1,)), mnp.reshape(first + from_the_front(indices, n), (-1,)))
    return moveaxis(mnp.reshape(flat, indices.shape), -1, axis)


def from_the_front(indices: Any, n: int) -> Any:
    """Return indices of an axis of length n with the negative ones counted from its front."""
    return mnp.where(indices < 0, indices + n, indices)


def broadcast_arrays(*arrays: Any) -> list[Any]:
    """Return arrays in the shape to which all of them are broadcast."""
    shape = np.broadcast_shapes(*(x.shape for x in arrays))
    return [broadcast_to(x, shape) for x in arrays]


broadcast_to = on_parts(mnp.broadcast_to)

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "concat": concat,
    "stack": stack,
    "flip": flip,
    "expand_dims": expand_dims,
    "permute_dims": permute_dims,
    "matrix_transpose": matrix_transpose,
    "reshape": reshape,
    "tril": tril,
    "triu": triu,
    "where": where,
    "take": take,
    "take_along_axis": take_along_axis,
    "broadcast_arrays": broadcast_arrays,
    "broadcast_to": broadcast_to,
    "moveaxis": moveaxis,
    "repeat": repeat,
    "unstack": unstack,
    "diff": diff,
    **{name: on_parts(getattr(mnp, name)) for name in ("squeeze", "roll", "tile")},
}
"""The namespace's functions of this kind by name."""
