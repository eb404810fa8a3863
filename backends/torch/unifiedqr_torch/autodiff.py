"""Primitives as `torch.autograd.Function`: backward is the VJP rule, jvp the JVP rule, both differentiable again.

The function is written in the ``setup_context`` style that `torch.func` transforms accept, and its rules consist of
batched operations, so that vmap is generated. Dynamo rejects a custom ``jvp``: while `torch.compile` traces, a twin
without it stands in.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import forward_ad

from unifiedqr.decomposition import Primitive, rows
from unifiedqr_torch.namespace import xp

Tensors = tuple[torch.Tensor, ...]


def materialized(arrays: Tensors) -> Tensors:
    """Give tensors that are neither lazily conjugated nor views: forward mode rejects a tangent for such an output."""
    resolved = (x.resolve_conj() for x in arrays)
    return tuple(x.clone() if x._is_view() else x for x in resolved)


_bound: dict[Primitive, Callable[..., Tensors]] = {}


def bind(primitive: Primitive) -> Callable[..., Tensors]:
    """Give the primitive as a differentiable function of tensors."""
    bound = _bound.get(primitive)
    if bound is None:
        bound = _bound[primitive] = _differentiable(primitive)
    return bound


def _differentiable(primitive: Primitive) -> Callable[..., Tensors]:
    # Dynamo follows functions and numbers in a closure, but not the primitive itself.
    compute, pull, push = primitive.forward, primitive.vjp, primitive.jvp
    named = primitive.inputs + primitive.outputs
    keeps = tuple(named.index(name) for name in primitive.keeps)

    class Traced(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*inputs: torch.Tensor) -> Tensors:
            return compute(xp, *inputs)

        @staticmethod
        def setup_context(ctx: Any, inputs: Tensors, output: Tensors) -> None:
            arrays = (*inputs, *output)
            kept = tuple(arrays[i] for i in keeps)
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(*kept)
            ctx.save_for_forward(*kept)

        @staticmethod
        def backward(ctx: Any, *cotangents: torch.Tensor | None) -> Tensors:
            return pull(xp, ctx.saved_tensors, cotangents)

    class Eager(Traced):
        @staticmethod
        def forward(*inputs: torch.Tensor) -> Tensors:
            return materialized(compute(xp, *inputs))

        @staticmethod
        def jvp(ctx: Any, *tangents: torch.Tensor | None) -> Tensors:
            # Inside a custom jvp forward mode is off, which would make nested forward mode silently wrong.
            with forward_ad._set_fwd_grad_enabled(True):
                return materialized(push(xp, ctx.saved_tensors, tangents))

    Traced.__name__ = Eager.__name__ = f"unifiedqr_{primitive.name}"

    def call(*inputs: torch.Tensor) -> Tensors:
        function = Traced if torch.compiler.is_compiling() else Eager
        return function.apply(*inputs)

    return call


for _row in rows():  # Dynamo follows a lookup, but cannot trace the making of a class
    bind(_row)
