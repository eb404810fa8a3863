"""The reference every framework is measured against, and which one is affordable.

exact       100-digit arithmetic; derivatives by central differences of the function itself, so that no rule takes part
extended    the rules in long double (see `extended`), where the differences would take longer than `BUDGET`
directions  100-digit derivatives along a few fixed random directions: for a user's function of a large matrix
none        frameworks against each other only
"""

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import unifiedqr as uqr
from unifiedqr._typing import Array, Arrays
from unifiedqr.compare.directions import cotangent, draw, sizes, tangents
from unifiedqr.compare.evaluate import Outcome, argument_names, flattened, outcome
from unifiedqr.compare.extended import EXTENDED, has_extended_precision
from unifiedqr.compare.job import FUNCTION, Case, Job
from unifiedqr.errors import OptionError, UnifiedQRError

REFERENCES = ("exact", "extended", "none")
"""What can be asked for; "exact" falls back where it is too dear."""

BUDGET = 20.0
"""Estimated seconds above which 100-digit differences give way to the next reference."""

MULTIPLICATION = 7e-6
"""Seconds one 100-digit multiplication takes, roughly."""

DIRECTIONS = 3
SECOND_STEP = 2.0**-60
"""Outer step of second derivatives, in the units of the matrix; the inner step of the mpmath backend is 2^-116."""


def check_reference(reference: str) -> str:
    """Give the reference back, or raise `OptionError` if it is none."""
    if reference not in REFERENCES:
        raise OptionError(f"reference {reference!r} is unknown; choose among {', '.join(REFERENCES)}.")
    return reference


def evaluation_cost(inputs: Arrays) -> float:
    """Estimate the seconds of one 100-digit factorization of every input."""
    total = 0.0
    for A in inputs:
        if A.ndim >= 2:
            m, n = A.shape[-2:]
            total += (
                math.prod(A.shape[:-2]) * 2 * m * n * min(m, n) * (3.5 if np.iscomplexobj(A) else 1) * MULTIPLICATION
            )
    return total


def kind_of_reference(case: Case, derivative: str, inputs: Arrays, wanted: str, seconds: float = 0.0) -> str:
    """Choose the reference of one case and derivative; `seconds` is what one evaluation was seen to take, if it was."""
    if wanted == "none":
        return "none"
    cost = max(seconds, evaluation_cost(inputs))
    entries = sum(A.size * (2 if np.iscomplexobj(A) else 1) for A in inputs)
    evaluations = {"value": 1, "jvp": 3, "vjp": 2 * entries + 1, "hvp": 4 * entries + 2}[derivative]
    if wanted == "exact" and cost * evaluations <= BUDGET:
        return "exact"
    if case.target != FUNCTION:
        return "extended" if has_extended_precision() else "none"
    if wanted == "exact" and derivative == "vjp" and cost * (2 * DIRECTIONS + 1) <= BUDGET:
        return "directions"
    return "none"


class Reference:
    """Gives reference outcomes, remembering how long the user's function took.

    Parameters
    ----------
    job : Job
        What is compared.
    wanted : str
        One of `REFERENCES`.
    """

    def __init__(self, job: Job, wanted: str) -> None:
        self._job = job
        self._wanted = wanted
        self._seconds: dict[str, float] = {}
        self._extended = EXTENDED.load()
        try:
            self.exact = uqr.get_backend("mpmath") if wanted == "exact" else None
        except UnifiedQRError:
            self.exact = None
            self._wanted = "extended"

    def outcome(self, case: Case, derivative: str, f: Callable[..., Any] | None) -> Outcome:
        """Give the reference of one case and derivative, its kind in `Outcome.via`."""
        inputs = self._job.inputs_of(case)
        kind = kind_of_reference(case, derivative, inputs, self._wanted, self._seconds.get(case.id, 0.0))
        if kind == "none":
            return Outcome("cannot", "too large for a reference: frameworks are compared with each other only", "none")
        start, used = time.perf_counter(), time.process_time()
        if kind == "extended":
            given = outcome(self._extended, self._job, case, derivative, f)
        elif kind == "directions":
            given = self._guarded(lambda: self._slopes(case, f))
        elif derivative == "hvp":
            given = self._guarded(lambda: self._hessian_product(case, f))
        else:
            given = outcome(self.exact, self._job, case, derivative, f)  # pyright: ignore[reportArgumentType]
        seconds = time.perf_counter() - start
        if derivative == "value":
            # Other processes must not decide which reference is affordable.
            self._seconds[case.id] = time.process_time() - used
        return Outcome(given.status, given.reason, kind, given.arrays, seconds)

    def _guarded(self, compute: Callable[[], dict[str, Array]]) -> Outcome:
        try:
            return Outcome("ok", arrays=compute())
        except Exception as error:
            return Outcome("failed", f"{type(error).__name__}: {error}")

    def _slopes(self, case: Case, f: Callable[..., Any] | None) -> dict[str, Array]:
        """Differentiate <cotangents, f> along each of the fixed directions."""
        assert self.exact is not None
        assert f is not None
        names: list[str] = []
        flat = flattened(f, names)
        inputs = self._job.inputs_of(case)
        primals = tuple(self.exact.from_numpy(A) for A in inputs)
        slopes: list[float] = []
        for direction in probing_directions(self._job, case):
            outputs, pushed = uqr.jvp(flat, primals, tuple(self.exact.from_numpy(V) for V in direction))
            slope = 0.0
            for name, output, output_dot in zip(names, outputs, pushed, strict=True):
                bar = cotangent(self._job.seed, case.id, name, self.exact.to_numpy(output), inputs, case.target)
                slope += 0.0 if bar is None else float(np.sum((bar.conj() * self.exact.to_numpy(output_dot)).real))
            slopes.append(slope)
        return {"slopes": np.array(slopes)}

    def _hessian_product(self, case: Case, f: Callable[..., Any] | None) -> dict[str, Array]:
        """Difference the exact gradient along the case's tangents."""
        assert self.exact is not None
        assert f is not None
        flat = flattened(f, [])
        inputs = self._job.inputs_of(case)
        primals = tuple(self.exact.from_numpy(A) for A in inputs)
        directions = tuple(self.exact.from_numpy(V) for V in tangents(self._job.seed, case.id, case.target, inputs))
        moved: list[Arrays] = []
        for sign in (1.0, -1.0):
            at = tuple(x + v * (sign * SECOND_STEP) for x, v in zip(primals, directions, strict=True))
            (value,), pullback = uqr.vjp(flat, *at)
            moved.append(pullback((self.exact.xp.ones_like(value),)))
        names = [f"H_{name}_dot" for name in argument_names(case)]
        products = ((high - low) / (2 * SECOND_STEP) for high, low in zip(*moved, strict=True))
        return {name: self.exact.to_numpy(X) for name, X in zip(names, products, strict=True)}


def probing_directions(job: Job, case: Case) -> list[Arrays]:
    """Give the fixed random directions of the reference ``directions``, one array per input each, in its units."""
    inputs = job.inputs_of(case)
    return [
        tuple(
            (draw(job.seed, f"{case.id} direction {i} {j}", A.shape, A.dtype.name) * sizes(A, rows=False)).astype(
                A.dtype
            )
            for j, A in enumerate(inputs)
        )
        for i in range(DIRECTIONS)
    ]
