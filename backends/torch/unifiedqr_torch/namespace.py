"""PyTorch as an Array API namespace, by array-api-compat; ``linalg.solve_triangular`` is PyTorch's own."""

from collections.abc import Sequence

import array_api_compat.torch
import torch

from unifiedqr.backend import extend_namespace


def matrix_transpose(x: torch.Tensor, /) -> torch.Tensor:
    """Transpose the last two axes, by the one spelling that every vmap of PyTorch has a rule for."""
    return x.mT


def concat(arrays: Sequence[torch.Tensor], /, *, axis: int = 0) -> torch.Tensor:
    """Join tensors of one dtype along an axis, by the one spelling that every vmap of PyTorch has a rule for."""
    return torch.cat(tuple(arrays), dim=axis)


xp = extend_namespace(
    "unifiedqr_torch.namespace.xp", array_api_compat.torch, matrix_transpose=matrix_transpose, concat=concat
)
