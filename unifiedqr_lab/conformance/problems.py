"""Problems for the table of capabilities: matrices, cotangents and tangents with the truth of every derivative.

A problem holds several golden matrices at once, a deep, a square and a wide one, so that one compiled program answers
for all shapes. A batched problem stacks every matrix A with 2 A, whose truth follows exactly: Q stays, the triangle
doubles, and what belongs to it scales along.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr_lab.conformance.golden import Golden, golden
from unifiedqr_lab.conformance.tolerance import condition_of, relative_error, tolerance

SHAPES = {"deep": "5x3", "square": "4x4", "wide": "3x5"}


@dataclass(frozen=True, eq=False)
class Problem:
    """The inputs of a transform, and its correct results; each member is a tuple of NumPy arrays.

    Attributes
    ----------
    primals, bars, dots : tuple of numpy.ndarray
        Matrices, cotangents of all their factors in order, tangents of the matrices.
    truth : dict of str to tuple of numpy.ndarray
        What each kind of transform must give.
    bounds : dict of str to float
        Largest relative error of each kind.
    """

    primals: tuple[Any, ...]
    bars: tuple[Any, ...]
    dots: tuple[Any, ...]
    truth: dict[str, tuple[Any, ...]]
    bounds: dict[str, float]

    def given(self, kind: str) -> tuple[tuple[Any, ...], ...]:
        """Return what a transform of this kind takes in addition to the function."""
        return {
            "value": (self.primals,),
            "vjp": (self.primals, self.bars),
            "jvp": (self.primals, self.dots),
            "hvp": (self.primals, self.bars, self.dots),
        }[kind]

    def error(self, kind: str, results: Sequence[Any], times: float = 1.0) -> float:
        """Return the largest relative error of results against a multiple of the truth; inf if their number differs."""
        truth = self.truth[kind]
        if len(results) != len(truth):
            return float("inf")
        return max(relative_error(X, times * true) for X, true in zip(results, truth, strict=True))


def problem(decomposition: str, dtype: str, shapes: Sequence[str] = tuple(SHAPES), *, batched: bool = False) -> Problem:
    """Make the problem of a decomposition in a dtype.

    Parameters
    ----------
    decomposition : str
        Name of the decomposition.
    dtype : str
        One of `unifiedqr.backend.DTYPES`.
    shapes : sequence of str
        Some of `SHAPES`.
    batched : bool
        Stack every matrix with its double.

    Returns
    -------
    Problem
    """
    field = "complex" if "complex" in dtype else "real"
    cases = [golden(decomposition)[f"{decomposition}-random-{SHAPES[shape]}-{field}"] for shape in shapes]
    parts = [_stacked(case) if batched else _alone(case) for case in cases]
    conditions = [condition_of(DECOMPOSITIONS[decomposition](), case.matrix) for case in cases]
    first, second = (max(tolerance(dtype, 5, 5, condition**order) for condition in conditions) for order in (1, 2))

    def cast(key: str) -> tuple[Any, ...]:
        return tuple(X.astype(dtype) for part in parts for X in part[key])

    def exact(key: str) -> tuple[Any, ...]:
        return tuple(X for part in parts for X in part[key])

    return Problem(
        primals=cast("A"),
        bars=cast("bars"),
        dots=cast("A_dot"),
        truth={"value": exact("factors"), "vjp": exact("A_bar"), "jvp": exact("dots"), "hvp": exact("A_bar_dot")},
        bounds={"value": first, "vjp": first, "jvp": first, "hvp": second},
    )


def _alone(case: Golden) -> dict[str, tuple[Any, ...]]:
    return {
        "A": (case.A,),
        "A_dot": (case.A_dot,),
        "bars": case.factor_bars,
        "factors": case.factors,
        "dots": case.factor_dots,
        "A_bar": (case.A_bars["both"],),
        "A_bar_dot": (case.A_bar_dot,),
    }


def _stacked(case: Golden) -> dict[str, tuple[Any, ...]]:
    """Stack A with 2 A: the cotangent of the triangle and all gradients halve, its value and tangent double."""
    of_triangle = {"factors": 2, "dots": 2, "bars": 0.5}
    names = DECOMPOSITIONS[case.decomposition]().outputs
    stacked: dict[str, tuple[Any, ...]] = {}
    for key, arrays in _alone(case).items():
        if key in of_triangle:
            times = [1 if name == "Q" else of_triangle[key] for name in names]
        else:
            times = [2 if key in ("A", "A_dot") else 0.5]
        stacked[key] = tuple(np.stack([X, factor * X]) for X, factor in zip(arrays, times, strict=True))
    return stacked
