"""Graphs of MXNet with decompositions in them: executors, subgraphs, what one process exports and another imports."""

import subprocess
import sys

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.errors import CapabilityError, DtypeError, ShapeError
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.namespace import xp

pytestmark = pytest.mark.usefixtures("semantics")
CASE = golden("qr")["qr-random-5x3-real"]
BOUND = tolerance("float64", 5, 3, leading_condition(CASE.A))


class Decomposed(mx.gluon.HybridBlock):
    """A block as users write it."""

    def hybrid_forward(self, F, A):
        return tuple(uqr.qr(A))


@pytest.fixture
def net():
    """Return a hybridized block."""
    block = Decomposed()
    block.hybridize()
    return block


@pytest.mark.parametrize("numpy_class", [False, True])
def test_simple_bind(numpy_class):
    A = mx.sym.var("A").as_np_ndarray() if numpy_class else mx.sym.var("A")
    graph = mx.sym.Group(list(uqr.qr(A)))
    executor = graph.simple_bind(mx.cpu(), A=(5, 3), type_dict={"A": "float64"})
    (given,) = executor.arg_dict.values()
    xp.asarray(CASE.A).as_nd_ndarray().copyto(given)
    for X, truth in zip(executor.forward(is_train=True), CASE.factors, strict=True):
        assert relative_error(X.asnumpy(), truth) <= BOUND
    executor.backward([xp.asarray(bar).as_nd_ndarray() for bar in CASE.factor_bars])
    assert relative_error(executor.grad_dict["A"].asnumpy(), CASE.A_bars["both"]) <= BOUND


def test_attributes_of_a_scope_are_let_pass():
    """An operator that refuses one would end the process."""

    class Scoped(mx.gluon.HybridBlock):
        def hybrid_forward(self, F, A):
            with mx.AttrScope(ctx_group="one", __lr_mult__="0.1"):
                return tuple(uqr.qr(A))

    block = Scoped()
    block.hybridize()
    R = block(xp.asarray(CASE.A))[1]
    assert relative_error(R.asnumpy(), CASE.factors[1]) <= BOUND


def test_exported_block_has_its_gradient_in_another_process(net, tmp_path, semantics):
    net(xp.asarray(CASE.A))
    net.export(str(tmp_path / "net"))
    np.savez(tmp_path / "given.npz", A=CASE.A, Q_bar=CASE.factor_bars[0], R_bar=CASE.factor_bars[1])
    program = f"""
import numpy as np, unifiedqr as uqr
xp = uqr.namespace("mxnet")
import mxnet as mx
if {semantics}:
    mx.npx.set_np()
block = mx.gluon.SymbolBlock.imports("net-symbol.json", ["data"])
given = np.load("given.npz")
A, *bars = (xp.asarray(given[name]) for name in ("A", "Q_bar", "R_bar"))
A.attach_grad()
with mx.autograd.record():
    factors = [X.as_np_ndarray() for X in block(A)]
mx.autograd.backward(factors, bars)
np.savez("computed.npz", R=factors[1].asnumpy(), A_bar=A.grad.asnumpy())
"""
    subprocess.run([sys.executable, "-c", program], check=True, cwd=tmp_path)
    computed = np.load(tmp_path / "computed.npz")
    np.testing.assert_array_equal(computed["R"], uqr.qr(xp.asarray(CASE.A)).R.asnumpy())
    assert relative_error(computed["A_bar"], CASE.A_bars["both"]) <= BOUND


def test_what_a_graph_refuses_comes_in_the_class_it_has_elsewhere(net, capfd):
    with pytest.raises(DtypeError, match="int64"):
        net(xp.ones((3, 2), dtype=xp.int64))
    with pytest.raises(ShapeError, match="matrices"):
        net(xp.ones((3,)))
    assert "infer_type" in capfd.readouterr().out  # MXNet prints what its callbacks raise


def test_a_gradient_of_symbols_is_refused():
    class Inner(mx.gluon.HybridBlock):
        def hybrid_forward(self, F, A):
            return uqr.grad(lambda A: uqr.qr(A).R[0, 0])(A)

    block = Inner()
    block.hybridize()
    with pytest.raises(CapabilityError, match="hybridized block"):
        block(xp.asarray(CASE.A))
