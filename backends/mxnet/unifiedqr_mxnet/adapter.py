"""The MXNet backend."""

from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np

from unifiedqr.backend import Backend
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import CapabilityError, ForeignArrayError
from unifiedqr_mxnet.autodiff import MXArray, MXArrays, assembled, bind, flattened, is_symbolic
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.creation import to_device
from unifiedqr_mxnet.failures import INSTEAD, NoSecondOrderError
from unifiedqr_mxnet.namespace import xp
from unifiedqr_mxnet.pair import ComplexArray
from unifiedqr_mxnet.recording import record
from unifiedqr_mxnet.scalar import with_numpy_semantics


class MXNetBackend(Backend):
    """MXNet's NumPy-like arrays and pairs of them for complex numbers, on any device; symbols in a hybridized block."""

    xp = xp
    array_types = (mx.nd.NDArray, ComplexArray, mx.sym.Symbol)

    def as_array(self, x: Any) -> MXArray:
        if isinstance(x, mx.gluon.Parameter):
            return x.data().as_np_ndarray()
        return super().as_array(x)

    def from_numpy(self, x: np.ndarray) -> MXArray:
        return xp.asarray(x)

    def beside(self, x: MXArray, A: MXArray) -> MXArray:
        return to_device(x, A.ctx)

    @with_numpy_semantics
    def to_numpy(self, x: MXArray) -> np.ndarray:
        return x.asnumpy()

    def dtype_name(self, x: MXArray) -> str:
        if is_symbolic(x):
            return ""
        if not isinstance(x, (mx.np.ndarray, ComplexArray)):
            raise ForeignArrayError(
                f"got {type(x).__module__}.{type(x).__qualname__}; expected an mxnet.np.ndarray. Convert a legacy "
                f"NDArray with .as_np_ndarray() (a sparse one with .tostype('default') before); gradients flow "
                f"through that."
            )
        return np.dtype(x.dtype).name

    def device(self, x: MXArray) -> str:
        return str(x.ctx)

    def devices(self) -> tuple[str, ...]:
        return ("cpu(0)", *(f"gpu({i})" for i in range(mx.context.num_gpus())))

    def is_watched(self, x: MXArray) -> bool:
        return mx.autograd.is_recording()

    def bind(self, primitive: Primitive) -> Callable[..., MXArrays]:
        return bind(primitive)

    @with_numpy_semantics
    def vjp(self, f: Callable[..., MXArrays], primals: MXArrays) -> tuple[MXArrays, Callable[..., MXArrays]]:
        if any(map(is_symbolic, primals)):
            raise CapabilityError(
                "mxnet cannot take a gradient of symbols, inside a hybridized block. Differentiate the block, under "
                "mxnet.autograd.record(), or do not call hybridize()."
            )
        leaves = tuple(x.detach().copy() for x in primals)
        for leaf in leaves:
            leaf.attach_grad()
        variables = [leaf.as_nd_ndarray() for leaf in flattened(leaves)]
        with mx.autograd.record():
            outputs = tuple(f(*leaves))
            heads = _recorded(outputs, leaves)

        @with_numpy_semantics
        def pullback(cotangents: Any) -> MXArrays:
            pairs = zip(cotangents, outputs, strict=True)
            bars = tuple(xp.zeros_like(y) if c is None else c for c, y in pairs)
            # Not `backward`: that would also write the gradients of other arrays that f has met.
            pulled = mx.autograd.grad(heads, variables, flattened(bars), retain_graph=True)
            gradients = assembled([gradient.as_np_ndarray() for gradient in pulled], leaves)
            for gradient in gradients:
                gradient.wait_to_read()
            return _refusing((*primals, *outputs, *bars), gradients)

        return _refusing((*primals, *outputs), tuple(y.detach() for y in outputs)), pullback

    def jvp(self, f: Callable[..., MXArrays], primals: MXArrays, tangents: MXArrays) -> NoReturn:
        raise CapabilityError(
            "mxnet has no forward mode; use unifiedqr.vjp, unifiedqr.rules.qr_jvp or another backend."
        )


def _refusing(inputs: MXArrays, arrays: MXArrays) -> MXArrays:
    """Return arrays, computed from the inputs beside the record, that refuse to be differentiated.

    MXNet cannot record how a gradient was computed. It would take it for a constant, and its derivative for zero.
    """
    if mx.autograd.is_recording():

        def refuse(cotangents: Any) -> NoReturn:
            raise NoSecondOrderError(
                f"mxnet cannot do second order: the results of unifiedqr.vjp, grad or value_and_grad have no "
                f"derivative. Call .detach() on one that is a constant. {INSTEAD}"
            )

        record(flattened(inputs), flattened(arrays), refuse)
    return arrays


def _recorded(outputs: MXArrays, leaves: MXArrays) -> list[Any]:
    """Return the parts of the outputs as recorded functions of the leaves, whatever f did.

    MXNet refuses to go back from an array that depends on nothing, or to one that nothing depends on. This node
    depends on everything, with gradient zero of the leaves.
    """
    parts, leaf_parts = flattened(outputs), flattened(leaves)
    heads = [part.detach() for part in parts]
    zeros = [part.detach() * 0 for part in leaf_parts]
    record([*parts, *leaf_parts], heads, lambda cotangents: [*cotangents, *map(mx.np.zeros_like, zeros)])
    return heads
