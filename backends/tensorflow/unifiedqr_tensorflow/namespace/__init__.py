"""A thin Array API namespace on ``tf.*``: what TensorFlow itself supplies only behind a process-wide switch.

Written for tensors, eager or symbolic, with unknown batch sizes; every function is differentiable wherever TensorFlow's
operation is. Functions promote dtypes as the standard has it, the operators of ``tf.Tensor`` do not.
"""

import math
from types import ModuleType

from unifiedqr_tensorflow.namespace import (
    bits,
    control,
    creation,
    dtypes,
    elementwise,
    host,
    linalg,
    manipulation,
    statistics,
)

xp = ModuleType("unifiedqr_tensorflow.namespace.xp", "TensorFlow as an Array API namespace.")
"""The namespace rules, kernels and examples are written against."""

for part in (control, creation, elementwise, host, manipulation, statistics):
    defined = {name: value for name, value in vars(part).items() if getattr(value, "__module__", None) == part.__name__}
    xp.__dict__.update({name: value for name, value in defined.items() if not name.startswith("_")})

xp.__dict__.update(dtypes.DTYPES, **elementwise.UNARY, **elementwise.BINARY)
xp.__dict__.update({name: getattr(dtypes, name) for name in ("can_cast", "finfo", "iinfo", "isdtype", "result_type")})
xp.__dict__.update(pi=math.pi, e=math.e, inf=math.inf, nan=math.nan, newaxis=None, linalg=linalg)
xp.__dict__.update({name: getattr(linalg, name) for name in ("matmul", "tensordot", "vecdot")})
xp.__dict__.update(power_of_two=bits.power_of_two)
