"""Gradients through MXNet's own record: against torch, differences and golden vectors, as users take them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import unifiedqr as uqr
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr_mxnet.autodiff import bind
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.namespace import xp

SHAPES = [(5, 3), (4, 4), (3, 5), (1, 1), (2, 4, 3)]
pytestmark = pytest.mark.usefixtures("semantics")
FIELD = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
DECOMPOSITION = pytest.mark.parametrize("name", ["qr", "lq"])


def factors_and_bars(name, shape, complex_):
    """Return a matrix and one cotangent per factor, in NumPy."""
    A = random(shape, complex_=complex_, seed=1)
    factors = DECOMPOSITIONS[name]().forward(uqr.namespace("numpy"), A)
    return A, [random(X.shape, complex_=complex_, seed=seed) for seed, X in enumerate(factors, start=2)]


def paired(bars, factors):
    """Return Re <bars, factors> as one sum: without NumPy's shapes MXNet cannot add arrays without axes."""
    terms = [xp.reshape(xp.real(xp.conj(xp.asarray(bar)) * X), (-1,)) for bar, X in zip(bars, factors, strict=True)]
    return xp.sum(xp.concat(terms))


def recorded_gradient(function, A, bars):
    """Return the gradient of `paired` through MXNet's own record."""
    A = xp.asarray(A)
    A.attach_grad()
    with mx.autograd.record():
        loss = paired(bars, function(A))
    loss.backward()
    return A.grad.asnumpy()


def bound(name, A):
    """Return the tolerance of a derivative at A."""
    return tolerance("float64", *A.shape[-2:], leading_condition(A, rows=name == "lq"))


@pytest.fixture
def case():
    """Return a deep real matrix with the truth about its QR decomposition."""
    return golden("qr")["qr-random-5x3-real"]


@DECOMPOSITION
@FIELD
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradient_is_torchs(name, complex_, shape):
    A, bars = factors_and_bars(name, shape, complex_)
    decompose = getattr(uqr, name)
    _, pullback = uqr.vjp(decompose, torch.asarray(A))
    reference = pullback(tuple(map(torch.asarray, bars)))[0].numpy()
    assert relative_error(recorded_gradient(decompose, A, bars), reference) <= bound(name, A)


@DECOMPOSITION
@FIELD
@pytest.mark.parametrize("shape", [(5, 3), (4, 4), (3, 5)], ids=str)
def test_gradient_is_the_central_difference(name, complex_, shape):
    A, bars = factors_and_bars(name, shape, complex_)
    decompose = getattr(uqr, name)
    A_dot = random(shape, complex_=complex_, seed=9)

    def loss(t):
        return paired(bars, decompose(xp.asarray(A + t * A_dot))).item()

    def difference(h):
        return (loss(h) - loss(-h)) / (2 * h)

    h = np.finfo(np.float64).eps ** (1 / 3)
    slope = np.real(np.vdot(recorded_gradient(decompose, A, bars), A_dot))
    truncation = abs(difference(2 * h) - difference(h))  # three times that of h, whose error falls as h^2
    size = sum(np.linalg.norm(bar) for bar in bars) * np.linalg.norm(A)
    assert abs(slope - difference(h)) <= truncation + bound(name, A) * size / h


@FIELD
def test_grad_req_add_accumulates(complex_):
    case = golden("lq")[f"lq-random-5x3-{'complex' if complex_ else 'real'}"]
    A = xp.asarray(case.A)
    A.attach_grad("add")
    for _ in range(2):
        with mx.autograd.record():
            loss = paired(case.factor_bars, uqr.lq(A))
        loss.backward(retain_graph=True)
    loss.backward()
    assert relative_error(A.grad.asnumpy(), 3 * case.A_bars["both"]) <= bound("lq", case.A)


def test_half_precision_accumulates_too(case):
    """MXNet's own `astype` forgets what it should add to; `xp.astype` does not."""
    A = xp.asarray(case.A.astype(np.float16))
    A.attach_grad("add")
    with mx.autograd.record():
        R = uqr.qr(A).R
    for _ in range(2):
        R.backward(retain_graph=True)
    A32 = xp.asarray(A.asnumpy().astype(np.float32))
    once = uqr.grad(lambda A: xp.sum(uqr.qr(A).R))(A32).asnumpy()
    assert relative_error(A.grad.asnumpy(), 2 * once) <= tolerance("float16", 5, 3, leading_condition(case.A))


def test_grad_req_null_takes_no_gradient_and_stops_no_other(case):
    still, moving = xp.asarray(case.A), xp.asarray(case.A)
    still.attach_grad("null")
    moving.attach_grad()
    with mx.autograd.record():
        loss = paired(case.factor_bars * 2, (*uqr.qr(still), *uqr.qr(moving)))
    loss.backward()
    assert still.grad is None
    assert relative_error(moving.grad.asnumpy(), case.A_bars["both"]) <= bound("qr", case.A)


def test_a_detached_matrix_is_a_constant(case):
    A = xp.asarray(case.A)
    A.attach_grad()
    with mx.autograd.record():
        loss = paired(case.factor_bars * 2, (*uqr.qr(A.detach()), *uqr.qr(A)))
    loss.backward()
    assert relative_error(A.grad.asnumpy(), case.A_bars["both"]) <= bound("qr", case.A)


@pytest.mark.parametrize("pattern", ["left", "right"])
def test_a_factor_that_is_not_used_has_no_influence(case, pattern):
    index = ("left", "right").index(pattern)

    def used(A):
        return (uqr.qr(A)[index],)

    gradient = recorded_gradient(used, case.A, case.factor_bars[index : index + 1])
    assert relative_error(gradient, case.A_bars[pattern]) <= bound("qr", case.A)


def test_a_part_of_a_factor_and_a_matrix_that_is_used_twice(case):
    row = np.zeros((3, 3))
    row[0] = case.factor_bars[1][0]
    once = recorded_gradient(lambda A: (uqr.qr(A).R,), case.A, [row])
    twice = recorded_gradient(lambda A: (uqr.qr(A).R[0], uqr.qr(A).R[0]), case.A, [row[0], row[0]])
    assert relative_error(twice, 2 * once) <= bound("qr", case.A)


@pytest.mark.parametrize("train_mode", [True, False])
def test_modes_of_training_change_nothing(case, train_mode):
    A = xp.asarray(case.A)
    A.attach_grad()
    with mx.autograd.record(train_mode=train_mode):
        factors = uqr.qr(A)
        assert mx.autograd.is_training() == train_mode
    mx.autograd.backward(list(factors), list(map(xp.asarray, case.factor_bars)), train_mode=train_mode)
    assert relative_error(A.grad.asnumpy(), case.A_bars["both"]) <= bound("qr", case.A)


def test_writing_to_what_is_recorded_is_refused_by_mxnet(case):
    A = xp.asarray(case.A)
    A.attach_grad()
    with mx.autograd.record():
        R = uqr.qr(A).R
        with pytest.raises(mx.MXNetError, match="inplace"):
            R += 1
        with pytest.raises(mx.MXNetError, match="inplace"):
            R[0] = 1


def test_a_matrix_may_change_after_its_decomposition(case):
    """The rules read the factors alone."""
    A = xp.asarray(case.A)
    A.attach_grad()
    with mx.autograd.record():
        loss = paired(case.factor_bars, uqr.qr(A))
    A[:] = 0
    loss.backward()
    assert relative_error(A.grad.asnumpy(), case.A_bars["both"]) <= bound("qr", case.A)


@pytest.mark.parametrize("attached", [0, 1])
def test_an_input_without_gradient_stops_no_other(attached):
    row = DECOMPOSITIONS["qr"]()
    product = replace(
        row,
        inputs=("A", "B"),
        outputs=("C",),
        keeps=("A", "B"),
        forward=lambda xp, A, B: (A * B,),
        vjp=lambda xp, kept, bars: (bars[0] * kept[1], bars[0] * kept[0]),
    )
    inputs = [xp.asarray(random((2, 3), complex_=False, seed=seed)) for seed in (1, 2)]
    inputs[attached].attach_grad()
    with mx.autograd.record():
        loss = xp.sum(bind(product)(*inputs)[0])
    loss.backward()
    np.testing.assert_array_equal(inputs[attached].grad.asnumpy(), inputs[1 - attached].asnumpy())


@pytest.mark.parametrize("factor", [0, 1], ids=["Q", "R"])
def test_what_has_no_entries_does_not_stop_the_others(factor):
    """Columns that are deleted are a change of no columns, whose size without NumPy's shapes would be unknown."""
    values = random((5, 4), complex_=False, seed=4)
    A, T = xp.asarray(values), torch.tensor(values, requires_grad=True)
    A.attach_grad()
    with mx.autograd.record():
        loss = (uqr.qr_delete(*uqr.qr(A), (0, 2), "columns")[factor] ** 3).sum()
    loss.backward()
    torch.sum(uqr.qr(T[:, [1, 3]])[factor] ** 3).backward()
    assert relative_error(A.grad.asnumpy(), T.grad.numpy()) <= bound("qr", values)
