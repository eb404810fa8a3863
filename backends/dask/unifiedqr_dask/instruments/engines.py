"""Matrices in blocks of rows, computed by threads."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import dask.array as da
import dask.config

import unifiedqr as uqr
from unifiedqr.backend import Backend
from unifiedqr_lab.engines import Place, Spreading
from unifiedqr_lab.instruments import Transform

Arrays = tuple[Any, ...]
Function = Callable[..., Arrays]

ROWS = 7
"""Of a block, which do not divide those of the matrix."""


def _hvp(f: Function, primals: Arrays, bars: Arrays, dots: Arrays) -> Arrays:
    return uqr.jvp(lambda *at: uqr.vjp(f, *at)[1](bars), list(primals), list(dots))[1]


class InBlocks(Spreading):
    """One function, as of any array."""

    transforms = (
        Transform("a call", "value", lambda f, primals: f(*primals)),
        Transform("unifiedqr.vjp", "vjp", lambda f, primals, bars: uqr.vjp(f, *primals)[1](bars)),
        Transform("unifiedqr.jvp", "jvp", lambda f, primals, dots: uqr.jvp(f, list(primals), list(dots))[1]),
        Transform("unifiedqr.jvp of unifiedqr.vjp", "hvp", _hvp),
    )

    def spread(self, X: Any, axis: int | None) -> da.Array:
        chunks: Any = tuple(ROWS if i == axis else -1 for i in range(-X.ndim, 0))
        return da.from_array(X, chunks=chunks)


@contextmanager
def in_blocks(place: Place, backend: Backend) -> Iterator[InBlocks]:
    """Join the one process there is."""
    del place
    with dask.config.set(scheduler="threads"):
        yield InBlocks(backend)
