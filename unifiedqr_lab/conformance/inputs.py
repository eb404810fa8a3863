"""What each row of the table takes besides a matrix, and what it is the decomposition of.

A golden vector or a comparison starts from one matrix. What else a row takes is drawn at random, or follows from the
matrix: a row that works on factors takes those of the matrix.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from unifiedqr._typing import Arrays, Namespace
from unifiedqr.decomposition import Primitive
from unifiedqr_lab.conformance.matrices import Matrix, rounded

Draw = Callable[[tuple[int, ...], int], Matrix]
"""Gives standard normal numbers of a shape, complex ones for a complex matrix; by the number of the array."""

RIGHT_HAND_SIDES = 2

DRAWN: dict[str, tuple[int, Callable[[Matrix, Draw, int], Matrix]]] = {
    "b": (10, lambda A, draw, number: draw((*A.shape[:-1], RIGHT_HAND_SIDES), number)),
    "w": (13, lambda A, draw, number: rounded(np.exp2(draw((*A.shape[:-1], 1), number).real)).astype(A.dtype)),
}
"""Inputs drawn at random, by name: the number of the array, and what gives it. Weights are positive."""

REAL = ("w",)
"""Inputs that are real numbers, in the dtype of the matrix."""

DERIVED: dict[str, Callable[[Matrix], Matrix]] = {}
"""Inputs that follow from the matrix, by name."""

DECOMPOSED: dict[str, Callable[..., Matrix]] = {}
"""By row: the matrix that is decomposed, from the inputs, where it is not the first of them."""

DEFINITIONS: dict[str, Callable[..., Arrays]] = {}
"""By row: a forward that says what the row computes, where its own takes a shorter way. The truth is taken from it."""


def takes_factors(row: Primitive) -> bool:
    """Return whether a row works on factors, so that the inputs must belong together."""
    return any(name in DERIVED for name in row.inputs)


def inputs_of(row: Primitive, A: Matrix, draw: Draw) -> Arrays:
    """Return what a row takes for a matrix: the matrix itself, what is drawn for it, and what follows from it."""
    return tuple(_input(name, A, draw) for name in row.inputs)


def _input(name: str, A: Matrix, draw: Draw) -> Matrix:
    if name == "A":
        return A
    if name in DERIVED:
        return DERIVED[name](A)
    number, drawn = DRAWN[name]
    return drawn(A, draw, number)


def tangents_of(row: Primitive, inputs: Arrays, draw: Draw) -> Arrays:
    """Return random tangents of a row's inputs; that of the matrix has columns (rows, for LQ) of the sizes of its own.

    A tangent graded as the matrix is leaves all of the truth visible.
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
    return tuple(A if name == "A" else DERIVED[name](A) if name in DERIVED else X for name, X in named)


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
