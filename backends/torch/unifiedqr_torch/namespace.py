"""PyTorch as an Array API namespace, by array-api-compat; ``linalg.solve_triangular`` is PyTorch's own."""

from collections.abc import Sequence
from typing import Any

import array_api_compat.torch
import numpy as np
import torch
from torch._C import _functorch  # pyright: ignore[reportAttributeAccessIssue]

from unifiedqr.backend import extend_namespace


def matrix_transpose(x: torch.Tensor, /) -> torch.Tensor:
    """Transpose the last two axes, by the one spelling that every vmap of PyTorch has a rule for."""
    return x.mT


def conj(x: torch.Tensor, /) -> torch.Tensor:
    """Conjugate, not lazily; `torch.conj_physical` has no rule for `torch.vmap`, which would loop, and warn."""
    return x.conj().resolve_conj() if _functorch.is_functorch_wrapped_tensor(x) else torch.conj_physical(x)


def concat(arrays: Sequence[torch.Tensor], /, *, axis: int = 0) -> torch.Tensor:
    """Join tensors of one dtype along an axis, by the one spelling that every vmap of PyTorch has a rule for."""
    return torch.cat(tuple(arrays), dim=axis)


def to_numpy(x: torch.Tensor) -> np.ndarray[Any, Any]:
    """Give a tensor as a NumPy array, which knows no gradient, no lazy conjugate or sign, no device, no bfloat16."""
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy(force=True)


def seen(x: torch.Tensor) -> np.ndarray[Any, Any] | None:
    """Give x as a NumPy array if its values are in host memory and nothing traces or maps what is done, else None."""
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() or torch._C._len_torch_dispatch_stack():
        return None
    if _functorch.is_functorch_wrapped_tensor(x):
        return _seen_inside(x)
    on_host = type(x) is torch.Tensor and x.is_cpu and x.layout is torch.strided
    if not on_host or _functorch.is_legacy_batchedtensor(x):
        return None
    # The quick way for what rules ask after; each call counts where a matrix is small.
    return x.numpy() if x.dtype == torch.bool else to_numpy(x)


def _seen_inside(x: torch.Tensor) -> np.ndarray[Any, Any] | None:
    """Give what `torch.func.grad`, `vjp` and `jvp` wrap; None if `torch.vmap` or another transform has a part in it."""
    while _functorch.is_gradtrackingtensor(x):
        x = _functorch.get_unwrapped(x)
    if _functorch.is_functorch_wrapped_tensor(x):
        return None
    with torch._C._DisableFuncTorch():  # or what is done to x would be wrapped again
        return seen(x)


xp = extend_namespace(
    "unifiedqr_torch.namespace.xp",
    array_api_compat.torch,
    matrix_transpose=matrix_transpose,
    conj=conj,
    concat=concat,
    seen=seen,
)
