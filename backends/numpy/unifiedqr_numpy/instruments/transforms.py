"""What NumPy's users do: values, alone and vectorized, and the explicit rules, which they call by hand.

A transform is given a function, whose decompositions are noted down while it runs. Each must be of an argument, and its
factors must come out as they are: there is no autodiff that would follow them further.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any

import numpy as np

from unifiedqr.errors import CapabilityError
from unifiedqr_lab.instruments import Transform
from unifiedqr_numpy.adapter import Arrays, Call, calls
from unifiedqr_numpy.namespace import xp

Function = Callable[..., Arrays]


def _value(f: Function, primals: Arrays) -> Arrays:
    return f(*primals)


def _vectorized(f: Function, primals: Arrays) -> Arrays:
    outputs = f(*(x[0] for x in primals))
    names = count()
    before, after = (",".join(f"(i{next(names)},i{next(names)})" for _ in arrays) for arrays in (primals, outputs))
    return np.vectorize(f, signature=f"{before}->{after}")(*primals)


def _noted(f: Function, primals: Arrays) -> list[Call]:
    token = calls.set([])
    try:
        outputs = f(*primals)
        noted = calls.get() or []
    finally:
        calls.reset(token)
    came = [id(X) for call in noted for X in call.outputs]
    if [id(X) for X in outputs] != came or not {id(x) for call in noted for x in call.inputs} <= set(map(id, primals)):
        raise CapabilityError(
            "numpy has explicit rules for the factors of the arguments only, not for functions of them."
        )
    return noted


def _place(x: Any, primals: Sequence[Any]) -> int:
    return [id(primal) for primal in primals].index(id(x))


def _explicit_vjp(f: Function, primals: Arrays, bars: Arrays) -> Arrays:
    gradients = [np.zeros_like(x) for x in primals]
    remaining: Iterator[Any] = iter(bars)
    for primitive, inputs, outputs in _noted(f, primals):
        factor_bars = tuple(next(remaining) for _ in outputs)
        found = primitive.gradients(xp, primitive.kept(inputs, outputs), factor_bars)
        for x, x_bar in zip(inputs, found, strict=True):
            gradients[_place(x, primals)] += x_bar
    return tuple(gradients)


def _strict_vjp(f: Function, primals: Arrays, bars: Arrays) -> Arrays:
    with np.errstate(all="raise"):
        return _explicit_vjp(f, primals, bars)


def _explicit_jvp(f: Function, primals: Arrays, dots: Arrays) -> Arrays:
    return tuple(
        x_dot
        for primitive, inputs, outputs in _noted(f, primals)
        for x_dot in primitive.jvp(xp, primitive.kept(inputs, outputs), tuple(dots[_place(x, primals)] for x in inputs))
    )


TRANSFORMS = (
    Transform("call", "value", _value),
    Transform("numpy.vectorize", "value", _vectorized, batched=True),
    Transform("explicit rule, vjp", "vjp", _explicit_vjp),
    Transform("explicit rule, vjp of a stack", "vjp", _explicit_vjp, batched=True),
    Transform("explicit rule, vjp, in numpy.errstate(all='raise')", "vjp", _strict_vjp),
    Transform("explicit rule, jvp", "jvp", _explicit_jvp),
    Transform("explicit rule, jvp of a stack", "jvp", _explicit_jvp, batched=True),
)
"""Every way."""
