"""MXNet's own functions, and functions as MXNet's users run them repeatedly: what ours are measured against."""

from collections.abc import Callable

from unifiedqr.errors import CapabilityError
from unifiedqr_lab.instruments import GradientProgram
from unifiedqr_mxnet.autodiff import MXArray, MXArrays, flattened
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.pair import ComplexArray
from unifiedqr_mxnet.scalar import with_numpy_semantics

Function = Callable[..., MXArrays]


def _lq(A: MXArray) -> MXArrays:
    """Return L and Q by the legacy operator, which takes real matrices that are not deep; the record goes through."""
    if isinstance(A, ComplexArray):
        raise CapabilityError("mxnet has no complex numbers of its own")
    Q, L = mx.nd.linalg.gelqf(A.as_nd_ndarray())
    return L.as_np_ndarray(), Q.as_np_ndarray()


NATIVES: dict[str, Function] = {"lq": _lq}


def gradient_program(f: Function) -> GradientProgram:
    """Return the function of primals and cotangents to outputs and gradients, by `mxnet.autograd.backward`."""
    pullback_at = _recorder(f, retain=False)

    @with_numpy_semantics
    def outputs_and_gradients(primals: MXArrays, cotangents: MXArrays) -> tuple[MXArrays, MXArrays]:
        outputs, pullback = pullback_at(primals)
        return outputs, pullback(cotangents)

    return outputs_and_gradients


def pullback_program(f: Function) -> Callable[[MXArrays], Callable[[MXArrays], MXArrays]]:
    """Return the function that records f and gives its pullback, which keeps the record."""
    pullback_at = _recorder(f, retain=True)
    return lambda primals: pullback_at(primals)[1]


def _recorder(f: Function, *, retain: bool) -> Callable[[MXArrays], tuple[MXArrays, Callable[[MXArrays], MXArrays]]]:
    @with_numpy_semantics
    def recorded(primals: MXArrays) -> tuple[MXArrays, Callable[[MXArrays], MXArrays]]:
        leaves = tuple(x.detach() for x in primals)
        for leaf in leaves:
            leaf.attach_grad()
        with mx.autograd.record():
            outputs = f(*leaves)

        @with_numpy_semantics
        def pullback(cotangents: MXArrays) -> MXArrays:
            mx.autograd.backward(flattened(outputs), flattened(cotangents), retain_graph=retain)
            return tuple(leaf.grad for leaf in leaves)

        return outputs, pullback

    return recorded


def wait(arrays: MXArrays) -> None:
    """Return when the values of the arrays are computed, or raise what their computation raised."""
    for x in flattened(arrays):
        x.wait_to_read()


def blas() -> str:
    """Return what MXNet was built with, as it names its features."""
    built = (name for name, feature in mx.runtime.Features().items() if feature.enabled)
    return ", ".join(name for name in built if name.startswith(("BLAS_", "MKLDNN", "ONEDNN")))
