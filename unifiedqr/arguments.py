"""The arguments of a call, as arrays of the one backend that serves it."""

from typing import Any

from unifiedqr._typing import Array
from unifiedqr.backend import Backend, refusal
from unifiedqr.discovery import (
    DEFAULT,
    backend_name,
    backend_of,
    by_name,
    decided,
    get_backend,
    loaded,
    owner_of,
    selected,
)
from unifiedqr.errors import ForeignArrayError, UnifiedQRError
from unifiedqr.generic import NOT_CONVERTED
from unifiedqr.sequences import entries, is_sequence, replaced, stacked


def to_numpy(x: object) -> Any:
    """Return an array of any backend as a NumPy array, detached from any gradient.

    Parameters
    ----------
    x : array or nested sequence of arrays and numbers
        Of any backend and shape.

    Returns
    -------
    numpy.ndarray
        Of the same shape and dtype (bfloat16 as float32).
    """
    kind = type(x)
    name = backend_name(kind)
    if name is not None:
        return loaded[name].to_numpy(x)
    backend, (array,) = resolve(x)
    return backend.to_numpy(array)


def resolve(*inputs: object) -> tuple[Backend, tuple[Array, ...]]:
    """Return the one backend that serves a call and the inputs as its arrays.

    An array's own framework decides, also inside Python sequences, which it stacks. Sequences of numbers follow the
    other inputs, or the selected backend; NumPy arrays do so too once a backend has been selected.
    """
    if len(inputs) == 1:
        only = inputs[0]
        name = backend_name(type(only))
        if name is not None and name != DEFAULT:
            return loaded[name], inputs
    owners = {backend_name(type(x)) for x in inputs}
    if len(owners) == 1 and None not in owners and (DEFAULT not in owners or selected() is None):
        return loaded[owners.pop() or DEFAULT], inputs
    read = [_read(x) for x in inputs]
    backend = decided([array for _, arrays in read for array in arrays]) or get_backend()
    return backend, tuple(_array_of(backend, x, arrays) for x, arrays in read)


def _read(x: Any) -> tuple[Any, list[Any]]:
    """Return x with its array-like objects replaced by arrays, and all arrays in it."""
    if not entries(x):
        return x, []
    x = replaced(x, _array)
    return x, entries(x)


def _array(x: object) -> Any:
    """Return the array that x represents in its framework, or x itself if it belongs to none."""
    kind = type(x)
    if backend_name(kind) is not None:
        return x
    owner = owner_of(kind)
    if owner is None:
        return x
    backend = by_name(owner)
    try:
        return backend.as_array(x)
    except NOT_CONVERTED as error:
        if isinstance(error, UnifiedQRError):
            raise
        said = " ".join(str(error).split())
        raise refusal(x, f"what {owner} can read as an array ({said})") from error


def _array_of(backend: Backend, x: Any, arrays: list[Any]) -> Array:
    """Return x, which contains these arrays of the backend and of NumPy, as one array of the backend."""
    if any(backend_of(array) is backend for array in arrays):
        if not is_sequence(x):
            return x
        if backend.name != DEFAULT:
            return stacked(backend, replaced(x, lambda y: y if backend_of(y) is backend else backend.from_numpy(y)))
    for array in arrays:
        backend_of(array).dtype_name(array)  # refuses a mask, which a copy of the numbers would lose
    return backend.from_numpy(_as_numpy(x))


def _as_numpy(x: Any) -> Any:
    import numpy as np  # not before an input needs it: importing unifiedqr imports no array library

    try:
        array: Any = np.asarray(x)
    except ValueError as error:
        raise ForeignArrayError(f"expected a rectangular list of numbers: {error}.") from error
    if isinstance(x, np.ndarray) or array.dtype.kind not in "iu":
        return array
    return array.astype(np.float64)  # integers in a list are meant as numbers, not as a dtype
