"""The public rules on array-api-strict, which offers the standard and nothing else, against 100-digit differences."""

import array_api_strict as xp
import numpy as np
import pytest

from unifiedqr import rules
from unifiedqr.decomposition import DECOMPOSITIONS, REDUCED
from unifiedqr.discovery import get_backend
from unifiedqr_lab.conformance.case_checks import bound_of
from unifiedqr_lab.conformance.golden import PATTERNS, golden
from unifiedqr_lab.conformance.tolerance import relative_error

CASES = [pytest.param(case, id=name) for d in REDUCED for name, case in golden(d).items()]


@pytest.mark.parametrize("case", CASES)
def test_rules_agree_with_the_truth_on_the_strictest_namespace(case):
    vjp, jvp = (getattr(rules, f"{case.decomposition}_{kind}") for kind in ("vjp", "jvp"))
    factors = [xp.asarray(X) for X in case.factors]
    for pattern in PATTERNS:
        bars = [None if X is None else xp.asarray(X) for X in case.cotangents(pattern)]
        assert relative_error(np.asarray(vjp(*factors, *bars)), case.A_bars[pattern]) <= bound_of(case, "float64")
    for X_dot, truth in zip(jvp(*factors, xp.asarray(case.A_dot)), case.factor_dots, strict=True):
        assert relative_error(np.asarray(X_dot), truth) <= bound_of(case, "float64")


@pytest.mark.parametrize("decomposition", REDUCED)
def test_no_cotangent_gives_a_zero_gradient(decomposition):
    case = golden(decomposition)[f"{decomposition}-random-5x3-real"]
    A_bar = getattr(rules, f"{decomposition}_vjp")(*case.factors, None, None)
    assert A_bar.shape == case.A.shape
    assert not np.any(A_bar)


@pytest.mark.parametrize("decomposition", REDUCED)
def test_the_rules_are_exact_in_exact_arithmetic(decomposition):
    """In 100 digits rule and differences agree far below any double: nothing is left to a coincidence of rounding."""
    backend, primitive = get_backend("mpmath"), DECOMPOSITIONS[decomposition]()
    for shape in ("5x3", "4x4", "3x5"):
        for field in ("real", "complex"):
            case = golden(decomposition)[f"{decomposition}-random-{shape}-{field}"]
            A = backend.from_numpy(case.A)
            factors, pull = backend.vjp(backend.bind(primitive), (A,))
            bars = tuple(map(backend.from_numpy, case.factor_bars))
            (by_rule,) = primitive.vjp(backend.xp, factors, bars)
            (by_differences,) = pull(bars)
            assert max(abs(x) for x in (by_rule - by_differences).values.flat) < 1e-60
