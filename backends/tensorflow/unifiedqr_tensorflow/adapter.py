"""The TensorFlow backend."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from unifiedqr._typing import Cotangents
from unifiedqr.arrays.holders import Holders
from unifiedqr.backend import Backend, refusal
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import CapabilityError, ShapeError, UnifiedQRError
from unifiedqr_tensorflow.autodiff import Tensors, bind, is_differentiable, is_recording
from unifiedqr_tensorflow.namespace import xp
from unifiedqr_tensorflow.replicas import replicas, total

UnifiedQRError.ag_pass_through = True  # pyright: ignore[reportAttributeAccessIssue] AutoGraph would hide the class

DTENSOR = ":CUSTOM:"
"""The mark of a DTensor in the name of its device."""


class TensorFlowBackend(Backend):
    """TensorFlow tensors and variables, on any device, eager and inside ``tf.function``."""

    xp = xp
    array_types = (tf.Tensor, tf.Variable, tf.__internal__.types.Tensor)

    def as_array(self, x: Any) -> tf.Tensor:
        if isinstance(x, tf.SparseTensor):
            raise refusal(x, "a tf.Tensor", "Call tf.sparse.to_dense(x) first.")
        if isinstance(x, tf.IndexedSlices) or hasattr(x, self.plugin.protocol):
            return tf.convert_to_tensor(x)
        return super().as_array(x)

    def from_numpy(self, x: np.ndarray) -> tf.Tensor:
        return tf.constant(x)

    def to_numpy(self, x: tf.Tensor) -> np.ndarray:
        return np.asarray((tf.cast(x, tf.float32) if x.dtype == tf.bfloat16 else x).numpy())

    def dtype_name(self, x: tf.Tensor) -> str:
        if DTENSOR in (getattr(x, "device", "") or ""):
            raise CapabilityError(
                "got a DTensor of TensorFlow, whose operations have no layouts for triangular solves and "
                "decompositions; expected a tensor. Bring it into one place by dtensor.relayout and dtensor.unpack, or "
                "use tf.distribute."
            )
        return tf.as_dtype(x.dtype).name  # a variable of Keras gives a string

    def device(self, x: tf.Tensor) -> str:
        return "/" + x.device.rpartition("/")[-1]

    def devices(self) -> tuple[str, ...]:
        # Physical, since listing logical devices fixes their configuration for the rest of the process.
        return tuple(device.name.replace("physical_device", "device") for device in tf.config.list_physical_devices())

    def is_watched(self, x: tf.Tensor) -> bool:
        return is_recording() or not tf.executing_eagerly()  # a graph drops what nothing reads

    def orders(self, m: int | None, n: int | None) -> tuple[int, ...]:
        return (1, -1, 0) if m is None or n is None else super().orders(m, n)

    def assured(self, A: tf.Tensor, holds: Callable[[Any, Any], Any], error: UnifiedQRError) -> tf.Tensor:
        if None not in A.shape[-2:]:
            return super().assured(A, holds, error)
        m, n = tf.unstack(tf.shape(A)[-2:])
        with tf.control_dependencies([tf.debugging.Assert(holds(m, n), [str(error)])]):
            return tf.identity(A)

    def sized(self, X: tf.Tensor, shape: tuple[int | None, ...]) -> tf.Tensor:
        if not X.shape.is_fully_defined():
            X.set_shape(shape)
        return X

    def holders(self, where: Any, rank: int | None, size: int | None) -> Holders:
        if isinstance(where, tf.distribute.Strategy):
            return replicas(where)
        return super().holders(total(where) if callable(where) else where, rank, size)

    def bind(self, primitive: Primitive) -> Callable[..., Tensors]:
        return bind(primitive)

    def vjp(self, f: Callable[..., Tensors], primals: Tensors) -> tuple[Tensors, Callable[[Cotangents], Tensors]]:
        primals = _distinct(primals)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(primals)
            with _plain_errors():
                outputs = tuple(map(tf.convert_to_tensor, f(*primals)))

        def pullback(cotangents: Cotangents) -> Tensors:
            pairs = zip(outputs, cotangents, strict=True)
            given = [(y, bar) for y, bar in pairs if bar is not None and is_differentiable(y)]
            gradients = tape.gradient(
                [y for y, _ in given],
                primals,
                output_gradients=[bar for _, bar in given],
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            return tuple(map(tf.convert_to_tensor, gradients))

        return outputs, pullback

    def jvp(self, f: Callable[..., Tensors], primals: Tensors, tangents: Tensors) -> tuple[Tensors, Tensors]:
        if is_recording():
            return self._jvp_of_pullback(f, primals, tangents)
        parts, part_dots = _parts(primals), _parts(tangents)
        with tf.autodiff.ForwardAccumulator(parts, part_dots) as accumulator, _plain_errors():
            outputs = tuple(map(tf.convert_to_tensor, f(*_joined(parts, primals))))
        dots = (accumulator.jvp(y, unconnected_gradients=tf.UnconnectedGradients.ZERO) for y in outputs)
        return outputs, tuple(dots)

    def _jvp_of_pullback(
        self, f: Callable[..., Tensors], primals: Tensors, tangents: Tensors
    ) -> tuple[Tensors, Tensors]:
        """Transpose the pullback, which is linear in the cotangents.

        A tape outside does not see what an accumulator does inside a `tf.function`, and would take the tangents for
        constants; it sees this.
        """
        outputs, pullback = self.vjp(f, primals)
        cotangents = tuple(map(tf.zeros_like, outputs))
        _, transposed = self.vjp(lambda *bars: pullback(bars), cotangents)
        return outputs, transposed(tangents)


@contextmanager
def _plain_errors() -> Generator[None]:
    """Say what to do where a function multiplies a matrix by a vector with @, which TensorFlow's operator cannot do."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if "different ndims" not in error.message:
            raise
        raise ShapeError(
            "got arrays of different numbers of dimensions for the operator @; TensorFlow's multiplies matrices only. "
            "Use xp.matmul of xp = unifiedqr.namespace(A), which takes vectors in every framework."
        ) from error


def _distinct(primals: Tensors) -> Tensors:
    """Read variables, and make two tensors of one that is given twice: tapes tell tensors apart by identity."""
    return tuple(map(tf.identity, primals))


def _parts(arrays: Tensors) -> Tensors:
    """Return real and imaginary parts: an accumulator handles complex tensors, but warns when it is given one."""
    parts = ((tf.math.real(x), tf.math.imag(x)) if x.dtype.is_complex else (x,) for x in arrays)
    return _distinct(tuple(part for pair in parts for part in pair))


def _joined(parts: Tensors, like: Tensors) -> Tensors:
    rest = iter(parts)
    return tuple(tf.complex(next(rest), next(rest)) if x.dtype.is_complex else next(rest) for x in like)
