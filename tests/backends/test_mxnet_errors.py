"""What MXNet and its adapter refuse, in which class and with what words."""

from dataclasses import replace

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.errors import CapabilityError, DtypeError, ForeignArrayError, ShapeError
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_mxnet.autodiff import bind
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.namespace import xp
from unifiedqr_mxnet.pair import ComplexArray

pytestmark = pytest.mark.usefixtures("semantics")
A = random((4, 3), complex_=False, seed=1)


def leaf():
    """Return a matrix that has room for a gradient."""
    given = xp.asarray(A)
    given.attach_grad()
    return given


def test_forward_mode_is_refused():
    given = xp.asarray(A)
    with pytest.raises(CapabilityError, match=r"forward mode.*rules\.qr_jvp"):
        uqr.jvp(uqr.qr, (given,), (given,))
    backend = uqr.get_backend("mxnet")
    with pytest.raises(CapabilityError, match="no forward mode"):
        backend.jvp(lambda A: tuple(uqr.qr(A)), (given,), (given,))


def test_mxnets_other_errors_stay_as_they_are():
    with pytest.raises(mx.MXNetError) as caught:
        (xp.ones((2, 3)) + xp.ones((4, 5))).wait_to_read()
    assert type(caught.value) is mx.MXNetError


def test_an_error_in_a_rule_comes_in_its_own_class_and_leaves_no_number():
    def fail(xp, kept, bars):
        raise ArithmeticError("planted")

    given = leaf()
    with mx.autograd.record():
        loss = xp.sum(bind(replace(DECOMPOSITIONS["qr"](), vjp=fail))(given)[1])
    loss.backward()
    with pytest.raises(ArithmeticError, match="planted") as caught:
        given.grad.wait_to_read()
    assert isinstance(caught.value.__cause__, mx.MXNetError)
    assert np.all(np.isnan(given.grad.asnumpy()))  # MXNet raises an error once


def test_unusable_inputs_are_named():
    with pytest.raises(ForeignArrayError, match="as_np_ndarray"):
        uqr.qr(mx.nd.ones((3, 2)))
    with pytest.raises(ForeignArrayError, match="tostype"):
        uqr.qr(mx.nd.ones((3, 2)).tostype("row_sparse"))
    with pytest.raises(DtypeError, match="int64"):
        uqr.qr(xp.ones((3, 2), dtype=xp.int64))
    with pytest.raises(ShapeError, match="shapes"):
        ComplexArray(xp.ones((2,)), xp.ones((3,)))
    with pytest.raises(DtypeError, match="float32 and float64"):
        ComplexArray(xp.ones((2,)), xp.ones((2,), dtype=xp.float64))
    with pytest.raises(ForeignArrayError, match="got ndarray as a part"):
        ComplexArray(np.ones(2), np.ones(2))
    with mx.autograd.record(), pytest.raises(CapabilityError, match=r"unifiedqr\.qr"):
        xp.linalg.qr(xp.ones((3, 2)))
