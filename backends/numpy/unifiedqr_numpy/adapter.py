"""The NumPy backend. NumPy has no autodiff: values and the explicit rules only."""

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import array_api_compat.numpy as xp
import numpy as np

from unifiedqr.backend import Backend
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import CapabilityError


class NumpyBackend(Backend):
    """NumPy arrays, on the host."""

    xp = xp

    def from_numpy(self, x: np.ndarray) -> np.ndarray:
        return x

    def to_numpy(self, x: Any) -> np.ndarray:
        return np.asarray(x)

    def dtype_name(self, x: np.ndarray) -> str:
        return x.dtype.name

    def device(self, x: np.ndarray) -> str:
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def bind(self, primitive: Primitive) -> Callable[..., tuple[np.ndarray, ...]]:
        return partial(primitive.forward, xp)

    def vjp(self, f: Callable[..., Any], primals: Any) -> NoReturn:
        raise CapabilityError("numpy has no autodiff; use unifiedqr.rules or another backend.")

    def jvp(self, f: Callable[..., Any], primals: Any, tangents: Any) -> NoReturn:
        raise CapabilityError("numpy has no autodiff; use unifiedqr.rules or another backend.")
