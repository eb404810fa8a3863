"""Elementwise functions of the namespace, on real arrays and on pairs."""

import operator
from collections.abc import Callable
from typing import Any

from unifiedqr_mxnet import elementary
from unifiedqr_mxnet.arithmetic import equal, not_equal
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.pair import ComplexArray, modulus

mnp: Any = mx.np

REAL_ONLY = {
    **{name: name for name in ("floor", "ceil", "trunc", "log1p", "expm1", "log10", "log2", "signbit", "hypot")},
    "maximum": "maximum",
    "minimum": "minimum",
    "remainder": "mod",
    "round": "rint",
    "copysign": "copysign",
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "atan2": "arctan2",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
}
"""MXNet's names of functions that are not supplied for pairs."""

COMPLEX = {
    "abs": modulus,
    "sign": elementary.phase,
    "square": elementary.square,
    "exp": elementary.exp,
    "log": elementary.log,
    "sqrt": elementary.sqrt,
    "sin": elementary.sin,
    "cos": elementary.cos,
    "tan": elementary.tan,
    "sinh": elementary.sinh,
    "cosh": elementary.cosh,
    "tanh": elementary.tanh,
}
"""The functions of pairs that bear the same name in MXNet."""

OPERATORS = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "pow": operator.pow,
    "negative": operator.neg,
    "positive": operator.pos,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
    "bitwise_invert": operator.invert,
}
"""Functions that are operators of both kinds of array."""


def by_kind(of_real: Callable[..., Any], of_pair: Callable[..., Any]) -> Callable[..., Any]:
    """Give the function of an array that is one of the two, by the kind of its argument."""
    return lambda x, /: of_pair(x) if isinstance(x, ComplexArray) else of_real(x)


def conj(x: Any, /) -> Any:
    """Give the complex conjugate; a real array is its own."""
    return x.conj() if isinstance(x, ComplexArray) else x


def real(x: Any, /) -> Any:
    """Give the real part; a real array is its own."""
    return x.real if isinstance(x, ComplexArray) else x


def imag(x: Any, /) -> Any:
    """Give the imaginary part."""
    return x.imag if isinstance(x, ComplexArray) else mnp.zeros_like(x)


def floor_divide(x1: Any, x2: Any, /) -> Any:
    """Give the quotient rounded down."""
    return mnp.floor(x1 / x2)


def truth(x: Any) -> Any:
    """Give where an array of any kind is not zero."""
    if isinstance(x, ComplexArray):
        return not_equal(x, 0.0)
    return x if x.dtype == bool else x != 0


def _compared(of_real: Callable[..., Any], of_pair: Callable[..., Any]) -> Callable[..., Any]:
    def compare(x1: Any, x2: Any, /) -> Any:
        complex_ = isinstance(x1, ComplexArray) or isinstance(x2, ComplexArray)
        return of_pair(x1, x2) if complex_ else of_real(x1, x2)

    return compare


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: getattr(mnp, native) for name, native in REAL_ONLY.items()},
    **{name: by_kind(getattr(mnp, name), of_pair) for name, of_pair in COMPLEX.items()},
    **OPERATORS,
    "equal": _compared(mnp.equal, equal),
    "not_equal": _compared(mnp.not_equal, not_equal),
    "conj": conj,
    "real": real,
    "imag": imag,
    "floor_divide": floor_divide,
    "reciprocal": lambda x, /: 1.0 / x,
    "isnan": by_kind(mnp.isnan, lambda z: mnp.isnan(z.real) | mnp.isnan(z.imag)),
    "isinf": by_kind(mnp.isinf, lambda z: mnp.isinf(z.real) | mnp.isinf(z.imag)),
    "isfinite": by_kind(mnp.isfinite, lambda z: mnp.isfinite(z.real) & mnp.isfinite(z.imag)),
    "logical_not": lambda x, /: mnp.logical_not(truth(x)),
    "logical_and": lambda x1, x2, /: truth(x1) & truth(x2),
    "logical_or": lambda x1, x2, /: truth(x1) | truth(x2),
    "logical_xor": lambda x1, x2, /: truth(x1) ^ truth(x2),
}
"""The namespace's functions of this kind by name."""
