"""The PyTorch backend."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch

from unifiedqr.arrays.holders import Holders
from unifiedqr.backend import DTYPES, HALF_DTYPES, Backend, Plugin, refusal
from unifiedqr.decomposition import Primitive
from unifiedqr_torch.autodiff import Tensors, bind, bound, total
from unifiedqr_torch.namespace import to_numpy, xp
from unifiedqr_torch.tensors import is_sharded, is_watched

NAMES = {getattr(torch, name): name for name in (*DTYPES, *HALF_DTYPES)}
STRIDED = torch.strided


class TorchBackend(Backend):
    """PyTorch tensors, on any device."""

    xp = xp
    array_types = (torch.Tensor,)

    # PyTorch counts the levels of forward mode per process: of two threads that enter one, one gets wrong numbers.
    _forward_mode = threading.RLock()

    def __init__(self, plugin: Plugin) -> None:
        super().__init__(plugin)
        self.bound = bound

    def as_array(self, x: Any) -> torch.Tensor:
        return torch.positive(x) if hasattr(x, self.plugin.protocol) else super().as_array(x)

    def from_numpy(self, x: np.ndarray) -> torch.Tensor:
        return torch.asarray(x, copy=True)

    def beside(self, x: torch.Tensor, A: torch.Tensor) -> torch.Tensor:
        return x.to(A.device)

    def to_numpy(self, x: torch.Tensor) -> np.ndarray:
        return to_numpy(_dense(x.full_tensor() if is_sharded(x) else x))  # pyright: ignore[reportAttributeAccessIssue]

    def dtype_name(self, x: torch.Tensor) -> str:
        name = NAMES.get(x.dtype)
        if name is None or x.layout is not STRIDED or x.is_nested:
            return str(_dense(x).dtype).removeprefix("torch.")
        return name

    def device(self, x: torch.Tensor) -> str:
        return str(x.device)

    def devices(self) -> tuple[str, ...]:
        return ("cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count())))

    def is_spread(self, x: Any) -> bool:
        return is_sharded(x) and not all(placement.is_replicate() for placement in x.placements)

    def is_watched(self, x: torch.Tensor) -> bool:
        return is_watched(x)

    def holders(self, where: Any, rank: int | None, size: int | None) -> Holders:
        return super().holders(total(where) if callable(where) else where, rank, size)

    def bind(self, primitive: Primitive) -> Callable[..., Tensors]:
        return bind(primitive)

    def vjp(self, f: Callable[..., Tensors], primals: Tensors) -> tuple[Tensors, Callable[..., Tensors]]:
        varying: list[bool] = []
        _check_transforms(primals)

        def split(*at: torch.Tensor) -> Any:  # a pair; `torch.compile` reads annotations, but not `tuple[...]`
            found = f(*at)
            varying[:] = [not isinstance(y, torch.Tensor) or y.is_floating_point() or y.is_complex() for y in found]
            return (found, ()) if all(varying) or not any(varying) else _split(found, varying)

        # PyTorch refuses integers, such as pivots, as outputs, but passes them through beside the outputs.
        varied, pull, fixed = torch.func.vjp(split, *primals, has_aux=True)  # pyright: ignore[reportAssignmentType]

        def pullback(cotangents: Any) -> Tensors:
            given, _ = _split(cotangents, varying) if fixed else (cotangents, ())
            pairs = zip(given, varied, strict=True)
            return pull(tuple(torch.zeros_like(y) if c is None else c for c, y in pairs))

        if not fixed:
            return varied, pullback
        parts = {True: iter(varied), False: iter(fixed)}
        return tuple([next(parts[varies]) for varies in varying]), pullback

    def jvp(self, f: Callable[..., Tensors], primals: Tensors, tangents: Tensors) -> tuple[Tensors, Tensors]:
        _check_transforms(primals)
        with nullcontext() if torch.compiler.is_compiling() else self._forward_mode:
            outputs, output_tangents, *_ = torch.func.jvp(f, primals, tangents)
        return outputs, output_tangents


def _check_transforms(primals: Tensors) -> None:
    """Raise if a primal is a DTensor, which no transform of torch.func takes."""
    if any(map(is_sharded, primals)):
        from unifiedqr_torch.placements import lacking

        raise lacking()


def _split(items: Any, chosen: list[bool]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the items that are chosen and those that are not."""
    pairs = [*zip(items, chosen, strict=True)]
    return tuple([item for item, here in pairs if here]), tuple([item for item, here in pairs if not here])


def _dense(x: torch.Tensor) -> torch.Tensor:
    """Return x; raise if it does not hold every one of its numbers, as a sparse, nested or quantized tensor does."""
    instead = ""
    if x.is_nested:
        instead = "Call .to_padded_tensor(0.0) of it, or decompose its parts, .unbind(), one by one."
    elif x.is_quantized:
        instead = "Call its .dequantize() first."
    elif x.layout is not torch.strided:
        instead = "Call its .to_dense() first."
    if instead:
        raise refusal(x, f"a dense tensor, not one of layout {x.layout} and dtype {x.dtype}", instead)
    return x
