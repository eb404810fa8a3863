"""Derivatives of functions that call decompositions and nothing else.

Dask has no autodiff. What passes between the argument of a function and its value is noted here: decompositions, and
changes of shape and dtype around them.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NamedTuple
from uuid import uuid4

from unifiedqr.errors import CapabilityError
from unifiedqr_dask.graphs import same

Array = Any
Arrays = tuple[Array, ...]


class Step(NamedTuple):
    """The inputs and outputs of an operation, and both derivatives."""

    inputs: Arrays
    outputs: Arrays
    vjp: Callable[[list[Array | None]], Arrays]
    jvp: Callable[[list[Array]], Arrays]


class Tape:
    """The steps from some primals on.

    Parameters
    ----------
    primals : tuple of dask.array.Array
        Whatever depends on them is told from constants by their names, which nothing else has.
    """

    def __init__(self, primals: Arrays) -> None:
        self.primals = tuple(X.map_blocks(same, name=f"{X.name}-{uuid4().hex}", meta=X._meta) for X in primals)
        self.steps: list[Step] = []
        self._noted = {id(X): X for X in self.primals}

    def note(self, step: Step) -> None:
        """Record a step, unless none of its inputs depends on the primals."""
        if any(self.depends(X) for X in step.inputs):
            self.steps.append(step)
            self._noted.update((id(Y), Y) for Y in step.outputs)

    def depends(self, X: Array) -> bool:
        """Return whether an array depends on the primals; raise if it does by operations without a derivative here."""
        if id(X) in self._noted:
            return True
        layers = getattr(X.__dask_graph__(), "layers", X.__dask_graph__())
        if any(Y.name in layers for Y in self._noted.values()) and X.dtype.kind in "fc":
            raise CapabilityError(
                "got an array that Dask computed from the argument; expected the results of a decomposition or of "
                "lstsq as they are, since Dask has no autodiff. Differentiate those by unifiedqr.vjp, and the rest by "
                "hand: its cotangents are what the pullback takes."
            )
        return False

    def pullback(self, outputs: Arrays, bars: Any) -> list[Array | None]:
        """Return the gradients of the primals, None for those that nothing reaches."""
        found: dict[int, Array] = {}
        _add(found, outputs, bars)
        for step in reversed(self.steps):
            given = [found.get(id(Y)) for Y in step.outputs]
            if any(bar is not None for bar in given):
                _add(found, step.inputs, step.vjp(given))
        return [found.get(id(X)) for X in self.primals]

    def pushforward(self, outputs: Arrays, dots: Any, zeros: Callable[[Array], Array]) -> Arrays:
        """Return the tangents of the outputs."""
        found = {id(X): dot for X, dot in zip(self.primals, dots, strict=True)}
        for step in self.steps:
            given = [found[id(X)] if id(X) in found else zeros(X) for X in step.inputs]
            found.update((id(Y), dot) for Y, dot in zip(step.outputs, step.jvp(given), strict=True))
        return tuple(found[id(Y)] if id(Y) in found else zeros(Y) for Y in outputs)


def _add(found: dict[int, Array], arrays: Arrays, bars: Any) -> None:
    for X, bar in zip(arrays, bars, strict=True):
        if bar is not None:
            found[id(X)] = found[id(X)] + bar if id(X) in found else bar


active: ContextVar[Tape | None] = ContextVar("unifiedqr_dask_tape", default=None)
"""Where steps are noted, if anywhere."""


def noted(f: Callable[..., Array], pull: Callable[[Array, Array], Array]) -> Callable[..., Array]:
    """Return a linear function that is noted; `pull` gives the cotangent of x from x and that of the result."""

    def call(x: Array, /, *options: Any, **named: Any) -> Array:
        found, tape = f(x, *options, **named), active.get()
        if tape is not None and found is not x:
            pulls = lambda bars: (pull(x, bars[0]),)  # noqa: E731
            tape.note(Step((x,), (found,), pulls, lambda dots: (f(dots[0], *options, **named),)))
        return found

    return call
