"""Loops and branches, in the framework's own construct where it traces: it would unroll one, and not take the other."""

from collections.abc import Callable
from typing import Any

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.rules.operators import is_complex


def repeat(xp: Namespace, count: Any, step: Callable[[Any, Arrays], Arrays], state: Arrays) -> Arrays:
    """Return the state after step(0, .), ..., step(count - 1, .); arrays keep their shapes and dtypes.

    A namespace that has a loop offers it as ``fori_loop(count, step, state)``; the number of the step is then a scalar
    of the trace, elsewhere a Python integer.
    """
    native = getattr(xp, "fori_loop", None)
    if native is not None:
        return native(count, step, state)
    for j in range(count):
        state = step(j, state)
    return state


def branch(xp: Namespace, predicate: Array, then: Callable[[], Arrays], otherwise: Callable[[], Arrays]) -> Arrays:
    """Return then() or otherwise(), of the same shapes and dtypes, by a boolean scalar.

    A namespace that can branch inside a trace offers it as ``branch(predicate, then, otherwise)``.
    """
    native = getattr(xp, "branch", None)
    if native is not None:
        return native(predicate, then, otherwise)
    return then() if bool(predicate) else otherwise()


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
    """Return which of the positions is j, the number of a step of `repeat`.

    Functions compare by value everywhere; ``==`` compares identities in some graphs, and wherever a user has said so.
    """
    return xp.equal(places, xp.full_like(places, j))
