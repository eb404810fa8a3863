"""unifiedqr's NumPy backend: the default, with explicit rules and no autodiff."""

from unifiedqr.backend import Plugin

plugin = Plugin(
    name="numpy",
    distributions=("numpy",),
    array_modules=("numpy",),
    factory="unifiedqr_numpy.adapter:NumpyBackend",
)
