"""Primitives as differentiable functions of MXNet arrays, pairs and symbols.

What lies in host memory NumPy computes there, by the same kernels and rules, without a copy of real arrays: MXNet takes
tens of microseconds to hand one operation to its engine, which for small matrices is all of the time.

MXNet sees real arrays only: a pair goes in and comes out as its two parts. There is no second order, since MXNet cannot
record a backward pass (an explicit rule of `unifiedqr.rules` it can), and no forward mode.
"""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import cache
from typing import Any, NamedTuple

from unifiedqr.decomposition import Primitive
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.graph import call_symbolically
from unifiedqr_mxnet.host_memory import from_host, host_view, is_on_host
from unifiedqr_mxnet.namespace import host_xp, xp
from unifiedqr_mxnet.pair import ComplexArray, RealArray
from unifiedqr_mxnet.recording import record
from unifiedqr_mxnet.scalar import with_numpy_semantics

MXArray = Any  # mx.np.ndarray or ComplexArray
MXArrays = tuple[MXArray, ...]


class Call(NamedTuple):
    """A primitive with what went in and came out."""

    primitive: Primitive
    inputs: MXArrays
    outputs: MXArrays


calls: ContextVar[list[Call] | None] = ContextVar("calls", default=None)
"""Where primitives are noted down, if anywhere: for those who apply the explicit rules."""


@cache
def bind(primitive: Primitive) -> Callable[..., MXArrays]:
    """Return the primitive as a differentiable function of arrays and pairs, or of symbols."""

    def call(*inputs: MXArray) -> MXArrays:
        if any(is_symbolic(x) for x in inputs):
            return call_symbolically(primitive, inputs)
        return _call_eagerly(primitive, inputs)

    call.__name__ = f"unifiedqr_{primitive.name}"
    return call


def is_symbolic(x: MXArray) -> bool:
    """Return whether x is a symbol, or a pair of them, whose shape and dtype are known only later."""
    return isinstance(x.real if isinstance(x, ComplexArray) else x, mx.sym.Symbol)


@with_numpy_semantics
def _call_eagerly(primitive: Primitive, inputs: MXArrays) -> MXArrays:
    with mx.autograd.pause(train_mode=mx.autograd.is_training()):
        outputs, pullback = (_on_host if all(map(is_on_host, inputs)) else _by_mxnet)(primitive, inputs)
    if mx.autograd.is_recording():
        _record(flattened(inputs), flattened(outputs), pullback)
    noted = calls.get()
    if noted is not None:
        noted.append(Call(primitive, inputs, outputs))
    return outputs


Pullback = Callable[[Sequence[RealArray]], Sequence[RealArray]]


def _record(inputs: Sequence[RealArray], outputs: Sequence[RealArray], pullback: Pullback) -> None:
    """Enter a primitive into MXNet's record, without inputs that have no entries beside others that have.

    A backward pass under MXNet's legacy semantics takes a size of 0 for one that is not known.
    """
    entered = [i for i, x in enumerate(inputs) if x.size]
    if len(entered) in (0, len(inputs)):
        record(inputs, outputs, pullback)
        return

    def pulled(cotangents: Sequence[RealArray]) -> Sequence[RealArray]:
        bars = pullback(cotangents)
        return [bars[i] for i in entered]

    record([inputs[i] for i in entered], outputs, pulled)


def _on_host(primitive: Primitive, inputs: MXArrays) -> tuple[MXArrays, Pullback]:
    """Return the outputs, and the pullback between cotangents of their parts, computed by NumPy."""
    ctx, values = inputs[0].ctx, tuple(map(host_view, inputs))
    computed = primitive.forward(host_xp, *values)
    kept = primitive.kept(values, computed)
    outputs = tuple(from_host(y, ctx) for y in computed)
    likes = tuple(isinstance(y, ComplexArray) for y in outputs)

    def pullback(cotangents: Sequence[RealArray]) -> Sequence[RealArray]:
        parts = iter(cotangents)
        bars = [ComplexArray(next(parts), next(parts)) if is_pair else next(parts) for is_pair in likes]
        return flattened([from_host(X, ctx) for X in primitive.gradients(host_xp, kept, tuple(map(host_view, bars)))])

    return outputs, pullback


def _by_mxnet(primitive: Primitive, inputs: MXArrays) -> tuple[MXArrays, Pullback]:
    """Return the outputs, and the pullback between cotangents of their parts, computed where the arrays are."""
    computed = primitive.forward(xp, *inputs)
    # The record must not hold what it keeps for the backward pass: handles of their own, of the same memory.
    outputs = tuple(y.detach() for y in computed)
    kept = primitive.kept(tuple(x.detach() for x in inputs), computed)

    def pullback(cotangents: Sequence[RealArray]) -> Sequence[RealArray]:
        return flattened(primitive.gradients(xp, kept, assembled(cotangents, computed)))

    return outputs, pullback


def flattened(arrays: Sequence[MXArray]) -> list[Any]:
    """Return the real arrays, and the parts of the pairs, in one list."""
    return [part for x in arrays for part in ((x.real, x.imag) if isinstance(x, ComplexArray) else (x,))]


def assembled(parts: Sequence[Any], like: Sequence[MXArray]) -> MXArrays:
    """Undo `flattened`: give arrays, and pairs wherever `like` has one."""
    remaining = iter(parts)
    return tuple(
        ComplexArray(next(remaining), next(remaining)) if isinstance(x, ComplexArray) else next(remaining) for x in like
    )
