"""Helpers for tensors of every kind: who records them, and conjugates that are not lazy."""

import torch
from torch._C import _functorch  # pyright: ignore[reportAttributeAccessIssue]
from torch.autograd import forward_ad


def is_traced() -> bool:
    """Return whether operations are being recorded, so that values are hidden."""
    traced = torch.compiler.is_compiling() or torch._C._get_tracing_state() or torch._C._len_torch_dispatch_stack()
    return bool(traced)


def is_sharded(x: object) -> bool:
    """Return whether x is a DTensor, without importing what DTensors are made of."""
    return type(x).__name__ == "DTensor"


def unwrapped(x: torch.Tensor) -> torch.Tensor:
    """Return what transforms of torch.func wrap."""
    while isinstance(x, torch.Tensor) and _functorch.is_functorch_wrapped_tensor(x):
        x = _functorch.get_unwrapped(x)
    return x


def is_plain(x: torch.Tensor) -> bool:
    """Return whether nobody records, maps or traces what is done to a tensor."""
    recorded = torch.is_grad_enabled() or forward_ad._current_level >= 0
    wrapped = _functorch.is_functorch_wrapped_tensor(x) or _functorch.is_legacy_batchedtensor(x)
    return not (recorded or wrapped or is_traced()) and type(x) is torch.Tensor


def is_watched(x: torch.Tensor) -> bool:
    """Return whether what is done to a tensor is recorded for a derivative, or a transform may ask for one."""
    if x.requires_grad and torch.is_grad_enabled():
        return True
    if torch.compiler.is_compiling():
        return False
    return forward_ad._current_level >= 0 or _functorch.is_functorch_wrapped_tensor(x)


def conj(x: torch.Tensor, /) -> torch.Tensor:
    """Conjugate, not lazily; `torch.conj_physical` has no rule for `torch.vmap`, which would loop, and warn."""
    if torch.compiler.is_compiling():
        return torch.conj_physical(x)
    return x.conj().resolve_conj() if _functorch.is_functorch_wrapped_tensor(x) else torch.conj_physical(x)
