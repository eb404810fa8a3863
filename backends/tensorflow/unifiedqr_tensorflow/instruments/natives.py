"""TensorFlow's own functions, and functions as its users run them over and over: what ours are measured against."""

from collections.abc import Callable

import tensorflow as tf

from unifiedqr_lab.instruments import GradientProgram
from unifiedqr_tensorflow.autodiff import Tensors

Function = Callable[..., Tensors]

NATIVES: dict[str, Function] = {
    "qr": tf.linalg.qr,
    "lstsq": lambda A, b: (tf.linalg.lstsq(A, b, fast=False),),
    "slogdet": tf.linalg.slogdet,
}


def program(f: Function) -> Function:
    """Return f as a graph."""
    return tf.function(f)


def gradient_program(f: Function) -> GradientProgram:
    """Return the function of primals and cotangents to outputs and gradients, a tape in a `tf.function`."""

    @tf.function
    def outputs_and_gradients(primals: Tensors, cotangents: Tensors) -> tuple[Tensors, Tensors]:
        with tf.GradientTape() as tape:
            tape.watch(primals)
            outputs = tuple(f(*primals))
        gradients = tape.gradient(list(outputs), primals, output_gradients=list(cotangents))
        return outputs, tuple(map(tf.convert_to_tensor, gradients))

    return outputs_and_gradients


def place(x: tf.Tensor, device: str) -> tf.Tensor:
    """Return x on a device; TensorFlow itself would take another one where there is none of that name."""
    name = device.upper().replace("CUDA", "GPU")
    with tf.device(name):
        placed = tf.identity(x)
    if f":{name}" not in placed.device:
        raise LookupError(f"it put a tensor on {placed.device}")
    return placed


def wait(arrays: Tensors) -> None:
    """Return when the devices of the tensors have computed all that was asked of them; a CPU has by then."""
    if any("GPU" in x.device for x in arrays):
        tf.test.experimental.sync_devices()
