"""unifiedqr's backend for the toy framework: the smallest complete one."""

import array_api_compat.numpy as anp
import numpy as np
from toy import Array, Node, pull, total

from unifiedqr.arrays.namespaces import NAMESPACE, extend_namespace, make_namespace
from unifiedqr.backend import Backend, Plugin
from unifiedqr.errors import CapabilityError

plugin = Plugin("toy", ("unifiedqr-toy",), ("toy",), "unifiedqr_toy:ToyBackend", capabilities=frozenset({"vjp"}))


def lifted(name, f):
    """Return a function of NumPy for arrays of the toy, which has no gradient of it and refuses to lose one."""

    def call(*given, **options):
        if not name.endswith("_like") and any(isinstance(x, Array) and x.node is not None for x in given):
            raise CapabilityError("the toy differentiates decompositions and sums, and nothing else.")
        found = f(*(x.value if isinstance(x, Array) else x for x in given), **options)
        return Array(found) if isinstance(found, (np.ndarray, np.generic)) else found

    return call


numeric = extend_namespace("unifiedqr_toy.numeric", anp)  # in which rules and kernels run
own = {name: getattr(anp, name) for name in NAMESPACE if "." not in name}
own = {name: f if isinstance(f, type) else lifted(name, f) for name, f in own.items()}
linalg = {name: lifted(name, getattr(anp.linalg, name)) for name in dir(anp.linalg) if f"linalg.{name}" in NAMESPACE}


class ToyBackend(Backend):
    xp = make_namespace("unifiedqr_toy.xp", own | {"sum": total}, linalg)
    array_types = (Array,)

    def from_numpy(self, x):
        return Array(x)

    def to_numpy(self, x):
        return x.value

    def dtype_name(self, x):
        return x.dtype.name

    def bind(self, primitive):
        def call(*inputs):
            values = tuple(x.value for x in inputs)
            outputs = primitive.forward(numeric, *values)
            kept = primitive.kept(values, outputs)
            places = range(len(outputs))
            node = Node(lambda bars: primitive.gradients(numeric, kept, tuple(map(bars.get, places))), inputs)
            discrete = [name in primitive.discrete for name in primitive.outputs]
            return tuple(Array(X, None if discrete[i] else node, i) for i, X in enumerate(outputs))

        return call

    def vjp(self, f, primals):
        leaves = tuple(Array(x.value, Node()) for x in primals)
        outputs = f(*leaves)

        def pullback(cotangents):
            for leaf in leaves:
                leaf.node.bars = {}
            pull([(y, None if bar is None else bar.value) for y, bar in zip(outputs, cotangents, strict=True)])
            return tuple(Array(leaf.node.bars.get(0, np.zeros_like(leaf.value))) for leaf in leaves)

        return outputs, pullback
