"""Namespaces of Array API libraries that nobody has adapted: the standard, nothing beyond, and an error for a gap."""

from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

from unifiedqr._typing import Array, Namespace
from unifiedqr.errors import CapabilityError

BEYOND = (
    *("seen", "glance", "fori_loop", "branch", "place", "shape_of_product", "power_of_two", "signs"),
    *("linalg.solve_triangular", "linalg.pivoted_qr", "linalg.qr_r", "linalg.sign_of_det"),
    *("linalg.inner", "linalg.combination", "linalg.add_product", "linalg.turn_in_place", "linalg.cholesky_or_nan"),
    *("linalg.inverse_upper", "linalg.divide_adjoint", "linalg.divide_both_adjoint"),
)
"""What adapters offer beyond the standard: a function that bears such a name elsewhere is another one."""


class LackingFunctionError(CapabilityError, AttributeError):
    """A namespace lacks a function; an `AttributeError` too, so that ``getattr`` with a default works."""


@cache
def plain_namespace(base: Namespace) -> Namespace:
    """Give what `base` has of the standard; for anything else its attributes raise `LackingFunctionError`."""
    library = base.__name__.removeprefix("array_api_compat.").partition(".")[0]
    return _plain(base, library, "")


def _plain(base: Namespace, library: str, path: str) -> ModuleType:
    namespace = ModuleType(f"{__name__}.{library}{path}", f"What {library} has of the Array API standard.")

    def find(name: str) -> Any:
        full = f"{path}.{name}".removeprefix(".")
        try:
            found = getattr(base, name)
        except AttributeError as error:
            raise _lacking(library, full) from error
        if full in BEYOND:
            raise _lacking(library, full)
        if library == "dask" and full == "linalg.qr":
            return _guarded(found)
        return _plain(found, library, f".{full}") if isinstance(found, ModuleType) else found

    namespace.__dict__.update(__getattr__=cache(find), __dir__=lambda: dir(base))
    return namespace


def _lacking(library: str, name: str) -> LackingFunctionError:
    return LackingFunctionError(
        f"{library} lacks {name}, which this needs. Convert the array to a framework that has it: one of "
        f"unifiedqr.backends()."
    )


def _guarded(qr: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse what the QR decomposition of Dask gets wrong: over several blocks of columns it leaves out a conjugate."""

    def guarded(A: Array) -> Any:
        if A.dtype.kind == "c" and len(A.chunks[-1]) > 1:
            raise CapabilityError(
                f"Dask decomposes a complex matrix wrongly if its columns are in several chunks, here {A.chunks[-1]}. "
                f"Bring them into one by A.rechunk; for LQ and RQ, the rows."
            )
        return qr(A)

    return guarded
