"""What the laboratory knows about a framework beyond the contract: how to run it, what to measure it against.

A distribution registers a class derived from `Instruments` under the entry-point group ``unifiedqr.instruments``, by
the name of its backend. Importing it imports no framework. A backend without one is tested and compared all the same.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from unifiedqr._typing import Array, Arrays
from unifiedqr.backend import Backend
from unifiedqr.discovery import distribution_of, get_backend
from unifiedqr.errors import BackendUnavailableError, in_one_line

if TYPE_CHECKING:
    from unifiedqr_lab.engines import Engine

GROUP = "unifiedqr.instruments"

KINDS = ("value", "vjp", "jvp", "hvp")
"""What a `Transform` computes; ``"hvp"`` is the derivative of the VJP along tangents of the primals."""


@dataclass(frozen=True)
class Transform:
    """One way in which users of a framework evaluate or differentiate a function, for the table of capabilities.

    Attributes
    ----------
    name : str
        As users write it, such as ``"torch.func.vmap of vjp"``.
    kind : str
        One of `KINDS`.
    run : callable
        Takes f, a function of arrays that returns a tuple of arrays, and a tuple of primals; for kind ``"vjp"`` also
        cotangents, for ``"jvp"`` tangents, for ``"hvp"`` cotangents and tangents. Returns a tuple of arrays: outputs,
        gradients, output tangents, or derivatives of the gradients. Pairs as `Backend.vjp` does.
    batched : bool
        Whether every array given to `run` has a leading axis that f does not see.
    slow : bool
        Whether one run takes seconds, so that fewer are made.
    """

    name: str
    kind: str
    run: Callable[..., Arrays]
    batched: bool = False
    slow: bool = False


GradientProgram = Callable[[Arrays, Arrays], tuple[Arrays, Arrays]]
"""Takes primals and cotangents, returns outputs and gradients."""

PullbackProgram = Callable[[Arrays], Callable[[Arrays], Arrays]]
"""Takes primals, returns the pullback at them."""


class Instruments:
    """How the comparison, the benchmark and the conformance suite run one framework; every member has a default.

    Attributes
    ----------
    environment : mapping of str to str
        Variables that a process of ours sets before importing the framework, so that it computes in every one of
        `unifiedqr.backend.DTYPES` and prints nothing. A user's own process is left as it is.
    threads : tuple of str
        Variables, besides those of OpenMP and the usual linear algebra, that set how many threads the framework has.
    unpooled : mapping of str to str
        Variables that make the framework return memory as soon as it is freed, so that peaks can be measured.
    on_every_member : tuple of str
        Names of the transforms that the table of capabilities runs on every decomposition.
    """

    environment: Mapping[str, str] = {}
    threads: tuple[str, ...] = ()
    unpooled: Mapping[str, str] = {}
    on_every_member: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def backend(self) -> Backend:
        """The backend; asking for it imports the framework."""
        return get_backend(self.name)

    def transforms(self) -> tuple[Transform, ...]:
        """Return the ways in which the framework's users take values and derivatives."""
        return ()

    def engines(self) -> "tuple[Engine, ...]":
        """Return the ways in which the framework's users spread one matrix over devices, processes or blocks."""
        return ()

    def scaled(self, workers: int) -> "Engine | None":
        """Return the benchmark's engine of this many workers, whose factory gives a `Scaling`; None without one."""
        del workers
        return None

    def natives(self) -> Mapping[str, Callable[..., Arrays]]:
        """Return the framework's own functions, of the reduced kind, by the name of ours that has the same results."""
        return {}

    def program(self, f: Callable[..., Arrays]) -> Callable[..., Arrays]:
        """Return f, a function to a tuple of arrays, as users run it repeatedly: compiled, where they compile."""
        return f

    def compiled(self, f: Callable[..., Arrays]) -> Callable[..., Arrays] | None:
        """Return f compiled, where `program` leaves it eager though the framework has a compiler; None elsewhere."""
        del f
        return None

    def gradient_program(self, f: Callable[..., Arrays]) -> GradientProgram:
        """Return the function of primals and cotangents, as users run it repeatedly, to the outputs and gradients.

        Cotangents pair as the framework itself pairs them. It raises what the framework raises.
        """
        backend = self.backend

        def outputs_and_gradients(primals: Arrays, cotangents: Arrays) -> tuple[Arrays, Arrays]:
            outputs, pullback = backend.vjp(f, primals)
            return outputs, pullback(cotangents)

        return outputs_and_gradients

    def pullback_program(self, f: Callable[..., Arrays]) -> PullbackProgram | None:
        """Return the function that runs f and returns its pullback, to be run repeatedly.

        None where the framework runs the two as one, so that the pullback cannot be timed alone.
        """
        del f
        return None

    def blas(self) -> str:
        """Return the name and version of the linear algebra the framework was built with; "" if it does not say."""
        return ""

    def place(self, x: Array, device: str) -> Array:
        """Return x on a device, named as users of the framework name it; raise whatever the framework raises."""
        if device != "cpu":
            raise LookupError("it computes on the host")
        return x

    def wait(self, arrays: Arrays) -> None:
        """Return when the values of the arrays are computed, if the framework computes them in the background."""
        del arrays

    def release(self) -> None:
        """Drop the programs that the framework has compiled so far and would otherwise keep."""
        return


@cache
def instruments(name: str) -> Instruments:
    """Return the instruments of a backend: those that are registered by its name, or the defaults."""
    for entry in entry_points(group=GROUP, name=name):
        try:
            return entry.load()(name)
        except Exception as error:  # of one distribution, whatever it is
            raise BackendUnavailableError(
                f"the instruments of the backend {name!r} of {distribution_of(entry)} ({entry.value}) cannot be "
                f"imported: {in_one_line(error)}. Reinstall or uninstall that distribution."
            ) from error
    return Instruments(name)
