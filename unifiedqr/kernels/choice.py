"""Which algorithm a reduced decomposition is computed by: as asked, or the faster one as it was measured.

CholeskyQR passes over a tall matrix by products alone, Householder's reflectors wait for memory. Which is faster
depends on the framework's kernels, on the device and on the shape.
"""

import math
from typing import NamedTuple

from unifiedqr._typing import Array, Namespace
from unifiedqr.rules.operators import shape_of_product

METHODS = ("auto", "householder", "cholesky")
"""Algorithms of the forward."""


class Limits(NamedTuple):
    """Matrices for which CholeskyQR is the faster one.

    Attributes
    ----------
    slenderness : int
        The least m / n.
    columns : int
        The largest n.
    rows : int
        The least m.
    narrowest : int
        The least n.
    entries : int
        The least number of entries of the whole stack: below, the calls cost more than the work.
    """

    slenderness: int
    columns: int
    rows: int
    narrowest: int = 1
    entries: int = 0

    def include(self, shape: tuple[int, ...]) -> bool:
        """Return whether matrices in a stack of this shape, (..., m, n), are among them."""
        m, n = shape[-2:]
        if not (m >= max(self.rows, self.slenderness * n) and self.narrowest <= n <= self.columns):
            return False
        return self.entries == 0 or math.prod(shape) >= self.entries


FASTER: dict[str, Limits] = {
    "torch cpu": Limits(slenderness=16, columns=128, rows=512, narrowest=8, entries=2**17),
    "jax cpu": Limits(slenderness=16, columns=256, rows=512),
    "tensorflow cpu": Limits(slenderness=4, columns=512, rows=256),
}
"""By what the namespace calls the place of an array; elsewhere Householder."""


def is_by_cholesky(xp: Namespace, A: Array, *, positive: bool, method: str) -> bool:
    """Return whether A is to be decomposed by CholeskyQR: a deep matrix of known sizes, asked for or faster so.

    A namespace that has what it takes offers ``linalg.try_cholesky(G)``, and ``place(A)`` if it was measured.
    """
    m, n = A.shape[-2:]
    if method == "householder" or m is None or n is None or n == 0 or not hasattr(xp.linalg, "try_cholesky"):
        return False
    if method == "cholesky":
        return shape_of_product(xp, A, A).deep
    if type(m) is not int or type(n) is not int:  # a program for many sizes, of which some are small
        return False
    place = getattr(xp, "place", None)
    limits = FASTER.get(place(A)) if positive and place is not None else None
    return limits is not None and limits.include(A.shape)
