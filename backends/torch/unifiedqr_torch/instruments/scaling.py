"""Rows in several processes: ours, and what `torch.linalg.qr` of a DTensor does."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch.distributed.tensor import Replicate, Shard, distribute_tensor
from torch.profiler import ProfilerActivity, profile

import unifiedqr as uqr
from unifiedqr.backend import Backend
from unifiedqr_lab.engines import Place, Scaling
from unifiedqr_torch.instruments.engines import dtensors


class OfProcesses(Scaling):
    """DTensors spread over gloo."""

    otherwise = "torch.linalg.qr of a DTensor, which gathers, and has no backward"

    def __init__(self, mesh: Any) -> None:
        self.mesh, self.width = mesh, 8

    def runs(self, A: Any) -> Mapping[str, Mapping[str, Callable[[], object]]]:
        whole, self.width = torch.from_numpy(A), A.itemsize
        D = distribute_tensor(whole, self.mesh, [Shard(0)], src_data_rank=None)
        R_bar = distribute_tensor(whole[: A.shape[1]].clone(), self.mesh, [Replicate()], src_data_rank=None)

        def both() -> object:
            X = D.detach().requires_grad_()
            return torch.autograd.grad(uqr.qr(X), X, (D, R_bar))

        return {
            "ours": {"forward": lambda: uqr.qr(D), "both": both},
            "otherwise": {"forward": lambda: torch.linalg.qr(D)},
        }

    def received(self, run: Callable[[], object]) -> int:
        with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as record:
            run()
        found, others = 0, self.mesh.size() - 1
        for event in record.events() or ():
            if event.name.startswith("gloo:"):
                given = sum(self.width * torch.Size(shape).numel() for shape in event.input_shapes)
                found += given * others if "gather" in event.name else given if others else 0
        return found


@contextmanager
def of_processes(place: Place, backend: Backend) -> Iterator[OfProcesses]:
    """Join the processes."""
    with dtensors(place, backend) as spreading:
        yield OfProcesses(spreading.mesh)
