"""Looking at values where JAX has them at hand: outside any trace, in host memory."""

import jax
import numpy as np
from jax.core import Tracer


def seen(x: jax.Array) -> np.ndarray | None:
    """Give x as a NumPy array if its values are at hand, else None.

    They are in eager mode, where differentiation hands around a tracer that carries the value. They are not under
    `jax.jit`, `jax.vmap` and whatever else traces, nor on a device that would have to send them.
    """
    if not is_at_hand(x):
        return None
    return np.asarray(jax.block_until_ready(_value(x)))  # `asarray` alone waits twice as long for a small array


def is_at_hand(x: jax.Array) -> bool:
    """Tell whether `seen` gives the values of x, without waiting for them."""
    value = _value(x)
    if not isinstance(value, jax.Array):
        return isinstance(value, np.ndarray)
    return value.is_fully_addressable and all(device.platform == "cpu" for device in value.devices())


def _value(x: jax.Array) -> jax.Array | np.ndarray | None:
    return x.to_concrete_value() if isinstance(x, Tracer) else x
