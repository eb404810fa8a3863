"""MXNet as an Array API namespace, of real arrays and of complex pairs.

MXNet's array functions depend on two switches, which a process sets for itself: whether arrays without axes or entries
exist, and of which class arrays are. Every function of the namespace runs with both as NumPy has them and leaves them
as they were.
"""

from collections.abc import Callable
from math import e, inf, nan, pi
from typing import Any

import numpy as np

from unifiedqr.arrays.namespaces import extend_namespace, make_namespace
from unifiedqr.checks import are_put_off
from unifiedqr_mxnet import creation, dtypes, elementwise, linalg, manipulation, searching, statistics
from unifiedqr_mxnet.operations import MXNetOperations
from unifiedqr_mxnet.scalar import with_numpy_semantics
from unifiedqr_numpy.namespace import NumpyOperations
from unifiedqr_numpy.namespace import xp as numpy_xp

DTYPES = {
    "bool": np.bool_,
    "uint8": np.uint8,
    "int8": np.int8,
    "int32": np.int32,
    "int64": np.int64,
    "float16": np.float16,
    "float32": np.float32,
    "float64": np.float64,
    "complex64": np.complex64,
    "complex128": np.complex128,
}
"""Dtypes MXNet has, and those of pairs."""

CREATION = (
    *("asarray", "astype", "full", "full_like", "zeros", "zeros_like", "ones", "ones_like", "eye", "arange"),
    *("linspace", "empty", "empty_like", "from_dlpack", "meshgrid"),
)
PLAIN = ("isdtype", "result_type", "can_cast", "finfo", "iinfo", "broadcast_shapes")


def _switched(functions: dict[str, Callable[..., Any]]) -> dict[str, Any]:
    return {key: with_numpy_semantics(function) for key, function in functions.items()}


names = {name: getattr(creation, name) for name in CREATION}
for part in (elementwise, manipulation, statistics, searching, linalg):
    names |= part.FUNCTIONS
xp = make_namespace(
    "unifiedqr_mxnet.namespace.xp",
    _switched(names)
    | {name: getattr(dtypes, name) for name in PLAIN}
    | DTYPES
    | {"e": e, "inf": inf, "nan": nan, "pi": pi, "newaxis": None},
    _switched(linalg.LINALG),
    MXNetOperations,
)


class HostOperations(NumpyOperations):
    """NumPy's, of arrays that MXNet lends; nothing is looked at before gradients are written."""

    def seen(self, x: Any) -> Any:
        return None if are_put_off() else x


host_xp = extend_namespace("unifiedqr_mxnet.namespace.host_xp", numpy_xp, operations=HostOperations)
"""NumPy's namespace, in which kernels and rules run on what lies in host memory."""
