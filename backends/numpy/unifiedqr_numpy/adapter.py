"""The NumPy backend. NumPy has no autodiff: values and the explicit rules only."""

from collections.abc import Callable
from contextvars import ContextVar
from functools import cache
from typing import Any, NamedTuple, NoReturn

import numpy as np

from unifiedqr.backend import DTYPES, Backend
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import CapabilityError, ForeignArrayError
from unifiedqr_numpy.namespace import xp

Arrays = tuple[np.ndarray, ...]

ARITHMETIC = ("__mul__", "__matmul__", "__array_ufunc__", "__array_function__")
"""What a subclass of arrays of plain numbers leaves as it is."""

NAMES = {np.dtype(name): name for name in DTYPES}
"""Of the dtypes of decompositions: NumPy puts a name together whenever it is asked."""

INSTEAD = "use the explicit rules of unifiedqr.rules or another backend."


class NumpyBackend(Backend):
    """NumPy arrays, on the host."""

    xp = xp
    array_types = (np.ndarray, np.generic)

    def from_numpy(self, x: np.ndarray) -> np.ndarray:
        return x

    def to_numpy(self, x: Any) -> np.ndarray:
        return np.asarray(x)

    def dtype_name(self, x: np.ndarray) -> str:
        kind = type(x)
        if kind is np.ndarray:
            return NAMES.get(x.dtype) or x.dtype.name
        own = isinstance(x, np.ndarray) and any(getattr(kind, X) is not getattr(np.ndarray, X) for X in ARITHMETIC)
        if own:
            raise ForeignArrayError(
                f"{kind.__module__}.{kind.__qualname__} has an arithmetic of its own (a mask, a unit, another "
                f"product), which a decomposition would ignore. Pass plain numbers: numpy.asarray, or .filled."
            )
        return x.dtype.name

    def device(self, x: np.ndarray) -> str:
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def bind(self, primitive: Primitive) -> Callable[..., Arrays]:
        return bind(primitive)

    def vjp(self, f: Callable[..., Any], primals: Any) -> NoReturn:
        raise CapabilityError(f"numpy has no autodiff; {INSTEAD}")

    def jvp(self, f: Callable[..., Any], primals: Any, tangents: Any) -> NoReturn:
        raise CapabilityError(f"numpy has no autodiff; {INSTEAD}")


class Call(NamedTuple):
    """A primitive with what went in and came out."""

    primitive: Primitive
    inputs: Arrays
    outputs: Arrays


calls: ContextVar[list[Call] | None] = ContextVar("calls", default=None)
"""Where primitives are noted down, if anywhere."""


@cache
def bind(primitive: Primitive) -> Callable[..., Arrays]:
    """Return the primitive as a function of arrays; those of a subclass count as plain ones, which the factors are."""

    def call(*inputs: np.ndarray) -> Arrays:
        outputs = primitive.forward(xp, *map(np.asarray, inputs))
        noted = calls.get()
        if noted is not None:
            noted.append(Call(primitive, inputs, outputs))
        return outputs

    call.__name__ = f"unifiedqr_{primitive.name}"
    return call
