"""unifiedqr's MXNet backend."""

from unifiedqr.backend import Plugin

plugin = Plugin(
    name="mxnet",
    distributions=("mxnet",),
    array_modules=("mxnet",),
    factory="unifiedqr_mxnet.adapter:MXNetBackend",
    capabilities=frozenset({"vjp"}),
)
