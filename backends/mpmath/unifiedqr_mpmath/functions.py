"""More of the Array API standard for 100-digit numbers: by mpmath's functions of a number, or NumPy's of objects."""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from unifiedqr_mpmath.array import COMPLEX, REAL, ExactArray, as_object, combine, context, exact, values_of

UNARY: dict[str, Callable[[Any], Any]] = {
    **{name: getattr(context, name) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh", "exp", "expm1", "sqrt")},
    **{name: getattr(context, name) for name in ("asin", "acos", "atan", "asinh", "acosh", "atanh")},
    "log": context.log,
    "log10": context.log10,
    "log1p": context.log1p,
    "log2": lambda x: context.log(x, 2),
    "negative": operator.neg,
    "positive": operator.pos,
    "square": lambda x: x * x,
    "reciprocal": lambda x: 1 / x,
    "floor": context.floor,
    "ceil": context.ceil,
    "round": context.nint,
    "sign": context.sign,
    "conj": lambda x: x.conjugate(),
    "trunc": lambda x: context.sign(x) * context.floor(abs(x)),
}
"""Of one number to one of its kind."""

BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "add": operator.add,
    "subtract": operator.sub,
    "multiply": operator.mul,
    "divide": operator.truediv,
    "pow": operator.pow,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "remainder": operator.mod,
    **{name: np.frompyfunc(getattr(context, name), 2, 1) for name in ("atan2", "hypot")},
    "floor_divide": np.frompyfunc(lambda x, y: context.floor(x / y), 2, 1),
    "copysign": np.frompyfunc(lambda x, y: abs(x) if y >= 0 else -abs(x), 2, 1),
    "logaddexp": np.frompyfunc(lambda x, y: context.log(context.exp(x) + context.exp(y)), 2, 1),
}
"""Of arrays of numbers."""

COMPARISONS = {
    "equal": operator.eq,
    "not_equal": operator.ne,
    "less": operator.lt,
    "less_equal": operator.le,
    "greater": operator.gt,
    "greater_equal": operator.ge,
}

LOGICAL = ("logical_and", "logical_or", "logical_xor", "logical_not")
BITS = ("bitwise_and", "bitwise_or", "bitwise_xor")


def elementwise(function: Callable[[Any], Any], *, always_real: bool = False) -> Callable[[ExactArray], ExactArray]:
    """Return a function of a number as one of arrays."""
    apply = np.frompyfunc(function, 1, 1)
    return lambda x: ExactArray(as_object(apply(x.values)), REAL if always_real else x.dtype)


def binary(function: Callable[[Any, Any], Any], of_integers: Any = None) -> Callable[[Any, Any], Any]:
    """Return a function of two object arrays as one of arrays, and NumPy's function as one of its integers."""

    def apply(x: Any, y: Any) -> Any:
        if of_integers is not None and isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
            return of_integers(x, y)
        return combine(function, x, y)

    return apply


def mask(function: Callable[[Any], bool]) -> Callable[[ExactArray], np.ndarray]:
    """Return a question about a number as one about the numbers of an array."""
    apply = np.frompyfunc(function, 1, 1)
    return lambda x: np.asarray(apply(x.values), dtype=bool)


def rearranging(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return NumPy's function that only moves entries as one of arrays, and of masks and integers."""

    def rearrange(x: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(x, np.ndarray):
            return function(x, *args, **kwargs)
        return ExactArray(as_object(function(x.values, *args, **kwargs)), x.dtype)

    return rearrange


def _compared(apply: Callable[[Any, Any], Any]) -> Callable[[Any, Any], np.ndarray]:
    def compare(x: Any, y: Any) -> np.ndarray:
        return np.asarray(apply(values_of(x), values_of(y)), dtype=bool)

    return compare


def clip(x: ExactArray, /, min: Any = None, max: Any = None) -> ExactArray:  # noqa: A002
    """Limit x to [min, max]; None does not limit."""
    x = x if min is None else combine(np.maximum, x, min)
    return x if max is None else combine(np.minimum, x, max)


def var(x: ExactArray, /, *, axis: Any = None, correction: float = 0.0, keepdims: bool = False) -> ExactArray:
    """Return the variance over axes, with n - correction in the denominator."""
    mean = np.mean(x.values, axis=axis, keepdims=True)
    squares = abs(x.values - mean) ** 2
    total = as_object(np.sum(squares, axis=axis, keepdims=keepdims))
    return ExactArray(as_object(total / (squares.size // max(1, total.size) - correction)), REAL)


def std(x: ExactArray, /, **options: Any) -> ExactArray:
    """Return the standard deviation over axes."""
    return elementwise(context.sqrt)(var(x, **options))


def _cumulative(accumulate: Callable[..., np.ndarray], initial: int) -> Callable[..., ExactArray]:
    def running(x: ExactArray, /, *, axis: int | None = None, include_initial: bool = False) -> ExactArray:
        axis = 0 if axis is None else axis
        found = accumulate(x.values, axis=axis)
        if include_initial:
            first = exact(np.full_like(np.take(found, [0], axis=axis), initial, dtype=x.dtype.name)).values
            found = np.concatenate([first, found], axis=axis)
        return ExactArray(found, x.dtype)

    return running


def sort(x: ExactArray, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> ExactArray:
    """Sort along an axis."""
    values = np.sort(x.values, axis=axis)
    return ExactArray(np.flip(values, axis=axis) if descending else values, x.dtype)


def _several(function: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
    """Return NumPy's function from arrays to several of them."""

    def apply(*arrays: ExactArray, **options: Any) -> tuple[Any, ...]:
        found = function(*(x.values for x in arrays), **options)
        dtypes = [x.dtype for x in arrays] if len(arrays) == len(found) else [arrays[0].dtype] * len(found)
        return tuple(ExactArray(as_object(x), dtype) for x, dtype in zip(found, dtypes, strict=True))

    return apply


def tensordot(x1: ExactArray, x2: ExactArray, /, *, axes: Any = 2) -> ExactArray:
    """Contract axes of two arrays."""
    return combine(lambda x, y: np.tensordot(x, y, axes), x1, x2)


def vecdot(x1: ExactArray, x2: ExactArray, /, *, axis: int = -1) -> ExactArray:
    """Return the sum of conj(x1) x2 along an axis."""
    return combine(lambda x, y: np.sum(np.conjugate(x) * y, axis=axis), x1, x2)


def outer(x1: ExactArray, x2: ExactArray, /) -> ExactArray:
    """Return the products of the entries of two vectors."""
    return combine(np.multiply.outer, x1, x2)


def solve(A: ExactArray, B: ExactArray, /) -> ExactArray:
    """Return A^-1 B for square A, by mpmath's LU; a vector B counts as a column."""
    if B.ndim == 1:
        return solve(A, B[:, None])[..., 0]
    k = A.shape[-1]
    batch = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    X = np.empty((*batch, *B.shape[-2:]), dtype=object)
    left, right = np.broadcast_to(A.values, (*batch, k, k)), np.broadcast_to(B.values, X.shape)
    for index in np.ndindex(batch):
        factors = context.matrix(left[index].tolist())
        for j in range(B.shape[-1]):
            column = context.lu_solve(factors, context.matrix(right[index][:, j].tolist()))
            X[(*index, slice(None), j)] = list(column)
    return ExactArray(X, COMPLEX if COMPLEX in (A.dtype, B.dtype) else REAL)


def inv(A: ExactArray, /) -> ExactArray:
    """Return the inverse."""
    return solve(A, exact(np.eye(A.shape[-1])))


def det(A: ExactArray, /) -> ExactArray:
    """Return the determinant, by mpmath's LU."""
    found = np.empty(A.shape[:-2], dtype=object)
    for index in np.ndindex(A.shape[:-2]):
        found[index] = context.det(context.matrix(A.values[index].tolist()))
    return ExactArray(found, A.dtype)


def slogdet(A: ExactArray, /) -> tuple[ExactArray, ExactArray]:
    """Return sign and logarithm of the modulus of the determinant."""
    found = det(A)
    size = abs(found)
    return found / size, elementwise(context.log)(size)


FUNCTIONS: dict[str, Any] = {
    **{name: elementwise(function) for name, function in UNARY.items()},
    **{name: binary(function, getattr(np, name, None)) for name, function in BINARY.items()},
    **{name: _compared(function) for name, function in COMPARISONS.items()},
    **{name: getattr(np, name) for name in (*LOGICAL, *BITS)},
    **{f"bitwise_{name}": getattr(np, name) for name in ("invert", "left_shift", "right_shift")},
    **{name: elementwise(function, always_real=True) for name, function in {"abs": abs, "real": context.re}.items()},
    "imag": elementwise(context.im, always_real=True),
    **{name: mask(getattr(context, name)) for name in ("isnan", "isinf", "isfinite")},
    "signbit": mask(lambda x: x < 0),
    "clip": clip,
    "var": var,
    "std": std,
    "prod": lambda x, /, *, axis=None, keepdims=False: ExactArray(
        as_object(np.prod(x.values, axis=axis, keepdims=keepdims)), x.dtype
    ),
    "count_nonzero": lambda x, /, *, axis=None, keepdims=False: np.asarray(
        np.sum(values_of(x) != 0, axis=axis, keepdims=keepdims, dtype=int)
    ),
    "cumulative_sum": _cumulative(np.cumsum, 0),
    "cumulative_prod": _cumulative(np.cumprod, 1),
    "sort": sort,
    "take": rearranging(lambda x, indices, /, *, axis=None: np.take(x, indices, 0 if axis is None else axis)),
    "take_along_axis": rearranging(lambda x, indices, /, *, axis=-1: np.take_along_axis(x, indices, axis)),
    **{name: rearranging(getattr(np, name)) for name in ("reshape", "flip", "expand_dims", "squeeze", "moveaxis")},
    **{name: rearranging(getattr(np, name)) for name in ("broadcast_to", "roll", "tile", "repeat")},
    "permute_dims": rearranging(np.transpose),
    "matrix_transpose": rearranging(lambda x: np.swapaxes(x, -1, -2)),
    "unstack": _several(lambda x, *, axis=0: list(np.moveaxis(x, axis, 0))),
    "broadcast_arrays": _several(np.broadcast_arrays),
    "meshgrid": _several(np.meshgrid),
    "broadcast_shapes": np.broadcast_shapes,
    "matmul": binary(operator.matmul),
    "tensordot": tensordot,
    "vecdot": vecdot,
    "pi": math.pi,
    "e": math.e,
    "inf": math.inf,
    "nan": math.nan,
    "newaxis": None,
}
"""The namespace's functions by name."""


LINALG: dict[str, Any] = {
    **{name: FUNCTIONS[name] for name in ("matmul", "matrix_transpose", "tensordot", "vecdot")},
    "outer": outer,
    "solve": solve,
    "inv": inv,
    "det": det,
    "slogdet": slogdet,
    "matrix_power": lambda A, n, /: _power(A if n >= 0 else inv(A), abs(n)),
}
"""The names of the namespace's ``linalg`` that are supplied here."""


def _power(A: ExactArray, n: int) -> ExactArray:
    identity = exact(np.broadcast_to(np.eye(A.shape[-1]), A.shape))
    return _power(A, n - 1) @ A if n else identity
