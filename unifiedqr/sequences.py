"""Matrices written as nested lists and tuples: of numbers, or of one framework's arrays, which that framework stacks.

NumPy would take the values out of such arrays and forget how they were computed.
"""

from collections.abc import Callable
from itertools import chain
from numbers import Complex, Number, Real
from typing import Any, TypeGuard

from unifiedqr._typing import Array, Namespace
from unifiedqr.backend import COMPLEX_OF_REAL, DTYPES, HALF_DTYPES, Backend
from unifiedqr.errors import DtypeError, ShapeError

PLAIN = {int, float, complex, bool}
SEQUENCES = {list, tuple}
"""Types of which long lists of numbers consist; testing for them makes the search of such lists quick."""


def is_sequence(x: object) -> TypeGuard[list[Any] | tuple[Any, ...]]:
    """Return whether x is a list or tuple, to be made into an array."""
    return isinstance(x, (list, tuple))


def entries(x: Any) -> list[Any]:
    """Return what nested sequences contain other than numbers, or x itself if it is neither sequence nor number."""
    if is_sequence(x):
        kinds = {*map(type, x)}
        if kinds <= SEQUENCES and x:
            return entries([*chain.from_iterable(x)])
        return [] if kinds <= PLAIN else [entry for y in x for entry in entries(y)]
    return [] if isinstance(x, Number) else [x]


def replaced(x: Any, convert: Callable[[Any], Any]) -> Any:
    """Return nested sequences with each of their `entries` converted, or x itself converted."""
    if is_sequence(x):
        return x if {*map(type, x)} <= PLAIN else [replaced(y, convert) for y in x]
    return x if isinstance(x, Number) else convert(x)


def stacked(backend: Backend, x: Any) -> Array:
    """Stack nested sequences of a framework's arrays and of numbers, differentiably.

    Parameters
    ----------
    backend : Backend
        That of all the arrays.
    x : list or tuple, nested
        Of arrays of one shape at each depth; a number counts as an array of shape ``()``.

    Returns
    -------
    array
        The lengths of the sequences are its leading axes. The arrays' dtypes are promoted to one; numbers take it.

    Raises
    ------
    ShapeError
        The sequences are not rectangular.
    DtypeError
        The arrays have dtypes without a common floating one.
    """
    arrays = entries(x)
    numbers = _numbers(x)
    dtype = _common_dtype([backend.dtype_name(array) for array in arrays], numbers)
    scalar = _cast(backend, backend.xp.sum(arrays[0]), dtype) if numbers else None
    return _stacked(backend, x, dtype, scalar)


def _stacked(backend: Backend, x: Any, dtype: str, scalar: Array | None) -> Array:
    """Stack arrays of this dtype, and numbers made like `scalar`."""
    if is_sequence(x):
        return _stack(backend.xp, [_stacked(backend, y, dtype, scalar) for y in x])
    if isinstance(x, Number):
        return backend.xp.full_like(scalar, _plain(x))
    return _cast(backend, x, dtype)


def _stack(xp: Namespace, parts: list[Array]) -> Array:
    shapes = [tuple(part.shape) for part in parts]
    along = [{*sizes} - {None} for sizes in zip(*shapes, strict=False)]  # while traced, a size may be None
    if len({len(shape) for shape in shapes}) != 1 or any(len(sizes) > 1 for sizes in along):
        came = ", ".join(str(shape) for shape in dict.fromkeys(shapes)) or "an empty sequence"
        raise ShapeError(
            f"got a sequence of arrays of shapes {came}; expected a rectangular one. Give the entries of each list the "
            f"same shape; a number has shape ()."
        )
    return xp.stack(parts)


def _cast(backend: Backend, x: Array, dtype: str) -> Array:
    return x if backend.dtype_name(x) == dtype else backend.xp.astype(x, getattr(backend.xp, dtype))


def _numbers(x: Any) -> list[Number]:
    if is_sequence(x):
        return [number for y in x for number in _numbers(y)]
    return [x] if isinstance(x, Number) else []


def _plain(x: Any) -> float | complex:
    return float(x) if isinstance(x, Real) else complex(x)


def _common_dtype(names: list[str], numbers: list[Number]) -> str:
    """Return the dtype that holds them all; plain numbers do not raise the precision, as in every framework."""
    floating = {name for name in names if name in DTYPES or name in HALF_DTYPES}
    if not floating or any("int" not in name and name != "bool" for name in {*names} - floating):
        if len({*names}) == 1 and not numbers:
            return names[0]
        raise DtypeError(
            f"got a sequence of arrays of dtypes {', '.join(dict.fromkeys(names))}; expected {', '.join(DTYPES)} or "
            f"{' or '.join(HALF_DTYPES)}. Convert them with unifiedqr.namespace(...).astype."
        )
    is_complex = any("complex" in name for name in floating) or any(
        isinstance(number, Complex) and not isinstance(number, Real) for number in numbers
    )
    if len(floating) == 1 and not is_complex:
        return floating.pop()
    real = "float64" if floating & {"float64", "complex128"} else "float32"
    return COMPLEX_OF_REAL[real] if is_complex else real
