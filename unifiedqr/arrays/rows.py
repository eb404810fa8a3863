"""Rows of a tall matrix that are apart: on several devices, or in several processes.

No row is sent anywhere. Each block of rows gives a triangle of its own, the triangles are decomposed together, and each
block multiplies its orthonormal factor by its share of theirs (J. Demmel et al. 2012, TSQR).
"""

from typing import Protocol

from unifiedqr._typing import Array, Namespace


class Rows(Protocol):
    """How the rows of a tall matrix A are apart."""

    def split(self, A: Array) -> Array:
        """Return the blocks of rows: a stack of them, or the block that is here."""
        ...

    def stacked(self, R: Array) -> Array:
        """Return the triangles of all blocks, (..., k, n) each, one below the other."""
        ...

    def shares(self, Q: Array) -> Array:
        """Return the rows of Q that belong to the triangle of each block."""
        ...

    def joined(self, Q: Array) -> Array:
        """Return the matrix of which these are the blocks."""
        ...


class Blocks:
    """Blocks of equally many rows, one below the other: of one array, whose devices hold one of them or several.

    Parameters
    ----------
    xp : namespace
    count : int
        Number of the blocks.
    """

    def __init__(self, xp: Namespace, count: int) -> None:
        self.xp, self.count = xp, count

    def split(self, A: Array) -> Array:
        *batch, m, n = A.shape
        return self.xp.reshape(A, (*batch, self.count, m // self.count, n))

    def stacked(self, R: Array) -> Array:
        return self.joined(self.xp.triu(R))

    def shares(self, Q: Array) -> Array:
        return self.split(Q)

    def joined(self, Q: Array) -> Array:
        *batch, count, m, n = Q.shape
        return self.xp.reshape(Q, (*batch, count * m, n))
