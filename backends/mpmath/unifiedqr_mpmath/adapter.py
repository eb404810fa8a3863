"""The mpmath backend: 100-digit values, and derivatives by central differences instead of by the rules."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from unifiedqr.backend import Backend
from unifiedqr.decomposition import Primitive
from unifiedqr_mpmath.array import ExactArray, exact
from unifiedqr_mpmath.differences import ExactArrays, Jacobian, directional
from unifiedqr_mpmath.namespace import xp


class MpmathBackend(Backend):
    """Arrays of 100-digit numbers."""

    xp = xp

    def from_numpy(self, x: np.ndarray) -> ExactArray:
        return exact(x)

    def to_numpy(self, x: ExactArray) -> np.ndarray:
        return x.values.astype(x.dtype.name)

    def dtype_name(self, x: ExactArray) -> str:
        return x.dtype.name

    def device(self, x: ExactArray) -> str:
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def bind(self, primitive: Primitive) -> Callable[..., ExactArrays]:
        return partial(primitive.forward, xp)

    def vjp(
        self, f: Callable[..., ExactArrays], primals: ExactArrays
    ) -> tuple[ExactArrays, Callable[[Any], ExactArrays]]:
        return f(*primals), Jacobian(f, primals).pull

    def jvp(
        self, f: Callable[..., ExactArrays], primals: ExactArrays, tangents: ExactArrays
    ) -> tuple[ExactArrays, ExactArrays]:
        return f(*primals), directional(f, primals, tangents)
