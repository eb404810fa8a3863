"""Matrices whose rows several processes have, as DTensors."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor

from unifiedqr.backend import Backend
from unifiedqr_lab.engines import Place, Spreading
from unifiedqr_lab.instruments import Transform
from unifiedqr_torch import sharded
from unifiedqr_torch.instruments import routes

SECONDS = 120.0
"""How long one process waits for the others."""


class DTensors(Spreading):
    """One function, as of any tensor."""

    transforms = (
        Transform("a call", "value", lambda f, primals: f(*primals)),
        Transform("Tensor.backward", "vjp", routes.backward),
        Transform("torch.func.vjp", "vjp", routes.func_vjp),
        Transform("torch.func.jvp", "jvp", routes.func_jvp),
        Transform("torch.autograd.grad of torch.autograd.grad", "hvp", routes.twice),
    )

    def __init__(self, backend: Backend, size: int) -> None:
        super().__init__(backend, sharded.xp)
        self.mesh = init_device_mesh("cpu", (size,))

    def spread(self, X: Any, axis: int | None) -> DTensor:
        placement = Replicate() if axis is None else Shard(X.ndim + axis)
        return distribute_tensor(torch.asarray(X, copy=True), self.mesh, [placement], src_data_rank=None)


@contextmanager
def dtensors(place: Place, backend: Backend) -> Iterator[DTensors]:
    """Join the processes over gloo."""
    torch.set_num_threads(1)
    method, wait = f"file://{place.folder}/rendezvous", timedelta(seconds=SECONDS)
    dist.init_process_group("gloo", init_method=method, rank=place.rank, world_size=place.size, timeout=wait)
    try:
        yield DTensors(backend, place.size)
    finally:
        dist.destroy_process_group()
