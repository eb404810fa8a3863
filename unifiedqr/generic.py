"""Arrays of Array API libraries without a plugin, such as CuPy or Dask: values and explicit rules, no autodiff.

The kernels are written on the standard, so a library that keeps to it needs no adapter. A function of the standard that
it lacks raises an error that names the function (`unifiedqr.arrays.namespaces`).
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NoReturn

import array_api_compat

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.namespaces import plain_namespace
from unifiedqr.backend import DTYPES, HALF_DTYPES, Backend, Plugin
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import CapabilityError, ForeignArrayError, ShapeError
from unifiedqr.rules.validation import NOT_PLAIN

MORE_THAN_NUMBERS = (*NOT_PLAIN, "MArray", "Quantity")
"""Types, by name, whose arithmetic follows a mask or a unit, which a decomposition would ignore."""

NOT_CONVERTED = (TypeError, ValueError, RuntimeError, BufferError, AttributeError, NotImplementedError)
"""What libraries raise for an array that they cannot convert."""


class GenericBackend(Backend):
    """A library of the Array API standard, known only by its arrays."""

    def __init__(self, library: str, namespace: Namespace) -> None:
        super().__init__(Plugin(library, (library,), (library,), f"{__name__}:{type(self).__name__}"))
        self.xp = namespace

    def from_numpy(self, x: Any) -> Array:
        return self.xp.asarray(x)

    def beside(self, x: Array, A: Array) -> Array:
        return array_api_compat.to_device(x, array_api_compat.device(A))

    def to_numpy(self, x: Array) -> Any:
        import numpy as np  # only when an array is converted

        ways: tuple[Callable[[Any], Any], ...] = (
            lambda x: np.asarray(x) if hasattr(x, "__array__") else None,
            np.from_dlpack,
            lambda x: np.asarray(array_api_compat.to_device(x, "cpu")),
        )
        for convert in ways:
            try:
                found = convert(x)
            except NOT_CONVERTED:
                continue
            if found is not None and found.dtype != object:
                return found
        raise CapabilityError(
            f"{self.name} exports this array on {self.device(x)} neither by __array__ nor by DLPack. Convert it with "
            f"the library's own function, after computing it or moving it to host memory."
        )

    def dtype_name(self, x: Array) -> str:
        kind: Any = x.__class__
        if any(base.__name__ in MORE_THAN_NUMBERS for base in kind.__mro__):
            raise ForeignArrayError(
                f"{kind.__module__}.{kind.__qualname__} has an arithmetic of its own (a mask, a unit), which a "
                f"decomposition would ignore. Pass plain numbers."
            )
        if not all(isinstance(size, int) for size in x.shape):
            raise ShapeError(
                f"got a {self.name} array of shape {tuple(x.shape)}; expected known sizes. Determine them first, as "
                f"compute_chunk_sizes of Dask does."
            )
        for name in (*DTYPES, *HALF_DTYPES):
            dtype = getattr(self.xp, name, None)
            if dtype is not None and x.dtype == dtype:
                return name
        return str(x.dtype).rpartition(".")[2]

    def device(self, x: Array) -> str:
        device: Any = array_api_compat.device(x)
        return str(device)

    def devices(self) -> tuple[str, ...]:
        info = getattr(self.xp, "__array_namespace_info__", None)
        return () if info is None else tuple(map(str, info().devices()))

    def bind(self, primitive: Primitive) -> Callable[..., Arrays]:
        return partial(primitive.forward, self.xp)

    def vjp(self, f: Callable[..., Any], primals: Any) -> NoReturn:  # noqa: ARG002
        raise CapabilityError(self._no_autodiff("vjp"))

    def jvp(self, f: Callable[..., Any], primals: Any, tangents: Any) -> NoReturn:  # noqa: ARG002
        raise CapabilityError(self._no_autodiff("jvp"))

    def _no_autodiff(self, kind: str) -> str:
        return (
            f"unifiedqr has no plugin for {self.name}, and so no autodiff for its arrays. Use the explicit rules, "
            f"unifiedqr.rules.qr_{kind} and the others, or another backend."
        )


def backend_by_standard(x: object) -> GenericBackend | None:
    """Return the backend of an array by its Array API namespace; None if it has none."""
    if isinstance(x, type):
        return None
    try:
        namespace: Namespace = array_api_compat.array_namespace(x)
    except TypeError:
        return None
    return _of_namespace(type(x).__module__.partition(".")[0], plain_namespace(namespace))


@cache
def _of_namespace(library: str, namespace: Namespace) -> GenericBackend:
    return GenericBackend(library, namespace)
