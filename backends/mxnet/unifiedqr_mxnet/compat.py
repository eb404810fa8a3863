"""MXNet 1.9.1, imported under a NumPy that no longer has the names MXNet was written for.

MXNet reads old NumPy aliases while it is imported, and ``numpy.bool`` later on as well. The aliases exist around the
import only; afterwards NumPy is as it was found, and the three modules of MXNet that read one later see a copy of
NumPy's namespace that has it.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

ALIASES: dict[str, Any] = {
    "bool": np.bool_,
    "PZERO": 0.0,
    "NZERO": -0.0,
    "PINF": np.inf,
    "NINF": -np.inf,
    "Inf": np.inf,
    "NAN": np.nan,
    "NaN": np.nan,
    "alltrue": np.all,
    "sometrue": np.any,
    "round_": np.round,
    "product": np.prod,
    # Only their names are read: MXNet lists them among the functions it could fall back to.
    **dict.fromkeys(("in1d", "msort", "trapz", "mirr", "npv", "pmt", "ppmt", "pv", "rate")),
}
"""What MXNet reads and some NumPy from 1.24 on lacks."""

LATE_READERS = ("mxnet.numpy.multiarray", "mxnet.ndarray.numpy._op", "mxnet.symbol.numpy._symbol")
"""Modules of MXNet that read ``numpy.bool`` in their functions, under the name ``_np``."""


@contextmanager
def _aliases() -> Iterator[list[str]]:
    """Add to NumPy the aliases it lacks, and remove them again."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # asking for a removed name warns before it raises
        lacking = [name for name in ALIASES if not hasattr(np, name)]
    for name in lacking:
        setattr(np, name, ALIASES[name])
    try:
        yield lacking
    finally:
        for name in lacking:
            delattr(np, name)


def import_mxnet() -> ModuleType:
    """Import MXNet and leave NumPy as found."""
    with _aliases() as lacking, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", FutureWarning)
        mx = import_module("mxnet")
    if "bool" in lacking:
        numpy_with_bool = ModuleType("numpy", np.__doc__)
        numpy_with_bool.__dict__.update(vars(np), bool=np.bool_)
        for name in LATE_READERS:
            vars(import_module(name))["_np"] = numpy_with_bool
    return mx


mx = import_mxnet()
