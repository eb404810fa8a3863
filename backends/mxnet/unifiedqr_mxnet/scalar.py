"""Arrays without axes that compute whatever MXNet's switches say.

With MXNet's NumPy semantics off, as a process starts, it takes the shape of an array without axes for unknown: the sum
of two sums fails. `xp` gives its scalars as this class, each of whose methods turns the semantics on around itself.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.pair import ComplexArray


class Scalar(mx.np.ndarray):
    """An array of shape ``()``."""

    __slots__ = ()


def adopted(x: Any) -> Any:
    """Return an array or pair without axes as a `Scalar` or pair of them, the same object, anything else as it is."""
    if isinstance(x, ComplexArray):
        adopted(x.real)
        adopted(x.imag)
    elif type(x) is mx.np.ndarray and x.ndim == 0:
        x.__class__ = Scalar
    return x


def with_numpy_semantics(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, run with MXNet's switches as NumPy has them; what it gives without axes is a `Scalar`."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        if mx.util.is_np_array() and mx.util.is_np_shape():
            return function(*args, **kwargs)
        with mx.util.np_shape(True), mx.util.np_array(True):
            return adopted(function(*args, **kwargs))

    return run


_BINARY = ("add", "sub", "mul", "truediv", "pow", "mod", "matmul")
_METHODS = (
    *(f"__{name}__" for name in _BINARY),
    *(f"__r{name}__" for name in _BINARY if name != "matmul"),
    *("__neg__", "__abs__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"),
    *("__float__", "__int__", "__bool__", "__repr__", "__str__"),
    *("asnumpy", "item", "astype", "copy", "detach", "reshape", "backward"),
)


def _method(name: str) -> Callable[..., Any]:
    def method(self: Scalar, *args: Any, **kwargs: Any) -> Any:
        return getattr(mx.np.ndarray, name)(self, *args, **kwargs)

    method.__name__ = name
    return with_numpy_semantics(method)


for _name in _METHODS:
    setattr(Scalar, _name, _method(_name))
