"""HIPS autograd as an Array API namespace: the names that are needed by those of `autograd.numpy`."""

from collections.abc import Sequence
from typing import Any

import array_api_compat.numpy
import autograd.numpy as anp
import numpy as np
from autograd.extend import defjvp, defvjp, primitive
from autograd.tracer import getval

from unifiedqr.arrays.namespaces import make_namespace
from unifiedqr.arrays.operations import Operations

Axis = int | tuple[int, ...] | None
SAME = """
abs all any argmax argsort broadcast_to complex64 complex128 conj equal exp expand_dims eye float32 float64 floor
full_like imag int32 isfinite isnan log log2 logical_and logical_not logical_or matmul max mean min ones ones_like real
reshape sqrt square squeeze stack sum tril triu where zeros zeros_like
"""


def value_of(x: Any) -> np.ndarray:
    """Return the numbers of an array, whatever traces it."""
    while (inner := getval(x)) is not x:
        x = inner
    return np.asarray(x)


@primitive
def astype(x: Any, dtype: Any, /) -> Any:
    """Return x in another dtype; a real gradient flows back to a real x."""
    return np.asarray(x).astype(dtype)


def _back(ans: Any, x: Any, dtype: Any) -> Any:
    kind = value_of(x).dtype
    return lambda g: astype(g if kind.kind == "c" else anp.real(g), kind)


defvjp(astype, _back, argnums=(0,))
defjvp(astype, lambda g, ans, x, dtype: astype(g, dtype), argnums=(0,))


def flip(x: Any, /, *, axis: Axis = None) -> Any:
    """Reverse x along axes, by slices."""
    axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
    reversed_ = {a % x.ndim for a in axes}
    return x[tuple(slice(None, None, -1) if a in reversed_ else slice(None) for a in range(x.ndim))]


def take_along_axis(x: Any, indices: Any, /, *, axis: int = -1) -> Any:
    """Take entries along an axis, by an index that has a gradient of every order."""
    axis %= x.ndim
    shape = np.broadcast_shapes((*x.shape[:axis], 1, *x.shape[axis + 1 :]), indices.shape)
    index = list(np.ogrid[tuple(map(slice, shape))])
    index[axis] = indices
    return x[tuple(index)]


def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> Any:
    """Join arrays along an axis, flattened for None."""
    return anp.concatenate([anp.ravel(x) for x in arrays], 0) if axis is None else anp.concatenate(arrays, axis)


class AutogradOperations(Operations):
    """Everything is eager, and in host memory."""

    def seen(self, x: Any) -> np.ndarray:
        return value_of(x)


xp = make_namespace(
    "unifiedqr_autograd.namespace.xp",
    {
        **{name: getattr(anp, name) for name in SAME.split()},
        "asarray": lambda x, /, **options: x if isinstance(x, anp.numpy_boxes.ArrayBox) else np.asarray(x, **options),
        "astype": astype,
        "concat": concat,
        "finfo": array_api_compat.numpy.finfo,
        "flip": flip,
        "isdtype": array_api_compat.numpy.isdtype,
        "matrix_transpose": lambda x, /: anp.swapaxes(x, -1, -2),
        "permute_dims": anp.transpose,
        "take_along_axis": take_along_axis,
    },
    {
        "diagonal": lambda x, /: anp.diagonal(x, axis1=-2, axis2=-1),
        "matrix_norm": lambda x, /: anp.sqrt(anp.sum(anp.abs(x) ** 2, axis=(-2, -1))),
        "qr": np.linalg.qr,
        "solve": anp.linalg.solve,
        "trace": lambda x, /: anp.sum(anp.diagonal(x, axis1=-2, axis2=-1), axis=-1),
        "vector_norm": lambda x, /, *, axis=None: anp.sqrt(anp.sum(anp.abs(x) ** 2, axis=axis)),
    },
    AutogradOperations,
)
