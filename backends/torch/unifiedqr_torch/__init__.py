"""unifiedqr's PyTorch backend."""

from unifiedqr.backend import Plugin

plugin = Plugin(
    name="torch",
    distributions=("torch",),
    array_modules=("torch",),
    factory="unifiedqr_torch.adapter:TorchBackend",
    capabilities=frozenset({"vjp", "jvp", "second-order"}),
)
