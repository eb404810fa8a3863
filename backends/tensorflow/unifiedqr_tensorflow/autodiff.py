"""Primitives as operations recorded by hand: reverse mode is the VJP rule, forward mode the JVP rule.

The forward runs unrecorded, so that TensorFlow never sees, and never differentiates, its own factorization. Its outputs
are then *attached* to the inputs, by two records of the same pullback: tapes and forward accumulators take the one made
with ``record_operation``, which also carries the pushforward; the gradient graph of a ``tf.function`` is found by
walking the graph, which takes the one of `tf.custom_gradient`. (`tf.custom_gradient` alone is not enough: inside a
forward accumulator it lets TensorFlow differentiate the operations inside.)

Both rules read inputs and outputs that are attached anew, so that their own derivatives are again these rules, to any
order, without another factorization.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import record  # no public name: custom_gradient without its pushforward is all there is

from unifiedqr._typing import Array
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import ShapeError
from unifiedqr_tensorflow.namespace import xp

Tensors = tuple[tf.Tensor, ...]


@cache
def bind(primitive: Primitive) -> Callable[..., Tensors]:
    """Give the primitive as a differentiable function of tensors and variables."""

    def call(*inputs: Any) -> Tensors:
        tensors = tuple(map(tf.convert_to_tensor, inputs))
        for name, tensor in zip(primitive.inputs, tensors, strict=True):
            _check_sizes(primitive, name, tensor)
        with record.stop_recording():
            outputs = primitive.forward(xp, *tensors)
        return _attached(primitive, tensors, outputs)

    call.__name__ = f"unifiedqr_{primitive.name}"
    return call


def _attached(primitive: Primitive, inputs: Tensors, outputs: Tensors) -> Tensors:
    """Give the outputs as differentiable functions of the inputs."""

    def kept() -> Tensors:
        # A tf.function keeps its derivative in another graph, and only an operation brings tensors over.
        here = tuple(map(tf.identity, inputs + outputs))
        inputs_here, outputs_here = here[: len(inputs)], here[len(inputs) :]
        return primitive.kept(inputs_here, _attached(primitive, inputs_here, outputs_here))

    def pullback(*output_bars: Any) -> list[Array | None]:
        bars = (_cotangent(bar, X) for bar, X in zip(output_bars, outputs, strict=True))
        return [*primitive.vjp(xp, kept(), tuple(bars)), *[None] * len(outputs)]

    def pushforward(*dots: Any) -> list[Array | None]:
        # What was computed stands among the recorded inputs too, and has no tangent.
        tangents = (_tangent(dot, X) for dot, X in zip(dots[: len(inputs)], inputs, strict=True))
        return list(primitive.jvp(xp, kept(), tuple(tangents)))

    @tf.custom_gradient
    def walked(*arguments: tf.Tensor) -> tuple[Tensors, Callable[..., list[Array | None]]]:
        return tuple(map(tf.identity, arguments[len(inputs) :])), pullback

    with record.stop_recording():
        attached: Any = tuple(walked(*inputs, *outputs))
    record.record_operation(f"unifiedqr_{primitive.name}", list(attached), [*inputs, *outputs], pullback, pushforward)
    return attached


def is_recording() -> bool:
    """Tell whether a tape or an accumulator around this call is at work."""
    return record.could_possibly_record()


def is_differentiable(x: tf.Tensor) -> bool:
    """Tell whether a tensor has derivatives at all: integers have none."""
    return x.dtype.is_floating or x.dtype.is_complex


def _cotangent(bar: Any, X: tf.Tensor) -> tf.Tensor | None:
    """Give a cotangent as a dense tensor, None where there is none."""
    return tf.convert_to_tensor(bar) if bar is not None and is_differentiable(X) else None


def _tangent(dot: Any, X: tf.Tensor) -> tf.Tensor:
    return tf.zeros_like(X) if dot is None else tf.convert_to_tensor(dot)


def _check_sizes(primitive: Primitive, name: str, tensor: tf.Tensor) -> None:
    if tensor.shape.rank is None or None in tensor.shape[-2:]:
        raise ShapeError(
            f"{primitive.name} got a tensorflow tensor {name} of shape {tensor.shape} while a tf.function was traced; "
            f"the last two sizes must be known then, since deep and wide matrices have different derivatives (those "
            f"before may be None). Give them in input_signature, or with tf.ensure_shape({name}, (..., m, n))."
        )
