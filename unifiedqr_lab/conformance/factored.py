"""Rows that work on the factors of a matrix: the factors they take, and what they compute, from the matrix alone.

The value of such a row comes from its factors, which follow from A, and its derivative goes to A. So the truth is that
of a function of A that does not use the given factors.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from unifiedqr import factors
from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.operators import adjoint
from unifiedqr.backend import Backend
from unifiedqr.decomposition import DECOMPOSITIONS, Primitive
from unifiedqr.discovery import get_backend
from unifiedqr.kernels.applications import least_squares
from unifiedqr.kernels.pivoting import pivoted_qr
from unifiedqr.kernels.reduced import reduced_qr
from unifiedqr.kernels.reflectors import completed, reflectors
from unifiedqr_lab.conformance.matrices import Matrix

CARRIED = ("Q", "R", "P", "G", "S")
"""Inputs that follow from the matrix and whose derivatives it carries, by name."""


def factors_of(row: Primitive, A: Matrix) -> dict[str, Matrix]:
    """Return the inputs of a row that follow from the matrix, by name; none for a row of another kind."""
    if row.name not in factors.ROWS:
        return {}
    xp = get_backend("numpy").xp
    found = _factors(xp, A, pivoted=row.pivots)
    if "G" in row.inputs:
        found |= zip(("G", "S"), reflectors(xp, found["Q"]), strict=True)
    return {name: X for name, X in found.items() if name in row.inputs}


def free_of_factors(row: Primitive, inputs: Arrays) -> Arrays:
    """Return the inputs of a row that determine what it computes."""
    pairs = zip(row.inputs, inputs, strict=True)
    return tuple(X for name, X in pairs if name not in CARRIED or row.name not in factors.ROWS)


def composed(backend: Backend, row: Primitive) -> Callable[..., Arrays]:
    """Return a row as users have it: a function of its free inputs in which the factors are those of the matrix.

    That is how a rule that is differentiated again must find them. Rows of another kind are returned as they are.
    """
    bound = backend.bind(row)
    if row.name not in factors.ROWS:
        return bound
    decompose = backend.bind(DECOMPOSITIONS["qr-pivoted" if row.pivots else "qr"]())
    complete = backend.bind(factors.row("qr-completion-pivoted" if row.pivots else "qr-completion"))

    def function(*free: Any) -> Arrays:
        named = dict(zip(free_of_factors(row, row.inputs), free, strict=True))
        found = tuple(decompose(named["A"]))
        named |= zip(("Q", "R", "P"), found, strict=False)
        if "G" in row.inputs:
            named |= zip(("G", "S"), complete(named["A"], *found), strict=True)
        return bound(*(named[name] for name in row.inputs))

    return function


def rows_of(row: Primitive, name: str, A: Matrix) -> Matrix:
    """Return a matrix that has as many rows as an input of a row that works on factors: A itself, or a part of it."""
    if row.name not in factors.ROWS:
        return A
    rows = {"m": A.shape[-2], "n": A.shape[-1], "1": min(A.shape[-2:])}[row.sides[name][0]]
    return np.broadcast_to(A[..., :1, :], (*A.shape[:-2], rows, A.shape[-1]))


def _factors(xp: Namespace, A: Array, *, pivoted: bool) -> dict[str, Array]:
    names = ("Q", "R", "P") if pivoted else ("Q", "R")
    found = pivoted_qr(xp, A, rank=None, positive=True) if pivoted else reduced_qr(xp, A, positive=True)
    return dict(zip(names, found, strict=True))


def _completed(xp: Namespace, A: Array, *, pivoted: bool) -> Arrays:
    found = _factors(xp, A, pivoted=pivoted)
    return completed(xp, found["Q"], found["R"])


def _product(xp: Namespace, A: Array, X: Array, *_: Array, pivoted: bool) -> Arrays:
    return (_factors(xp, A, pivoted=pivoted)["Q"] @ X,)


def _adjoint_product(xp: Namespace, A: Array, X: Array, *_: Array, pivoted: bool) -> Arrays:
    return (adjoint(xp, _factors(xp, A, pivoted=pivoted)["Q"]) @ X,)


def _complete_product(xp: Namespace, A: Array, X: Array, *_: Array, pivoted: bool) -> Arrays:
    return (_completed(xp, A, pivoted=pivoted)[0] @ X,)


def _complete_adjoint_product(xp: Namespace, A: Array, X: Array, *_: Array, pivoted: bool) -> Arrays:
    return (adjoint(xp, _completed(xp, A, pivoted=pivoted)[0]) @ X,)


def _completion(xp: Namespace, A: Array, *_: Array, pivoted: bool) -> Arrays:
    return _completed(xp, A, pivoted=pivoted)[2:]


def _solution(xp: Namespace, A: Array, b: Array, *_: Array, pivoted: bool) -> Arrays:
    del pivoted  # the solution is the same
    return least_squares(xp, A, b)[:3]


def _shortest_solution(xp: Namespace, A: Array, b: Array, *_: Array, pivoted: bool) -> Arrays:
    del pivoted
    return least_squares(xp, adjoint(xp, A), b)[:3]


_DEFINED: dict[str, Callable[..., Any]] = {
    "qr-apply": _product,
    "qr-apply-adjoint": _adjoint_product,
    "qr-apply-complete": _complete_product,
    "qr-apply-complete-adjoint": _complete_adjoint_product,
    "qr-completion": _completion,
    "qr-solve": _solution,
    "qr-solve-adjoint": _shortest_solution,
}

FACTORED: dict[str, Callable[..., Arrays]] = {
    name: partial(_DEFINED[name.removesuffix("-pivoted")], pivoted=row.pivots) for name, row in factors.ROWS.items()
}
"""By row: a forward that defines what it computes, from A and the array to multiply or solve for."""
