"""unifiedqr's PyTorch backend."""

from unifiedqr.backend import Plugin

plugin = Plugin(
    name="torch",
    distributions=("torch",),
    array_modules=("torch",),
    factory="unifiedqr_torch.adapter:TorchBackend",
    requirement="unifiedqr[torch]",
    protocol="__torch_function__",
    capabilities=frozenset({"vjp", "jvp", "second-order"}),
)
