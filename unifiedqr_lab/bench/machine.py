"""The machine a benchmark ran on, and how fast a framework multiplies matrices there: the measure of all rates."""

import datetime
import platform
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from unifiedqr._typing import Array, Arrays
from unifiedqr.backend import Backend
from unifiedqr.errors import InputError, in_one_line
from unifiedqr_lab.bench.flops import matmul_flops
from unifiedqr_lab.instruments import instruments
from unifiedqr_lab.workers.processes import cores, processor

SIZES = {"float32": 2048, "float64": 2048, "complex64": 1024, "complex128": 1024}
"""Rows and columns of the matrices that are multiplied, by dtype."""

PRODUCTS = 5
"""How many of each; the fastest counts."""


@dataclass(frozen=True)
class Machine:
    """Where and when a benchmark ran, without the name of the machine."""

    processor: str
    cores: int
    threads: int
    system: str
    python: str
    unifiedqr: str
    when: str

    @classmethod
    def here(cls, threads: int, unifiedqr: str) -> "Machine":
        """Describe this machine."""
        release = ".".join(platform.release().split(".")[:2])  # what follows names who built it
        system = f"{platform.system()} {release} {platform.machine()}"
        when = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
        return cls(processor(), cores(), threads, system, platform.python_version(), unifiedqr, when)


def putting(backend: Backend, device: str) -> Callable[[Any], Array]:
    """Return the function that makes a NumPy array one of a framework on a device; "" is the framework's default.

    Raises
    ------
    InputError
        The framework has no such device.
    """
    if not device:
        return backend.from_numpy
    place = instruments(backend.name).place
    try:
        place(backend.from_numpy(np.zeros((1, 1), np.float32)), device)
    except Exception as error:  # whatever the framework raises
        has = ", ".join(backend.devices())
        raise InputError(
            f"{backend.name} has no device {device!r} ({in_one_line(error)}); expected one of: {has}."
        ) from error
    return lambda x: place(backend.from_numpy(x), device)


def gemm_rates(
    backend: Backend, dtypes: Iterable[str], sizes: dict[str, int] = SIZES, device: str = ""
) -> dict[str, float]:
    """Return the operations per second of a framework's matrix product, by dtype, where it has the dtype."""
    rates: dict[str, float] = {}
    for dtype in dtypes:
        try:
            rates[dtype] = _rate(backend, dtype, sizes[dtype], putting(backend, device))
        except Exception:  # whatever a framework without the dtype raises: no rate is given relative to it
            continue
    return rates


def _rate(backend: Backend, dtype: str, n: int, put: Callable[[Any], Array]) -> float:
    xp: Any = backend.xp

    def product(A: Array) -> Arrays:
        return (xp.matmul(A, A),)

    A = put(np.random.default_rng(0).standard_normal((n, n)).astype(dtype))
    run = instruments(backend.name).program(product)
    instruments(backend.name).wait(run(A))
    fastest = float("inf")
    for _ in range(PRODUCTS):
        start = time.perf_counter()
        instruments(backend.name).wait(run(A))
        fastest = min(fastest, time.perf_counter() - start)
    return matmul_flops(n, dtype) / fastest
