"""Rows in blocks, by as many threads: ours, and `dask.array.linalg.tsqr`, which has values only."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dask.array as da
import dask.config
import numpy as np
from dask.array.linalg import tsqr
from dask.base import compute
from dask.callbacks import Callback

import unifiedqr as uqr
from unifiedqr.backend import Backend
from unifiedqr_lab.engines import Place, Scaling


class Results(Callback):
    """Bytes of the results that are no blocks of the matrix, each counted once: what workers give to each other."""

    def __init__(self, rows: int) -> None:
        self.rows, self.bytes = rows, 0

    def _posttask(self, key: Any, result: Any, dsk: Any, state: Any, worker_id: Any) -> None:
        if isinstance(result, np.ndarray) and result.ndim == 2 and len(result) < self.rows:
            self.bytes += result.nbytes


class OfThreads(Scaling):
    """A block of rows for each thread."""

    otherwise = "dask.array.linalg.tsqr, values only"
    workers = "threads"

    def __init__(self, count: int) -> None:
        self.count, self.rows = count, 0

    def runs(self, A: Any) -> Mapping[str, Mapping[str, Callable[[], object]]]:
        self.rows = len(A) // self.count
        chunks: Any = (self.rows, -1)
        D: Any = da.from_array(A, chunks=chunks)
        R_bar = da.from_array(A[: A.shape[1]])

        def forward(qr: Callable[..., Any]) -> Callable[[], object]:
            def run() -> object:
                Q, R = qr(D)
                return compute(R, Q.sum())

            return run

        def both() -> object:
            (Q, R), pull = uqr.vjp(uqr.qr, D)
            (A_bar,) = pull((D, R_bar))
            return compute(R, Q.sum(), A_bar.sum())

        return {"ours": {"forward": forward(uqr.qr), "both": both}, "otherwise": {"forward": forward(tsqr)}}

    def received(self, run: Callable[[], object]) -> int:
        if self.count == 1:
            return 0
        with Results(self.rows) as results:
            run()
        return results.bytes // self.count


@contextmanager
def of_threads(place: Place, backend: Backend) -> Iterator[OfThreads]:
    """Join the one process there is."""
    del backend
    with dask.config.set(scheduler="threads", num_workers=place.workers):
        yield OfThreads(place.workers)
