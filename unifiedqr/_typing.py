"""Names for what the type system cannot express about arrays."""

from collections.abc import Sequence
from typing import Any, TypeAlias

Array: TypeAlias = Any
"""An array of any framework; its namespace is passed beside it as ``xp``."""

Namespace: TypeAlias = Any
"""A namespace of the Array API standard (https://data-apis.org/array-api), written ``xp``."""

Arrays: TypeAlias = tuple[Array, ...]

Cotangents: TypeAlias = Sequence[Array | None]
"""Cotangents of several outputs; ``None`` stands for zero."""
