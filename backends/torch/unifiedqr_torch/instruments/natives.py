"""PyTorch's own functions, and functions as PyTorch's users run them over and over: what ours are measured against."""

import re
import sys
from collections.abc import Callable

import torch

from unifiedqr_lab.instruments import GradientProgram
from unifiedqr_torch.autodiff import Tensors

Function = Callable[..., Tensors]

NATIVES: dict[str, Function] = {
    "qr": lambda A: tuple(torch.linalg.qr(A)),
    "qr-r": lambda A: (torch.linalg.qr(A, mode="r").R,),
    "lstsq": lambda A, b: tuple(torch.linalg.lstsq(A, b)),
    "slogdet": lambda A: tuple(torch.linalg.slogdet(A)),
}


def compiled(f: Function) -> Function:
    """Return f compiled for the sizes it is given."""
    return torch.compile(f, dynamic=False)


def release() -> None:
    """Forget what was compiled: of a function that has been compiled for a few shapes Dynamo compiles no more."""
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()


def gradient_program(f: Function) -> GradientProgram:
    """Return the function of primals and cotangents to outputs and gradients, by `torch.autograd.grad`."""

    def outputs_and_gradients(primals: Tensors, cotangents: Tensors) -> tuple[Tensors, Tensors]:
        leaves = _leaves(primals)
        outputs = f(*leaves)
        return outputs, torch.autograd.grad(outputs, leaves, cotangents)

    return outputs_and_gradients


def pullback_program(f: Function) -> Callable[[Tensors], Callable[[Tensors], Tensors]]:
    """Return the function that records f and gives its pullback, which keeps the record."""

    def pullback_at(primals: Tensors) -> Callable[[Tensors], Tensors]:
        leaves = _leaves(primals)
        outputs = f(*leaves)
        return lambda cotangents: torch.autograd.grad(outputs, leaves, cotangents, retain_graph=True)

    return pullback_at


def _leaves(primals: Tensors) -> Tensors:
    return tuple(x.detach().requires_grad_() for x in primals)


def wait(arrays: Tensors) -> None:
    """Return when the devices of the tensors have computed all that was asked of them."""
    for device in {x.device for x in arrays if x.is_cuda}:
        torch.cuda.synchronize(device)


def blas() -> str:
    """Return what PyTorch was built with."""
    told = torch.__config__.show()
    name = re.search(r"BLAS_INFO=(\w+)", told)
    version = re.search(r"Math Kernel Library Version ([\d.]+)", told)
    return " ".join(found[1] for found in (name, version) if found)
