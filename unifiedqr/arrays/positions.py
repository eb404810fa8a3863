"""Numbers of columns and rows as arrays, in whatever trace: what loops over columns compare with."""

from typing import Any

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.operators import is_complex


def row_of(xp: Namespace, X: Array) -> Array:
    """Return a row as long as those of X, shape (..., 1, n), for its shape and dtype alone.

    X may have no rows, which is not known while a graph is traced for any number of them: their sum is a row then too.
    """
    return X[..., :1, :] if X.shape[-2] else xp.sum(X, axis=-2, keepdims=True)


def positions(xp: Namespace, X: Array) -> Array:
    """Return 0, ..., n - 1 as integers in shape (..., 1, n), for X with n columns: on its device, in its batch."""
    row = xp.ones_like(row_of(xp, X))
    row = xp.real(row) if is_complex(xp, row) else row
    before = xp.sum(xp.triu(xp.matrix_transpose(row) * row, k=1), axis=-2, keepdims=True)
    return xp.argsort(before, axis=-1)  # in the dtype of indices


def is_position(xp: Namespace, places: Array, j: Any) -> Array:
    """Return which of the positions is j, the number of a step of a loop.

    Functions compare by value everywhere; ``==`` compares identities in some graphs, or if a user has chosen so.
    """
    return xp.equal(places, xp.full_like(places, j))
