"""NumPy's view of MXNet memory and MXNet's view of NumPy memory, without a copy where both lie on the host."""

import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.pair import ComplexArray, RealArray


class _Export:
    """An MXNet array with the two methods through which NumPy imports memory."""

    def __init__(self, x: RealArray) -> None:
        self.x = x

    def __dlpack__(self, *, stream: Any = None) -> Any:
        return self.x.to_dlpack_for_read()

    def __dlpack_device__(self) -> tuple[int, int]:
        return (1, 0)  # kDLCPU


def host_view(x: Any) -> np.ndarray:
    """Give the values as a NumPy array to be read only: a view of a real array in host memory, else a copy."""
    if isinstance(x, ComplexArray) or x.size == 0 or not _is_on_host(x):
        return x.asnumpy()
    return np.from_dlpack(_Export(x))


def from_host(values: np.ndarray, ctx: Any) -> Any:
    """Give floating NumPy values that nobody else writes to as an MXNet array or pair, without a copy if possible."""
    if np.iscomplexobj(values):
        return ComplexArray(from_host(values.real, ctx), from_host(values.imag, ctx))
    if values.size == 0:
        return mx.np.zeros(values.shape, dtype=values.dtype, ctx=ctx)
    shared = mx.nd.from_numpy(np.ascontiguousarray(values)).as_np_ndarray()
    return shared.as_in_ctx(ctx)


def _is_on_host(x: Any) -> bool:
    return x.ctx.device_type.startswith("cpu")  # or cpu_pinned, cpu_shared


class _PutBy(threading.local):
    arrays: list[Any] | None = None


_put_by = _PutBy()


def seen(x: Any) -> np.ndarray | None:
    """Give x as a NumPy array if it is in host memory and not to be looked at later, else None."""
    if not _is_on_host(x):
        return None
    if _put_by.arrays is not None:
        _put_by.arrays.append(x)
        return None
    return x.asnumpy()


@contextmanager
def looked_at_later() -> Generator[list[Any]]:
    """Give the list that receives what this thread asks `seen` for meanwhile.

    Looking waits for the engine: between two operations of a rule that is time in which nothing is handed to it.
    """
    _put_by.arrays = arrays = []
    try:
        yield arrays
    finally:
        _put_by.arrays = None
