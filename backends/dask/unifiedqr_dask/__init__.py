"""unifiedqr's Dask backend."""

from unifiedqr.backend import Plugin

plugin = Plugin(
    name="dask",
    distributions=("dask",),
    array_modules=("dask",),
    factory="unifiedqr_dask.adapter:DaskBackend",
    requirement="unifiedqr[dask]",
    capabilities=frozenset({"vjp", "jvp"}),
)
"""The Dask backend."""
