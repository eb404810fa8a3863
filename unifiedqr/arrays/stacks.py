"""Stacks of tiny matrices with the stack as the last, contiguous axis, so that a compiler fuses the operations on them.

Compilers that call one routine for each product or solve of each matrix spend a thousand times as long on the calls as
on the arithmetic. A rule or kernel for one matrix, run in the namespace of `of_stacks`, is one for the whole stack: its
arrays, `Stack`, hide the last axis, and a product of matrices is a sum of products of entries.
"""

import math
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.operations import Operations

OPERATORS = (
    *("add", "radd", "sub", "rsub", "mul", "rmul", "truediv", "rtruediv", "pow", "neg", "lt", "le", "gt", "ge"),
)
"""The operators, which act entry by entry."""


class Stack:
    """A stack of arrays of one shape, as one array.

    Attributes
    ----------
    xp : namespace
        That of the data.
    data : array, shape (*shape, N)
    """

    def __init__(self, xp: Namespace, data: Array) -> None:
        self.xp, self.data = xp, data

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of each array."""
        return tuple(self.data.shape[:-1])

    @property
    def ndim(self) -> int:
        """The number of dimensions of each array."""
        return len(self.shape)

    @property
    def dtype(self) -> Any:
        """The dtype of the data."""
        return self.data.dtype

    def __getitem__(self, key: Any) -> "Stack":
        places: list[Any] = [*key] if type(key) is tuple else [key]
        return Stack(self.xp, self.data[(*places, slice(None) if any(place is ... for place in places) else ...)])

    def __matmul__(self, other: "Stack") -> "Stack":
        xp = self.xp
        terms = xp.expand_dims(self.data, axis=-2) * xp.expand_dims(other.data, axis=-4)
        return Stack(xp, xp.sum(terms, axis=-3))


def _operator(name: str) -> Callable[..., Stack]:
    def apply(self: Stack, *other: Any) -> Stack:
        return Stack(self.xp, getattr(self.data, name)(*map(_data, other)))

    return apply


for _name in OPERATORS:
    setattr(Stack, f"__{_name}__", _operator(f"__{_name}__"))


def _data(x: Any) -> Any:
    """Return the data of a stack, or of each in a list; anything else as it is."""
    if isinstance(x, Stack):
        return x.data
    return list(map(_data, x)) if type(x) is list else x  # pyright: ignore[reportUnknownArgumentType] of a list of any


class OfStacks(Operations):
    """Operations on stacks; triangles are so small that they are solved row by row."""

    traces = True

    def solve_triangular(self, A: Array, B: Array, *, upper: bool) -> Array:
        xp, k = self.xp, A.shape[-1]
        found: list[Array] = []
        for j in reversed(range(k)) if upper else range(k):
            row = B[j : j + 1]
            if found:
                others = slice(j + 1, k) if upper else slice(j)
                row = row - A[j : j + 1, others] @ xp.concat(found, axis=-2)
            found.insert(0 if upper else j, row / A[j : j + 1, j : j + 1])
        return xp.concat(found, axis=-2)

    def power_of_two(self, exponents: Array) -> Array:
        xp = exponents.xp
        return Stack(xp, xp.beyond.power_of_two(exponents.data))


@cache
def of_stacks(xp: Namespace) -> Namespace:
    """Return the namespace of stacks whose data are arrays of `xp`: what the rules of QR and LQ use."""
    namespace, linalg = ModuleType(f"{xp.__name__}.of_stacks"), ModuleType(f"{xp.__name__}.of_stacks.linalg")

    def by_entry(name: str) -> Any:
        function = getattr(xp, name)

        def lifted(*arguments: Any, dtype: Any = None) -> Stack:  # no axis: the data have one more
            options = {} if dtype is None else {"dtype": dtype}
            return Stack(xp, function(*map(_data, arguments), **options))

        return namespace.__dict__.setdefault(name, lifted)

    def along(name: str) -> Callable[..., Stack]:
        function = getattr(xp, name)

        def lifted(x: Any, /, *, axis: Any, **options: Any) -> Stack:
            return Stack(xp, function(_data(x), axis=_before(axis), **options))

        return lifted

    def selecting(name: str) -> Callable[..., Stack]:
        triangle = getattr(xp, name)

        def lifted(x: Stack, /, *, k: int = 0) -> Stack:
            ones = xp.ones_like(x.data[..., 0])
            kept = xp.expand_dims(xp.abs(triangle(ones, k=k)) > 0, axis=-1)
            return Stack(xp, xp.where(kept, x.data, xp.zeros_like(x.data)))

        return lifted

    def matrix_transpose(x: Stack, /) -> Stack:
        *before, i, j, last = range(len(x.data.shape))
        return Stack(xp, xp.permute_dims(x.data, (*before, j, i, last)))

    def diagonal(x: Stack, /) -> Stack:
        return Stack(xp, xp.stack([x.data[..., i, i, :] for i in range(min(x.shape[-2:]))], axis=-2))

    names = {name: along(name) for name in ("sum", "max", "min", "any", "all", "expand_dims", "concat", "flip")}
    names |= {name: selecting(name) for name in ("triu", "tril")}
    linalg.__dict__.update(diagonal=diagonal)
    namespace.__dict__.update(names, matrix_transpose=matrix_transpose, linalg=linalg, __getattr__=by_entry)
    namespace.__dict__.update(finfo=xp.finfo, isdtype=xp.isdtype, beyond=OfStacks(namespace))
    return namespace


def _before(axis: Any) -> Any:
    """Return the position of an axis, or several, in the data, which have one axis more."""
    if type(axis) is int:
        return axis - 1 if axis < 0 else axis
    return tuple(map(_before, axis))


def stack_of(xp: Namespace, X: Array) -> Stack:
    """Return matrices (..., m, n) as a stack."""
    *batch, m, n = X.shape
    return Stack(xp, xp.permute_dims(xp.reshape(X, (math.prod(batch), m, n)), (1, 2, 0)))


def matrices_of(X: Stack, batch: tuple[int, ...]) -> Array:
    """Return a stack as matrices (..., m, n)."""
    xp = X.xp
    return xp.reshape(xp.permute_dims(X.data, (2, 0, 1)), (*batch, *X.shape))


class Tiny(NamedTuple):
    """The stacks of matrices that are computed with the stack as the last axis.

    Attributes
    ----------
    longest, shortest : int
        The largest max(m, n) and min(m, n).
    matrices : int
        The smallest number of matrices.
    """

    longest: int
    shortest: int
    matrices: int

    def include(self, shape: tuple[Any, ...]) -> bool:
        """Return whether matrices of this shape, (..., m, n), are among them: of known sizes, with entries."""
        *batch, m, n = shape
        if not all(type(size) is int for size in shape) or 0 in shape or math.prod(batch) < self.matrices:
            return False
        return max(m, n) <= self.longest and min(m, n) <= self.shortest


def run(rule: Callable[..., Any], xp: Namespace, *arrays: Array | None) -> Any:
    """Return rule(*arrays, xp=xp), a matrix or several; of tiny matrices in the namespace of stacks."""
    tiny = xp.beyond.tiny
    if tiny is None:
        return rule(*arrays, xp=xp)
    given = [X for X in arrays if X is not None]
    if not all(tiny.include(X.shape) and not xp.beyond.is_spread(X) for X in given):
        return rule(*arrays, xp=xp)
    batch = tuple(given[0].shape[:-2])
    found = rule(*(None if X is None else stack_of(xp, X) for X in arrays), xp=of_stacks(xp))
    if isinstance(found, Stack):
        return matrices_of(found, batch)
    return tuple([matrices_of(X, batch) for X in found])
