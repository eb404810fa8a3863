"""The ways in which MXNet's users take values and derivatives, each run as they write it.

There is no vectorizing map, no forward mode and no second order; how one tries them is here too, so that what answers
is on record. The explicit rules serve instead: MXNet runs and records them as any other computation. They are applied
to the decompositions of a function's arguments, which are noted down while it runs.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from unifiedqr.backend import Backend
from unifiedqr.errors import CapabilityError
from unifiedqr_lab.instruments import Transform
from unifiedqr_mxnet.autodiff import Call, MXArrays, assembled, calls, flattened
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.instruments.blocks import BLOCKS, MAPS, Function, Making, executor_of, plain
from unifiedqr_mxnet.namespace import xp


def _executor_value(f: Function, primals: MXArrays) -> MXArrays:
    executor, on_parts, _ = executor_of(f, primals)
    return assembled([x.as_np_ndarray() for x in executor.forward()], on_parts.outputs)


def _executor_vjp(f: Function, primals: MXArrays, bars: MXArrays) -> MXArrays:
    executor, _, gradients = executor_of(f, primals)
    executor.forward(is_train=True)
    executor.backward([bar.as_nd_ndarray() for bar in flattened(bars)])
    return assembled([x.as_np_ndarray() for x in gradients], primals)


def _leaves(primals: MXArrays, request: str = "write") -> MXArrays:
    leaves = tuple(x.copy() for x in primals)
    for leaf in leaves:
        leaf.attach_grad(request)
    return leaves


def _value(make: Making, f: Function, primals: MXArrays) -> MXArrays:
    return make(f, primals)(*primals)


def _recorded_value(f: Function, primals: MXArrays) -> MXArrays:
    with mx.autograd.record():
        return f(*_leaves(primals))


def _backward(make: Making, f: Function, primals: MXArrays, bars: MXArrays, train_mode: bool = True) -> MXArrays:
    leaves = _leaves(primals)
    call = make(f, primals)
    with mx.autograd.record(train_mode=train_mode):
        heads = flattened(call(*leaves))
    mx.autograd.backward(heads, flattened(bars), train_mode=train_mode)
    return tuple(leaf.grad for leaf in leaves)


def _loss_backward(f: Function, primals: MXArrays, bars: MXArrays) -> MXArrays:
    leaves = _leaves(primals)
    with mx.autograd.record():
        parts = zip(flattened(f(*leaves)), flattened(bars), strict=True)
        loss = xp.sum(xp.concat([xp.reshape(part * bar, (-1,)) for part, bar in parts]))
    loss.backward()
    return tuple(leaf.grad for leaf in leaves)


def _added(f: Function, primals: MXArrays, bars: MXArrays) -> MXArrays:
    """Add the gradient to itself."""
    leaves = _leaves(primals, "add")
    with mx.autograd.record():
        heads = flattened(f(*leaves))
    for _ in range(2):
        mx.autograd.backward(heads, flattened(bars), retain_graph=True)
    return tuple(leaf.grad / 2 for leaf in leaves)


def _grad(
    f: Function, primals: MXArrays, bars: MXArrays, make: Making = plain, create_graph: bool = False
) -> tuple[MXArrays, MXArrays]:
    """Return leaves and their gradients."""
    leaves = _leaves(primals)
    call = make(f, primals)
    with mx.autograd.record():
        heads = flattened(call(*leaves))
        variables = [leaf.as_nd_ndarray() for leaf in flattened(leaves)]
        pulled = mx.autograd.grad(heads, variables, flattened(bars), create_graph=create_graph)
        return leaves, assembled([x.as_np_ndarray() for x in pulled], leaves)


def _grad_alone(f: Function, primals: MXArrays, bars: MXArrays) -> MXArrays:
    return _grad(f, primals, bars)[1]


def _grad_of_grad(f: Function, primals: MXArrays, bars: MXArrays, dots: MXArrays, make: Making = plain) -> MXArrays:
    leaves, gradients = _grad(f, primals, bars, make, create_graph=True)
    mx.autograd.backward(flattened(gradients), flattened(dots))
    return tuple(leaf.grad for leaf in leaves)


def _transposed_twice(f: Function, primals: MXArrays, dots: MXArrays) -> MXArrays:
    """Differentiate the VJP, which is linear in the cotangents, along them."""
    bars = _leaves(tuple(xp.zeros_like(y) for y in f(*primals)))
    _, gradients = _grad(f, primals, bars, create_graph=True)
    mx.autograd.backward(flattened(gradients), flattened(dots))
    return tuple(bar.grad for bar in bars)


def _trainer_step(f: Function, primals: MXArrays, bars: MXArrays) -> MXArrays:
    """Take a step of length one down the gradient of parameters, and return how far it went."""
    before = flattened(primals)
    parameters = [mx.gluon.Parameter(f"part{i}", shape=x.shape, dtype=x.dtype) for i, x in enumerate(before)]
    for parameter, part in zip(parameters, before, strict=True):
        parameter.initialize(mx.init.Zero())
        parameter.set_data(part if mx.util.is_np_array() else part.as_nd_ndarray())
    trainer = mx.gluon.Trainer(parameters, "sgd", {"learning_rate": 1.0})
    with mx.autograd.record():
        heads = flattened(f(*assembled([parameter.data().as_np_ndarray() for parameter in parameters], primals)))
    mx.autograd.backward(heads, flattened(bars))
    trainer.step(1)
    after = [parameter.data().as_np_ndarray() for parameter in parameters]
    return assembled([x - y for x, y in zip(before, after, strict=True)], primals)


def _noted(f: Function, primals: MXArrays) -> list[Call]:
    token = calls.set([])
    try:
        outputs = f(*primals)
        noted = calls.get() or []
    finally:
        calls.reset(token)
    came, went = [X for call in noted for X in call.outputs], [x for call in noted for x in call.inputs]
    if list(map(id, outputs)) != list(map(id, came)) or list(map(id, primals)) != list(map(id, went)):
        raise CapabilityError("explicit rules are for the factors of the arguments only, not for functions of them.")
    return noted


def _explicit_vjp(f: Function, primals: MXArrays, bars: MXArrays) -> MXArrays:
    remaining = iter(bars)
    return tuple(
        x_bar
        for primitive, inputs, outputs in _noted(f, primals)
        for x_bar in primitive.gradients(xp, primitive.kept(inputs, outputs), [next(remaining) for _ in outputs])
    )


def _explicit_jvp(f: Function, primals: MXArrays, dots: MXArrays) -> MXArrays:
    remaining = iter(dots)
    return tuple(
        y_dot
        for primitive, inputs, outputs in _noted(f, primals)
        for y_dot in primitive.jvp(xp, primitive.kept(inputs, outputs), tuple(next(remaining) for _ in inputs))
    )


def _explicit_hvp(f: Function, primals: MXArrays, bars: MXArrays, dots: MXArrays) -> MXArrays:
    """Go back through the recorded rule: the second derivative of a real function is symmetric."""
    leaves = _leaves(primals)
    with mx.autograd.record():
        gradients = flattened(_explicit_vjp(f, leaves, bars))
    mx.autograd.backward(gradients, flattened(dots))
    return tuple(leaf.grad for leaf in leaves)


def _after_set_np(run: Callable[..., MXArrays]) -> Callable[..., MXArrays]:
    """Return the run with NumPy's semantics switched on for the process."""

    def switched(*arguments: Any) -> MXArrays:
        before = {"shape": mx.util.is_np_shape(), "array": mx.util.is_np_array()}
        mx.npx.set_np()
        try:
            return run(*arguments)
        finally:
            mx.npx.set_np(**before)

    return switched


def transforms(backend: Backend) -> tuple[Transform, ...]:
    """Return every way."""

    def vjp(f: Function, primals: MXArrays, bars: MXArrays) -> MXArrays:
        return backend.vjp(f, primals)[1](bars)

    def vjp_of_vjp(f: Function, primals: MXArrays, bars: MXArrays, dots: MXArrays) -> MXArrays:
        return backend.vjp(lambda *inputs: vjp(f, inputs, bars), primals)[1](dots)

    def jvp(f: Function, primals: MXArrays, dots: MXArrays) -> MXArrays:
        return backend.jvp(f, primals, dots)[1]

    def each(kind: str, take: Callable[..., Any], makings: dict[str, Making], **options: Any) -> list[Transform]:
        name = {"value": "{}", "vjp": "autograd.backward of {}"}[kind]
        return [Transform(name.format(made), kind, partial(take, make), **options) for made, make in makings.items()]

    hybridized = BLOCKS["HybridBlock.hybridize"]
    return (
        Transform("call", "value", partial(_value, plain)),
        Transform("autograd.record", "value", _recorded_value),
        *each("value", _value, BLOCKS),
        *each("value", _value, MAPS, batched=True),
        Transform("Symbol.bind, Executor.forward", "value", _executor_value),
        Transform("unifiedqr.vjp", "vjp", vjp),
        Transform("autograd.backward", "vjp", partial(_backward, plain)),
        Transform("autograd.backward after npx.set_np", "vjp", _after_set_np(partial(_backward, plain))),
        Transform("autograd.backward(train_mode=False)", "vjp", partial(_backward, plain, train_mode=False)),
        Transform("autograd.backward, grad_req='add'", "vjp", _added),
        Transform("loss.backward", "vjp", _loss_backward),
        Transform("autograd.grad", "vjp", _grad_alone),
        *each("vjp", _backward, BLOCKS),
        *each("vjp", _backward, MAPS, batched=True),
        Transform("gluon.Trainer.step", "vjp", _trainer_step),
        Transform("Executor.backward", "vjp", _executor_vjp),
        Transform("explicit rule, vjp", "vjp", _explicit_vjp),
        Transform("explicit rule, jvp", "jvp", _explicit_jvp),
        Transform("explicit rule, vjp, recorded", "hvp", _explicit_hvp),
        Transform("unifiedqr.jvp", "jvp", jvp),
        Transform("autograd.grad of autograd.grad", "jvp", _transposed_twice),
        Transform("unifiedqr.vjp of vjp", "hvp", vjp_of_vjp),
        Transform("autograd.grad(create_graph=True)", "hvp", _grad_of_grad),
        Transform(
            "autograd.grad(create_graph=True) of HybridBlock.hybridize", "hvp", partial(_grad_of_grad, make=hybridized)
        ),
    )
