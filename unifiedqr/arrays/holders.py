"""Rows of one matrix spread over several holders: shards of a map, replicas, processes.

Each holder runs the same kernels and rules on its own rows. What passes over the long side is a sum over rows, and the
sum over all holders follows it; R and whatever else has no rows is the same everywhere. That is all there is to it.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.namespaces import extend_namespace
from unifiedqr.arrays.operations import Operations
from unifiedqr.arrays.operators import Shape
from unifiedqr.errors import ShapeError


class Holders:
    """The holders of a matrix's rows: any number of processes, one of which runs this.

    Parameters
    ----------
    all_reduce : callable
        Returns the sum over all holders of the arrays that each gives, of one shape and dtype, to each of them.
    place, count : int
        Which holder this is, from 0, and how many there are.

    Attributes
    ----------
    are_even : bool
        Whether all have equally many rows.
    are_typed : bool
        Whether the framework knows which arrays are the same for all holders, and sums up their cotangents itself.
        Elsewhere the loss is the sum of what all holders compute, each from its rows and from its copy of R.
    may_branch : bool
        Whether holders may communicate inside a branch that depends on values.
    """

    are_even = False
    are_typed = False
    may_branch = True

    def __init__(self, all_reduce: Callable[[Array], Array], place: Any, count: int) -> None:
        self.all_reduce, self.place, self.count = all_reduce, place, count

    def total(self, X: Array) -> Array:
        """Return the sum of X over all holders, to each of them."""
        found = self.all_reduce(X)
        if tuple(found.shape) != tuple(X.shape):
            raise ShapeError(
                f"all_reduce got an array of shape {tuple(X.shape)} and gave one of shape {tuple(found.shape)}; "
                f"expected the sum over all processes, in the same shape."
            )
        return found

    def here(self, xp: Namespace) -> Array:
        """Return which of the holders this is, booleans of shape (count, 1, 1)."""
        marks = [False] * self.count
        marks[self.place] = True
        return xp.asarray([[[mark]] for mark in marks])

    def branch(self, branch: Callable[..., Arrays], predicate: Array, *functions: Callable[[], Arrays]) -> Arrays:
        """Return the result of one of two functions, by the framework's own `Operations.branch`."""
        return branch(predicate, *functions)

    def check(self, X: Array, *, differentiated: bool) -> None:
        """Raise unless X can be the rows of one holder, or a derivative with respect to them can be right."""


class RowsOfOne:
    """The rows of one holder; unlike `Blocks` there is nothing to split. k is less than n where it has few rows."""

    def __init__(self, xp: Namespace, holders: Holders, A: Array) -> None:
        self.xp, self.holders, self.n = xp, holders, A.shape[-1]
        self.k = min(A.shape[-2:])

    def split(self, A: Array) -> Array:
        return A

    def stacked(self, R: Array) -> Array:
        xp, n = self.xp, self.n
        R = xp.triu(R)
        if self.k < n:
            R = xp.concat([R, xp.zeros((*R.shape[:-2], n - self.k, n), dtype=R.dtype)], axis=-2)
        R = xp.expand_dims(R, axis=-3)
        stack = self.holders.total(xp.where(self.holders.here(xp), R, xp.zeros_like(R)))
        return xp.reshape(stack, (*R.shape[:-3], self.holders.count * n, n))

    def shares(self, Q: Array) -> Array:
        xp = self.xp
        blocks = xp.reshape(Q, (*Q.shape[:-2], self.holders.count, self.n, self.n))
        return xp.sum(xp.where(self.holders.here(xp), blocks, xp.zeros_like(blocks)), axis=-3)[..., : self.k, :]

    def joined(self, Q: Array) -> Array:
        return Q


@cache
def namespace_of_holders(xp: Namespace, holders: Holders, m: Any = None) -> Namespace:
    """Return the namespace in which arrays with the rows of A are those of one holder, of m rows in all.

    m is None where all holders have equally many.
    """
    operations: Operations = xp.beyond
    base = type(operations)

    class OperationsOfHolders(base):
        has_cholesky = base.has_cholesky and holders.may_branch

        def inner(self, X: Array, Y: Array) -> Array:
            return holders.total(super().inner(X, Y))

        def total(self, X: Array) -> Array:
            return holders.total(X)

        def rows_apart(self, A: Array) -> RowsOfOne:
            return RowsOfOne(self.xp, holders, A)

        def branch(self, predicate: Array, then: Callable[[], Arrays], otherwise: Callable[[], Arrays]) -> Arrays:
            return holders.branch(super().branch, predicate, then, otherwise)

        def shape_of_product(self, X: Array, Y: Array) -> Shape:
            rows, n = X.shape[-2] * holders.count if m is None else m, Y.shape[-1]
            return Shape(n, rows, rows > n, False)

    return extend_namespace(f"{xp.__name__}.of_holders", xp, operations=OperationsOfHolders)
