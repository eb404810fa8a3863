"""The backend: autograd's primitives carry our rules, its `make_vjp` and `make_jvp` run them."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from autograd.builtins import tuple as traced_tuple
from autograd.core import make_jvp, make_vjp
from autograd.extend import defjvp_argnums, defvjp_argnums, primitive
from autograd.numpy.numpy_boxes import ArrayBox

from unifiedqr.backend import Backend
from unifiedqr.decomposition import Primitive
from unifiedqr_autograd.namespace import value_of, xp

Arrays = tuple[Any, ...]


class AutogradBackend(Backend):
    """NumPy arrays, and the boxes in which autograd follows them."""

    xp = xp
    array_types = (ArrayBox, np.ndarray, np.generic)

    def from_numpy(self, x: Any) -> Any:
        return x

    def to_numpy(self, x: Any) -> np.ndarray:
        return value_of(x)

    def dtype_name(self, x: Any) -> str:
        return x.dtype.name

    def bind(self, primitive: Primitive) -> Callable[..., Arrays]:
        return bind(primitive)

    def vjp(self, f: Callable[..., Arrays], primals: Arrays) -> tuple[Arrays, Callable[..., Arrays]]:
        pull, outputs = make_vjp(lambda inputs: traced_tuple(f(*_parts(inputs))), traced_tuple(primals))
        outputs = _parts(outputs)

        def pullback(cotangents: Any) -> Arrays:
            pairs = zip(outputs, cotangents, strict=True)
            bars = traced_tuple([xp.zeros_like(y) if bar is None else xp.conj(bar) for y, bar in pairs])
            return tuple(xp.conj(bar) for bar in _parts(pull(bars)))

        return outputs, pullback

    def jvp(self, f: Callable[..., Arrays], primals: Arrays, tangents: Arrays) -> tuple[Arrays, Arrays]:
        push = make_jvp(lambda inputs: traced_tuple(f(*_parts(inputs))), traced_tuple(primals))
        outputs, dots = push(traced_tuple(tangents))
        return _parts(outputs), _parts(dots)


def _parts(sequence: Any) -> Arrays:
    """Return the parts of a tuple that autograd may follow as one."""
    return tuple(sequence[i] for i in range(len(sequence)))


@cache
def bind(row: Primitive) -> Callable[..., Arrays]:
    """Return a row of the table as a primitive of autograd, whose gradients are the conjugates of ours."""

    @primitive
    def run(*inputs: Any) -> Arrays:
        return row.forward(xp, *inputs)

    def vjp(argnums: Any, outputs: Any, inputs: Arrays, _: Any) -> Callable[[Any], Arrays]:
        kept = row.kept(inputs, _parts(outputs))

        def pullback(bars: Any) -> Arrays:
            pulled = row.gradients(xp, kept, tuple(map(xp.conj, _parts(bars))))
            return tuple(xp.conj(pulled[i]) for i in argnums)

        return pullback

    def jvp(argnums: Any, dots: Any, outputs: Any, inputs: Arrays, _: Any) -> Any:
        given = dict(zip(argnums, dots, strict=True))
        tangents = tuple(given.get(i, xp.zeros_like(x)) for i, x in enumerate(inputs))
        return traced_tuple(row.jvp(xp, row.kept(inputs, _parts(outputs)), tangents))

    defvjp_argnums(run, vjp)
    defjvp_argnums(run, jvp)
    return lambda *inputs: _parts(run(*inputs))
