"""NumPy's view of MXNet memory and MXNet's view of NumPy memory, without a copy where both lie on the host."""

from typing import Any

import numpy as np

from unifiedqr.checks import are_put_off
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
    """Return the values as a NumPy array to be read only: a view of a real array in host memory, else a copy."""
    if isinstance(x, ComplexArray) or x.size == 0 or not _is_on_host(x):
        return x.asnumpy()
    return np.from_dlpack(_Export(x))


def from_host(values: np.ndarray, ctx: Any) -> Any:
    """Return floating NumPy values that nobody else writes to as an MXNet array or pair, without a copy if possible."""
    if np.iscomplexobj(values):
        return ComplexArray(from_host(values.real, ctx), from_host(values.imag, ctx))
    if values.size == 0:
        return mx.np.zeros(values.shape, dtype=values.dtype, ctx=ctx)
    shared = mx.nd.from_numpy(np.ascontiguousarray(values)).as_np_ndarray()
    return shared.as_in_ctx(ctx)


def _is_on_host(x: Any) -> bool:
    return x.ctx.device_type.startswith("cpu")  # or cpu_pinned, cpu_shared


def seen(x: Any) -> np.ndarray | None:
    """Return x as a NumPy array if it is in host memory, else None.

    Nor while reports are put off: looking waits for the engine, and between two operations of a rule that is time in
    which nothing is handed to it.
    """
    return None if are_put_off() or not _is_on_host(x) else x.asnumpy()
