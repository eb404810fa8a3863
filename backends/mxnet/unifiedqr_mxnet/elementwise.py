"""Elementwise functions of the namespace, on real arrays and on pairs."""

import operator
from collections.abc import Callable
from numbers import Number
from typing import Any

from unifiedqr.errors import DtypeError
from unifiedqr_mxnet import elementary
from unifiedqr_mxnet.arithmetic import equal, not_equal
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.creation import astype
from unifiedqr_mxnet.dtypes import name_of, result_type
from unifiedqr_mxnet.pair import ComplexArray, cast, modulus

mnp: Any = mx.np

UNARY = {
    **{name: name for name in ("floor", "ceil", "trunc", "signbit")},
    "asin": "arcsin",
    "acos": "arccos",
    "atan": "arctan",
    "asinh": "arcsinh",
    "acosh": "arccosh",
    "atanh": "arctanh",
}
"""MXNet's names of functions of one array that are not supplied for pairs."""

BINARY = {
    **{name: name for name in ("maximum", "minimum", "hypot", "copysign")},
    "remainder": "mod",
    "atan2": "arctan2",
}
"""The like of two arrays."""

COMPLEX = {
    "abs": modulus,
    "sign": elementary.phase,
    "square": elementary.square,
    "exp": elementary.exp,
    "log": elementary.log,
    "log2": elementary.log2,
    "log10": elementary.log10,
    "log1p": elementary.log1p,
    "expm1": elementary.expm1,
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
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
    "bitwise_and": operator.and_,
    "bitwise_or": operator.or_,
    "bitwise_xor": operator.xor,
}
"""Functions that are operators of two arrays of both kinds."""


def by_kind(of_real: Callable[..., Any], of_pair: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of an array that is one of the two, by the kind of its argument."""
    return lambda x, /: of_pair(x) if isinstance(x, ComplexArray) else of_real(x)


def conj(x: Any, /) -> Any:
    """Return the complex conjugate; a real array is its own."""
    return x.conj() if isinstance(x, ComplexArray) else x


def real(x: Any, /) -> Any:
    """Return the real part; a real array is its own."""
    return x.real if isinstance(x, ComplexArray) else x


def imag(x: Any, /) -> Any:
    """Return the imaginary part."""
    return x.imag if isinstance(x, ComplexArray) else mnp.zeros_like(x)


def floor_divide(x1: Any, x2: Any, /) -> Any:
    """Return the quotient rounded down, in agreement with `remainder`."""
    quotient = mnp.rint((x1 - mnp.mod(x1, x2)) / x2)
    return quotient.astype(result_type(x1, x2)) if quotient.dtype != result_type(x1, x2) else quotient


def logaddexp(x1: Any, x2: Any, /) -> Any:
    """Return log(exp(x1) + exp(x2)), without overflow."""
    return mnp.maximum(x1, x2) + mnp.log1p(mnp.exp(-mnp.abs(x1 - x2)))


def clip(x: Any, /, min: Any = None, max: Any = None) -> Any:  # noqa: A002
    """Limit x to [min, max]; None does not limit."""
    x = x if min is None else FUNCTIONS["maximum"](x, _as(x, min))
    return x if max is None else FUNCTIONS["minimum"](x, _as(x, max))


def _as(x: Any, bound: Any) -> Any:
    return bound if isinstance(bound, Number) or bound.dtype == x.dtype else cast(bound, name_of(x.dtype))


def promoting(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of two arrays, or one and a number, in the dtype to which both are promoted.

    MXNet's own take arrays of one dtype only.
    """

    def apply(x1: Any, x2: Any, /) -> Any:
        came = getattr(x1, "dtype", None), getattr(x2, "dtype", None)
        if None in came or came[0] == came[1]:
            return function(x1, x2)
        dtype = name_of(result_type(x1, x2))
        return function(*(x if name_of(x.dtype) == dtype else astype(x, dtype) for x in (x1, x2)))

    return apply


def _of_real(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of real arrays that says so to a pair."""

    def apply(*arrays: Any) -> Any:
        if any(isinstance(x, (ComplexArray, complex)) for x in arrays):
            raise DtypeError(
                f"xp.{name} of a complex array is not supplied for MXNet; take xp.real, xp.imag or xp.abs."
            )
        return function(*arrays)

    return apply


def _logical(apply: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a function of truths; MXNet's own operators on booleans do not broadcast."""
    return lambda x1, x2, /: apply(*(truth(x).astype("int8") for x in (x1, x2))).astype("bool")


def truth(x: Any) -> Any:
    """Return where an array of any kind is not zero."""
    if isinstance(x, ComplexArray):
        return not_equal(x, 0.0)
    return x if x.dtype == bool else x != 0


def _compared(of_real: Callable[..., Any], of_pair: Callable[..., Any]) -> Callable[..., Any]:
    def compare(x1: Any, x2: Any, /) -> Any:
        complex_ = isinstance(x1, ComplexArray) or isinstance(x2, ComplexArray)
        return of_pair(x1, x2) if complex_ else of_real(x1, x2)

    return compare


FUNCTIONS: dict[str, Callable[..., Any]] = {
    **{name: _of_real(name, getattr(mnp, native)) for name, native in UNARY.items()},
    **{name: _of_real(name, promoting(getattr(mnp, native))) for name, native in BINARY.items()},
    **{name: by_kind(getattr(mnp, name), of_pair) for name, of_pair in COMPLEX.items()},
    **{name: promoting(function) for name, function in OPERATORS.items()},
    "negative": operator.neg,
    "positive": lambda x, /: x,
    "bitwise_invert": mnp.invert,
    "round": by_kind(mnp.rint, lambda z: z.each(mnp.rint)),
    "equal": promoting(_compared(mnp.equal, equal)),
    "not_equal": promoting(_compared(mnp.not_equal, not_equal)),
    "conj": conj,
    "real": real,
    "imag": imag,
    "floor_divide": _of_real("floor_divide", promoting(floor_divide)),
    "logaddexp": _of_real("logaddexp", promoting(logaddexp)),
    "clip": clip,
    "reciprocal": lambda x, /: 1.0 / x,
    "isnan": by_kind(mnp.isnan, lambda z: mnp.isnan(z.real) | mnp.isnan(z.imag)),
    "isinf": by_kind(mnp.isinf, lambda z: mnp.isinf(z.real) | mnp.isinf(z.imag)),
    "isfinite": by_kind(mnp.isfinite, lambda z: mnp.isfinite(z.real) & mnp.isfinite(z.imag)),
    "logical_not": lambda x, /: mnp.logical_not(truth(x)),
    "logical_and": _logical(operator.mul),
    "logical_or": _logical(mnp.maximum),
    "logical_xor": _logical(mnp.not_equal),
}
"""The namespace's functions of this kind by name."""
