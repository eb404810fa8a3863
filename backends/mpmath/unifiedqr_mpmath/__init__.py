"""unifiedqr's mpmath backend: the truth, in 100-digit arithmetic, with derivatives by central differences."""

from unifiedqr.backend import Plugin

plugin = Plugin(
    name="mpmath",
    distributions=("mpmath",),
    array_modules=("unifiedqr_mpmath",),
    factory="unifiedqr_mpmath.adapter:MpmathBackend",
    requirement="unifiedqr[lab]",
    capabilities=frozenset({"vjp", "jvp"}),
)
