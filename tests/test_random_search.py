"""Counterexamples are searched for: adjointness, the truth, NaN where no derivative exists, in every framework."""

import numpy as np
import pytest
from hypothesis import given

from tests.strategies import FEW, SAMPLE, SEARCH, SMALL, problems
from tests.truth import truth
from unifiedqr.checks import checks
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import get_backend
from unifiedqr_lab.conformance.case_checks import routes
from unifiedqr_lab.conformance.tolerance import relative_error


def double(X):
    """Return an array in double precision, real or complex; None for None."""
    return None if X is None else X.astype(np.result_type(X.dtype, np.float64))


def derivatives(name, problem):
    """Return factors, gradient and, where a framework has forward mode, tangents of the factors."""
    backend = get_backend(name)
    derivative = routes(backend, DECOMPOSITIONS[problem.decomposition](positive=problem.positive))
    A, A_dot, *bars = (None if X is None else backend.from_numpy(X) for X in (problem.A, problem.A_dot, *problem.bars))
    with checks("off"):
        factors, (A_bar,) = derivative.vjp((A,), tuple(bars))
        dots = () if derivative.jvp is None else derivative.jvp((A,), (A_dot,))[1]
    return tuple(map(backend.to_numpy, factors)), backend.to_numpy(A_bar), tuple(map(backend.to_numpy, dots))


def ruled(problem, factors, index):
    """Return what the explicit rule makes of a framework's factors of one matrix, alone and in double precision."""
    primitive, backend = DECOMPOSITIONS[problem.decomposition](), get_backend("numpy")
    kept, bars = (tuple(double(X if X is None else X[index]) for X in given) for given in (factors, problem.bars))
    return primitive.vjp(backend.xp, kept, bars)[0]


def pairing(X, Y):
    return float(np.sum((np.conj(X) * Y).real))


def last_vector(decomposition, dots):
    """Return the tangent of the last column of Q, or of its last row for LQ, which every leading vector determines."""
    return dots[0][..., -1] if decomposition == "qr" else dots[1][..., -1, :]


def check(name, problem):
    """See that gradients are NaN where they must be, elsewhere what the rule gives, and adjoint to the tangents."""
    factors, A_bar, dots = derivatives(name, problem)
    assert A_bar.shape == problem.A.shape
    assert A_bar.dtype == problem.dtype
    for index in np.ndindex(problem.hopeless.shape):
        if problem.hopeless[index]:
            assert np.all(np.isnan(A_bar[index]))
            assert not dots or np.all(np.isnan(last_vector(problem.decomposition, dots)[index]))
            continue
        bound, sizes = problem.bound(index), problem.sizes[index]
        assert relative_error(double(A_bar[index]) * sizes, ruled(problem, factors, index) * sizes) <= bound
        if dots:
            pairs = [(X_bar, X_dot) for X_bar, X_dot in zip(problem.bars, dots, strict=True) if X_bar is not None]
            pairs.append((-A_bar, problem.A_dot))
            pairs = [(double(X[index]), double(Y[index])) for X, Y in pairs]
            size = sum(pairing(np.abs(X), np.abs(Y)) for X, Y in pairs)
            assert abs(sum(pairing(X, Y) for X, Y in pairs)) <= bound * size


@pytest.mark.parametrize("name", ["numpy", "torch", "tensorflow", "mxnet"])
@SEARCH
@given(problem=problems())
def test_derivatives_are_adjoint_or_nan(name, problem):
    check(name, problem)


@SEARCH
@given(problem=problems(FEW, batches=((), (2,)), gauges=(True,)))
def test_derivatives_of_jax_are_adjoint_or_nan(problem):
    check("jax", problem)


def check_truth(name, problem):
    """See that a gradient is what differences in many digits give."""
    _, A_bar, _ = derivatives(name, problem)
    _, truly, _ = truth(problem.decomposition, problem.A, problem.bars)
    difference = np.linalg.norm((double(A_bar) - truly) * problem.sizes)
    assert difference <= problem.bound(()) * max(problem.reach(()), np.linalg.norm(truly * problem.sizes))


@pytest.mark.parametrize("name", ["numpy", "torch", "tensorflow", "mxnet"])
@SAMPLE
@given(problem=problems(SMALL, batches=((),), flaws=("none", "near"), gauges=(True,)))
def test_gradients_are_the_truth(name, problem):
    check_truth(name, problem)


@SAMPLE
@given(problem=problems(FEW, batches=((),), flaws=("none", "near"), gauges=(True,)))
def test_gradients_of_jax_are_the_truth(problem):
    check_truth("jax", problem)
