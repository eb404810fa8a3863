"""`unifiedqr.vjp` and `grad` in MXNet: missing and mixed cotangents, what they leave alone, zero size."""

import numpy as np
import pytest
import torch

import unifiedqr as uqr
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import ZERO_SIZE, random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.namespace import xp

pytestmark = pytest.mark.usefixtures("semantics")
FIELD = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
DECOMPOSITION = pytest.mark.parametrize("name", ["qr", "lq"])


def factors_and_bars(name, shape, complex_):
    """Return a matrix and one cotangent per factor, in NumPy."""
    A = random(shape, complex_=complex_, seed=1)
    factors = DECOMPOSITIONS[name]().forward(uqr.namespace("numpy"), A)
    return A, [random(X.shape, complex_=complex_, seed=seed) for seed, X in enumerate(factors, start=2)]


def test_pullback_again_with_missing_cotangents_and_unconnected_primals():
    A, bars = factors_and_bars("qr", (5, 3), complex_=True)
    other = xp.ones((2,))
    _, pullback = uqr.vjp(lambda A, other: (*uqr.qr(A), xp.ones((2,))), xp.asarray(A), other)
    bar = xp.asarray(bars[1])
    first, second = pullback((None, bar, None)), pullback((None, bar, None))
    expected = uqr.vjp(uqr.qr, torch.asarray(A))[1]((None, torch.asarray(bars[1])))[0].numpy()
    for A_bar, other_bar in (first, second):
        assert relative_error(A_bar.asnumpy(), expected) <= tolerance("float64", 5, 3, leading_condition(A))
        np.testing.assert_array_equal(other_bar.asnumpy(), np.zeros(2))
    np.testing.assert_array_equal(pullback((None, None, xp.ones((2,))))[0].asnumpy(), np.zeros((5, 3)))


def test_real_and_complex_cotangents_mix():
    case = golden("qr")["qr-random-5x3-complex"]
    Q_bar, R_bar = case.factor_bars
    _, pullback = uqr.vjp(uqr.qr, xp.asarray(case.A))
    mixed, spelled_out = (
        pullback((xp.asarray(left), xp.asarray(R_bar)))[0].asnumpy() for left in (Q_bar.real, Q_bar.real + 0j)
    )
    np.testing.assert_array_equal(mixed, spelled_out)


def test_a_gradient_writes_to_no_other_array():
    """A parameter that the function meets keeps the gradient its owner has put there."""
    A = random((5, 3), complex_=False, seed=1)
    parameter = xp.asarray(A)
    parameter.attach_grad()
    with mx.autograd.record():
        loss = xp.sum(parameter)
    loss.backward()
    uqr.grad(lambda A: xp.sum(uqr.qr(A * parameter).R))(xp.asarray(A))
    np.testing.assert_array_equal(parameter.grad.asnumpy(), np.ones((5, 3)))


@DECOMPOSITION
@FIELD
@pytest.mark.parametrize("shape", ZERO_SIZE, ids=str)
def test_zero_size(name, complex_, shape):
    A, bars = factors_and_bars(name, shape, complex_)
    factors, pullback = uqr.vjp(getattr(uqr, name), xp.asarray(A))
    assert [X.shape for X in factors] == [bar.shape for bar in bars]
    (A_bar,) = pullback(tuple(map(xp.asarray, bars)))
    assert A_bar.shape == shape
    assert A_bar.asnumpy().dtype == A.dtype
    mx.nd.waitall()


@FIELD
def test_inputs_are_left_alone(complex_):
    A, bars = factors_and_bars("qr", (5, 3), complex_)
    arrays = [xp.asarray(x) for x in (A, *bars)]
    _, pullback = uqr.vjp(uqr.qr, arrays[0])
    pullback(tuple(arrays[1:]))
    for x, before in zip(arrays, (A, *bars), strict=True):
        np.testing.assert_array_equal(x.asnumpy(), before)
