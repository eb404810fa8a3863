"""Gluon blocks around the decompositions: plain, hybridized, with parameters, trained, stored and read again."""

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import ZERO_SIZE, random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr_mxnet.autodiff import bind
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.namespace import xp
from unifiedqr_mxnet.pair import ComplexArray

pytestmark = pytest.mark.usefixtures("semantics")
STATIC = {"static_alloc": True, "static_shape": True}
HYBRIDIZED = pytest.mark.parametrize("hybridized", [None, {}, STATIC], ids=["plain", "hybridized", "static"])


class Decomposed(mx.gluon.HybridBlock):
    """A block as users write it."""

    def __init__(self, decompose):
        super().__init__()
        self.decompose = decompose

    def hybrid_forward(self, F, A):
        return self.decompose(A)


class Projected(mx.gluon.HybridBlock):
    """The input's coordinates in the basis of the columns of a parameter, and its triangle."""

    def __init__(self, rows):
        super().__init__()
        self.weight = self.params.get("weight", shape=(rows, 3), dtype="float64", allow_deferred_init=True)

    def hybrid_forward(self, F, x, weight):
        Q, R = uqr.qr(weight.as_np_ndarray())
        if mx.util.is_np_array():
            return F.np.dot(x, Q), R
        return F.dot(x, Q.as_nd_ndarray()), R.as_nd_ndarray()

    def infer_shape(self, x):
        self.weight.shape = (x.shape[-1], 3)


def made(block, hybridized):
    """Return the block, hybridized if it shall be."""
    if hybridized is not None:
        block.hybridize(**hybridized)
    return block


def as_numpy_class(arrays):
    """Return arrays of a graph, which may be of the legacy class, in NumPy's."""
    return [x if isinstance(x, mx.np.ndarray) else x.as_np_ndarray() for x in arrays]


def gradient(call, A, bars):
    """Return the gradient of <bars, call(A)> through MXNet's record."""
    A = xp.asarray(A)
    A.attach_grad()
    with mx.autograd.record():
        factors = as_numpy_class(call(A))
    mx.autograd.backward(factors, [xp.asarray(bar.astype(A.dtype)) for bar in bars])
    return A.grad.asnumpy()


@pytest.mark.parametrize("name", ["qr", "lq"])
@pytest.mark.parametrize("shape", ["5x3", "4x4", "3x5", "1x1", "2x4x3"])
@HYBRIDIZED
def test_block_has_the_true_gradient(name, shape, hybridized):
    case = golden(name)[f"{name}-random-{shape}-real"]
    net = made(Decomposed(getattr(uqr, name)), hybridized)
    bound = tolerance("float64", 5, 5, leading_condition(case.A, rows=name == "lq"))
    for _ in range(2):  # the second call finds its graph and its memory made
        assert relative_error(gradient(net, case.A, case.factor_bars), case.A_bars["both"]) <= bound


@HYBRIDIZED
def test_a_block_takes_one_shape_after_the_other(hybridized):
    net = made(Decomposed(uqr.qr), hybridized)
    for shape in ((5, 3), (4, 4), (3, 5), (5, 3), (2, 4, 3)):
        A = random(shape, complex_=False, seed=1)
        Q, R = (X.asnumpy() for X in as_numpy_class(net(xp.asarray(A))))
        assert relative_error(Q @ R, A) <= tolerance("float64", 5, 5)


def test_complex_symbols_in_a_hybridized_block():
    case = golden("qr")["qr-random-5x3-complex"]

    class Block(mx.gluon.HybridBlock):
        def hybrid_forward(self, F, real, imag):
            Q, R = bind(DECOMPOSITIONS["qr"]())(ComplexArray(real, imag))
            return Q.real, Q.imag, R.real, R.imag

    block = made(Block(), {})
    A = xp.asarray(case.A)
    A.attach_grad()
    with mx.autograd.record():
        parts = as_numpy_class(block(A.real, A.imag))
    mx.autograd.backward(parts, [xp.asarray(part) for bar in case.factor_bars for part in (bar.real, bar.imag)])
    assert relative_error(A.grad.asnumpy(), case.A_bars["both"]) <= tolerance(
        "float64", 5, 3, leading_condition(case.A)
    )


@pytest.mark.parametrize("rows", [5, 0], ids=["known", "deferred"])
@HYBRIDIZED
def test_a_parameter_is_trained_stored_and_read(rows, hybridized, semantics, tmp_path):
    weight, x = random((5, 3), complex_=False, seed=1), random((2, 5), complex_=False, seed=2)
    net = made(Projected(rows), hybridized)
    # With NumPy's semantics MXNet makes no random numbers in double precision: zeros, replaced once the shape is known.
    net.initialize(mx.init.Zero())

    def native(values):
        return xp.asarray(values) if semantics else xp.asarray(values).as_nd_ndarray()

    X = native(x)
    net(X)  # makes what was deferred
    net.weight.set_data(native(weight))
    with mx.autograd.record():
        y, R = as_numpy_class(net(X))
        loss = xp.sum(xp.concat([xp.reshape(y * y, (-1,)), xp.reshape(R, (-1,))]))
    loss.backward()

    def expected_loss(A):
        space = uqr.namespace(A)
        Q, R = uqr.qr(A)
        return space.sum((space.asarray(x) @ Q) ** 2) + space.sum(R)

    with uqr.use_backend("torch"):
        expected = uqr.to_numpy(uqr.grad(expected_loss)(weight))
    bound = tolerance("float64", 5, 3, leading_condition(weight))
    assert relative_error(net.weight.grad().asnumpy(), expected) <= bound
    mx.gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.5}).step(1)
    assert relative_error(net.weight.data().asnumpy(), weight - 0.5 * expected) <= bound
    net.save_parameters(str(tmp_path / "net.params"))
    again = Projected(5)
    again.load_parameters(str(tmp_path / "net.params"))
    np.testing.assert_array_equal(again.weight.data().asnumpy(), net.weight.data().asnumpy())


@HYBRIDIZED
def test_half_precision_is_handed_back_in_kind(hybridized):
    case = golden("qr")["qr-random-5x3-real"]
    net = made(Decomposed(uqr.qr), hybridized)
    A = case.A.astype(np.float16)
    Q, R = as_numpy_class(net(xp.asarray(A)))
    assert Q.dtype == R.dtype == np.float16
    product = Q.asnumpy().astype(np.float32) @ R.asnumpy().astype(np.float32)
    assert relative_error(product, A) <= tolerance("float16", 5, 3)
    computed = gradient(net, A, case.factor_bars)
    assert computed.dtype == np.float16
    assert relative_error(computed, case.A_bars["both"]) <= tolerance("float16", 5, 3, leading_condition(case.A))


@pytest.mark.parametrize("shape", ZERO_SIZE, ids=str)
def test_zero_size_in_a_hybridized_block(shape):
    with mx.util.np_shape(True), mx.util.np_array(True):  # zero means unknown to a graph otherwise
        A = xp.ones(shape, dtype=xp.float64)
        A.attach_grad()
        net = made(Decomposed(uqr.qr), {})
        with mx.autograd.record():
            factors = net(A)
        mx.autograd.backward(factors)
        assert [X.shape for X in factors] == [X.shape for X in uqr.qr(A)]
        mx.nd.waitall()
