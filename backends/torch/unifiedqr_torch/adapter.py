"""The PyTorch backend."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch

from unifiedqr.backend import Backend, GradientProgram, Transform
from unifiedqr.decomposition import Primitive
from unifiedqr_torch.autodiff import Tensors, bind
from unifiedqr_torch.namespace import to_numpy, xp
from unifiedqr_torch.natives import NATIVES, gradient_program, pullback_program, wait


class TorchBackend(Backend):
    """PyTorch tensors, on any device."""

    xp = xp

    # PyTorch counts the levels of forward mode per process: of two threads that enter one, one gets wrong numbers.
    _forward_mode = threading.RLock()

    def from_numpy(self, x: np.ndarray) -> torch.Tensor:
        return torch.asarray(x, copy=True)

    def to_numpy(self, x: torch.Tensor) -> np.ndarray:
        return to_numpy(x)

    def dtype_name(self, x: torch.Tensor) -> str:
        return str(x.dtype).removeprefix("torch.")

    def device(self, x: torch.Tensor) -> str:
        return str(x.device)

    def devices(self) -> tuple[str, ...]:
        return ("cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count())))

    def bind(self, primitive: Primitive) -> Callable[..., Tensors]:
        return bind(primitive)

    def vjp(self, f: Callable[..., Tensors], primals: Tensors) -> tuple[Tensors, Callable[..., Tensors]]:
        outputs, pull, *_ = torch.func.vjp(f, *primals)

        def pullback(cotangents: Any) -> Tensors:
            pairs = zip(cotangents, outputs, strict=True)
            return pull(tuple(torch.zeros_like(y) if c is None else c for c, y in pairs))

        return outputs, pullback

    def jvp(self, f: Callable[..., Tensors], primals: Tensors, tangents: Tensors) -> tuple[Tensors, Tensors]:
        with nullcontext() if torch.compiler.is_compiling() else self._forward_mode:
            outputs, output_tangents, *_ = torch.func.jvp(f, primals, tangents)
        return outputs, output_tangents

    def transforms(self) -> tuple[Transform, ...]:
        from unifiedqr_torch.transforms import transforms  # what only the table of capabilities needs

        return transforms()

    def natives(self) -> dict[str, Callable[..., Tensors]]:
        return NATIVES

    def gradient_program(self, f: Callable[..., Tensors]) -> GradientProgram:
        return gradient_program(f)

    def pullback_program(self, f: Callable[..., Tensors]) -> Callable[[Tensors], Callable[[Tensors], Tensors]]:
        return pullback_program(f)

    def wait(self, arrays: Tensors) -> None:
        wait(arrays)
