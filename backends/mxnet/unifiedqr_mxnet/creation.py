"""Functions of the namespace that make arrays, and `astype`."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from unifiedqr.errors import DtypeError
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.dtypes import isdtype, name_of
from unifiedqr_mxnet.pair import REAL_OF, ComplexArray, cast, lifted

mnp: Any = mx.np

Shape = int | tuple[int, ...]
DEFAULT = {"float64": np.float32, "complex128": np.complex64}
"""What Python's floats and complex numbers become: MXNet's default precision is single."""


def context(device: Any) -> Any:
    """Return a device, spelled as `str` spells MXNet's contexts, as a context; the current one for None."""
    if device is None:
        return mx.current_context()
    if isinstance(device, mx.Context):
        return device
    spelled = re.fullmatch(r"(cpu|gpu)(?:[(:](\d+)\)?)?", device)
    if spelled is None:
        raise ValueError(f"device {device!r} is unknown; write 'cpu(0)' or 'gpu(0)', or pass an mxnet.Context.")
    return mx.Context(spelled[1], int(spelled[2] or 0))


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
    """Return an array or pair from an array of MXNet or NumPy, a number or nested lists of numbers."""
    if isinstance(obj, mx.nd.NDArray) and not isinstance(obj, mnp.ndarray):
        obj = obj.as_np_ndarray()
    if isinstance(obj, (mnp.ndarray, ComplexArray)):
        x = obj if device is None else to_device(obj, device)
        converted = x if dtype is None or name_of(dtype) == name_of(x.dtype) else astype(x, dtype)
        return identity(converted) if copy and converted is obj else converted
    if copy is False:
        raise ValueError(f"got copy=False, but {type(obj).__name__} can only be copied into MXNet.")
    values = np.asarray(obj)
    if values.dtype == object:
        raise DtypeError("expected a number, an array or nested lists of numbers; join arrays with concat or stack.")
    if dtype is None:
        typed = isinstance(obj, (np.ndarray, np.generic))
        dtype = values.dtype if typed else DEFAULT.get(values.dtype.name, values.dtype)
    return _from_numpy(values.astype(dtype), context(device))


def _from_numpy(values: np.ndarray, ctx: Any) -> Any:
    if values.dtype.kind == "c":
        return ComplexArray(_from_numpy(values.real, ctx), _from_numpy(values.imag, ctx))
    return mnp.array(np.ascontiguousarray(values).reshape(values.shape), dtype=values.dtype.name, ctx=ctx)


def identity(x: Any) -> Any:
    """Return a copy, whose gradient is added to another where that is requested.

    MXNet's own `copy`, `astype`, `as_in_ctx`, `flip`, `mean` and `cumsum` take ``grad_req="add"`` for ``"write"``.
    """
    return x.copy() if isinstance(x, ComplexArray) else mnp.copy(x)


def to_device(x: Any, device: Any) -> Any:
    """Return an array on another device."""
    ctx = context(device)
    if ctx == x.ctx:
        return x
    x = identity(x)
    return x.each(lambda part: part.as_in_ctx(ctx)) if isinstance(x, ComplexArray) else x.as_in_ctx(ctx)


def astype(x: Any, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
    """Convert to another dtype; a pair only to another complex one."""
    if device is not None:
        x = to_device(x, device)
    came, needed = name_of(x.dtype), name_of(dtype)
    if came == needed:
        return identity(x) if copy else x
    if isinstance(x, ComplexArray):
        if needed not in REAL_OF:
            raise DtypeError(f"a {came} array cannot become {needed}; take xp.real or xp.abs of it.")
        return x.each(cast, name_of(REAL_OF[needed]))
    if needed in REAL_OF:
        return lifted(cast(x, name_of(REAL_OF[needed])))
    return cast(x, needed)


def full(shape: Shape, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """Return an array of one value."""
    if dtype is None:
        # As for `asarray`: booleans and integers keep their kind, other numbers have the default precision.
        inferred = np.asarray(fill_value).dtype
        dtype = DEFAULT.get(inferred.name, inferred)
    ctx = context(device)
    if isdtype(dtype, "complex floating"):
        value, real = complex(fill_value), name_of(REAL_OF[name_of(dtype)])
        return ComplexArray(*(mnp.full(shape, part, dtype=real, ctx=ctx) for part in (value.real, value.imag)))
    return mnp.full(shape, fill_value, dtype=name_of(dtype), ctx=ctx)


def full_like(x: Any, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
    """Return an array of one value in the shape of x."""
    return full(x.shape, fill_value, dtype=x.dtype if dtype is None else dtype, device=device or x.ctx)


def _filled(value: float) -> tuple[Callable[..., Any], Callable[..., Any]]:
    def create(shape: Shape, *, dtype: Any = None, device: Any = None) -> Any:
        return full(shape, value, dtype=np.float32 if dtype is None else dtype, device=device)

    def create_like(x: Any, /, *, dtype: Any = None, device: Any = None) -> Any:
        return full_like(x, value, dtype=dtype, device=device)

    return create, create_like


zeros, zeros_like = _filled(0)
ones, ones_like = _filled(1)
empty, empty_like = zeros, zeros_like


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> Any:
    """Return an array of another library as MXNet's, copied."""
    del copy
    return asarray(x if isinstance(x, (mnp.ndarray, ComplexArray)) else np.from_dlpack(x), device=device, copy=True)


def meshgrid(*arrays: Any, indexing: str = "xy") -> list[Any]:
    """Return coordinate matrices of coordinate vectors."""
    count = len(arrays)
    order = (1, 0, *range(2, count)) if indexing == "xy" and count > 1 else tuple(range(count))
    sizes = tuple(arrays[i].shape[0] for i in order)

    def spread(x: Any, axis: int) -> Any:
        if isinstance(x, ComplexArray):
            return x.each(spread, axis)
        return mnp.broadcast_to(mnp.reshape(x, tuple(-1 if i == axis else 1 for i in range(count))), sizes)

    return [spread(x, order.index(i)) for i, x in enumerate(arrays)]


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None) -> Any:
    """Return ones on a diagonal."""
    return asarray(np.eye(n_rows, n_cols, k=k), dtype=np.float32 if dtype is None else dtype, device=device)


def arange(
    start: float, /, stop: float | None = None, step: float = 1, *, dtype: Any = None, device: Any = None
) -> Any:
    """Return equidistant numbers, `stop` excluded; integers from integers."""
    values = np.arange(0, start, step) if stop is None else np.arange(start, stop, step)
    return asarray(values, dtype=DEFAULT.get(values.dtype.name) if dtype is None else dtype, device=device)


def linspace(
    start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True
) -> Any:
    """Return `num` equidistant numbers."""
    values = np.linspace(start, stop, num, endpoint=endpoint)
    return asarray(values, dtype=DEFAULT[values.dtype.name] if dtype is None else dtype, device=device)
