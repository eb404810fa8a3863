"""The reference every framework is measured against, and which one is affordable.

exact       100-digit arithmetic; derivatives by central differences of the function itself, so that no rule takes part
extended    the rules in long double (see `extended`), where the differences would cost more than `cost.BUDGET`
directions  100-digit derivatives along a few fixed random directions: for a user's function of a large matrix
none        frameworks against each other only

Which one it is follows from sizes and counted operations (`cost`), never from a clock.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import unifiedqr as uqr
from unifiedqr._typing import Array, Arrays
from unifiedqr.errors import OptionError, UnifiedQRError
from unifiedqr_lab.compare.cost import DIRECTIONS, counted_cost, kind_of_reference
from unifiedqr_lab.compare.directions import cotangent, draw, sizes, tangents
from unifiedqr_lab.compare.evaluate import Evaluation, argument_names, flattened, outcome
from unifiedqr_lab.compare.extended import EXTENDED
from unifiedqr_lab.compare.job import FUNCTION, ComparisonCase, Job

REFERENCES = ("exact", "extended", "none")
"""What can be asked for; "exact" falls back where it is too expensive."""

SECOND_STEP = 2.0**-60
"""Outer step of second derivatives, in the units of the matrix; the inner step of the mpmath backend is 2^-116."""


def check_reference(reference: str) -> str:
    """Return the reference, or raise `OptionError` if there is none of that name."""
    if reference not in REFERENCES:
        raise OptionError(f"reference {reference!r} is unknown; choose among {', '.join(REFERENCES)}.")
    return reference


class Reference:
    """Gives reference outcomes, remembering what the user's function costs.

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
        self._costs: dict[str, float] = {}
        self._extended = EXTENDED.load()
        try:
            self.exact = uqr.get_backend("mpmath") if wanted == "exact" else None
        except UnifiedQRError:
            self.exact = None
            self._wanted = "extended"

    def outcome(self, case: ComparisonCase, derivative: str, f: Callable[..., Any] | None) -> Evaluation:
        """Return the reference of one case and derivative, its kind in `Evaluation.via`."""
        inputs = self._job.inputs_of(case)
        kind = kind_of_reference(case, derivative, inputs, self._wanted, self._cost(case, f))
        if kind == "none":
            return Evaluation(
                "cannot", "too large for a reference: frameworks are compared with each other only", "none"
            )
        start = time.perf_counter()
        if kind == "extended":
            given = outcome(self._extended, self._job, case, derivative, f)
        elif kind == "directions":
            given = self._guarded(lambda: self._slopes(case, f))
        elif derivative == "hvp":
            given = self._guarded(lambda: self._hessian_product(case, f))
        else:
            given = outcome(self.exact, self._job, case, derivative, f)  # pyright: ignore[reportArgumentType]
        return Evaluation(given.status, given.reason, kind, given.arrays, time.perf_counter() - start)

    def _cost(self, case: ComparisonCase, f: Callable[..., Any] | None) -> float:
        """Return what the user's function costs once, counted while it runs; 0 for a decomposition."""
        inputs = self._job.inputs_of(case)
        if (
            case.target != FUNCTION
            or self.exact is None
            or f is None
            or kind_of_reference(case, "value", inputs, self._wanted) != "exact"
        ):
            return 0.0
        if case.id not in self._costs:
            self._costs[case.id] = counted_cost(f, tuple(self.exact.from_numpy(A) for A in inputs))
        return self._costs[case.id]

    def _guarded(self, compute: Callable[[], dict[str, Array]]) -> Evaluation:
        try:
            return Evaluation("ok", arrays=compute())
        except Exception as error:
            return Evaluation("failed", f"{type(error).__name__}: {error}")

    def _slopes(self, case: ComparisonCase, f: Callable[..., Any] | None) -> dict[str, Array]:
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

    def _hessian_product(self, case: ComparisonCase, f: Callable[..., Any] | None) -> dict[str, Array]:
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


def probing_directions(job: Job, case: ComparisonCase) -> list[Arrays]:
    """Return the fixed random directions of the reference ``directions``, one array per input each, in its units."""
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
