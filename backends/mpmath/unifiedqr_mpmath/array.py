"""An array of 100-digit real or complex numbers, with the operators of the Array API standard."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np

context: Any = mpmath.MPContext()
context.dps = 100


@dataclass(frozen=True)
class ExactDtype:
    """The dtype of an `ExactArray`: real or complex."""

    name: str
    kind: str

    def __str__(self) -> str:
        return f"exact {self.kind}"


REAL = ExactDtype("float64", "real")
COMPLEX = ExactDtype("complex128", "complex")


def _forward(apply: Callable[[Any, Any], Any]) -> "Callable[[ExactArray, Any], ExactArray]":
    return lambda self, other: combine(apply, self, other)


def _reflected(apply: Callable[[Any, Any], Any]) -> "Callable[[ExactArray, Any], ExactArray]":
    return lambda self, other: combine(apply, other, self)


class ExactArray:
    """A NumPy object array of mpmath numbers that knows whether it is real or complex.

    Comparisons give NumPy boolean arrays.
    """

    __array_priority__ = 100
    __array_ufunc__ = None

    def __init__(self, values: np.ndarray, dtype: ExactDtype) -> None:
        self.values = values
        self.dtype = dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
        return self.values.shape

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.values.ndim

    def __repr__(self) -> str:
        return f"ExactArray({self.values.astype(object)!r}, dtype={self.dtype})"

    def __getitem__(self, key: Any) -> "ExactArray":
        return ExactArray(as_object(self.values[key]), self.dtype)

    def __neg__(self) -> "ExactArray":
        return ExactArray(as_object(-self.values), self.dtype)

    def __pos__(self) -> "ExactArray":
        return self

    def __abs__(self) -> "ExactArray":
        return ExactArray(as_object(abs(self.values)), REAL)

    def __float__(self) -> float:
        return float(self.values.item())

    def __eq__(self, other: Any) -> Any:
        return _compare(operator.eq, self, other)

    def __ne__(self, other: Any) -> Any:
        return _compare(operator.ne, self, other)

    def __lt__(self, other: Any) -> Any:
        return _compare(operator.lt, self, other)

    def __le__(self, other: Any) -> Any:
        return _compare(operator.le, self, other)

    def __gt__(self, other: Any) -> Any:
        return _compare(operator.gt, self, other)

    def __ge__(self, other: Any) -> Any:
        return _compare(operator.ge, self, other)

    __add__, __radd__ = _forward(operator.add), _reflected(operator.add)
    __sub__, __rsub__ = _forward(operator.sub), _reflected(operator.sub)
    __mul__, __rmul__ = _forward(operator.mul), _reflected(operator.mul)
    __truediv__, __rtruediv__ = _forward(operator.truediv), _reflected(operator.truediv)
    __pow__, __rpow__ = _forward(operator.pow), _reflected(operator.pow)
    __matmul__, __rmatmul__ = _forward(operator.matmul), _reflected(operator.matmul)


def combine(apply: Callable[[Any, Any], Any], left: Any, right: Any) -> ExactArray:
    """Apply a binary operation to two arrays or an array and a Python number."""
    complex_ = COMPLEX in (dtype_of(left), dtype_of(right))
    return ExactArray(as_object(apply(values_of(left), values_of(right))), COMPLEX if complex_ else REAL)


def dtype_of(x: Any) -> ExactDtype:
    """Return the dtype of an array or a Python number."""
    if isinstance(x, ExactArray):
        return x.dtype
    return COMPLEX if isinstance(x, complex) else REAL


def values_of(x: Any) -> Any:
    """Return the object array of an array, or a Python number as an exact one."""
    if isinstance(x, ExactArray):
        return x.values
    if isinstance(x, np.ndarray):
        return exact(x).values
    return context.mpc(x) if isinstance(x, complex) else context.mpf(x)


def as_object(values: Any) -> np.ndarray:
    """Return values as an object array, 0-d ones included (NumPy unpacks them to their element)."""
    if isinstance(values, np.ndarray):
        return values
    packed = np.empty((), dtype=object)
    packed[()] = values
    return packed


def exact(x: np.ndarray) -> ExactArray:
    """Return a NumPy array of real or complex numbers exactly."""
    number = context.mpc if np.iscomplexobj(x) else context.mpf
    values = np.empty(x.shape, dtype=object)
    for index in np.ndindex(x.shape):
        values[index] = number(x[index].item())
    return ExactArray(values, COMPLEX if np.iscomplexobj(x) else REAL)


def _compare(apply: Callable[[Any, Any], Any], left: ExactArray, right: Any) -> np.ndarray:
    return np.asarray(apply(left.values, values_of(right)), dtype=bool)
