"""The backend: MLX's custom functions carry our rules. Its linear algebra is of real matrices, on the CPU."""

from collections.abc import Callable
from functools import cache
from typing import Any

import mlx.core as mx
import numpy as np

from unifiedqr.backend import Backend
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import DtypeError
from unifiedqr_mlx.namespace import xp

Arrays = tuple[mx.array, ...]


class MlxBackend(Backend):
    """MLX's arrays, of float32 and float64."""

    xp = xp
    array_types = (mx.array,)

    def from_numpy(self, x: Any) -> mx.array:
        return mx.array(x, dtype=getattr(mx, x.dtype.name))

    def to_numpy(self, x: mx.array) -> np.ndarray:
        return np.array(x)

    def dtype_name(self, x: mx.array) -> str:
        return str(x.dtype).rpartition(".")[2].rstrip("_")

    def bind(self, primitive: Primitive) -> Callable[..., Arrays]:
        return bind(primitive)

    def vjp(self, f: Callable[..., Arrays], primals: Arrays) -> tuple[Arrays, Callable[..., Arrays]]:
        outputs = f(*primals)

        def pullback(cotangents: Any) -> Arrays:
            bars = [mx.zeros_like(y) if bar is None else bar for y, bar in zip(outputs, cotangents, strict=True)]
            return tuple(mx.vjp(lambda *inputs: list(f(*inputs)), list(primals), bars)[1])

        return outputs, pullback

    def jvp(self, f: Callable[..., Arrays], primals: Arrays, tangents: Arrays) -> tuple[Arrays, Arrays]:
        outputs, dots = mx.jvp(lambda *inputs: list(f(*inputs)), list(primals), list(tangents))
        return tuple(outputs), tuple(dots)


@cache
def bind(row: Primitive) -> Callable[..., Arrays]:
    """Return a row of the table as a custom function of MLX, which pairs cotangents as we do."""

    @mx.custom_function
    def run(*inputs: mx.array) -> Arrays:
        return row.forward(xp, *map(mx.stop_gradient, inputs))

    @run.vjp
    def vjp(primals: Any, bars: Any, outputs: Any) -> Arrays:
        return row.gradients(xp, row.kept(_arrays(primals), _arrays(outputs)), _arrays(bars))

    @run.jvp
    def jvp(primals: Any, dots: Any) -> Arrays:
        primals, dots = tuple(map(mx.stop_gradient, _arrays(primals))), _arrays(dots)
        tangents = tuple(mx.zeros_like(x) if dot is None else dot for x, dot in zip(primals, dots, strict=True))
        return row.jvp(xp, row.kept(primals, row.forward(xp, *primals)), tangents)

    def call(*inputs: mx.array) -> Arrays:
        if any(x.dtype == mx.complex64 for x in inputs):
            raise DtypeError(
                f"{row.name} got an mlx array of dtype complex64; expected float32 or float64, of which MLX "
                f"has linear algebra. Convert it to NumPy."
            )
        return _arrays(run(*inputs))

    return call


def _arrays(found: Any) -> Arrays:
    """Return a tuple also where MLX makes one array of a tuple of one."""
    return tuple(found) if isinstance(found, (tuple, list)) else (found,)
