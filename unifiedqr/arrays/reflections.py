"""Decompositions of A that are one of another matrix: of A^H, of A J or of J A, J reversing what it multiplies.

    (LQ.1)  A^H = Q'R'   gives  A = L Q,   L = R'^H,   Q = Q'^H
    (LQ.4)  A J = Q'R'   gives  A = Q L,   Q = Q'J,    L = J R'J
    (LQ.5)  J A = L'Q'   gives  A = R Q,   R = J L'J,  Q = J Q'

Each map is its own inverse and its own adjoint, so that cotangents and tangents go through the same one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.operators import adjoint, reverse, reverse_columns, reverse_rows


class Reflection(NamedTuple):
    """The way from one decomposition to another and back.

    Attributes
    ----------
    tag : str
        The equation.
    of : str
        The matrix that the original decomposition is of.
    turns : mapping of str to callable
        What is done with each array, by its name in the original decomposition; the others stay.
    """

    tag: str
    of: str
    turns: Mapping[str, Callable[[Namespace, Array], Array]]

    def turned(self, xp: Namespace, names: Sequence[str], arrays: Sequence[Array | None]) -> tuple[Array, ...]:
        """Return arrays, cotangents or tangents of these names on the other side."""
        return tuple(
            self.turns[name](xp, X) if X is not None and name in self.turns else X
            for name, X in zip(names, arrays, strict=True)
        )


ADJOINT = Reflection("(LQ.1)", "A^H", dict.fromkeys(("A", "Q", "R"), adjoint))
REVERSED_COLUMNS = Reflection("(LQ.4)", "A J", {"A": reverse_columns, "Q": reverse_columns, "R": reverse})
REVERSED_ROWS = Reflection("(LQ.5)", "J A", {"A": reverse_rows, "Q": reverse_rows, "L": reverse})
