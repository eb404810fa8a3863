"""unifiedqr's MXNet backend."""

from unifiedqr.backend import Plugin

plugin = Plugin(
    name="mxnet",
    distributions=("mxnet", "mxnet-mkl", "mxnet-native", "mxnet-cu112", "mxnet-cu110", "mxnet-cu102", "mxnet-cu101"),
    array_modules=("mxnet", "unifiedqr_mxnet"),
    factory="unifiedqr_mxnet.adapter:MXNetBackend",
    requirement="unifiedqr[mxnet]",
    capabilities=frozenset({"vjp"}),
)
"""The MXNet backend."""
