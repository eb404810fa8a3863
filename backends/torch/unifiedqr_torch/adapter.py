"""The PyTorch backend."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from unifiedqr.backend import Backend
from unifiedqr.decomposition import Primitive
from unifiedqr_torch.autodiff import Tensors, bind
from unifiedqr_torch.namespace import xp


class TorchBackend(Backend):
    """PyTorch tensors, on any device."""

    xp = xp

    def from_numpy(self, x: np.ndarray) -> torch.Tensor:
        return torch.asarray(x, copy=True)

    def to_numpy(self, x: torch.Tensor) -> np.ndarray:
        x = x.detach().resolve_conj().resolve_neg().cpu()
        return (x.float() if x.dtype == torch.bfloat16 else x).numpy()

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
        outputs, output_tangents, *_ = torch.func.jvp(f, primals, tangents)
        return outputs, output_tangents
