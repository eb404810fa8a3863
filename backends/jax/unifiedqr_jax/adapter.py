"""The JAX backend."""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from unifiedqr.arrays.holders import Holders
from unifiedqr.backend import Backend
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import ShardingError
from unifiedqr_jax.autodiff import JaxArrays, bind
from unifiedqr_jax.namespace import xp
from unifiedqr_jax.shards import shards, total
from unifiedqr_jax.sizes import orders


class JaxBackend(Backend):
    """JAX arrays and tracers, on any device."""

    xp = xp
    array_types = (jax.Array, Tracer)  # a tracer is a jax.Array, but since JAX 0.10 its class no longer derives from it

    def as_array(self, x: Any) -> jax.Array:
        return x.__jax_array__() if hasattr(x, self.plugin.protocol) else super().as_array(x)

    def from_numpy(self, x: np.ndarray) -> jax.Array:
        dtype = jax.dtypes.canonicalize_dtype(x.dtype)
        if dtype != x.dtype:
            warnings.warn(
                f"got {x.dtype}, which jax computes in {dtype}, because its 64-bit mode is off. Call "
                f"jax.config.update('jax_enable_x64', True) first, or pass {dtype}.",
                stacklevel=2,
            )
        return jnp.asarray(np.array(x, dtype=dtype))  # JAX shares memory, or reads it later: it gets its own

    def to_numpy(self, x: jax.Array) -> np.ndarray:
        value = jax.lax.stop_gradient(x)
        if isinstance(x, jax.Array) and not isinstance(x, Tracer) and not x.is_fully_addressable:
            if not x.is_fully_replicated:
                raise ShardingError(
                    f"got an array of shape {x.shape}, only a part of which is in this process; expected one that is "
                    f"all here, as R is. Gather it with jax.experimental.multihost_utils.process_allgather(x, "
                    f"tiled=True), or take the part: x.addressable_shards."
                )
            value = value.addressable_data(0)
        return np.asarray(value.astype(jnp.float32) if value.dtype == jnp.bfloat16 else value)

    def dtype_name(self, x: jax.Array) -> str:
        return x.dtype.name

    def device(self, x: jax.Array) -> str:
        return ", ".join(sorted(str(device) for device in x.devices()))

    def devices(self) -> tuple[str, ...]:
        return tuple(str(device) for device in jax.devices())

    def is_spread(self, x: jax.Array) -> bool:
        return not isinstance(x, Tracer) and not x.is_fully_replicated

    def is_watched(self, x: jax.Array) -> bool:
        return isinstance(x, Tracer)  # a program that is compiled drops what nothing reads

    def orders(self, m: Any, n: Any) -> tuple[int, ...]:
        return orders(m, n)

    def holders(self, where: Any, rank: int | None, size: int | None) -> Holders:
        if isinstance(where, (str, tuple)):
            return shards(where)
        return super().holders(total(where) if callable(where) else where, rank, size)

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
