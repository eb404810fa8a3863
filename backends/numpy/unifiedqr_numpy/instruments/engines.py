"""Matrices whose rows two processes have, which add up arrays over a connection of theirs."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Client, Connection, Listener
from typing import Any

import numpy as np

from unifiedqr.arrays.holders import Holders
from unifiedqr.backend import Backend
from unifiedqr.decomposition import DECOMPOSITIONS, Primitive
from unifiedqr_lab.engines import Change, Place, Spreading, axis_of, over_holders
from unifiedqr_lab.files import write_whole
from unifiedqr_lab.instruments import Transform
from unifiedqr_numpy.adapter import Arrays
from unifiedqr_numpy.namespace import xp

SECONDS = 120.0
"""How long one process waits for the other."""


class Explicit:
    """The results of a decomposition that vary, with its explicit rules, of the rows of one process."""

    def __init__(self, name: str, change: Change, holders: Holders) -> None:
        self.name, self.change, self.holders = name, change, holders
        row = DECOMPOSITIONS[name]()
        self.axis = axis_of(row, "A") or 0
        self.places = [i for i, X in enumerate(row.outputs[: row.results]) if X not in row.discrete]
        # The loss is the sum of what both compute: each gives a share of the cotangent of what is the same everywhere.
        self.shares = [holders.count if axis_of(row, row.outputs[i]) is None else 1 for i in self.places]

    def row(self, A: np.ndarray) -> Primitive:
        m = self.holders.total(np.array([A.shape[self.axis]]))
        return over_holders(self.name, self.change, self.holders, int(m.item()))

    def __call__(self, *inputs: np.ndarray) -> Arrays:
        found = self.row(inputs[0]).forward(xp, *inputs)
        return tuple(found[place] for place in self.places)

    def vjp(self, inputs: Arrays, bars: Arrays) -> Arrays:
        row = self.row(inputs[0])
        given: list[Any] = [None] * len(row.outputs)
        for place, bar, share in zip(self.places, bars, self.shares, strict=True):
            given[place] = bar / share
        return row.vjp(xp, row.kept(inputs, row.forward(xp, *inputs)), tuple(given))

    def jvp(self, inputs: Arrays, dots: Arrays) -> Arrays:
        row = self.row(inputs[0])
        found = row.jvp(xp, row.kept(inputs, row.forward(xp, *inputs)), dots)
        return tuple(found[place] for place in self.places)


class ByASum(Spreading):
    """The rows of one process, by `unifiedqr.rows_over` with a sum of both."""

    transforms = (
        Transform("a call", "value", lambda f, primals: f(*primals)),
        Transform("explicit rule, vjp", "vjp", lambda f, primals, bars: f.vjp(primals, bars)),
        Transform("explicit rule, jvp", "jvp", lambda f, primals, dots: f.jvp(primals, dots)),
    )

    def __init__(self, backend: Backend, rank: int, size: int, other: Connection | None) -> None:
        super().__init__(backend)
        self.rank, self.other, self.sent = rank, other, 0
        self.holders = self.backend.holders(self.all_reduce, rank, size)

    def all_reduce(self, X: np.ndarray) -> np.ndarray:
        """Return the sum of what both give, in one order, and count what is sent."""
        if self.other is None:
            return X
        theirs = self.exchanged(X)
        return X + theirs if self.rank == 0 else theirs + X

    def exchanged(self, X: np.ndarray) -> np.ndarray:
        """Return what the other process gives, for X: one after the other, or both would wait for room to send."""
        assert self.other is not None
        self.sent += X.nbytes
        if self.rank == 0:
            self.other.send(X)
        if not self.other.poll(SECONDS):
            raise TimeoutError("the other process sends nothing")
        theirs = self.other.recv()
        if self.rank == 1:
            self.other.send(X)
        return theirs

    def spread(self, X: Any, axis: int | None) -> np.ndarray:
        if axis is None or self.other is None:
            return X
        end = 3 * X.shape[axis] // 5  # unlike numbers of rows
        mine = slice(0, end) if self.rank == 0 else slice(end, None)
        return X[..., mine] if axis == -1 else X[..., mine, :]

    def whole(self, X: np.ndarray, axis: int | None) -> np.ndarray:
        if axis is None or self.other is None:
            return X
        theirs = self.exchanged(X)
        return np.concatenate([X, theirs] if self.rank == 0 else [theirs, X], axis)

    def is_spread(self, X: np.ndarray) -> bool:
        return True

    def function(self, name: str, change: Change) -> Callable[..., Arrays]:
        return Explicit(name, change, self.holders)


@contextmanager
def by_a_sum(place: Place, backend: Backend) -> Iterator[ByASum]:
    """Join one or two processes: the first listens, and writes down where."""
    told = place.folder / "address.json"
    if place.size == 1:
        yield ByASum(backend, 0, 1, None)
    elif place.rank == 0:
        key = secrets.token_hex()
        with Listener(("127.0.0.1", 0), authkey=key.encode()) as listener:
            write_whole(told, json.dumps([listener.address, key]).encode())
            with listener.accept() as other:
                yield ByASum(backend, 0, 2, other)
    else:
        end = time.monotonic() + SECONDS
        while not told.exists():
            if time.monotonic() > end:
                raise TimeoutError("the first process does not listen")
            time.sleep(0.01)
        address, key = json.loads(told.read_text())
        with Client(tuple(address), authkey=key.encode()) as other:
            yield ByASum(backend, 1, 2, other)
