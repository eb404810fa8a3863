"""Dependent columns in MXNet, whose rules run in a thread of the engine: warned of, raised, or NaN without a word."""

import warnings

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.checks import checks, reports_later
from unifiedqr.errors import SingularMatrixWarning
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.host_memory import seen
from unifiedqr_mxnet.namespace import xp

pytestmark = pytest.mark.usefixtures("semantics")
FIELD = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])


class Decomposed(mx.gluon.HybridBlock):
    """A block as users write it."""

    def hybrid_forward(self, F, A):
        return tuple(uqr.qr(A))


def hybridized(A):
    """Decompose in a hybridized block."""
    block = Decomposed()
    block.hybridize()
    return [X.as_np_ndarray() for X in block(A)]


def spoiled(shape, complex_):
    """Return three matrices of which the second repeats a column."""
    A = random((3, *shape), complex_=complex_, seed=1)
    A[1, :, 1] = A[1, :, 0]
    return A


def backward(decompose, A):
    """Return a matrix whose gradient is on its way."""
    A = xp.asarray(A)
    A.attach_grad()
    with mx.autograd.record():
        X, Y = decompose(A)
        loss = xp.sum(xp.concat([xp.reshape(xp.abs(part) ** 2 * xp.real(part), (-1,)) for part in (X, Y)]))
    loss.backward()
    return A


def waited_for(gradient):
    """Return a gradient once it is there."""
    gradient.wait_to_read()
    return gradient


def by_grad(decompose, A):
    """Return a matrix's gradient by `uqr.grad`."""
    return uqr.grad(lambda A: xp.sum(xp.abs(decompose(A)[1]) ** 2))(xp.asarray(A))


def marked(gradient):
    """Tell for each matrix of the batch whether its gradient is NaN throughout, and see that the others are finite."""
    nan = np.isnan(gradient.asnumpy()).reshape(len(gradient), -1)
    assert np.all(nan.all(axis=1) == nan.any(axis=1))
    return nan.all(axis=1).tolist()


@FIELD
@pytest.mark.parametrize("shape", [(5, 3), (4, 4), (3, 5)], ids=str)
def test_warn(complex_, shape):
    with checks("warn"):
        with pytest.warns(SingularMatrixWarning, match=r"1 of 3 matrices of the batch, the first at index \(1,\)"):
            gradient = waited_for(backward(uqr.qr, spoiled(shape, complex_)).grad)
        assert marked(gradient) == [False, True, False]
        with pytest.warns(SingularMatrixWarning):
            assert marked(by_grad(uqr.qr, spoiled(shape, complex_))) == [False, True, False]


@FIELD
def test_raise(complex_):
    with checks("raise"):
        A = backward(uqr.qr, spoiled((5, 3), complex_))
        with pytest.raises(uqr.SingularMatrixError, match=r"index \(1,\)") as caught:
            A.grad.wait_to_read()
        assert isinstance(caught.value.__cause__, mx.MXNetError)
        assert marked(A.grad) == [False, True, False]
        with pytest.raises(uqr.SingularMatrixError):
            by_grad(uqr.qr, spoiled((5, 3), complex_))
        with pytest.raises(uqr.SingularMatrixError):
            by_grad(uqr.lq, np.swapaxes(spoiled((5, 3), complex_), -1, -2))


def test_raise_through_other_operations_and_at_any_wait():
    with checks("raise"):
        backward(lambda A: uqr.qr(A * 2 + 0), spoiled((5, 3), complex_=False))
        with pytest.raises(uqr.SingularMatrixError):
            mx.nd.waitall()


def test_a_matrix_that_is_recorded_and_never_differentiated_raises_nothing():
    with checks("raise"), mx.autograd.record():
        R = uqr.qr(xp.asarray(spoiled((5, 3), complex_=False))).R
    assert np.all(np.isfinite(R.asnumpy()))


@FIELD
def test_off(complex_):
    with checks("off"), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert marked(backward(uqr.qr, spoiled((5, 3), complex_)).grad) == [False, True, False]


@pytest.mark.parametrize("mode", ["warn", "raise"])
def test_silent_in_a_hybridized_block(mode):
    with checks(mode), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert marked(backward(hybridized, spoiled((5, 3), complex_=False)).grad) == [False, True, False]
        mx.nd.waitall()


def test_the_last_pivot_of_a_real_matrix_is_exempt():
    A = random((4, 4), complex_=False, seed=5)
    A[:, 3] = 0
    with checks("raise"):
        R_bar = backward(lambda A: (uqr.qr(A).R, A), A).grad
        assert np.all(np.isfinite(R_bar.asnumpy()))


def test_explicit_rules_report_at_once():
    A = xp.asarray(spoiled((5, 3), complex_=False))
    Q, R = uqr.qr(A)
    with checks("raise"):
        with pytest.raises(uqr.SingularMatrixError):
            uqr.rules.qr_vjp(Q, R, Q, None, xp=xp)
        with pytest.raises(uqr.SingularMatrixError):
            uqr.rules.qr_jvp(Q, R, A, xp=xp)


def test_seen():
    x = xp.asarray(random((2, 2), complex_=True, seed=1))
    for given in (x, x.real, x.real > 0):
        np.testing.assert_array_equal(seen(given), given.asnumpy())
        with reports_later():
            assert seen(given) is None
