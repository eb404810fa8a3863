"""Inspecting values where JAX has them available: outside any trace, in host memory."""

import jax
import numpy as np
from jax.core import Tracer


def seen(x: jax.Array) -> np.ndarray | None:
    """Return x as a NumPy array if its values are available, else None."""
    value = value_at_hand(x)
    return None if value is None else np.asarray(jax.block_until_ready(value))  # `asarray` alone waits far longer


def value_at_hand(x: jax.Array) -> jax.Array | np.ndarray | None:
    """Return x without the tracers of eager derivatives if its values are available, else None.

    They are not under `jax.jit`, `jax.vmap` and whatever else traces, nor on a device that would have to send them.
    Nothing is waited for.
    """
    value = x.to_concrete_value() if isinstance(x, Tracer) else x
    if isinstance(value, jax.Array):
        host = value.is_fully_addressable and all(device.platform == "cpu" for device in value.devices())
        return value if host else None
    return value if isinstance(value, np.ndarray) else None
