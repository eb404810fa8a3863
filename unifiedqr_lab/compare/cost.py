"""What a comparison costs, estimated from sizes alone: it decides which reference is used, the same on every run.

All costs are in seconds of a nominal machine. No clock is read: a busy machine takes longer, but does the same.
"""

import contextlib
import math
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np

from unifiedqr._typing import Arrays
from unifiedqr_lab.compare.directions import ORDERED
from unifiedqr_lab.compare.extended import has_extended_precision
from unifiedqr_lab.compare.job import FUNCTION, ComparisonCase, Job

BUDGET = 20.0
"""Cost above which 100-digit differences give way to the next reference."""

MULTIPLICATION = 7e-6
"""Cost of one 100-digit multiplication, with all that surrounds it."""

CALL = 4e-6
"""Cost of one call of a function of mpmath, of which a 100-digit operation makes a few."""

LONG = {False: 8e-8, True: 1.5e-7}
"""Cost of one multiplication and addition in real and in complex long doubles."""

DOUBLE = {False: 1e-9, True: 4e-9}
"""Cost of one in a framework, of real and of complex numbers."""

PIVOTING = 2e-7
"""Cost of one in finding the pivots, which scale what a case is given and what is judged."""

FACTORIZATIONS = {"value": 1, "vjp": 4, "jvp": 4, "hvp": 12}
"""Cost of a value or derivative by a rule, as a multiple of the factorization's."""

JUDGEMENT = 10
"""Cost of the condition of a case and of its verdict, in factorizations."""

DIRECTIONS = 3
"""Directions along which the derivative of a costly function is known to 100 digits."""


class _OverBudget(BaseException):
    """The function counted makes more calls than `BUDGET` pays for."""


def operations(inputs: Arrays) -> float:
    """Return the multiplications in one factorization of every input, 2 m n min(m, n) for each matrix."""
    sizes = ((math.prod(A.shape[:-2]), *A.shape[-2:]) for A in inputs if A.ndim >= 2)
    return float(sum(batch * 2 * m * n * min(m, n) for batch, m, n in sizes))


def evaluation_cost(inputs: Arrays) -> float:
    """Return the cost of one 100-digit factorization of every input."""
    return sum(operations((A,)) * (3.5 if np.iscomplexobj(A) else 1) for A in inputs) * MULTIPLICATION


def counted_cost(f: Callable[..., Any], primals: Arrays) -> float:
    """Return the cost of a function of 100-digit arrays from the calls of mpmath it makes; inf above `BUDGET`."""
    calls, most = 0, BUDGET / CALL

    def count(frame: FrameType, event: str, _: Any) -> None:
        nonlocal calls
        if event == "call" and frame.f_globals.get("__name__", "").startswith("mpmath."):
            calls += 1
            if calls > most:
                raise _OverBudget

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        with contextlib.suppress(Exception):  # whoever evaluates it says what is wrong with it
            f(*primals)
    except _OverBudget:
        return math.inf
    finally:
        sys.setprofile(before)
    return calls * CALL


def evaluations(derivative: str, inputs: Arrays) -> int:
    """Return the evaluations of a function that 100-digit differences take."""
    entries = sum(A.size * (2 if np.iscomplexobj(A) else 1) for A in inputs)
    return {"value": 1, "jvp": 3, "vjp": 2 * entries + 1, "hvp": 4 * entries + 2}[derivative]


def kind_of_reference(case: ComparisonCase, derivative: str, inputs: Arrays, wanted: str, counted: float = 0.0) -> str:
    """Choose the reference of one case and derivative.

    Parameters
    ----------
    case, derivative, inputs
        What is to be computed.
    wanted : str
        What was asked for.
    counted : float
        What `counted_cost` says of a user's function.

    Returns
    -------
    str
        "exact", "extended", "directions" or "none".
    """
    if wanted == "none":
        return "none"
    cost = max(counted, evaluation_cost(inputs))
    if wanted == "exact" and cost * evaluations(derivative, inputs) <= BUDGET:
        return "exact"
    if case.target != FUNCTION:
        return "extended" if has_extended_precision() else "none"
    if wanted == "exact" and derivative == "vjp" and cost * (2 * DIRECTIONS + 1) <= BUDGET:
        return "directions"
    return "none"


def estimate(job: Job, wanted: str, frameworks: int) -> tuple[float, float]:
    """Estimate what a comparison takes; a user's function is taken to factorize its arguments once.

    Parameters
    ----------
    job : Job
        What is compared.
    wanted : str
        The reference asked for.
    frameworks : int
        How many run.

    Returns
    -------
    seconds : float
        For all of it.
    truth : float
        For the reference, during which the frameworks run.
    """
    truth = rest = judgement = 0.0
    for case in job.cases:
        inputs = job.inputs_of(case)
        count, complex_ = operations(inputs), any(np.iscomplexobj(A) for A in inputs)
        pivots = count * PIVOTING if case.target in ORDERED else 0.0
        judgement += count * DOUBLE[complex_] * JUDGEMENT + 2 * pivots
        for derivative in job.derivatives:
            kind = kind_of_reference(case, derivative, inputs, wanted)
            by_rule = count * FACTORIZATIONS[derivative]
            rest += frameworks * (by_rule * DOUBLE[complex_] + pivots)
            if kind == "extended":
                truth += by_rule * LONG[complex_] + (by_rule + count) * (PIVOTING if pivots else 0.0)
            else:
                given = {"exact": evaluations(derivative, inputs), "directions": 2 * DIRECTIONS + 1}.get(kind, 0)
                truth += given * evaluation_cost(inputs)
    return max(truth, rest) + judgement, truth


def duration(seconds: float) -> str:
    """Return a time in words."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
