"""Rows and columns by position: checked positions, and matrices with some of them inserted or left out."""

from collections.abc import Sequence
from operator import index
from typing import Any

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.operators import identity_like
from unifiedqr.errors import OptionError


def integer_of(position: Any) -> int | None:
    """Return a position that is an integer, None for any other object."""
    if isinstance(position, bool):
        return None
    try:
        return index(position)
    except TypeError:
        return None


def checked_positions(positions: Any, count: int) -> list[int]:
    """Return positions as integers; raise unless they are distinct and among this many lines."""
    try:
        places = [integer_of(place) for place in positions]
    except TypeError:
        places = [None]
    known = [place for place in places if place is not None]
    if len(known) < len(places) or len(set(known)) < len(known) or not all(0 <= place < count for place in known):
        raise OptionError(
            f"got position {positions!r}; expected an integer or a sequence of distinct ones, from 0 to {count - 1}."
        )
    return known


def places_of_new(position: Any, count: int, lines: int) -> list[int]:
    """Return the positions, in the new matrix, of this many lines inserted among others."""
    first = integer_of(position)
    if first is None:
        places = checked_positions(position, lines + count)
        if len(places) != count:
            raise OptionError(f"got {len(places)} positions for {count} rows or columns; expected as many.")
        return places
    if not 0 <= first <= lines:
        raise OptionError(f"got position {first}; expected an integer from 0 to {lines}, or a sequence of them.")
    return list(range(first, first + count))


def lines(xp: Namespace, X: Array, lines: Sequence[int], axis: int) -> Array:
    """Return some rows or columns of X; neighbours are sliced together."""
    return _joined(xp, [(X, line) for line in lines], axis)


def inserted(xp: Namespace, X: Array, new: Array, places: Sequence[int], axis: int) -> Array:
    """Return X with new lines inserted at these places of the result."""
    olds = iter(range(X.shape[axis]))
    count = X.shape[axis] + len(places)
    picked = [(new, places.index(line)) if line in places else (X, next(olds)) for line in range(count)]
    return _joined(xp, picked, axis)


def _joined(xp: Namespace, picked: Sequence[tuple[Array, int]], axis: int) -> Array:
    """Return the matrix made of some lines of arrays."""
    runs: list[tuple[Array, int, int]] = []
    for X, line in picked:
        if runs and runs[-1][0] is X and runs[-1][2] == line:
            runs[-1] = (X, runs[-1][1], line + 1)
        else:
            runs.append((X, line, line + 1))
    parts = [X[..., a:b, :] if axis == -2 else X[..., a:b] for X, a, b in runs]
    return parts[0] if len(parts) == 1 else xp.concat(parts, axis=axis)


def zeros(xp: Namespace, column: Array, line: Array) -> Array:
    """Return zeros in the shape of the product of a column and a row."""
    return xp.matmul(xp.zeros_like(column), xp.zeros_like(line))


def identity(xp: Namespace, column: Array) -> Array:
    """Return the identity with as many rows as a column, in its batch and on its device."""
    return identity_like(xp, zeros(xp, column, xp.matrix_transpose(column)))
