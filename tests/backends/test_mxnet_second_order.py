"""Second order in MXNet: refused in every way that would give a number, right through a recorded explicit rule."""

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.errors import CapabilityError
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.namespace import xp

pytestmark = pytest.mark.usefixtures("semantics")
A = random((4, 3), complex_=False, seed=1)


class Decomposed(mx.gluon.HybridBlock):
    """A block as users write it."""

    def hybrid_forward(self, F, A):
        return tuple(uqr.qr(A))


def in_a_block(**hybridized):
    """Return `uqr.qr` in a Gluon block; plain if it is not hybridized."""
    block = Decomposed()
    if hybridized:
        block.hybridize(**hybridized)
    return lambda A: [X.as_np_ndarray() for X in block(A)]


def leaf():
    """Return a matrix that has room for a gradient."""
    given = xp.asarray(A)
    given.attach_grad()
    return given


def flat_sum(*arrays):
    """Return the sum of all entries, whatever MXNet's switches say."""
    return xp.sum(xp.concat([xp.reshape(X, (-1,)) for X in arrays]))


def differentiated_twice(decompose, linear, penalty):
    """Go back through a recorded gradient, alone or beside the loss it is of."""
    given = leaf()
    with mx.autograd.record():
        R = decompose(given)[1]
        loss = flat_sum(R if linear else mx.np.sin(R))
        with mx.util.np_shape(True):  # MXNet takes the shape of a loss without axes for unknown otherwise
            (gradient,) = mx.autograd.grad(loss, [given], create_graph=True, retain_graph=True)
        gradient = gradient.as_np_ndarray()
        total = flat_sum(gradient**2, loss) if penalty else flat_sum(gradient**2)
    total.backward()
    given.grad.wait_to_read()


@pytest.mark.parametrize(
    "decompose",
    [uqr.qr, in_a_block(), in_a_block(active=True), in_a_block(static_alloc=True, static_shape=True)],
    ids=["function", "block", "hybridized", "static"],
)
@pytest.mark.parametrize("linear", [True, False], ids=["linear", "nonlinear"])
@pytest.mark.parametrize("penalty", [False, True], ids=["gradient", "loss with a penalty"])
def test_a_recorded_gradient_cannot_be_differentiated(decompose, linear, penalty):
    with pytest.raises(CapabilityError, match=r"mxnet cannot do second order.*finite differences"):
        differentiated_twice(decompose, linear, penalty)


def inner(A):
    """Return a gradient by `uqr.grad`."""
    return uqr.grad(lambda A: xp.sum(uqr.qr(A).R ** 3))(A)


@pytest.mark.parametrize(
    "outer",
    {
        "grad of grad": lambda given: uqr.grad(lambda A: xp.sum(inner(A) ** 2))(given),
        "vjp of grad": lambda given: uqr.vjp(inner, given)[1](given),
        "grad of a value": lambda given: uqr.grad(lambda A: uqr.value_and_grad(lambda A: uqr.qr(A).R[0, 0])(A)[0])(
            given
        ),
        "grad of vjp's outputs": lambda given: uqr.grad(lambda A: xp.sum(uqr.vjp(uqr.qr, A)[0].R))(given),
        "grad over what the inner function meets": lambda given: uqr.grad(
            lambda B: xp.sum(uqr.grad(lambda A: xp.sum(uqr.qr(A * B).R))(given))
        )(given),
        "hvp": lambda given: uqr.hvp(lambda A: uqr.qr(A).R[0, 0], (given,), (given,)),
    }.items(),
    ids=lambda pair: pair[0],
)
def test_nested_gradients_are_refused(outer):
    with pytest.raises(CapabilityError, match="mxnet cannot do second order"):
        outer[1](xp.asarray(A))


def test_a_gradient_inside_a_record_refuses_to_be_differentiated_and_may_be_a_constant():
    given = leaf()
    with mx.autograd.record():
        loss = xp.sum(inner(given))
    loss.backward()
    with pytest.raises(CapabilityError, match=r"\.detach\(\)"):
        given.grad.wait_to_read()
    with mx.autograd.record():
        loss = xp.sum(inner(given).detach() * given)
    loss.backward()
    np.testing.assert_array_equal(given.grad.asnumpy(), inner(given).asnumpy())


@pytest.mark.parametrize("name", ["qr", "lq"])
@pytest.mark.parametrize("shape", ["5x3", "4x4", "3x5", "2x4x3"])
@pytest.mark.parametrize("field", ["real", "complex"])
def test_a_recorded_explicit_rule_can_be_differentiated(name, shape, field):
    case = golden(name)[f"{name}-random-{shape}-{field}"]
    given = xp.asarray(case.A)
    given.attach_grad()
    vjp = getattr(uqr.rules, f"{name}_vjp")
    with mx.autograd.record():
        gradient = vjp(*getattr(uqr, name)(given), *map(xp.asarray, case.factor_bars), xp=xp)
        loss = xp.sum(xp.real(xp.conj(xp.asarray(case.A_dot)) * gradient))
    loss.backward()
    bound = tolerance("float64", 5, 5, leading_condition(case.A, rows=name == "lq") ** 2)
    assert relative_error(given.grad.asnumpy(), case.A_bar_dot) <= bound
