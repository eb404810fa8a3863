"""Primitives as `torch.autograd.Function`: backward is the VJP rule, jvp the JVP rule, both differentiable again.

The function is written in the ``setup_context`` style that `torch.func` transforms accept. `torch.compile` does not
look inside: it writes the call into its graph as it stands, and what compiles the graph then runs our rules under the
transforms that are in force there, as eager mode does.
"""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import torch
from torch._C import _functorch  # pyright: ignore[reportAttributeAccessIssue]
from torch.autograd import forward_ad

from unifiedqr.decomposition import Primitive, primitive, rows, watchers
from unifiedqr.tracing import untraced
from unifiedqr_torch.namespace import IN_MEMORY, xp
from unifiedqr_torch.tensors import is_sharded, is_traced, unwrapped

Tensors = tuple[torch.Tensor, ...]


def materialized(arrays: Tensors) -> Tensors:
    """Return tensors that are neither lazily conjugated nor views: forward mode rejects tangents for such outputs."""
    resolved = (x.resolve_conj() for x in arrays)
    return tuple(x.clone() if x._is_view() else x for x in resolved)


def in_full_precision(f: Callable[..., Tensors], *arguments: Any) -> Tensors:
    """Call f with autocast off: it would round the factors of every product to half precision."""
    if not torch._C._is_any_autocast_enabled():
        return f(*arguments)
    with ExitStack() as contexts:
        for kind in torch._C._autocast_supported_devices():
            if torch.is_autocast_enabled(kind):
                contexts.enter_context(torch.autocast(kind, enabled=False))
        return f(*arguments)


def _written_down(row: Primitive) -> Callable[..., Tensors]:
    """Return the forward of a row by CholeskyQR, or by what is chosen, as it stands in a graph."""
    asked = "cholesky" in row.options

    def forward(*inputs: torch.Tensor) -> Tensors:
        if is_traced() and (asked or _is_faster_by_cholesky(row, *inputs)):
            return tuple(_opaque(list(inputs), row.name, "positive" in row.options))
        return row.forward(xp, *inputs)

    return forward


def _is_faster_by_cholesky(row: Primitive, A: torch.Tensor) -> bool:
    """Return whether `auto` would take CholeskyQR outside the trace: sizes that are not known say no."""
    shape = A.mT.shape if row.orientation.adjoint else A.shape
    known = all(type(size) is int for size in shape)
    return known and A.device.type == "cpu" and IN_MEMORY.include(shape)


def _by_cholesky(inputs: list[torch.Tensor], name: str, positive: bool) -> list[torch.Tensor]:
    row = primitive(name, positive=positive, method="cholesky")
    return [x.contiguous() for x in row.forward(xp, *inputs)]


def _shapes(inputs: list[torch.Tensor], name: str, positive: bool) -> list[torch.Tensor]:
    row = primitive(name, positive=positive, method="householder")  # which does not look at values to go on
    return [x.clone(memory_format=torch.contiguous_format) for x in row.forward(xp, *inputs)]


# What chooses by values cannot be traced: where it was asked for it becomes one operation, which traces as it stands.
_opaque: Any = torch.library.custom_op(
    "unifiedqr::by_cholesky",
    _by_cholesky,
    mutates_args=(),
    schema="(Tensor[] inputs, str name, bool positive) -> Tensor[]",
)
_opaque.register_fake(_shapes)

bound: dict[Primitive, Callable[..., Tensors]] = {}
"""What has been bound: all of the table, before anything is traced, and what was made on demand."""


def bind(row: Primitive) -> Callable[..., Tensors]:
    """Return the primitive as a differentiable function of tensors."""
    function = bound.get(row)
    if function is None:
        function = bound[row] = _differentiable(row)
    return function


def _differentiable(row: Primitive) -> Callable[..., Tensors]:
    class Decomposition(torch.autograd.Function):
        @staticmethod
        def setup_context(ctx: Any, inputs: Tensors, output: Tensors) -> None:
            kept = row.kept(inputs, output)
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(*kept)
            ctx.save_for_forward(*kept)

        @staticmethod
        def backward(ctx: Any, *cotangents: torch.Tensor | None) -> Any:
            if all(bar is None for bar in cotangents):  # those of what a later primitive has carried
                return (None,) * len(row.inputs)
            return in_full_precision(row.vjp, xp, ctx.saved_tensors, cotangents)

        @staticmethod
        def jvp(ctx: Any, *tangents: torch.Tensor | None) -> Tensors:
            # An input that was kept still carries its tangent of this level, which the rule must not see.
            kept = tuple(forward_ad.unpack_dual(x).primal for x in ctx.saved_tensors)
            if None in tangents:  # of a constant
                named = dict(zip(row.keeps, kept, strict=True))
                pairs = zip(row.inputs, tangents, strict=True)
                tangents = tuple(torch.zeros_like(named[name]) if dot is None else dot for name, dot in pairs)
            # Inside a custom jvp forward mode is off, which would make nested forward mode silently wrong.
            with forward_ad._set_fwd_grad_enabled(True):
                return materialized(in_full_precision(row.jvp, xp, kept, tangents))

        @staticmethod
        def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: torch.Tensor) -> tuple[Tensors, tuple[int, ...]]:
            # A primitive takes stacks of matrices: the axis that is mapped over is one more of the stack.
            stacks = (
                x.expand(info.batch_size, *x.shape) if axis is None else x.movedim(axis, 0)
                for x, axis in zip(inputs, in_dims, strict=True)
            )
            return function.apply(*stacks), (0,) * len(row.outputs)

    def running(run: Callable[..., Tensors]) -> Any:
        def forward(*inputs: torch.Tensor) -> Tensors:
            is_rounded = torch._C._is_any_autocast_enabled()
            return materialized(in_full_precision(run, *inputs) if is_rounded else run(*inputs))

        name = f"unifiedqr_{row.name}"  # as grad_fn and error messages call it
        return type(name, (Decomposition,), {"forward": staticmethod(forward)})

    written = function = running(_written_down(row) if "cholesky" in row.options else partial(row.forward, xp))
    if row.options == ("positive", "auto") and "pivoted" not in row.name:
        written = running(_written_down(row))
    _written_as_calls.append(written)

    # What torch.autograd.Function.apply amounts to without a transform of torch.func, and much faster.
    apply = super(torch.autograd.Function, function).apply  # pyright: ignore[reportAttributeAccessIssue]

    def call(*inputs: torch.Tensor) -> Tensors:
        for x in inputs:
            if type(x) is not torch.Tensor and is_sharded(x):
                return _of_shards(row, inputs)
        if torch.compiler.is_compiling():
            _let_calls_stand()
            return written.apply(*inputs)
        alone = not torch._C._are_functorch_transforms_active()
        for x in inputs:
            alone = alone and isinstance(x, torch.Tensor) and not _functorch.is_functorch_wrapped_tensor(x)
        if alone:
            return apply(*inputs)
        if any(map(is_sharded, map(unwrapped, inputs))):
            return _of_shards(row, inputs)  # which refuses
        return function.apply(*inputs)

    return call


def _of_shards(row: Primitive, inputs: Tensors) -> Tensors:
    from unifiedqr_torch import sharded  # users without DTensors do not wait for their imports

    return sharded.call(row, inputs)


class _Total(torch.autograd.Function):
    """The sum over processes, whatever it is made by; the loss being the sum of theirs, it is its own adjoint."""

    @staticmethod
    def forward(*inputs: Any) -> torch.Tensor:
        X, all_reduce = inputs
        found = all_reduce(X)
        return X.clone() if found is X else found

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        ctx.all_reduce = inputs[1]

    @staticmethod
    def backward(ctx: Any, *bars: torch.Tensor) -> tuple[Any, None]:
        return _Total.apply(bars[0], ctx.all_reduce), None

    @staticmethod
    def jvp(ctx: Any, *dots: Any) -> Any:
        return _Total.apply(dots[0], ctx.all_reduce)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, ...], *inputs: Any) -> tuple[Any, int | None]:
        return _Total.apply(*inputs), in_dims[0]


def total(all_reduce: Callable[..., Any]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a sum over processes that can be differentiated, of one that says nothing of its derivative."""

    def of_all(X: torch.Tensor) -> torch.Tensor:
        watched = X.requires_grad or _functorch.is_functorch_wrapped_tensor(X)
        watched = watched or forward_ad.unpack_dual(X).tangent is not None
        return _Total.apply(X, all_reduce) if watched else all_reduce(X)  # pyright: ignore[reportReturnType]

    return of_all


_written_as_calls: list[type[torch.autograd.Function]] = []


@untraced
def _let_calls_stand() -> None:
    """Have `torch.compile` write the calls of primitives into its graph instead of tracing what is inside."""
    for function in _written_as_calls:
        torch.compiler.allow_in_graph(function)


for _row in rows():
    bind(_row)
watchers.append(bind)
