"""Rows on several devices, of one process or of one each: ours, and what `jax.numpy.linalg.qr` does."""

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec

import unifiedqr as uqr
from unifiedqr.backend import Backend
from unifiedqr_jax.instruments.collectives import collectives
from unifiedqr_lab.engines import Place, Scaling
from unifiedqr_lab.files import write_whole

SECONDS = 120
"""How long one process waits for the others."""


class Compiled:
    """A compiled program and its arguments."""

    def __init__(self, f: Callable[..., Any], *arguments: jax.Array) -> None:
        self.program, self.arguments = jax.jit(f).lower(*arguments).compile(), arguments

    def __call__(self) -> None:
        jax.block_until_ready(self.program(*self.arguments))


class OnDevices(Scaling):
    """Rows with a `NamedSharding`."""

    otherwise = "jnp.linalg.qr, which gathers"

    def __init__(self, workers: str) -> None:
        self.workers, self.count = workers, jax.device_count()
        mesh = jax.make_mesh((self.count,), ("rows",), axis_types=(AxisType.Auto,))
        self.rows = NamedSharding(mesh, PartitionSpec("rows"))
        self.same = NamedSharding(mesh, PartitionSpec())

    def runs(self, A: Any) -> Mapping[str, Mapping[str, Callable[[], object]]]:
        spread = jax.make_array_from_callback(A.shape, self.rows, lambda index: A[index])
        R_bar = jax.make_array_from_callback((A.shape[1],) * 2, self.same, lambda index: A[: A.shape[1]][index])
        found: dict[str, dict[str, Callable[[], object]]] = {}
        for way, qr in (("ours", uqr.qr), ("otherwise", jnp.linalg.qr)):

            def forward(A: jax.Array, qr: Callable[..., Any] = qr) -> tuple[jax.Array, ...]:
                return tuple(qr(A))

            def both(A: jax.Array, R_bar: jax.Array, f: Callable[..., Any] = forward) -> Any:
                outputs, pull = jax.vjp(f, A)
                return outputs, pull((A, R_bar))

            found[way] = {"forward": Compiled(forward, spread), "both": Compiled(both, spread, R_bar)}
        return found

    def received(self, run: Any) -> int:
        found = [each for each in collectives(run.program.as_text()) if not each.in_branch]
        own = {"all-gather": self.count}
        return sum(each.bytes - each.bytes // own[each.kind] if each.kind in own else each.bytes for each in found)


@contextmanager
def on_devices(place: Place, backend: Backend) -> Iterator[OnDevices]:
    """Join the processes, of which the first says where."""
    del backend
    if place.size == 1:
        yield OnDevices("devices")
        return
    told, end = place.folder / "coordinator", time.monotonic() + SECONDS
    if place.rank == 0:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            write_whole(told, f"127.0.0.1:{free.getsockname()[1]}".encode())
    while not told.exists():
        if time.monotonic() > end:
            raise TimeoutError("the first process does not say where it is")
        time.sleep(0.01)
    options: Any = {"num_processes": place.size, "process_id": place.rank, "initialization_timeout": SECONDS}
    jax.distributed.initialize(told.read_text(), **options)
    try:
        yield OnDevices("processes")
    finally:
        jax.distributed.shutdown()
