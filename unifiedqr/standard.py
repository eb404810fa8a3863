"""An error for each name that a namespace lacks; and namespaces of libraries nobody has adapted.

These have the standard and nothing beyond.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from unifiedqr._typing import Array, Namespace
from unifiedqr.errors import CapabilityError

BEYOND = (
    *("seen", "glance", "fori_loop", "branch", "place", "shape_of_product", "of_adjoint"),
    *("power_of_two", "signs"),
    *("linalg.solve_triangular", "linalg.pivoted_qr", "linalg.qr_r", "linalg.sign_of_det"),
    *("linalg.inner", "linalg.combination", "linalg.add_product", "linalg.turn_in_place", "linalg.try_cholesky"),
    *("linalg.inverse_upper", "linalg.divide_adjoint", "linalg.divide_both_adjoint"),
)
"""What adapters offer beyond the standard: a function that bears such a name elsewhere is another one."""


SPELLINGS = {
    **{f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "tan2", "sinh", "cosh", "tanh")},
    "absolute": "abs",
    "amax": "max",
    "amin": "min",
    "array": "asarray",
    "concatenate": "concat",
    "power": "pow",
    "conjugate": "conj",
    "cumsum": "cumulative_sum",
    "cumprod": "cumulative_prod",
    "invert": "bitwise_invert",
    "mod": "remainder",
    "rint": "round",
    "transpose": "permute_dims",
    "true_divide": "divide",
    "diag": "diagonal",
    "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift",
    "unique": "unique_values",
    "dot": "matmul",
    "vdot": "vecdot",
    "norm": "vector_norm",
    "ravel": "reshape",
    "swapaxes": "moveaxis",
    "hstack": "concat",
    "vstack": "concat",
    "adjoint": "matrix_transpose",
}
"""What the standard calls functions, or has in their place, that NumPy and others have under another name."""


class LackingFunctionError(CapabilityError, AttributeError):
    """A namespace lacks a function; an `AttributeError` too, so that ``getattr`` with a default works."""


class LackingNameError(LackingFunctionError):
    """A backend's namespace lacks a name.

    Rules and kernels ask for names that few frameworks have: the message is put together when somebody reads it.
    """

    def __init__(self, framework: str, root: Mapping[str, Any], full: str) -> None:
        super().__init__(framework, root, full)
        self.framework, self.root, self.full = framework, root, full

    def __str__(self) -> str:
        framework, full = self.framework, self.full
        return (
            f"the namespace of {framework} has no {full}. {_instead(full, _names_in(self.root))}A function of "
            f"{framework} itself takes the same arrays, and docs/namespace.md says which backends have which names."
        )


def _names_in(root: Mapping[str, Any]) -> list[str]:
    """Return the public names of a namespace and of its ``linalg``."""
    linalg: ModuleType = root["linalg"]
    names = [*root, *(f"linalg.{name}" for name in vars(linalg))]
    return [name for name in names if not name.rpartition(".")[2].startswith("_")]


def _instead(full: str, known: list[str]) -> str:
    name: str = full.rpartition(".")[2]
    spelled = SPELLINGS.get(name, name)
    found = [candidate for candidate in (spelled, f"linalg.{spelled}") if candidate in known]
    from difflib import get_close_matches  # not before somebody reads: importing unifiedqr stays quick

    found = found or get_close_matches(full, known, n=3, cutoff=0.75)
    return f"Use {' or '.join(f'xp.{candidate}' for candidate in found)}. " if found else ""


def refusing(framework: str, root: Mapping[str, Any], path: str = "") -> Callable[[str], Any]:
    """Return the ``__getattr__`` of a namespace, which is called for names that it lacks.

    Parameters
    ----------
    framework : str
        Whose namespace it is.
    root : mapping of str to object
        The whole namespace.
    path : str
        What stands before the name: ``"linalg."`` in that part.
    """

    def refuse(name: str) -> Any:
        raise LackingNameError(framework, root, path + name)

    return refuse


@cache
def plain_namespace(base: Namespace) -> Namespace:
    """Return what `base` has of the standard; for anything else its attributes raise `LackingFunctionError`."""
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
