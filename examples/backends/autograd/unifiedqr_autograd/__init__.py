"""unifiedqr's backend for HIPS autograd."""

from unifiedqr.backend import Plugin

plugin = Plugin(
    name="autograd",
    distributions=("autograd",),
    array_modules=("autograd",),
    factory="unifiedqr_autograd.adapter:AutogradBackend",
    capabilities=frozenset({"vjp", "jvp", "second-order"}),
)
