"""Names for what the type system cannot express about arrays."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, Required, TypeAlias, TypedDict, TypeVar

Array: TypeAlias = Any
"""An array of any framework; its namespace is passed beside it as ``xp``."""

Namespace: TypeAlias = Any
"""A namespace of the Array API standard (https://data-apis.org/array-api), written ``xp``."""

Arrays: TypeAlias = tuple[Array, ...]

Cotangents: TypeAlias = Sequence[Array | None]
"""Cotangents of several outputs; ``None`` means zero."""

ArrayT = TypeVar("ArrayT")
ArrayT_co = TypeVar("ArrayT_co", covariant=True)


class ArrayOf(Protocol[ArrayT_co]):
    """An array for type checkers: what can be negated, which gives an array.

    Negating a parameter or a variable of a framework gives its plain array, as decomposing it does; a list cannot be
    negated.
    """

    def __neg__(self) -> ArrayT_co: ...


class Unpivoted(TypedDict, total=False):
    """Options of a decomposition without pivoting, besides its mode."""

    pivoting: Literal[False]
    rank: None
    positive: bool
    method: Literal["auto", "householder", "cholesky"]


class Pivoted(TypedDict, total=False):
    """Options of a pivoted decomposition, besides its mode."""

    pivoting: Required[Literal[True]]
    rank: int | None
    positive: bool
    method: Literal["auto", "householder"]


class PivotedOrNot(TypedDict, total=False):
    """Options of a decomposition whose pivoting is known only at run time."""

    pivoting: Required[bool]
    rank: int | None
    positive: bool
    method: Literal["auto", "householder"]
