"""Primitives as operators of MXNet's graphs: what a hybridized Gluon block, an export and an import need.

A graph names its operators and their attributes by strings. The rows of `unifiedqr.decomposition` have fixed names,
registered when this module is imported, so that a graph exported by one process runs in another; any other primitive
has a name of this process.
"""

from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import count
from typing import Any

import array_api_compat.numpy
import numpy as np

from unifiedqr.arrays.namespaces import complete_namespace
from unifiedqr.backend import DTYPES, HALF_DTYPES
from unifiedqr.checks import reports_later
from unifiedqr.decomposition import Primitive, rows
from unifiedqr.errors import DtypeError, ShapeError
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.dtypes import name_of
from unifiedqr_mxnet.failures import keeping
from unifiedqr_mxnet.namespace import xp
from unifiedqr_mxnet.pair import ComplexArray, RealArray
from unifiedqr_mxnet.recording import store
from unifiedqr_mxnet.scalar import with_numpy_semantics

np_xp = complete_namespace(array_api_compat.numpy)


_names: dict[Primitive, str] = {}
_unnamed = count(1)


class _Operator(mx.operator.CustomOp):
    """The primitive on the arrays of one graph node, parts in place of pairs."""

    def __init__(self, primitive: Primitive, complex_: bool) -> None:
        super().__init__()
        self.primitive = primitive
        self.complex = complex_

    def grouped(self, parts: Sequence[RealArray]) -> tuple[tuple[RealArray, ...], ...]:
        """Return the parts of each array or pair."""
        size = 2 if self.complex else 1
        return tuple(tuple(parts[i : i + size]) for i in range(0, len(parts), size))

    def arrays(self, groups: Sequence[tuple[RealArray, ...]]) -> tuple[Any, ...]:
        """Return the array or pair made of each group, in single precision if it comes in half."""
        single = [[x.astype("float32") if name_of(x.dtype) in HALF_DTYPES else x for x in group] for group in groups]
        return tuple(ComplexArray(*group) if self.complex else group[0] for group in single)

    def write(self, targets: Sequence[RealArray], requests: Sequence[str], arrays: Sequence[Any]) -> None:
        """Write the parts of the results where MXNet wants them."""
        parts = [part for x in arrays for part in ((x.real, x.imag) if self.complex else (x,))]
        for target, request, part in zip(targets, requests, parts, strict=True):
            store(target, part.astype(target.dtype), add=request == "add", skip=request == "null")

    @keeping("kCustomOpForward")
    @with_numpy_semantics
    def forward(self, is_train: bool, req: Any, in_data: Any, out_data: Any, aux: Any) -> None:
        with mx.autograd.pause(train_mode=is_train):
            self.write(out_data, req, self.primitive.forward(xp, *self.arrays(self.grouped(in_data))))

    @keeping("kCustomOpBackward")
    @with_numpy_semantics
    def backward(self, req: Any, out_grad: Any, in_data: Any, out_data: Any, in_grad: Any, aux: Any) -> None:
        with mx.autograd.pause(), reports_later():  # never: a check is silent in a graph
            # Only what is kept has values here: select before touching any.
            kept = self.arrays(self.primitive.kept(self.grouped(in_data), self.grouped(out_data)))
            self.write(in_grad, req, self.primitive.gradients(xp, kept, self.arrays(self.grouped(out_grad))))


class _Description(mx.operator.CustomOpProp):
    """What MXNet asks about the operator before it has arrays; the attributes come as strings.

    Those of a scope or a subgraph come too. Refusing one, as raising here at all, would end the process.
    """

    def __init__(self, primitive: Primitive, complex_: str = "False", **of_the_scope: str) -> None:
        super().__init__(need_top_grad=True)
        self.primitive = primitive
        self.complex = complex_ == "True"

    def parts(self, names: Sequence[str]) -> list[str]:
        """Return the names of the real arrays that stand for arrays or pairs of these names."""
        return [f"{name}_{part}" for name in names for part in ("real", "imag")] if self.complex else list(names)

    def list_arguments(self) -> list[str]:
        return self.parts(self.primitive.inputs)

    def list_outputs(self) -> list[str]:
        return self.parts(self.primitive.outputs)

    @keeping("kCustomOpPropInferShape")
    def infer_shape(self, in_shape: list[list[int]]) -> tuple[list[list[int]], list[list[int]], list[list[int]]]:
        times = 2 if self.complex else 1
        least = 0 if mx.util.is_np_shape() else 1
        if any(n < least for shape in in_shape for n in shape):  # not known yet
            return in_shape, [[least - 1] * len(in_shape[0]) for _ in self.list_outputs()], []
        shapes = _output_shapes(self.primitive, tuple(tuple(shape) for shape in in_shape[::times]))
        return in_shape, [list(shape) for shape in shapes for _ in range(times)], []

    def declare_backward_dependency(self, out_grad: list[int], in_data: list[int], out_data: list[int]) -> list[int]:
        named = zip(self.parts(self.primitive.inputs + self.primitive.outputs), (*in_data, *out_data), strict=True)
        keeps = set(self.parts(self.primitive.keeps))
        return [*out_grad, *(index for name, index in named if name in keeps)]

    @keeping("kCustomOpPropInferType")
    def infer_type(self, in_type: list[Any]) -> tuple[list[Any], list[Any], list[Any]]:
        dtype = name_of(in_type[0])
        if dtype not in (*DTYPES, *HALF_DTYPES):
            raise DtypeError(f"{self.primitive.name} got {dtype}; expected {', '.join((*DTYPES, *HALF_DTYPES))}.")
        return in_type, [in_type[0]] * len(self.list_outputs()), []

    def create_operator(self, ctx: Any, in_shapes: Any, in_dtypes: Any) -> _Operator:
        return _Operator(self.primitive, self.complex)


@lru_cache(maxsize=256)
def _output_shapes(primitive: Primitive, shapes: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    if any(len(shape) < 2 for shape in shapes):
        raise ShapeError(
            f"{primitive.name} got shapes {shapes}; expected matrices (m, n) or stacks of them (..., m, n)."
        )
    return tuple(y.shape for y in primitive.forward(np_xp, *map(np.zeros, shapes)))


def _register(primitive: Primitive, name: str) -> str:
    # Registration fixes the class of array the operator gets: NumPy's, whatever the process has chosen.
    with mx.util.np_shape(True), mx.util.np_array(True):
        mx.operator.register(name)(partial(_Description, primitive))
    _names[primitive] = name
    return name


def operator_name(primitive: Primitive) -> str:
    """Return the name of the primitive in a graph, registering it if it has none."""
    name = _names.get(primitive)
    return name or _register(primitive, f"unifiedqr_{primitive.name}_of_this_process_{next(_unnamed)}")


def call_symbolically(primitive: Primitive, inputs: Sequence[Any]) -> tuple[Any, ...]:
    """Return the outputs of the primitive as symbols, or pairs of symbols, of the kind of the inputs."""
    complex_ = any(isinstance(x, ComplexArray) for x in inputs)
    parts = [part for x in inputs for part in ((x.real, x.imag) if complex_ else (x,))]
    legacy = [part.as_nd_ndarray() for part in parts]
    node = mx.sym.Custom(*legacy, op_type=operator_name(primitive), complex_=str(complex_))
    outputs = [node[i] for i in range(len(node.list_outputs()))]
    if isinstance(parts[0], mx.sym.np._Symbol):
        outputs = [output.as_np_ndarray() for output in outputs]
    return tuple(map(ComplexArray, outputs[::2], outputs[1::2])) if complex_ else tuple(outputs)


for _row in rows():
    _register(_row, "_".join(("unifiedqr", _row.name, *_row.options)))
