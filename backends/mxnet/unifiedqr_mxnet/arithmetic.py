"""Arithmetic of complex pairs among themselves, with real arrays and with Python numbers.

A division scales its divisor, so that no square overflows or vanishes which the quotient does not.
"""

from collections.abc import Callable
from functools import wraps
from numbers import Complex
from typing import Any

import numpy as np

from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.pair import ComplexArray, RealArray, cast, lifted, parts


def is_operand(x: Any) -> bool:
    """Return whether x can stand beside a pair in an operation."""
    return isinstance(x, (ComplexArray, mx.np.ndarray, Complex))


def matmul(x: RealArray, y: RealArray) -> RealArray:
    """Return the product of real matrices; MXNet's own needs one dtype on both sides."""
    if x.dtype != y.dtype:
        dtype = np.promote_types(x.dtype, y.dtype).name
        x, y = cast(x, dtype), cast(y, dtype)
    return mx.np.matmul(x, y)


def add(x: Any, y: Any) -> ComplexArray:
    """Return x + y, at least one of them complex."""
    # A real array may be the larger one: both parts are broadcast.
    x, y = (lifted(z) if isinstance(z, mx.np.ndarray) else z for z in (x, y))
    (a, b), (c, d) = parts(x), parts(y)
    if b is None or d is None:
        return ComplexArray(a + c, d if b is None else b)
    return ComplexArray(a + c, b + d)


def subtract(x: Any, y: Any) -> ComplexArray:
    """Return x - y, at least one of them complex."""
    return add(x, -y)


def bilinear(product: Callable[[Any, Any], Any]) -> Callable[[Any, Any], ComplexArray]:
    """Return a product of complex arrays from the same product of real ones."""

    def complex_product(x: Any, y: Any) -> ComplexArray:
        (a, b), (c, d) = parts(x), parts(y)
        if b is None:
            return ComplexArray(product(a, c), product(a, d))
        if d is None:
            return ComplexArray(product(a, c), product(b, c))
        return ComplexArray(product(a, c) - product(b, d), product(a, d) + product(b, c))

    return complex_product


multiply = bilinear(lambda x, y: x * y)


def divide(x: Any, y: Any) -> ComplexArray:
    """Return x / y, at least one of them complex."""
    c, d = parts(y)
    if d is None:
        a, b = parts(x)
        return ComplexArray(a / c, b / c)
    if isinstance(c, float):
        return multiply(x, 1 / complex(c, d))
    scale = mx.np.maximum(mx.np.abs(c), mx.np.abs(d)).detach()  # the quotient does not depend on it
    scale = mx.np.where(scale > 0, scale, mx.np.ones_like(scale))
    c, d = c / scale, d / scale
    return divide(multiply(x, ComplexArray(c, -d)), scale * (c * c + d * d))


def equal(x: Any, y: Any) -> RealArray:
    """Compare elementwise, at least one of the two complex."""
    (a, b), (c, d) = parts(x), parts(y)
    return (a == c) & ((0.0 if b is None else b) == (0.0 if d is None else d))


def not_equal(x: Any, y: Any) -> RealArray:
    """Compare elementwise, at least one of the two complex."""
    return mx.np.logical_not(equal(x, y))


def _operator(apply: Callable[[Any, Any], Any], *, swapped: bool = False) -> Callable[[Any, Any], Any]:
    def method(self: ComplexArray, other: Any) -> Any:
        if not is_operand(other):
            return NotImplemented
        return apply(other, self) if swapped else apply(self, other)

    return method


def _giving_way(name: str, apply: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a real array's operator, except that it makes way for a pair and knows a complex number.

    MXNet raises instead of returning NotImplemented, so that the pair's own operator would never be asked.
    """
    native = getattr(mx.np.ndarray, name)

    @wraps(native)
    def method(self: RealArray, other: Any) -> Any:
        if isinstance(other, ComplexArray):
            return NotImplemented
        if isinstance(other, complex):
            return apply(lifted(self), other)
        return native(self, other)

    return method


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "add": add,
    "sub": subtract,
    "mul": multiply,
    "truediv": divide,
    "matmul": bilinear(matmul),
    "eq": equal,
    "ne": not_equal,
}


def install(operators: dict[str, Callable[[Any, Any], Any]]) -> None:
    """Return the operators to pairs, and let real arrays make way for them."""
    for name, apply in operators.items():
        methods = {f"__{name}__": (_operator(apply), apply)}
        if name not in ("eq", "ne"):
            methods[f"__r{name}__"] = (_operator(apply, swapped=True), lambda x, y, apply=apply: apply(y, x))
        for method, (of_pair, of_real) in methods.items():
            setattr(ComplexArray, method, of_pair)
            if hasattr(mx.np.ndarray, method):
                setattr(mx.np.ndarray, method, _giving_way(method, of_real))


install(OPERATORS)
