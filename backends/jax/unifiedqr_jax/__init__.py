"""unifiedqr's JAX backend."""

from unifiedqr.backend import Plugin

plugin = Plugin(
    name="jax",
    distributions=("jax",),
    array_modules=("jax", "jaxlib"),
    factory="unifiedqr_jax.adapter:JaxBackend",
    requirement="unifiedqr[jax]",
    protocol="__jax_array__",
    capabilities=frozenset({"vjp", "jvp", "second-order"}),
)
