"""The JAX backend."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from unifiedqr.backend import Backend
from unifiedqr.decomposition import Primitive
from unifiedqr_jax.autodiff import JaxArrays, bind
from unifiedqr_jax.namespace import xp


class JaxBackend(Backend):
    """JAX arrays and tracers, on any device."""

    xp = xp

    def from_numpy(self, x: np.ndarray) -> jax.Array:
        return jnp.asarray(x, dtype=jax.dtypes.canonicalize_dtype(x.dtype))

    def to_numpy(self, x: jax.Array) -> np.ndarray:
        return np.asarray(x.astype(jnp.float32) if x.dtype == jnp.bfloat16 else x)

    def dtype_name(self, x: jax.Array) -> str:
        return x.dtype.name

    def device(self, x: jax.Array) -> str:
        return ", ".join(sorted(str(device) for device in x.devices()))

    def devices(self) -> tuple[str, ...]:
        return tuple(str(device) for device in jax.devices())

    def bind(self, primitive: Primitive) -> Callable[..., JaxArrays]:
        return bind(primitive)

    def vjp(self, f: Callable[..., JaxArrays], primals: JaxArrays) -> tuple[JaxArrays, Callable[..., JaxArrays]]:
        outputs, pull = jax.vjp(f, *primals)

        def pullback(cotangents: Any) -> JaxArrays:
            pairs = zip(cotangents, outputs, strict=True)
            pulled = pull(tuple(jnp.zeros_like(y) if c is None else jnp.conj(c) for c, y in pairs))
            return tuple(jnp.conj(bar) for bar in pulled)

        return outputs, pullback

    def jvp(self, f: Callable[..., JaxArrays], primals: JaxArrays, tangents: JaxArrays) -> tuple[JaxArrays, JaxArrays]:
        return jax.jvp(f, primals, tangents)
