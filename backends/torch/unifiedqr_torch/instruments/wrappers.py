"""Wrappers: what users of PyTorch do to a function f of several tensors, which stays a function of the same tensors.

Those that trace f take the tensors to trace it with beside it.
"""

import io
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.checkpoint import checkpoint

from unifiedqr_torch.autodiff import Tensors

Function = Callable[..., Any]
Wrapper = Callable[[Function], Function]
Tracer = Callable[[Function, Tensors], Function]


def plain(arrays: Tensors) -> Tensors:
    """Return copies that know no gradient."""
    return tuple(X.detach().clone() for X in arrays)


class Module(torch.nn.Module):
    """f as a module: of its arguments, or of its own parameters if it is given some."""

    def __init__(self, f: Function, matrices: Tensors = ()) -> None:
        super().__init__()
        self.f = f
        self.matrices = torch.nn.ParameterList(matrices)

    def forward(self, *matrices: torch.Tensor) -> Tensors:
        """Return f of the arguments, or of the parameters."""
        return self.f(*(matrices or tuple(self.matrices)))


def compiled(f: Function, **options: Any) -> Function:
    """Compile without a graph break."""
    torch._dynamo.reset()  # or what was compiled before counts against the limit of recompilations
    return torch.compile(f, **{"fullgraph": True, **options})


def mapped_along_other_axes(f: Function) -> Function:
    """Map over the last axis into the second."""

    def function(*matrices: torch.Tensor) -> Tensors:
        moved = (X.movedim(0, -1) for X in matrices)
        return tuple(X.movedim(1, 0) for X in torch.vmap(f, in_dims=-1, out_dims=1)(*moved))

    return function


def mapped_twice(f: Function) -> Function:
    """Map over two axes, the second of length 1."""
    return lambda *matrices: tuple(X[:, 0] for X in torch.vmap(torch.vmap(f))(*(X[:, None] for X in matrices)))


def checkpointed(f: Function) -> Function:
    """Compute f again in the backward pass."""
    return lambda *matrices: checkpoint(f, *matrices, use_reentrant=False)


def checkpointed_reentrantly(f: Function) -> Function:
    """Compute f again in a backward pass of its own."""
    return lambda *matrices: checkpoint(f, *matrices, use_reentrant=True)


def exported(f: Function, matrices: Tensors, *, strict: bool = False) -> Function:
    """Return the module of the exported program."""
    return torch.export.export(Module(f), matrices, strict=strict).module()


def exported_and_decomposed(f: Function, matrices: Tensors) -> Function:
    """Return the module of the exported program in PyTorch's core operators."""
    return torch.export.export(Module(f), matrices).run_decompositions().module()


def exported_and_loaded(f: Function, matrices: Tensors) -> Function:
    """Return the module of the exported program after it was stored."""
    file = io.BytesIO()
    torch.export.save(torch.export.export(Module(f), matrices), file)
    file.seek(0)
    return torch.export.load(file).module()


def traced(f: Function, matrices: Tensors) -> Function:
    """Trace into TorchScript."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and warns of every shape it makes a constant
        module: Any = torch.jit.trace(Module(f), matrices, check_trace=False)
    return module


def traced_and_loaded(f: Function, matrices: Tensors) -> Function:
    """Trace into TorchScript and store it."""
    file = io.BytesIO()
    torch.jit.save(traced(f, matrices), file)
    file.seek(0)
    return torch.jit.load(file)


def graph_made(f: Function, matrices: Tensors) -> Function:
    """Trace into a graph of operators."""
    return make_fx(f)(*matrices)


def symbolically_traced(f: Function, matrices: Tensors) -> Function:
    """Trace the first argument into a graph of Python calls."""
    first = torch.fx.symbolic_trace(lambda A: f(A, *matrices[1:]))
    return lambda *matrices: first(matrices[0])


def traced_by(tracer: Tracer) -> Wrapper:
    """Return a tracer as a wrapper, which traces with the arguments of the call."""
    return lambda f: lambda *arrays: tracer(f, plain(arrays))(*arrays)


@contextmanager
def deterministic() -> Generator[None]:
    """Allow deterministic algorithms only."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Generator[None]:
    """Make new tensors of another dtype by default."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
