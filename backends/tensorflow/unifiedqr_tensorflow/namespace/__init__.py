"""A thin Array API namespace on ``tf.*``: what TensorFlow itself supplies only behind a process-wide switch.

Written for tensors, eager or symbolic, with unknown batch sizes; every function is differentiable wherever TensorFlow's
operation is. Functions promote dtypes as the standard has it, the operators of ``tf.Tensor`` do not.
"""

import math
from types import ModuleType
from typing import Any

from unifiedqr.arrays.namespaces import make_namespace
from unifiedqr_tensorflow.namespace import (
    creation,
    dtypes,
    elementwise,
    linalg,
    manipulation,
    products,
    searching,
    statistics,
)
from unifiedqr_tensorflow.namespace.operations import TensorFlowOperations

PARTS = (creation, elementwise, manipulation, searching, statistics)


def _defined(part: ModuleType) -> dict[str, Any]:
    """Return what a module defines for others, and not what it imports."""
    defined = {name: value for name, value in vars(part).items() if getattr(value, "__module__", None) == part.__name__}
    return {name: value for name, value in defined.items() if not name.startswith("_")}


names: dict[str, Any] = {name: value for part in PARTS for name, value in _defined(part).items()}
names |= elementwise.UNARY | elementwise.BINARY | dtypes.DTYPES
names |= {name: getattr(dtypes, name) for name in ("can_cast", "finfo", "iinfo", "isdtype", "result_type")}
names |= {"pi": math.pi, "e": math.e, "inf": math.inf, "nan": math.nan, "newaxis": None}
names |= {name: getattr(products, name) for name in ("matmul", "matrix_transpose", "tensordot", "vecdot")}

xp = make_namespace(
    "unifiedqr_tensorflow.namespace.xp", names, _defined(linalg) | _defined(products), TensorFlowOperations
)
"""The namespace rules, kernels and examples are written against."""
