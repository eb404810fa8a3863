"""The contract between unifiedqr and one framework.

A distribution registers a `Plugin` under the entry-point group ``unifiedqr.backends``. The plugin is a description that
imports nothing; its factory makes the `Backend`, whose few members are all that the rest of the package calls.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from unifiedqr._typing import Array, Arrays, Cotangents, Namespace
from unifiedqr.arrays.holders import Holders
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import CapabilityError, ForeignArrayError, OptionError, UnifiedQRError

ENTRY_POINT_GROUP = "unifiedqr.backends"

CAPABILITIES = ("vjp", "jvp", "second-order")
"""What a framework's own autodiff may be able to do, in the words of `Plugin.capabilities`."""

DTYPES = ("float32", "float64", "complex64", "complex128")
"""Dtypes in which decompositions are computed."""

HALF_DTYPES = ("float16", "bfloat16")
"""Dtypes that are computed in float32 and returned as they came, where the framework has them."""

COMPLEX_OF_REAL = {"float32": "complex64", "float64": "complex128"}
"""The complex dtype of the same precision."""


@dataclass(frozen=True)
class Plugin:
    """What is known of a backend before its framework is imported.

    Attributes
    ----------
    name : str
        The name users select it by.
    distributions : tuple of str
        Distributions, each of which provides the framework; the first is the usual one.
    array_modules : tuple of str
        Top-level modules in which the framework's array types live.
    factory : str
        ``module:callable`` that imports the framework and makes the `Backend`.
    protocol : str
        Method by which objects of other libraries declare themselves arrays of the framework, such as
        ``__jax_array__``; empty if there is none. `Backend.as_array` converts them.
    capabilities : frozenset of str
        Which of `CAPABILITIES` the framework's own autodiff has.
    requirement : str
        What error messages say to ``pip install`` when the framework is missing, such as ``unifiedqr[jax]``; if empty,
        the first distribution.
    """

    name: str
    distributions: tuple[str, ...]
    array_modules: tuple[str, ...]
    factory: str
    protocol: str = ""
    capabilities: frozenset[str] = frozenset()
    requirement: str = ""

    def load(self) -> "Backend":
        """Import the framework and make the backend."""
        module, _, attribute = self.factory.partition(":")
        return getattr(import_module(module), attribute)(self)

    @property
    def is_importing(self) -> bool:
        """Whether the framework is being imported at this moment, and is therefore incomplete."""
        specs = [getattr(sys.modules.get(name), "__spec__", None) for name in self.array_modules]
        return any(getattr(spec, "_initializing", False) for spec in specs)  # as importlib marks them


CONVERSIONS = ("to_dense", "toarray", "todense", "to_tensor", "to_numpy")
"""Methods by which sparse, ragged and labelled arrays of any library become plain ones."""


def refusal(x: object, expected: str, instead: str = "") -> ForeignArrayError:
    """Return the error that refuses an object as not an array: what was given, what was expected, what to do."""
    kind: Any = type(x)
    method = next((name for name in CONVERSIONS if callable(getattr(kind, name, None))), None)
    instead = instead or (f"Call its .{method}() first." if method else "Pass such an array.")
    return ForeignArrayError(f"got {kind.__module__}.{kind.__qualname__}; expected {expected}. {instead}")


class Backend(ABC):
    """One framework, as the rest of unifiedqr sees it.

    Attributes
    ----------
    plugin : Plugin
        The description this backend was loaded from.
    xp : namespace
        Array API namespace of the framework's arrays, made by `unifiedqr.arrays.namespaces`.
    array_types : tuple of type
        Types of the framework's arrays. By default every type in the plugin's modules is one.
    """

    xp: Namespace
    array_types: tuple[type, ...] = (object,)

    def __init__(self, plugin: Plugin) -> None:
        self.plugin = plugin
        self.bound: dict[Primitive, Callable[..., Arrays]] = {}

    @property
    def name(self) -> str:
        """The name users select this backend by."""
        return self.plugin.name

    def __repr__(self) -> str:
        return f"<unifiedqr backend {self.name!r}>"

    def as_array(self, x: object) -> Array:
        """Return the array that x represents, without cutting its gradient; raise if it represents none.

        The type of x is not one of `array_types`, but comes from the framework's modules or has the plugin's protocol.
        """
        raise refusal(x, f"an array of {self.name}")

    @abstractmethod
    def from_numpy(self, x: Any) -> Array:
        """Return a NumPy array as an array of the framework, on its default device, in the same dtype."""

    def beside(self, x: Array, A: Array) -> Array:
        """Return x on the device of A; by default x itself, where the framework moves arrays as they are needed."""
        del A
        return x

    @abstractmethod
    def to_numpy(self, x: Array) -> Any:
        """Return an array of the framework as a NumPy array, detached from any gradient."""

    @abstractmethod
    def dtype_name(self, x: Array) -> str:
        """Return the dtype's name in the Array API's spelling, such as ``"float64"``.

        It is empty for a symbol, whose shape and dtype are known only later, as in a graph being built.
        """

    def device(self, x: Array) -> str:
        """Return the device that holds x, in the framework's spelling; by default the host."""
        del x
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        """Return every device of the framework on this machine; by default only the host."""
        return ("cpu",)

    def is_spread(self, x: Array) -> bool:
        """Return whether x is spread over several devices or processes, so that `to_numpy` would gather it."""
        del x
        return False

    def is_watched(self, x: Array) -> bool:
        """Return whether a derivative may be taken of what is computed from x, as far as the framework tells.

        What a derivative would need is kept then, where that costs less than finding it anew.
        """
        del x
        return False

    def orders(self, m: Any, n: Any) -> tuple[int, ...]:
        """Return the signs that m - n may have, zero last: one, unless a trace must serve sizes known only later.

        Where both signs are possible, this returns 1, -1 and 0 if the framework can trace for both, and raises
        `ShapeError` otherwise.
        """
        return (1 if m > n else -1 if m < n else 0,)

    def assured(self, A: Array, holds: Callable[[Any, Any], Any], error: UnifiedQRError) -> Array:
        """Return A, shape (..., m, n), if `holds(m, n)`; raise `error` otherwise.

        `holds` makes comparisons and joins them by ``&`` and ``|``. Where a graph is traced before the sizes are known,
        the graph raises when it runs, if the framework can.
        """
        if holds(*A.shape[-2:]):
            return A
        raise error

    def sized(self, X: Array, shape: tuple[int | None, ...]) -> Array:
        """Return X with the sizes in `shape` that are not None, which the framework may not know."""
        del shape  # this framework knows all sizes
        return X

    def holders(self, where: Any, rank: int | None, size: int | None) -> Holders:
        """Return who holds the rows of a matrix, by what `unifiedqr.rows_over` was given: here, a summing function."""
        if not callable(where):
            raise CapabilityError(
                f"got rows over {where!r}, which {self.name} does not know; expected a function that sums an array "
                f"over all processes, with rank and size."
            )
        if rank is None or size is None or not 0 <= rank < size:
            raise OptionError(
                f"got rank={rank!r} and size={size!r}; a function that sums over processes needs the number of this "
                f"one, from 0 to size - 1, and how many there are."
            )
        return Holders(where, rank, size)

    @abstractmethod
    def bind(self, primitive: Primitive) -> Callable[..., Arrays]:
        """Turn a primitive into a function of the framework's arrays, differentiable by the framework.

        The function takes the primitive's inputs by position and returns a tuple of its outputs. Backends cache it.
        """

    def vjp(self, f: Callable[..., Arrays], primals: Arrays) -> tuple[Arrays, Callable[[Cotangents], Arrays]]:
        """Return the outputs of f, a function to a tuple of arrays, and its pullback.

        Cotangents pair as <X_bar, dX> = Re tr(X_bar^H dX). The pullback returns zeros for a primal the outputs do not
        depend on. With capability ``second-order`` both it and the outputs can be differentiated again.
        """
        del f, primals
        raise CapabilityError(f"{self.name} has no reverse mode; use the explicit rules of unifiedqr.rules.")

    def jvp(self, f: Callable[..., Arrays], primals: Arrays, tangents: Arrays) -> tuple[Arrays, Arrays]:
        """Return the outputs of f, a function to a tuple of arrays, and their tangents."""
        del f, primals, tangents
        raise CapabilityError(f"{self.name} has no forward mode; use unifiedqr.vjp or unifiedqr.rules.qr_jvp.")
