"""unifiedqr's backend for MLX."""

from unifiedqr.backend import Plugin

plugin = Plugin(
    name="mlx",
    distributions=("mlx",),
    array_modules=("mlx",),
    factory="unifiedqr_mlx.adapter:MlxBackend",
    capabilities=frozenset({"vjp", "jvp", "second-order"}),
)
