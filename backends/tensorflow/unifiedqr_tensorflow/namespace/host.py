"""What is at hand on the host: beyond the Array API standard, for checks that look at values."""

from functools import cache

import numpy as np
import tensorflow as tf

from unifiedqr import host


def seen(x: tf.Tensor, /) -> np.ndarray | None:
    """Return x as a NumPy array if its values are computed already and in this machine's memory, else None."""
    at_hand = (
        isinstance(x, tf.__internal__.EagerTensor)  # not a symbol of a graph being traced
        and x.device.startswith("/job:localhost/")
        and "/device:CPU:" in x.device
        and tf.config.experimental.get_synchronous_execution()
    )
    return x.numpy() if at_hand else None


def place(x: tf.Tensor, /) -> str:
    """Return the kind of device, as measurements are kept by; in a graph, that which it will be run on by default."""
    if tf.executing_eagerly():
        return f"tensorflow {x.device.rpartition('/')[-1].split(':')[1].lower()}"
    return f"tensorflow {_default_kind()}"


@cache
def _default_kind() -> str:
    return "gpu" if tf.config.list_physical_devices("GPU") else "cpu"


def glance(R: tf.Tensor, /) -> tuple[float, float] | None:
    """Return the least modulus on the diagonals and the largest of all, if they are at hand, else None."""
    values = seen(R)
    return None if values is None else host.glance(values)
