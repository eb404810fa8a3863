"""A function of arrays and pairs as Gluon's blocks and MXNet's graphs, as users put one there.

MXNet sees real arrays only: a pair enters a block or a graph as its two parts.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from unifiedqr_mxnet.autodiff import MXArrays, assembled, flattened
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.dtypes import name_of

Function = Callable[..., MXArrays]
Making = Callable[[Function, MXArrays], Function]
"""Transforms a function, given its arguments, into something called in the same way."""


class _OnParts:
    """A function of arrays and pairs as one of their parts, that remembers what kinds its outputs have."""

    def __init__(self, f: Function, primals: MXArrays) -> None:
        self.f, self.primals, self.outputs = f, primals, ()

    def __call__(self, *parts: Any) -> list[Any]:
        self.outputs = self.f(*assembled(parts, self.primals))
        return flattened(self.outputs)


class _Block(mx.gluon.Block):
    def __init__(self, on_parts: _OnParts) -> None:
        super().__init__()
        self.on_parts = on_parts

    def forward(self, *parts: Any) -> list[Any]:
        return self.on_parts(*parts)


class _HybridBlock(mx.gluon.HybridBlock):
    def __init__(self, on_parts: _OnParts) -> None:
        super().__init__()
        self.on_parts = on_parts

    def hybrid_forward(self, F: Any, *parts: Any) -> list[Any]:
        return self.on_parts(*parts)


class _Mapping(_HybridBlock):
    """Maps over the leading axis."""

    def hybrid_forward(self, F: Any, *parts: Any) -> list[Any]:
        def body(slices: Sequence[Any], states: Any) -> Any:
            return [part.as_nd_ndarray() for part in self.on_parts(*(x.as_np_ndarray() for x in slices))], states

        space = mx.sym if isinstance(parts[0], mx.sym.Symbol) else mx.nd
        mapped, _ = space.contrib.foreach(body, [part.as_nd_ndarray() for part in parts], [])
        return [x.as_np_ndarray() for x in mapped]


def _called(block: Any, on_parts: _OnParts) -> Function:
    """Return a block of the parts as a function of arrays and pairs."""

    def call(*primals: Any) -> MXArrays:
        found = block(*flattened(primals))
        found = found if isinstance(found, (list, tuple)) else [found]
        return assembled([x.as_np_ndarray() for x in found], on_parts.outputs)

    return call


def plain(f: Function, primals: MXArrays) -> Function:
    """Leave it as it is."""
    return f


def _block(f: Function, primals: MXArrays) -> Function:
    on_parts = _OnParts(f, primals)
    return _called(_Block(on_parts), on_parts)


def _hybrid(f: Function, primals: MXArrays, kind: Any = _HybridBlock, **hybridized: Any) -> Function:
    on_parts = _OnParts(f, primals)
    block = kind(on_parts)
    if hybridized:
        block.hybridize(**hybridized)
    return _called(block, on_parts)


def _symbols(f: Function, primals: MXArrays) -> tuple[_OnParts, list[Any], list[Any]]:
    """Return the function on parts, and the symbols of the parts that go into it and come out."""
    on_parts = _OnParts(f, primals)
    inputs = [
        mx.sym.var(f"data{i}", dtype=name_of(part.dtype)).as_np_ndarray() for i, part in enumerate(flattened(primals))
    ]
    return on_parts, inputs, on_parts(*inputs)


def _symbol_block(f: Function, primals: MXArrays) -> Function:
    on_parts, inputs, outputs = _symbols(f, primals)
    return _called(mx.gluon.SymbolBlock(outputs, inputs), on_parts)


def _imported(f: Function, primals: MXArrays) -> Function:
    on_parts, inputs, outputs = _symbols(f, primals)
    with TemporaryDirectory() as folder:
        path = str(Path(folder) / "net.json")
        mx.sym.Group(outputs).save(path)
        return _called(mx.gluon.SymbolBlock.imports(path, [x.name for x in inputs]), on_parts)


def executor_of(f: Function, primals: MXArrays) -> tuple[Any, _OnParts, list[Any]]:
    """Return an executor of the function's graph, the function on parts, and the arrays that receive the gradients."""
    on_parts, inputs, outputs = _symbols(f, primals)
    given = {x.name: part.as_nd_ndarray() for x, part in zip(inputs, flattened(primals), strict=True)}
    gradients = {name: mx.nd.zeros_like(part) for name, part in given.items()}
    executor = mx.sym.Group(outputs).bind(flattened(primals)[0].ctx, given, gradients)
    return executor, on_parts, list(gradients.values())


BLOCKS: dict[str, Making] = {
    "gluon.Block": _block,
    "gluon.HybridBlock": _hybrid,
    "HybridBlock.hybridize": partial(_hybrid, active=True),
    "HybridBlock.hybridize(static_alloc, static_shape)": partial(_hybrid, static_alloc=True, static_shape=True),
    "gluon.SymbolBlock": _symbol_block,
    "SymbolBlock.imports": _imported,
}
"""Blocks by how one gets them."""

MAPS: dict[str, Making] = {
    "contrib.foreach": partial(_hybrid, kind=_Mapping),
    "contrib.foreach in HybridBlock.hybridize": partial(_hybrid, kind=_Mapping, active=True),
}
"""Blocks that map over the leading axis."""
