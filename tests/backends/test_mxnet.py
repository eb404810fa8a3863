"""What is specific to MXNet: its record, its graphs, its two switches, and complex arrays that it does not have."""

import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

import unifiedqr as uqr
from unifiedqr.conformance.checks import doubled
from unifiedqr.conformance.golden import golden
from unifiedqr.conformance.matrices import ZERO_SIZE, random
from unifiedqr.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr.decomposition import DECOMPOSITIONS, qr_primitive
from unifiedqr.errors import CapabilityError, DtypeError, ForeignArrayError, ShapeError
from unifiedqr_mxnet import recording
from unifiedqr_mxnet.autodiff import bind
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.namespace import xp
from unifiedqr_mxnet.pair import ComplexArray

SHAPES = [(5, 3), (4, 4), (3, 5), (1, 1), (2, 4, 3)]
pytestmark = pytest.mark.usefixtures("semantics")
FIELD = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
DECOMPOSITION = pytest.mark.parametrize("name", list(DECOMPOSITIONS))


def factors_and_bars(name, shape, complex_):
    """Give a matrix and one cotangent per factor, in NumPy."""
    A = random(shape, complex_=complex_, seed=1)
    factors = DECOMPOSITIONS[name]().forward(uqr.namespace("numpy"), A)
    return A, [random(X.shape, complex_=complex_, seed=seed) for seed, X in enumerate(factors, start=2)]


def paired(bars, factors):
    """Give Re <bars, factors> as one sum: without NumPy's shapes MXNet cannot add arrays without axes."""
    terms = [xp.reshape(xp.real(xp.conj(xp.asarray(bar)) * X), (-1,)) for bar, X in zip(bars, factors, strict=True)]
    return xp.sum(xp.concat(terms))


def recorded_gradient(function, A, bars):
    """Give the gradient of `paired` through MXNet's own record."""
    A = xp.asarray(A)
    A.attach_grad()
    with mx.autograd.record():
        loss = paired(bars, function(A))
    loss.backward()
    return A.grad.asnumpy()


def bound(name, A):
    """Give the tolerance of a derivative at A."""
    return tolerance("float64", *A.shape[-2:], leading_condition(A, rows=name == "lq"))


@DECOMPOSITION
@FIELD
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_recorded_gradient_is_torchs(name, complex_, shape):
    A, bars = factors_and_bars(name, shape, complex_)
    decompose = getattr(uqr, name)
    _, pullback = uqr.vjp(decompose, torch.asarray(A))
    reference = pullback(tuple(map(torch.asarray, bars)))[0].numpy()
    assert relative_error(recorded_gradient(decompose, A, bars), reference) <= bound(name, A)


@DECOMPOSITION
@FIELD
@pytest.mark.parametrize("shape", [(5, 3), (4, 4), (3, 5)], ids=str)
def test_recorded_gradient_is_the_central_difference(name, complex_, shape):
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


@pytest.mark.parametrize("attached", [0, 1])
def test_an_input_without_gradient_stops_no_other(attached):
    row = qr_primitive()
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


@DECOMPOSITION
def test_sentinel_in_every_mode(name):
    """A rule that gives twice the derivative must double it in each mode, or that mode runs something else."""
    A, bars = factors_and_bars(name, (5, 3), complex_=False)
    row = DECOMPOSITIONS[name]()
    for mode, gradient in {
        "record": lambda row: recorded_gradient(bind(row), A, bars),
        "hybridized": lambda row: recorded_gradient(lambda A: as_numpy_class(hybridized(row)(A)), A, bars),
        "vjp": lambda row: uqr.to_numpy(uqr.vjp(bind(row), xp.asarray(A))[1](tuple(map(xp.asarray, bars)))[0]),
    }.items():
        assert relative_error(gradient(doubled(row)), 2 * gradient(row)) <= tolerance("float64", 5, 3), mode


def hybridized(row):
    """Give a hybridized Gluon block that decomposes."""

    class Block(mx.gluon.HybridBlock):
        def hybrid_forward(self, F, A):
            return bind(row)(A)

    block = Block()
    block.hybridize()
    return block


def as_numpy_class(arrays):
    """Give arrays of a graph, which may be of the legacy class, in NumPy's."""
    return [x if isinstance(x, mx.np.ndarray) else x.as_np_ndarray() for x in arrays]


class Decomposed(mx.gluon.HybridBlock):
    """A block as users write it."""

    def __init__(self, decompose):
        super().__init__()
        self.decompose = decompose

    def hybrid_forward(self, F, A):
        return self.decompose(A)


@pytest.mark.parametrize("name", ["qr", "lq"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("hybridize", [False, True], ids=["plain", "hybridized"])
def test_gluon_block(name, shape, hybridize):
    A, bars = factors_and_bars(name, shape, complex_=False)
    net = Decomposed(getattr(uqr, name))
    net.hybridize(hybridize)
    computed = recorded_gradient(lambda A: as_numpy_class(net(A)), A, bars)
    expected = recorded_gradient(getattr(uqr, name), A, bars)
    assert relative_error(computed, expected) <= bound(name, A)


def test_complex_symbols_in_a_hybridized_block():
    A, bars = factors_and_bars("qr", (5, 3), complex_=True)

    class Block(mx.gluon.HybridBlock):
        def hybrid_forward(self, F, real, imag):
            Q, R = bind(qr_primitive())(ComplexArray(real, imag))
            return Q.real, Q.imag, R.real, R.imag

    block = Block()
    block.hybridize()

    def factors(A):
        parts = as_numpy_class(block(A.real, A.imag))
        return ComplexArray(*parts[:2]), ComplexArray(*parts[2:])

    expected = recorded_gradient(uqr.qr, A, bars)
    assert relative_error(recorded_gradient(factors, A, bars), expected) <= bound("qr", A)


def test_exported_block_runs_in_another_process(tmp_path, semantics):
    A, _ = factors_and_bars("qr", (5, 3), complex_=False)
    net = Decomposed(uqr.qr)
    net.hybridize()
    net(xp.asarray(A))
    net.export(str(tmp_path / "net"))
    np.save(tmp_path / "A.npy", A)
    program = f"""
import numpy as np, unifiedqr as uqr
xp = uqr.namespace("mxnet")
import mxnet as mx
if {semantics}:
    mx.npx.set_np()
block = mx.gluon.SymbolBlock.imports("net-symbol.json", ["data"])
np.save("R.npy", block(xp.asarray(np.load("A.npy")))[1].asnumpy())
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "R.npy"), uqr.qr(xp.asarray(A)).R.asnumpy())


def test_half_precision_is_handed_back_in_kind():
    A = xp.asarray(random((5, 3), complex_=False, seed=1).astype(np.float16))
    hybrid = Decomposed(uqr.qr)
    hybrid.hybridize()
    for Q, R in (uqr.qr(A), as_numpy_class(hybrid(A))):
        assert Q.dtype == R.dtype == np.float16
        product = Q.asnumpy().astype(np.float32) @ R.asnumpy().astype(np.float32)
        assert relative_error(product, A.asnumpy()) <= tolerance("float16", 5, 3)


@pytest.mark.parametrize("shape", ZERO_SIZE, ids=str)
def test_zero_size_in_a_hybridized_block(shape):
    with mx.util.np_shape(True), mx.util.np_array(True):  # zero means unknown to a graph otherwise
        A = xp.ones(shape, dtype=xp.float64)
        A.attach_grad()
        net = Decomposed(uqr.qr)
        net.hybridize()
        with mx.autograd.record():
            factors = net(A)
        mx.autograd.backward(factors)
        assert [X.shape for X in factors] == [X.shape for X in uqr.qr(A)]
        mx.nd.waitall()


@pytest.mark.parametrize("hybridize", [False, True])
def test_half_precision_has_a_gradient(hybridize):
    case = golden("qr")["qr-random-5x3-real"]
    net = Decomposed(uqr.qr)
    net.hybridize(hybridize)
    A = xp.asarray(case.A.astype(np.float16))
    A.attach_grad()
    with mx.autograd.record():
        factors = as_numpy_class(net(A))
        terms = [xp.asarray(bar.astype(np.float16)) * X for bar, X in zip(case.factor_bars, factors, strict=True)]
        loss = xp.sum(xp.concat(terms))
    loss.backward()
    condition = leading_condition(case.A)
    assert relative_error(A.grad.asnumpy(), case.A_bars["both"]) <= tolerance("float16", 5, 3, condition)


def test_the_record_is_freed_with_its_arrays():
    before = len(recording._nodes)
    A = xp.asarray(random((5, 3), complex_=True, seed=1))
    A.attach_grad()
    with mx.autograd.record():
        loss = xp.sum(xp.abs(uqr.qr(A).R) ** 2)
    assert len(recording._nodes) == before + 1
    del A, loss
    mx.nd.waitall()
    for _ in range(100):  # the engine's threads let go of their arrays a moment after their work is done
        if len(recording._nodes) == before:
            break
        time.sleep(0.05)
    assert len(recording._nodes) == before


def test_an_error_in_a_rule_surfaces(capfd):
    def fail(xp, kept, bars):
        raise ArithmeticError("planted")

    A, bars = factors_and_bars("qr", (5, 3), complex_=False)
    with pytest.raises(mx.MXNetError):
        recorded_gradient(bind(replace(qr_primitive(), vjp=fail)), A, bars)
    assert "ArithmeticError: planted" in capfd.readouterr().err


def test_unusable_inputs_are_named():
    with pytest.raises(ForeignArrayError, match="as_np_ndarray"):
        uqr.qr(mx.nd.ones((3, 2)))
    with pytest.raises(DtypeError, match="int64"):
        uqr.qr(xp.ones((3, 2), dtype=xp.int64))
    with pytest.raises(ShapeError, match="shapes"):
        ComplexArray(xp.ones((2,)), xp.ones((3,)))
    with pytest.raises(DtypeError, match="float32 and float64"):
        ComplexArray(xp.ones((2,)), xp.ones((2,), dtype=xp.float64))
    with pytest.raises(ForeignArrayError, match="ndarray came"):
        ComplexArray(np.ones(2), np.ones(2))
    A = xp.ones((3, 2))
    with pytest.raises(CapabilityError, match="jvp"):
        uqr.jvp(uqr.qr, (A,), (A,))
    with mx.autograd.record(), pytest.raises(CapabilityError, match=r"unifiedqr\.qr"):
        xp.linalg.qr(A)


def test_pullback_again_with_missing_cotangents_and_unconnected_primals():
    A, bars = factors_and_bars("qr", (5, 3), complex_=True)
    other = xp.ones((2,))
    _, pullback = uqr.vjp(lambda A, other: (*uqr.qr(A), xp.ones((2,))), xp.asarray(A), other)
    bar = xp.asarray(bars[1])
    first, second = pullback((None, bar, None)), pullback((None, bar, None))
    expected = gradient_of_torch(A, bars[1])
    for A_bar, other_bar in (first, second):
        assert relative_error(A_bar.asnumpy(), expected) <= bound("qr", A)
        np.testing.assert_array_equal(other_bar.asnumpy(), np.zeros(2))
    np.testing.assert_array_equal(pullback((None, None, xp.ones((2,))))[0].asnumpy(), np.zeros((5, 3)))


def gradient_of_torch(A, R_bar):
    """Give torch's gradient for a cotangent of R alone."""
    return uqr.vjp(uqr.qr, torch.asarray(A))[1]((None, torch.asarray(R_bar)))[0].numpy()


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


@pytest.mark.parametrize("switched_on", [False, True])
def test_importing_leaves_numpy_and_the_switches_as_found(switched_on):
    program = f"""
import numpy as np
before = dict(vars(np))
import unifiedqr as uqr
xp = uqr.namespace("mxnet")
assert set(before) <= set(vars(np))
submodules = {{name for name, value in vars(np).items() if isinstance(value, type(np))}}
assert {{name for name in vars(np) if vars(np)[name] is not before.get(name)}} <= submodules | {{"__warningregistry__"}}
import mxnet as mx
assert (mx.npx.is_np_shape(), mx.npx.is_np_array()) == (False, False)
if {switched_on}:
    mx.npx.set_np()
x = xp.asarray([[3.0, 1.0], [4.0, 2.0]])
uqr.grad(lambda x: xp.sum(uqr.qr(x).R))(x).wait_to_read()
x[x > 2] = 0.0
assert float(xp.max(x)) == 2.0
assert (mx.npx.is_np_shape(), mx.npx.is_np_array()) == ({switched_on}, {switched_on})
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


@pytest.mark.parametrize("shape", [(3, 3), (300, 300), (0, 3)], ids=str)
def test_a_process_may_end_right_after_backward(shape):
    """MXNet by itself aborts, or waits for ever for a backward pass that its stopped thread will never run."""
    program = f"""
import unifiedqr as uqr
xp = uqr.namespace("mxnet")
import mxnet as mx
mx.npx.set_np()
A = xp.ones({shape})
A.attach_grad()
with mx.autograd.record():
    R = uqr.qr(A).R
R.backward()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_scalars_compute_whatever_the_switches_say():
    """With MXNet's semantics off its own sum of two sums fails; a script written against xp must not notice."""
    A = xp.asarray(random((4, 3), complex_=False, seed=30))
    A.attach_grad()
    with mx.autograd.record():
        loss = xp.sum(A**2) / 2 + 3.0 * xp.sum(A) - 1.0
    loss.backward()
    expected = A.asnumpy()
    true = np.sum(expected**2) / 2 + 3 * np.sum(expected) - 1
    assert relative_error(np.asarray(float(loss)), true) <= tolerance("float64", 4, 3)
    assert relative_error(A.grad.asnumpy(), expected + 3) <= tolerance("float64", 4, 3)
