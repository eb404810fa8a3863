"""Problems for matrices that are spread: golden ones in more rows, whose truth follows exactly.

For W with orthonormal columns W A = (W Q) R: whatever runs along the rows of a golden matrix is multiplied by W, and
the rest stays, derivatives too. So each row that a device holds is a mixture of all rows of the golden matrix.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from unifiedqr._typing import Array, Arrays
from unifiedqr.decomposition import DECOMPOSITIONS, Primitive
from unifiedqr_lab.conformance.case_checks import projector, projector_dot
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import condition_of, relative_error, tolerance
from unifiedqr_lab.engines import axis_of

ROWS = 24
"""Of the matrices: on four devices more than columns each."""

SEED = 2011


@dataclass(frozen=True, eq=False)
class Part:
    """An array, and the axis along which it is spread, None if it is the same everywhere."""

    X: Array
    axis: int | None


@dataclass(frozen=True, eq=False)
class SpreadProblem:
    """The inputs of a transform of one kind, and its correct results.

    Attributes
    ----------
    kind : str
        One of `unifiedqr_lab.instruments.KINDS`.
    given : tuple of tuple of Part
        Primals, and cotangents and tangents as the kind takes them.
    truth : tuple of Part
        The correct results; for a basis that matters through its space alone, the projector or its tangent.
    bound : float
        The largest relative error.
    basis : numpy.ndarray or None
        Such a basis.
    along : Part or None
        What its projector is multiplied by, where that has to be a function of the matrix.
    """

    kind: str
    given: tuple[tuple[Part, ...], ...]
    truth: tuple[Part, ...]
    bound: float
    basis: Array | None = None
    along: Part | None = None

    def error(self, results: Sequence[Array], times: float = 1.0) -> float:
        """Return the largest relative error of results against a multiple of the truth; inf if their number differs."""
        if len(results) != len(self.truth):
            return float("inf")
        if self.basis is not None and self.kind == "value":
            results = [projector(results[0])]
        if self.basis is not None and self.kind == "jvp":
            results = [projector_dot(self.basis, results[0])]
        return max(relative_error(X, times * true.X) for X, true in zip(results, self.truth, strict=True))


def spread_problem(name: str, dtype: str, kind: str) -> SpreadProblem:
    """Make the problem of a decomposition in a dtype for a kind of transform.

    For a basis Q, "hvp" is that of Q Q^H W, with W half the weight for its cotangent.
    """
    row, field = DECOMPOSITIONS[name](), "complex" if "complex" in dtype else "real"
    case = golden(name)[f"{name}-random-{'3x5' if row.orientation.adjoint else '5x3'}-{field}"]
    m, n = case.A.shape
    places = [i for i, X in enumerate(row.outputs[: row.results]) if X not in row.discrete]
    outputs = tuple(row.outputs[i] for i in places)

    def parts(names: Sequence[str], arrays: Sequence[Array]) -> tuple[Part, ...]:
        return tuple(Part(_raised(row, X, array), axis_of(row, X)) for X, array in zip(names, arrays, strict=True))

    def of_results(arrays: Arrays) -> tuple[Part, ...]:
        return parts(outputs, [arrays[i] for i in places])

    primals, dots, bars = (
        parts(row.inputs, case.inputs),
        parts(row.inputs, case.input_dots),
        of_results(case.factor_bars),
    )
    if kind == "value":
        truth = of_results(case.factors)
    elif kind == "jvp":
        truth = of_results(case.factor_dots)
    else:
        truth = parts(row.inputs, case.input_bars["both"] if kind == "vjp" else case.input_bar_dots or ())
    basis = _raised(row, "Q", case.factors[0]) if row.spans else None
    if basis is not None and kind in ("value", "jvp"):
        truth = (Part(projector(basis) if kind == "value" else projector_dot(basis, truth[0].X), -2),)
    along = None
    if basis is not None and kind == "hvp":
        along, bars = Part(_W().astype(dtype), -2), (Part(_W() @ case.weight / 2, -2),)
    given = {"value": (primals,), "vjp": (primals, bars), "jvp": (primals, dots), "hvp": (primals, bars, dots)}[kind]
    rounded = tuple(tuple(Part(part.X.astype(dtype), part.axis) for part in group) for group in given)
    bound = tolerance(dtype, ROWS, min(m, n), condition_of(row, case.A) ** (2 if kind == "hvp" else 1))
    return SpreadProblem(kind, rounded, truth, bound, basis, along)


@cache
def _W() -> Array:
    return np.linalg.qr(random((ROWS, 5), complex_=False, seed=SEED))[0]


def _raised(row: Primitive, name: str, X: Array) -> Array:
    """Return an array of a golden case with as many rows (columns) as the spread matrix."""
    axis = axis_of(row, name)
    return X if axis is None else _W() @ X if axis == -2 else X @ _W().T
