"""Stacks of matrices, each whole in its block: every block is decomposed, and differentiated, by itself."""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import dask.array as da
import numpy as np

from unifiedqr.arrays.namespaces import extend_namespace
from unifiedqr.decomposition import Primitive
from unifiedqr_numpy import namespace

Array = Any
Arrays = tuple[Array, ...]


class Unseen(type(namespace.xp.beyond)):
    """NumPy's operations, but no value is inspected: blocks are computed long after the call, by Dask's threads."""

    def seen(self, x: np.ndarray) -> None:
        return None


xp = extend_namespace("unifiedqr_dask.stacks.xp", namespace.xp, operations=Unseen)


def forward(primitive: Primitive, inputs: Arrays) -> Arrays:
    """Return the outputs of a primitive, block by block of the stack."""
    return _by_blocks(lambda *blocks: tuple(primitive.forward(xp, *blocks)), inputs)


def vjp(primitive: Primitive, kept: Arrays, bars: Sequence[Array | None]) -> Arrays:
    """Return the gradients of the inputs."""
    places = [i for i, bar in enumerate(bars) if bar is not None]

    def of_blocks(*blocks: np.ndarray) -> Arrays:
        given: list[np.ndarray | None] = [None] * len(bars)
        for place, block in zip(places, blocks[len(kept) :], strict=True):
            given[place] = block
        return tuple(primitive.gradients(xp, blocks[: len(kept)], tuple(given)))

    return _by_blocks(of_blocks, (*kept, *(bars[place] for place in places)))


def jvp(primitive: Primitive, kept: Arrays, dots: Arrays) -> Arrays:
    """Return the tangents of the outputs."""
    split = len(kept)
    return _by_blocks(lambda *blocks: tuple(primitive.jvp(xp, blocks[:split], blocks[split:])), (*kept, *dots))


def _by_blocks(f: Callable[..., Arrays], arrays: Arrays) -> Arrays:
    """Return what f, of stacks of matrices to a tuple of them, gives of each block; no matrix tells its shapes."""
    stack = arrays[0].chunks[:-2]
    arrays = tuple(X.rechunk((*stack, *((size,) for size in X.shape[-2:]))) for X in arrays)
    empty = f(*(np.empty((0, *X.shape[-2:]), X.dtype) for X in arrays))
    names = (f"d{i}" for i in count())
    before, after = ([(next(names), next(names)) for _ in group] for group in (arrays, empty))
    told = (",".join(f"({a},{b})" for a, b in pairs) for pairs in (before, after))
    pairs = zip(after, empty, strict=True)
    sizes = {name: size for names, X in pairs for name, size in zip(names, X.shape[-2:], strict=True)}
    options: Any = {"output_dtypes": [X.dtype for X in empty], "output_sizes": sizes}
    if len(empty) == 1:
        return (da.apply_gufunc(lambda *blocks: f(*blocks)[0], "->".join(told), *arrays, **options),)
    return tuple(da.apply_gufunc(f, "->".join(told), *arrays, **options))
