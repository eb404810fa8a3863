"""Engines: the ways in which a framework's users spread one matrix over devices, processes or blocks.

An `Engine` says which processes it needs, and imports no framework. In each of them its factory gives a `Spreading`,
which makes the engine's arrays from NumPy's, runs functions on them, and brings results back.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.holders import Holders
from unifiedqr.backend import Backend
from unifiedqr.decomposition import DECOMPOSITIONS, Primitive
from unifiedqr.primitive import of_holders
from unifiedqr_lab.instruments import Transform

MEMBERS = ("qr", "qr-r", "lq", "lstsq", "orth")
"""The decompositions that are run on every engine."""

Change = Callable[[Primitive], Primitive]
"""A change to a row of the table before it is run, such as planting a wrong rule."""


@dataclass(frozen=True)
class Place:
    """One of several processes: its rank, their number, and a folder of their own in which they find each other.

    `workers` is the number of devices, threads or processes in all, where that matters.
    """

    rank: int
    size: int
    folder: Path
    workers: int = 1


@dataclass(frozen=True)
class Engine:
    """One way to spread a matrix.

    Attributes
    ----------
    name : str
        What tables call it.
    factory : str
        ``module:function``: given a `Place` and the backend, returns a context with a `Spreading`, or for the
        benchmark a `Scaling`.
    processes : int
        How many take part, on this machine.
    environment : mapping of str to str
        Variables that its processes set before importing the framework.
    appended : mapping of str to str
        Words appended to the values of variables.
    """

    name: str
    factory: str
    processes: int = 1
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    appended: Mapping[str, str] = field(default_factory=dict[str, str])

    def variables(self, before: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of a process, given the existing ones."""
        words = {name: f"{before.get(name, '')} {word}".strip() for name, word in self.appended.items()}
        return {**before, **self.environment, **words}

    def joined(self, place: Place, backend: Backend) -> AbstractContextManager[Any]:
        """Take part as one of the processes."""
        module, _, function = self.factory.partition(":")
        return getattr(import_module(module), function)(place, backend)


class Spreading(ABC):
    """The engine in one of its processes, all of which make the same calls.

    Attributes
    ----------
    transforms : tuple of Transform
        How its users take values and derivatives.
    backend : Backend
        Of its arrays.
    xp : namespace
        Its products of spread arrays are those of the whole matrices.
    """

    transforms: tuple[Transform, ...]

    def __init__(self, backend: Backend, xp: Namespace | None = None) -> None:
        self.backend, self.xp = backend, xp or backend.xp

    @abstractmethod
    def spread(self, X: Any, axis: int | None) -> Array:
        """Return the engine's array of a NumPy matrix, spread along an axis, -2 or -1, or the same everywhere."""

    def whole(self, X: Array, axis: int | None) -> Any:
        """Return the NumPy matrix of an array that is spread along an axis, in every process."""
        del axis
        return self.backend.to_numpy(X)

    def is_spread(self, X: Array) -> bool:
        """Return whether no device has all of X."""
        return self.backend.is_spread(X)

    def function(self, name: str, change: Change) -> Callable[..., Arrays]:
        """Return a decomposition of `MEMBERS`, without its ranks, as a function of the engine's arrays."""
        return varying(self.backend, change(DECOMPOSITIONS[name]()))


def varying(backend: Backend, row: Primitive) -> Callable[..., Arrays]:
    """Return the results of a row of the table that vary with its inputs, as a function of a framework's arrays."""
    bound = backend.bind(row)

    def results(*inputs: Array) -> Arrays:
        named = zip(row.outputs[: row.results], bound(*inputs), strict=False)
        return tuple(X for name, X in named if name not in row.discrete)

    return results


def over_holders(name: str, change: Change, holders: Holders, m: int | None) -> Primitive:
    """Return a decomposition of matrices whose m rows (columns, for LQ) several holders share, as `rows_over` does."""
    base = {"lq": "qr"}.get(name, name)
    return of_holders(change(DECOMPOSITIONS[base]()), holders, m, columns=base != name)


def long_side(row: Primitive) -> str:
    """Return the letter of the side along which a row of the table lets its matrices be spread."""
    return "n" if row.orientation.adjoint else "m"


def axis_of(row: Primitive, name: str) -> int | None:
    """Return along which axis an array of a row is spread, None if it is the same everywhere."""
    sides = row.sides[name]
    return next((axis for axis in (-2, -1) if sides[axis] in (long_side(row), "l")), None)


class Scaling(ABC):
    """A deep matrix on some workers, for the benchmark: what one of them runs, and what it receives from the others.

    Attributes
    ----------
    otherwise : str
        What users of the framework do without unifiedqr.
    workers : str
        What the workers are.
    """

    otherwise: str
    workers = "processes"

    @abstractmethod
    def runs(self, A: Any) -> Mapping[str, Mapping[str, Callable[[], object]]]:
        """Return the runs for a NumPy matrix: "ours" and "otherwise", each with "forward" and, if it exists, "both".

        "both" is forward and backward for given cotangents; a run returns when the values have been computed.
        """

    @abstractmethod
    def received(self, run: Callable[[], object]) -> int:
        """Return how many bytes a worker receives in a run: what is gathered, and one array for each sum."""
