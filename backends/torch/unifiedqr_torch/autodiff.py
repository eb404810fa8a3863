"""Primitives as `torch.autograd.Function`: backward is the VJP rule, jvp the JVP rule, both differentiable again.

The function is written in the ``setup_context`` style that `torch.func` transforms accept, and its rules consist of
batched operations, so that vmap is generated. Dynamo rejects a custom ``jvp``: while `torch.compile` traces, a twin
without it stands in.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch.autograd import forward_ad

from unifiedqr.decomposition import Primitive
from unifiedqr_torch.namespace import xp

Tensors = tuple[torch.Tensor, ...]


def materialized(arrays: Tensors) -> Tensors:
    """Give tensors that are neither lazily conjugated nor views: forward mode rejects a tangent for such an output."""
    resolved = (x.resolve_conj() for x in arrays)
    return tuple(x.clone() if x._is_view() else x for x in resolved)


@cache
def bind(primitive: Primitive) -> Callable[..., Tensors]:
    """Give the primitive as a differentiable function of tensors."""

    class Traced(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(*inputs: torch.Tensor) -> Tensors:
            return materialized(primitive.forward(xp, *inputs))

        @staticmethod
        def setup_context(ctx: Any, inputs: Tensors, output: Tensors) -> None:
            kept = primitive.kept(inputs, output)
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(*kept)
            ctx.save_for_forward(*kept)

        @staticmethod
        def backward(ctx: Any, *cotangents: torch.Tensor | None) -> Tensors:
            return primitive.vjp(xp, ctx.saved_tensors, cotangents)

    class Eager(Traced):
        @staticmethod
        def jvp(ctx: Any, *tangents: torch.Tensor | None) -> Tensors:
            # Inside a custom jvp forward mode is off, which would make nested forward mode silently wrong.
            with forward_ad._set_fwd_grad_enabled(True):
                return materialized(primitive.jvp(xp, ctx.saved_tensors, tangents))

    Traced.__name__ = Eager.__name__ = f"unifiedqr_{primitive.name}"

    def call(*inputs: torch.Tensor) -> Tensors:
        function = Traced if torch.compiler.is_compiling() else Eager
        return function.apply(*inputs)

    return call
