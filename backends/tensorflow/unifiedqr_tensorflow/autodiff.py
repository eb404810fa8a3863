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
from functools import cache, partial
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import record  # no public name: custom_gradient without its pushforward is all there is

from unifiedqr._typing import Array
from unifiedqr.decomposition import Primitive
from unifiedqr_tensorflow.namespace import xp
from unifiedqr_tensorflow.namespace.dtypes import converted
from unifiedqr_tensorflow.sizes import derivative, forward
from unifiedqr_tensorflow.vectorization import vectorized

Tensors = tuple[tf.Tensor, ...]


@cache
def bind(primitive: Primitive) -> Callable[..., Tensors]:
    """Return the primitive as a differentiable function of tensors and variables."""

    def call(*inputs: Any) -> Tensors:
        if tf.executing_eagerly():
            tensors = tuple(map(tf.convert_to_tensor, inputs))
            with record.stop_recording():
                outputs = primitive.forward(xp, *tensors)
        else:
            # The derivative of a tf.cond reads what belongs to the graph of the branch, nothing from around it.
            tensors = tuple(map(tf.identity, inputs))
            # Whoever walks the graph for gradients would walk into TensorFlow's factorization.
            with record.stop_recording():
                # Replicas cannot sum inside another function.
                once = primitive.forward(xp, *tensors) if primitive.communicates else None
                found = once or _as_one_operation(partial(forward, primitive), tensors)
                outputs = tuple(map(tf.stop_gradient, found))
        return _attached(primitive, tensors, outputs)

    call.__name__ = f"unifiedqr_{primitive.name}"
    return tf.autograph.experimental.do_not_convert(call)  # rewriting the rules would gain nothing, and take seconds


def _as_one_operation(function: Callable[..., Tensors], inputs: Tensors) -> Tensors:
    """Call a function of stacks of matrices as one operation of the graph, which a vectorizing map hands one stack.

    It would otherwise look inside, and fail at the branches there.
    """
    call: Any = tf.function(lambda *matrices: tuple(function(*matrices)), autograph=False)
    outputs = call(*inputs)
    vectorized(outputs, function)
    return outputs


def _attached(primitive: Primitive, inputs: Tensors, outputs: Tensors) -> Tensors:
    """Return the outputs as differentiable functions of the inputs."""

    def kept() -> Tensors:
        # A tf.function keeps its derivative in another graph, and only an operation brings tensors over.
        here = tuple(map(tf.identity, inputs + outputs))
        inputs_here, outputs_here = here[: len(inputs)], here[len(inputs) :]
        return primitive.kept(inputs_here, _attached(primitive, inputs_here, outputs_here))

    def pullback(*output_bars: Any) -> list[Array | None]:
        bars = tuple(_cotangent(bar, X) for bar, X in zip(output_bars, outputs, strict=True))
        return [*derivative(primitive, primitive.vjp, inputs[0], kept(), bars, like=inputs), *[None] * len(outputs)]

    def pushforward(*dots: Any) -> list[Array | None]:
        # What was computed is among the recorded inputs too, and has no tangent.
        tangents = tuple(_tangent(dot, X) for dot, X in zip(dots[: len(inputs)], inputs, strict=True))
        return list(derivative(primitive, primitive.jvp, inputs[0], kept(), tangents, like=outputs))

    @tf.custom_gradient
    def walked(*arguments: tf.Tensor) -> tuple[Tensors, Callable[..., list[Array | None]]]:
        return tuple(map(tf.identity, arguments[len(inputs) :])), pullback

    def on_stacks(*stacks: tf.Tensor) -> Tensors:
        # An operation of tf.custom_gradient gives its arguments too; a vectorizing map would drop its gradient.
        arguments = stacks[len(outputs) :]
        return (*_attached(primitive, arguments[: len(inputs)], arguments[len(inputs) :]), *arguments)

    with record.stop_recording():
        attached: Any = tuple(walked(*inputs, *outputs))
    vectorized(attached, on_stacks)
    record.record_operation(f"unifiedqr_{primitive.name}", list(attached), [*inputs, *outputs], pullback, pushforward)
    return attached


def is_recording() -> bool:
    """Return whether a tape or an accumulator around this call is at work."""
    return record.could_possibly_record()


def is_differentiable(x: tf.Tensor) -> bool:
    """Return whether a tensor has derivatives at all: integers have none."""
    return x.dtype.is_floating or x.dtype.is_complex


def _cotangent(bar: Any, X: tf.Tensor) -> tf.Tensor | None:
    """Return a cotangent as a dense tensor, None where there is none; a real one of a complex output made complex."""
    return converted(tf.convert_to_tensor(bar), X.dtype) if bar is not None and is_differentiable(X) else None


def _tangent(dot: Any, X: tf.Tensor) -> tf.Tensor:
    return tf.zeros_like(X) if dot is None else converted(tf.convert_to_tensor(dot), X.dtype)
