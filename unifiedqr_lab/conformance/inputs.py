"""What each row of the table takes in addition to a matrix, and which matrix it decomposes.

A golden vector or a comparison starts from one matrix. What else a row takes is drawn at random, or follows from the
matrix: a row that works on factors takes those of the matrix.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from unifiedqr._typing import Arrays, Namespace
from unifiedqr.arrays.operators import adjoint
from unifiedqr.decomposition import EXAMPLE_RANK, Primitive
from unifiedqr.discovery import get_backend
from unifiedqr.functional import qr
from unifiedqr.kernels.reduced import reduced_qr
from unifiedqr_lab.conformance.factored import FACTORED, factors_of, rows_of
from unifiedqr_lab.conformance.matrices import Matrix, rounded

Draw = Callable[[tuple[int, ...], int], Matrix]
"""Draws standard normal numbers of a shape, complex ones for a complex matrix, by the number of the array."""

RIGHT_HAND_SIDES = 2

RANK = 2
"""Rank of an update."""

APPENDED = 2
"""Number of appended rows."""

GOES = slice(1, 2)
"""The deleted row: without it the exact products of the suite are well conditioned."""


def _factors(A: Matrix) -> tuple[Matrix, Matrix]:
    """Return the QR factors of A in the positive gauge, to the last bit where they have few bits."""
    Q, R = qr(A)
    few_Q, few_R = np.rint(64 * Q) / 64, np.rint(64 * R) / 64
    return (few_Q, few_R) if np.array_equal(few_Q @ few_R, A) else (Q, R)


DRAWN: dict[str, tuple[int, Callable[[Matrix, Draw, int], Matrix]]] = {
    "b": (10, lambda A, draw, number: draw((*A.shape[:-1], RIGHT_HAND_SIDES), number)),
    "X": (11, lambda A, draw, number: draw((*A.shape[:-1], RIGHT_HAND_SIDES), number)),
    "Omega": (14, lambda A, draw, number: draw((*A.shape[:-2], A.shape[-1], EXAMPLE_RANK), number)),
    "w": (13, lambda A, draw, number: rounded(np.exp2(draw((*A.shape[:-1], 1), number).real)).astype(A.dtype)),
    "U": (15, lambda A, draw, number: draw((*A.shape[:-1], RANK), number)),
    "V": (17, lambda A, draw, number: draw((*A.shape[:-2], A.shape[-1], RANK), number)),
    "B": (19, lambda A, draw, number: draw((*A.shape[:-2], APPENDED, A.shape[-1]), number)),
}
"""Inputs drawn at random, by name: the number of the array, and the function that draws it. Weights are positive."""

REAL = ("w",)
"""Inputs that are real numbers, in the dtype of the matrix."""

DERIVED: dict[str, Callable[[Matrix], Matrix]] = {
    "F": lambda A: _factors(A)[0],
    "F_1": lambda A: np.delete(_factors(A)[0], GOES, axis=-2),
    "F_2": lambda A: _factors(A)[0][..., GOES, :],
    "T": lambda A: _factors(A)[1],
}
"""Inputs that follow from the matrix, by name."""


def _update(xp: Namespace, F: Matrix, T: Matrix, U: Matrix, V: Matrix) -> Matrix:
    return F @ T + U @ adjoint(xp, V)


def _downdate(xp: Namespace, F_1: Matrix, F_2: Matrix, T: Matrix) -> Matrix:
    del xp, F_2
    return F_1 @ T


def _append(xp: Namespace, T: Matrix, B: Matrix) -> Matrix:
    return xp.concat([T, B], axis=-2)


def _in_numpy(matrix: Callable[..., Matrix]) -> Callable[..., Matrix]:
    return lambda *inputs: matrix(get_backend("numpy").xp, *inputs)


def _sketched(A: Matrix, Omega: Matrix) -> Matrix:
    """Return A A^H A Omega, whose Q the range finder gives after one power iteration (LR.2)."""
    return A @ (np.conj(np.swapaxes(A, -1, -2)) @ (A @ Omega))


DECOMPOSED: dict[str, Callable[..., Matrix]] = {
    "qr-update": _in_numpy(_update),
    "qr-downdate": _in_numpy(_downdate),
    "qr-append": _in_numpy(_append),
    "range_finder": _sketched,
}
"""By row: the decomposed matrix as a function of the inputs, where it is not the first of them."""


def _factored(matrix: Callable[..., Matrix], *, r_alone: bool = False) -> Callable[..., Arrays]:
    def factors(xp: Namespace, *inputs: Matrix) -> Arrays:
        Q, R = reduced_qr(xp, matrix(xp, *inputs), positive=True)
        return (R,) if r_alone else (Q, R)

    return factors


DEFINITIONS: dict[str, Callable[..., Arrays]] = {
    "qr-update": _factored(_update),
    "qr-downdate": _factored(_downdate),
    "qr-append": _factored(_append, r_alone=True),
    **FACTORED,
}
"""By row: a forward that defines what it computes, where its own takes a shorter way. It gives the truth."""


def takes_factors(row: Primitive) -> bool:
    """Return whether a row works on factors, so that the inputs must belong together."""
    return any(name in DERIVED for name in row.inputs)


def inputs_of(row: Primitive, A: Matrix, draw: Draw) -> Arrays:
    """Return the inputs of a row for a matrix: the matrix itself, random arrays, and what follows from the matrix."""
    carried = factors_of(row, A)
    return tuple(carried[name] if name in carried else _input(row, name, A, draw) for name in row.inputs)


def _input(row: Primitive, name: str, A: Matrix, draw: Draw) -> Matrix:
    if name == "A":
        return A
    if name in DERIVED:
        return DERIVED[name](A)
    number, drawn = DRAWN[name]
    return drawn(rows_of(row, name, A), draw, number)


def tangents_of(row: Primitive, inputs: Arrays, draw: Draw) -> Arrays:
    """Return random tangents of a row's inputs; that of the matrix is graded like its columns (rows, for LQ).

    Then no part of the truth is swamped by another.
    """
    dots: list[Matrix] = []
    for name, X in zip(row.inputs, inputs, strict=True):
        if name == "A":
            lengths = np.max(np.abs(X), axis=-1 if row.orientation.adjoint else -2, keepdims=True)
            dots.append(rounded(draw(X.shape, 0) * lengths))
            continue
        number = DRAWN[name][0] if name in DRAWN else 20 + 2 * row.inputs.index(name)
        dot = draw(X.shape, number + 1)
        dots.append(dot.real.astype(X.dtype) if name in REAL else dot)
    return tuple(dots)


def with_matrix(row: Primitive, A: Matrix, inputs: Arrays) -> Arrays:
    """Return inputs of a row with another matrix as the first, and what follows from it."""
    named = zip(row.inputs, inputs, strict=True)
    carried = factors_of(row, A)
    return tuple(
        carried[name] if name in carried else A if name == "A" else DERIVED[name](A) if name in DERIVED else X
        for name, X in named
    )


def decomposed(row: Primitive, inputs: Arrays) -> Matrix:
    """Return the matrix that a row decomposes."""
    find = DECOMPOSED.get(row.name)
    return inputs[0] if find is None else find(*inputs)


def defined(row: Primitive) -> Primitive:
    """Return a row whose forward is the definition of what it computes."""
    definition = DEFINITIONS.get(row.name)
    if definition is None:
        return row

    def forward(xp: Namespace, *inputs: Any) -> Arrays:
        return definition(xp, *inputs)

    return replace(row, forward=forward)
