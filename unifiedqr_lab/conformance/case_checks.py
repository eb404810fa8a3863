"""What every backend must pass: each check compares one thing with the truth, or an identity independent of rules."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from unifiedqr._typing import Arrays, Cotangents, Namespace
from unifiedqr.backend import Backend
from unifiedqr.checks import checks
from unifiedqr.decomposition import DECOMPOSITIONS, REDUCED, Primitive
from unifiedqr_lab.conformance.factored import composed, free_of_factors
from unifiedqr_lab.conformance.golden import Golden
from unifiedqr_lab.conformance.matrices import ZERO_SIZE
from unifiedqr_lab.conformance.tolerance import condition_of, member_tolerance, relative_error, tolerance


@dataclass(frozen=True)
class Outcome:
    """A number and its bound.

    Attributes
    ----------
    check : str
        What was checked, such as ``"vjp both"``.
    error, bound : float
        What was measured and what is allowed.
    """

    check: str
    error: float
    bound: float

    @property
    def passed(self) -> bool:
        """Whether the error is within the bound; NaN is not."""
        return self.error <= self.bound


@dataclass(frozen=True)
class Routes:
    """How derivatives of a primitive are taken: by the framework's autodiff, or by the explicit rules without it.

    `vjp` takes the inputs and cotangents, `jvp` the inputs and tangents; both give outputs and derivatives.
    """

    vjp: Callable[[Arrays, tuple[Any, ...]], tuple[Arrays, Arrays]]
    jvp: Callable[[Arrays, Arrays], tuple[Arrays, Arrays]] | None


def routes(backend: Backend, primitive: Primitive) -> Routes:
    """Return the derivative routes of a backend: the framework's own where it has one."""
    function, xp = backend.bind(primitive), backend.xp
    able = backend.plugin.capabilities

    def results(*inputs: Any) -> Arrays:
        return function(*inputs)[: primitive.results]

    def vjp(inputs: Arrays, cotangents: tuple[Any, ...]) -> tuple[Arrays, Arrays]:
        outputs, pull = backend.vjp(results, inputs)
        return outputs, pull(cotangents)

    def explicit_vjp(inputs: Arrays, cotangents: tuple[Any, ...]) -> tuple[Arrays, Arrays]:
        outputs = function(*inputs)
        given = (*cotangents, *[None] * (len(outputs) - len(cotangents)))
        return outputs[: primitive.results], primitive.gradients(xp, primitive.kept(inputs, outputs), given)

    def jvp(inputs: Arrays, tangents: Arrays) -> tuple[Arrays, Arrays]:
        return backend.jvp(results, inputs, tangents)

    def explicit_jvp(inputs: Arrays, tangents: Arrays) -> tuple[Arrays, Arrays]:
        outputs = function(*inputs)
        dots = primitive.jvp(xp, primitive.kept(inputs, outputs), tangents)
        return outputs[: primitive.results], dots[: primitive.results]

    if not able:
        return Routes(explicit_vjp, explicit_jvp)
    return Routes(vjp, jvp if "jvp" in able else None)


def bound_of(case: Golden, dtype: str, derivative: str = "vjp") -> float:
    """Return the largest admissible relative error of a case in a dtype: of "value", "vjp", "jvp" or "second"."""
    m, n = case.matrix.shape[-2:]
    condition = condition_of(DECOMPOSITIONS[case.decomposition](), case.matrix)
    if derivative == "second":
        return tolerance(dtype, m, n, condition**2)
    return member_tolerance(case.decomposition, dtype, m, n, condition, derivative)


def in_scope(case: Golden, dtype: str) -> str:
    """Return why a case cannot be run in a dtype; empty if it can."""
    if ("complex" in dtype) != np.iscomplexobj(case.A):
        return "the matrix belongs to the other field"
    with np.errstate(over="ignore", under="ignore"):
        given = free_of_factors(DECOMPOSITIONS[case.decomposition](), case.inputs)
        cast = tuple(X.astype(dtype).astype(X.dtype) for X in given)
    if not all(map(np.array_equal, cast, given)):
        return "the matrix has entries the dtype cannot represent"
    if bound_of(case, dtype) > 0.1:
        return "so ill-conditioned that no digit is determined in the dtype"
    return ""


def check_case(backend: Backend, case: Golden, dtype: str) -> Iterator[Outcome]:
    """Run every check of one golden case in one dtype."""
    primitive = DECOMPOSITIONS[case.decomposition]()
    run = _Run(backend, case, dtype, routes(backend, primitive))
    yield from run.factors()
    for pattern in case.patterns:
        yield from run.gradient(pattern)
    if run.routes.jvp is not None:
        yield from run.tangents()
    yield from run.adjoint_identity()


class _Run:
    """One golden case on one backend in one dtype."""

    def __init__(self, backend: Backend, case: Golden, dtype: str, routes: Routes) -> None:
        self.backend, self.case, self.dtype, self.routes = backend, case, dtype, routes
        self.bound = bound_of(case, dtype)
        self.row = DECOMPOSITIONS[case.decomposition]()
        self.inputs = tuple(map(self.given, case.inputs))

    def given(self, X: Any) -> Any:
        """Pass a matrix of the golden case to the framework, in the dtype of the run."""
        return None if X is None else self.backend.from_numpy(X.astype(self.dtype))

    def factors(self) -> Iterator[Outcome]:
        """Compare the results with the truth; triangle, gauge, dtype and device must be exactly right."""
        outputs, _ = self.routes.vjp(self.inputs, self.cotangents("both"))
        for name, X, truth in zip(self.row.outputs, outputs, self.case.factors, strict=False):
            computed = self.backend.to_numpy(X)
            if self.row.spans:
                computed, truth = projector(computed), projector(truth)
            yield Outcome(f"value {name}", relative_error(computed, truth), bound_of(self.case, self.dtype, "value"))
            yield exactly(f"dtype of {name}", self.backend.dtype_name(X) == self.dtype)
            yield exactly(f"device of {name}", self.backend.device(X) == self.backend.device(self.inputs[0]))
            if name in self.row.discrete:
                yield exactly(f"{name}", np.array_equal(computed, truth))
        if self.row.triangle is not None:
            yield from self.triangle(self.backend.to_numpy(outputs[self.row.outputs.index(self.row.triangle)]))

    def triangle(self, triangle: Any) -> Iterator[Outcome]:
        """Check that a triangular factor is exactly triangular, in the positive gauge."""
        orientation = self.row.orientation
        triangle = triangle.swapaxes(-1, -2) if orientation.adjoint else triangle  # conjugating would make -0
        triangle = triangle[..., ::-1, ::-1] if orientation.reversed else triangle
        below = np.tril(np.ones(triangle.shape[-2:], dtype=bool), -1)
        zeros = np.concatenate([part[..., below].ravel() for part in (triangle.real, triangle.imag)])
        yield exactly("zeros of the triangle", bool(np.all(zeros == 0) and not np.any(np.signbit(zeros))))
        diagonal = np.diagonal(triangle, axis1=-2, axis2=-1)
        yield exactly("real non-negative diagonal", bool(np.all(diagonal.imag == 0) and np.all(diagonal.real >= 0)))

    def gradient(self, pattern: str) -> Iterator[Outcome]:
        """Compare a gradient with the truth, and check that no input was written to."""
        cotangents = self.cotangents(pattern)
        _, bars = self.routes.vjp(self.inputs, cotangents)
        for name, bar, truth in zip(self.row.inputs, bars, self.case.input_bars[pattern], strict=True):
            of = "" if name == "A" else f" of {name}"
            error = relative_error(self.backend.to_numpy(bar), truth)
            yield Outcome(f"vjp {pattern}{of}", error, self.bound)
            yield exactly(f"dtype of vjp {pattern}{of}", self.backend.dtype_name(bar) == self.dtype)
        for given, X in zip(self.inputs, self.case.inputs, strict=True):
            yield exactly("matrix unchanged", self.same(given, X))
        for given, X_bar in zip(cotangents, self.case.cotangents(pattern), strict=True):
            yield exactly("cotangent unchanged", self.same(given, X_bar))

    def tangents(self) -> Iterator[Outcome]:
        """Compare the tangents of the results with the truth."""
        assert self.routes.jvp is not None
        outputs, dots = self.routes.jvp(self.inputs, tuple(map(self.given, self.case.input_dots)))
        for i, (name, X_dot, truth) in enumerate(zip(self.row.outputs, dots, self.case.factor_dots, strict=False)):
            computed = self.backend.to_numpy(X_dot)
            if self.row.spans:
                computed = projector_dot(self.backend.to_numpy(outputs[i]), computed)
                truth = projector_dot(self.case.factors[i], truth)
            yield Outcome(f"jvp {name}", relative_error(computed, truth), self.bound)

    def adjoint_identity(self) -> Iterator[Outcome]:
        """Check that <A_bar, A_dot> equals the sum of <X_bar, X_dot> over the results, with the true tangents."""
        _, bars = self.routes.vjp(self.inputs, self.cotangents("both"))
        given = zip(self.case.factor_bars, self.case.factor_dots, strict=True)
        pairs = [(X_bar, X_dot) for X_bar, X_dot in given if X_bar is not None]
        # What cancels inside the products counts towards the size that the error is relative to.
        size = sum(_pairing(np.abs(X_bar), np.abs(X_dot)) for X_bar, X_dot in pairs)
        truth = zip(self.case.input_bars["both"], self.case.input_dots, strict=True)
        size = max(size, sum(_pairing(np.abs(bar), np.abs(dot)) for bar, dot in truth))
        computed = zip(map(self.backend.to_numpy, bars), self.case.input_dots, strict=True)
        difference = sum(_pairing(bar, dot) for bar, dot in computed) - sum(_pairing(*pair) for pair in pairs)
        yield Outcome("adjoint identity", abs(difference) / (size or 1.0), self.bound)

    def cotangents(self, pattern: str) -> tuple[Any, ...]:
        """Pass the cotangents of a pattern to the framework."""
        return tuple(map(self.given, self.case.cotangents(pattern)))

    def same(self, given: Any, X: Any) -> bool:
        """Return whether the inputs still have their entries."""
        return given is None or np.array_equal(self.backend.to_numpy(given), X.astype(self.dtype))


def check_zero_size(backend: Backend, decomposition: str, dtype: str) -> Iterator[Outcome]:
    """Check that matrices without entries give factors and gradients of the right shapes."""
    derivatives = routes(backend, DECOMPOSITIONS[decomposition]())
    for shape in ZERO_SIZE:
        *batch, m, n = shape
        k = min(m, n)
        expected = ((*batch, m, k), (*batch, k, n), shape)
        A = backend.from_numpy(np.zeros(shape, dtype=dtype))
        ones = tuple(backend.from_numpy(np.ones(size, dtype=dtype)) for size in expected[:2])
        (X, Y), (A_bar,) = derivatives.vjp((A,), ones)
        yield exactly(f"zero size {shape}", tuple(tuple(Z.shape) for Z in (X, Y, A_bar)) == expected)


def is_planted_on(case: Golden) -> bool:
    """Return whether a wrong rule and dependent columns are planted on a case, and second order is checked."""
    return case.A_bar_dot is not None and (case.decomposition in REDUCED or case.A.ndim == 2)


def doubled(primitive: Primitive) -> Primitive:
    """Return the primitive with rules that are wrong: twice the derivative."""

    def vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
        return tuple(2 * X for X in primitive.gradients(xp, kept, cotangents))

    def jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
        return tuple(2 * X for X in primitive.jvp(xp, kept, tangents))

    return replace(primitive, vjp=vjp, jvp=jvp)


def check_second_order(backend: Backend, case: Golden, dtype: str) -> Iterator[Outcome]:
    """Compare the derivative of a gradient along a tangent with the truth, reverse over reverse."""
    primitive = DECOMPOSITIONS[case.decomposition]()
    if "second-order" not in backend.plugin.capabilities:
        return
    run = _Run(backend, case, dtype, routes(backend, primitive))
    function, bars, weight = composed(backend, primitive), run.cotangents("both"), run.given(case.weight)

    def results(*inputs: Any) -> Arrays:
        return function(*inputs)[: primitive.results]

    def gradient(*inputs: Any) -> Arrays:
        outputs, pull = backend.vjp(results, inputs)
        return pull(bars if weight is None else (weight @ outputs[0],))

    # The Hessian of a real loss is symmetric: pulling back along A_dot is pushing A_dot forward. What is pulled back to
    # a basis may come in parts, each of which depends on the basis though their sum does not: no check.
    with checks("off") if weight is not None else nullcontext():
        _, pull = backend.vjp(gradient, free_of_factors(primitive, run.inputs))
        bar_dots = pull(tuple(map(run.given, free_of_factors(primitive, case.input_dots))))
    bound = bound_of(case, dtype, "second")
    truths = free_of_factors(primitive, case.input_bar_dots) if case.input_bar_dots else ()
    for bar_dot, truth in zip(bar_dots, truths, strict=True):
        yield Outcome("second order", relative_error(backend.to_numpy(bar_dot), truth), bound)


def check_sentinel(backend: Backend, case: Golden, dtype: str) -> Iterator[Outcome]:
    """Plant rules that give twice the derivative: the result must be twice the truth, or ours was not run."""
    run = _Run(backend, case, dtype, routes(backend, doubled(DECOMPOSITIONS[case.decomposition]())))
    _, bars = run.routes.vjp(run.inputs, run.cotangents("both"))
    for bar, truth in zip(bars, case.input_bars["both"], strict=True):
        yield Outcome("sentinel vjp", relative_error(run.backend.to_numpy(bar), 2 * truth), run.bound)
    if run.routes.jvp is not None and not run.row.spans:
        _, dots = run.routes.jvp(run.inputs, tuple(map(run.given, case.input_dots)))
        for X_dot, truth in zip(dots, case.factor_dots, strict=True):
            yield Outcome("sentinel jvp", relative_error(run.backend.to_numpy(X_dot), 2 * truth), run.bound)


def projector(Q: Any) -> Any:
    """Return Q Q^H, which depends on the space alone."""
    return Q @ np.conj(Q.swapaxes(-1, -2))


def projector_dot(Q: Any, Q_dot: Any) -> Any:
    """Return the tangent of Q Q^H."""
    half = Q_dot @ np.conj(Q.swapaxes(-1, -2))
    return half + np.conj(half.swapaxes(-1, -2))


def _pairing(X: Any, Y: Any) -> float:
    return float(np.sum((np.conj(X) * Y).real))


def exactly(check: str, holds: bool) -> Outcome:
    """Return the outcome of a condition that holds or does not."""
    return Outcome(check, 0.0 if holds else 1.0, 0.0)
