"""The explicit rules on other Array API libraries: dtypes, devices, old standards, and checks that see nothing."""

import warnings

import array_api_strict as strict
import jax.numpy
import numpy as np
import pytest
import torch

from unifiedqr import rules
from unifiedqr.checks import MODES, checks
from unifiedqr.errors import DtypeError, ForeignArrayError
from unifiedqr.functional import lq, qr
from unifiedqr_lab.conformance.case_checks import bound_of
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import ZERO_SIZE, random
from unifiedqr_lab.conformance.tolerance import relative_error

FUNCTIONS = {"qr": qr, "lq": lq}
DECOMPOSITION = pytest.mark.parametrize("name", ["qr", "lq"])
LIBRARIES = {"array-api-strict": strict.asarray, "torch": torch.asarray, "jax": jax.numpy.asarray}
LIBRARY = pytest.mark.parametrize("asarray", LIBRARIES.values(), ids=LIBRARIES)


def rules_of(name):
    """Return the VJP and the JVP of a decomposition."""
    return getattr(rules, f"{name}_vjp"), getattr(rules, f"{name}_jvp")


@DECOMPOSITION
@LIBRARY
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", ["5x3", "4x4", "3x5", "2x4x3"])
def test_rules_are_right_in_the_dtype_of_the_factors(name, asarray, dtype, shape):
    case = golden(name)[f"{name}-random-{shape}-{'complex' if 'complex' in dtype else 'real'}"]
    vjp, jvp = rules_of(name)

    def given(*arrays):
        return [asarray(X.astype(dtype)) for X in arrays]

    A_bar = vjp(*given(*case.factors, *case.factor_bars))
    assert np.asarray(A_bar).dtype == dtype
    assert relative_error(np.asarray(A_bar), case.A_bars["both"]) <= bound_of(case, dtype)
    for X_dot, truth in zip(jvp(*given(*case.factors, case.A_dot)), case.factor_dots, strict=True):
        assert relative_error(np.asarray(X_dot), truth) <= bound_of(case, dtype)


@DECOMPOSITION
@LIBRARY
@pytest.mark.parametrize("mode", MODES)
def test_checks_are_silent_where_no_namespace_shows_values(name, asarray, mode):
    A = random((3, 4, 4), complex_=True, seed=1)
    A[1, :, 1] = A[1, :, 0]
    A = A if name == "qr" else np.swapaxes(A, -1, -2).copy()
    factors, A = [asarray(X) for X in FUNCTIONS[name](A)], asarray(A)
    vjp, jvp = rules_of(name)
    with checks(mode), warnings.catch_warnings():
        warnings.simplefilter("error")
        derivatives = vjp(*factors, *factors), *jvp(*factors, A)
    for X in derivatives[:2]:
        assert np.isnan(np.asarray(X)).any(axis=(-2, -1)).tolist() == [False, True, False]


@DECOMPOSITION
@LIBRARY
@pytest.mark.parametrize("shape", ZERO_SIZE, ids=str)
def test_zero_size(name, asarray, shape):
    factors = FUNCTIONS[name](np.zeros(shape))
    vjp, jvp = rules_of(name)
    given = [asarray(X) for X in factors]
    assert tuple(vjp(*given, *given).shape) == shape
    dots = jvp(*given, asarray(np.zeros(shape)))
    assert [tuple(X.shape) for X in dots] == [X.shape for X in factors]


@DECOMPOSITION
@pytest.mark.parametrize("version", ["2022.12", "2023.12", "2024.12"])
def test_older_standards_and_no_shape_that_depends_on_values(name, version):
    case = golden(name)[f"{name}-random-3x5-complex"]
    vjp, jvp = rules_of(name)
    with strict.ArrayAPIStrictFlags(api_version=version, boolean_indexing=False, data_dependent_shapes=False):
        factors = [strict.asarray(X) for X in case.factors]
        A_bar = vjp(*factors, *(strict.asarray(X) for X in case.factor_bars))
        dots = jvp(*factors, strict.asarray(case.A_dot))
    assert relative_error(np.asarray(A_bar), case.A_bars["both"]) <= bound_of(case, "complex128")
    for X_dot, truth in zip(dots, case.factor_dots, strict=True):
        assert relative_error(np.asarray(X_dot), truth) <= bound_of(case, "complex128")


@DECOMPOSITION
def test_results_stay_on_the_device_of_the_factors(name):
    case = golden(name)[f"{name}-random-5x3-real"]
    device = strict.Device("device1")

    def given(*arrays):
        return [strict.asarray(X, device=device) for X in arrays]

    vjp, jvp = rules_of(name)
    for bars in ((*case.factor_bars,), (None, case.factor_bars[1]), (case.factor_bars[0], None), (None, None)):
        A_bar = vjp(*given(*case.factors), *(None if X is None else given(X)[0] for X in bars))
        assert A_bar.device == device
    assert all(X.device == device for X in jvp(*given(*case.factors, case.A_dot)))


def test_what_does_not_belong_together_is_refused():
    case = golden("qr")["qr-random-5x3-real"]
    Q, R = case.factors
    with pytest.raises(ForeignArrayError, match="one Array API library"):
        rules.qr_vjp(strict.asarray(Q), R, None, None)
    with pytest.raises(DtypeError):
        rules.qr_vjp(strict.asarray(Q), strict.asarray(R.astype(np.float32)), None, None)
    with pytest.raises(DtypeError):
        rules.qr_vjp(
            strict.astype(strict.asarray(Q), strict.int64), strict.astype(strict.asarray(R), strict.int64), None, None
        )
