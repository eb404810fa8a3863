"""Rows in one or two processes, by `unifiedqr.rows_over`: ours, and gathering them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

import unifiedqr as uqr
from unifiedqr.backend import Backend
from unifiedqr_lab.engines import Place, Scaling
from unifiedqr_numpy.instruments.engines import ByASum, by_a_sum


class OfASum(Scaling):
    """The rows of one process."""

    otherwise = "numpy.linalg.qr of what is gathered"

    def __init__(self, spreading: ByASum, place: Place) -> None:
        self.spreading, self.place = spreading, place
        self.over = uqr.rows_over(spreading.all_reduce, rank=place.rank, size=place.size)

    def runs(self, A: Any) -> Mapping[str, Mapping[str, Callable[[], object]]]:
        half = len(A) // self.place.size
        mine, n = A[self.place.rank * half :][:half], A.shape[1]
        xp = self.over.namespace(mine)

        def both() -> object:
            Q, R = self.over.qr(mine)
            return uqr.rules.qr_vjp(Q, R, mine, A[:n], xp=xp)

        gathered: Callable[[], object] = lambda: np.linalg.qr(self.spreading.whole(mine, -2))  # noqa: E731
        return {"ours": {"forward": lambda: self.over.qr(mine), "both": both}, "otherwise": {"forward": gathered}}

    def received(self, run: Callable[[], object]) -> int:
        before = self.spreading.sent
        run()
        return self.spreading.sent - before


@contextmanager
def of_a_sum(place: Place, backend: Backend) -> Iterator[OfASum]:
    """Join one or two processes."""
    with by_a_sum(place, backend) as spreading:
        yield OfASum(spreading, place)
