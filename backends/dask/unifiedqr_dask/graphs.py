"""Graphs of tasks: small matrices as single tasks, and blocks that are read again instead of stored.

What passes over a tall matrix twice names its blocks twice. A scheduler that meets one name keeps the block from the
first pass to the second, and with it the matrix, in memory or on disk.
"""

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
from dask._task_spec import convert_legacy_graph
from dask.base import tokenize
from dask.highlevelgraph import HighLevelGraph

SMALL = "unifiedqr-small-"
"""The prefix of the names of small matrices, which are computed once."""


def task(f: Callable[..., Any], *Xs: Any, shape: tuple[int, int], dtype: Any = None) -> Any:
    """Return f of small matrices, which NumPy computes in one task."""
    Xs = tuple(X if X.npartitions == 1 else X.rechunk(-1) for X in Xs)
    dtype = Xs[0].dtype if dtype is None else dtype
    name = SMALL + tokenize(f, shape, *(X.name for X in Xs))
    chunks = tuple((size,) for size in shape)
    return da.map_blocks(f, *Xs, name=name, chunks=chunks, dtype=dtype, meta=np.empty((0, 0), dtype))


def same(x: Any) -> Any:
    """Return x."""
    return x


def small(X: Any) -> Any:
    """Return X as a small matrix."""
    return X if X.name.startswith(SMALL) else task(same, X, shape=X.shape)


def again(X: Any, *after: Any) -> Any:
    """Return X computed from its sources by tasks of its own, but for the small matrices in it.

    `after` tells one computation from another. (Of Dask 2026.8, `clone` and `bind` of ``dask.graph_manipulation`` lose
    the keys of a rechunk.)
    """
    graph = convert_legacy_graph(dict(X.__dask_graph__()))
    kept: set[Any] = set()
    waiting = [key for key in graph if isinstance(key, tuple) and str(key[0]).startswith(SMALL)]
    while waiting:
        key = waiting.pop()
        if key not in kept and key in graph:
            kept.add(key)
            waiting.extend(graph[key].dependencies)
    mark = tokenize(X.name, *(Y.name for Y in after))[:8]
    names = {key: key if key in kept else _renamed(key, mark) for key in graph}
    tasks = {names[key]: t if key in kept else t.substitute(names, key=names[key]) for key, t in graph.items()}
    name = f"{X.name}-{mark}"
    layers = HighLevelGraph.from_collections(name, tasks, dependencies=[])
    return da.Array(layers, name, X.chunks, dtype=X.dtype, meta=X._meta)  # pyright: ignore[reportCallIssue]


def _renamed(key: Any, mark: str) -> Any:
    return (f"{key[0]}-{mark}", *key[1:]) if isinstance(key, tuple) else f"{key}-{mark}"
