"""The MXNet backend."""

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from unifiedqr.backend import Backend
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import CapabilityError, ForeignArrayError
from unifiedqr_mxnet.autodiff import MXArray, MXArrays, bind, flattened, is_symbolic
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.namespace import xp
from unifiedqr_mxnet.pair import ComplexArray
from unifiedqr_mxnet.recording import record
from unifiedqr_mxnet.scalar import with_numpy_semantics


class MXNetBackend(Backend):
    """MXNet's NumPy-like arrays and pairs of them for complex numbers, on any device; symbols in a hybridized block."""

    xp = xp

    def from_numpy(self, x: np.ndarray) -> MXArray:
        return xp.asarray(x)

    @with_numpy_semantics
    def to_numpy(self, x: MXArray) -> np.ndarray:
        return x.asnumpy()

    def dtype_name(self, x: MXArray) -> str:
        if not isinstance(x, (mx.np.ndarray, ComplexArray)):
            raise ForeignArrayError(
                f"an mxnet.np.ndarray was needed, and {type(x).__module__}.{type(x).__qualname__} came. Convert a "
                f"legacy NDArray with .as_np_ndarray(); gradients flow through that."
            )
        return np.dtype(x.dtype).name

    def device(self, x: MXArray) -> str:
        return str(x.ctx)

    def devices(self) -> tuple[str, ...]:
        return ("cpu(0)", *(f"gpu({i})" for i in range(mx.context.num_gpus())))

    def is_symbolic(self, x: MXArray) -> bool:
        return is_symbolic(x)

    def bind(self, primitive: Primitive) -> Callable[..., MXArrays]:
        return bind(primitive)

    @with_numpy_semantics
    def vjp(self, f: Callable[..., MXArrays], primals: MXArrays) -> tuple[MXArrays, Callable[..., MXArrays]]:
        leaves = tuple(x.detach().copy() for x in primals)
        for leaf in leaves:
            leaf.attach_grad()
        with mx.autograd.record():
            outputs = tuple(f(*leaves))
            heads = _recorded(outputs, leaves)

        @with_numpy_semantics
        def pullback(cotangents: Any) -> MXArrays:
            pairs = zip(cotangents, outputs, strict=True)
            head_bars = flattened([xp.zeros_like(y) if c is None else c for c, y in pairs])
            mx.autograd.backward(heads, head_bars, retain_graph=True)
            gradients = tuple(leaf.grad.copy() for leaf in leaves)
            for gradient in gradients:
                gradient.wait_to_read()
            return gradients

        return tuple(y.detach() for y in outputs), pullback

    def jvp(self, f: Callable[..., MXArrays], primals: MXArrays, tangents: MXArrays) -> NoReturn:
        raise CapabilityError(
            "mxnet has no forward mode; use unifiedqr.vjp, unifiedqr.rules.qr_jvp or another backend."
        )


def _recorded(outputs: MXArrays, leaves: MXArrays) -> list[Any]:
    """Give the parts of the outputs as recorded functions of the leaves, whatever f did.

    MXNet refuses to go back from an array that depends on nothing, and leaves the gradient of what nothing depends on
    as it was. This node depends on everything, with gradient zero of the leaves.
    """
    parts, leaf_parts = flattened(outputs), flattened(leaves)
    heads = [part.detach() for part in parts]
    zeros = [part.detach() * 0 for part in leaf_parts]
    record([*parts, *leaf_parts], heads, lambda cotangents: [*cotangents, *map(mx.np.zeros_like, zeros)])
    return heads
