"""Namespaces of the Array API standard, complete: with an error for each name they lack, and what rules need beyond it.

A namespace is completed once, when it is made. Adapters make their own; those of libraries that nobody has adapted have
the standard, and `Operations` in the portable form.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.operations import Operations
from unifiedqr.errors import CapabilityError

NAMESPACE = tuple(
    """
    abs all any argmax argsort asarray astype broadcast_to complex64 complex128 concat conj equal expand_dims exp eye
    finfo flip float32 float64 floor full_like imag int32 isdtype isfinite isnan log log2 logical_and logical_not
    logical_or matmul matrix_transpose max mean min ones ones_like permute_dims real reshape sqrt square squeeze stack
    sum take_along_axis tril triu where zeros zeros_like
    linalg.diagonal linalg.qr linalg.trace linalg.matrix_norm linalg.vector_norm
    """.split()
)
"""The names of the Array API standard that every backend's namespace supplies: what rules, kernels, examples and
the comparison use."""

OTHERS = {"inner", "repeat", "solve_triangular"}
"""Operations whose names frameworks use for functions of their own."""

MISPLACED = {name for name in vars(Operations) if not name.startswith("_")} - OTHERS
"""Operations, which nobody would look for among the names."""

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
"""The standard's names, or nearest equivalents, of functions that NumPy and others call differently."""


class LackingFunctionError(CapabilityError, AttributeError):
    """A namespace lacks a function; an `AttributeError` too, so that ``getattr`` with a default works."""


class LackingNameError(LackingFunctionError):
    """A backend's namespace lacks a name.

    Rules and kernels ask for names that few frameworks have: the message is composed only when it is read.
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
    from difflib import get_close_matches  # only when the message is read: importing unifiedqr stays quick

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


def make_namespace(
    name: str, names: Mapping[str, Any], linalg: Mapping[str, Any], operations: type[Operations] = Operations
) -> ModuleType:
    """Return a namespace of these names; any other one raises an error that says what to use instead.

    Parameters
    ----------
    name : str
        ``module.xp``, of the module of the adapter that holds it.
    names, linalg : mapping of str to object
        What the namespace, and its ``linalg``, consist of: at least the names in `NAMESPACE`.
    operations : type
        `Operations`, or a class derived from it, for what the framework does better.

    Returns
    -------
    module

    Raises
    ------
    CapabilityError
        A name is missing, or an operation stands among the names.
    """
    framework = name.partition(".")[0].removeprefix("unifiedqr_")
    given = {*names, *(f"linalg.{key}" for key in linalg)}
    missing, misplaced = sorted(set(NAMESPACE) - given), sorted(MISPLACED & {*names, *linalg})
    if missing:
        raise CapabilityError(f"the namespace {name} lacks {', '.join(missing)}; supply what NAMESPACE lists.")
    if misplaced:
        raise CapabilityError(
            f"got {', '.join(misplaced)} among the names of the namespace {name}; expected as methods of a class "
            f"derived from unifiedqr.arrays.operations.Operations."
        )
    xp, linear = (ModuleType(full, f"The Array API of {framework}.") for full in (name, f"{name}.linalg"))
    xp.__dict__.update(names, linalg=linear, __getattr__=refusing(framework, vars(xp)))
    linear.__dict__.update(linalg, __getattr__=refusing(framework, vars(xp), "linalg."))
    return _with_operations(xp, operations, lambda: [*names, "linalg"])


def extend_namespace(
    name: str,
    base: Any,
    linalg: Mapping[str, Any] | None = None,
    operations: type[Operations] | None = None,
    **names: Any,
) -> ModuleType:
    """Return a copy of the namespace `base` with some names, some of its ``linalg``, or its operations replaced."""
    inherited: Operations | None = getattr(base, "beyond", None)
    chosen = operations or (Operations if inherited is None else type(inherited))
    return make_namespace(name, _of(base) | names, _of(base.linalg) | dict(linalg or {}), chosen)


def _of(module: ModuleType) -> dict[str, Any]:
    return {key: value for key, value in vars(module).items() if not key.startswith("__") and key != "beyond"}


def is_complete(xp: Namespace) -> bool:
    """Return whether a namespace has its operations; None does not."""
    return hasattr(xp, "beyond")


def complete_namespace(xp: Namespace) -> Namespace:
    """Return a namespace with the operations in their portable form, unless it is complete already."""
    return xp if is_complete(xp) else plain_namespace(xp)


def _with_operations(xp: ModuleType, operations: type[Operations], names: Callable[[], list[str]]) -> ModuleType:
    xp.__dict__.update(beyond=operations(xp), __dir__=names)
    return xp


@cache
def plain_namespace(base: Namespace) -> Namespace:
    """Return what `base` has of the standard; for anything else its attributes raise `LackingFunctionError`."""
    library = base.__name__.removeprefix("array_api_compat.").partition(".")[0]
    return _with_operations(_plain(base, library, ""), Operations, lambda: dir(base))


def _plain(base: Namespace, library: str, path: str) -> ModuleType:
    namespace = ModuleType(f"{__name__}.{library}{path}", f"What {library} has of the Array API standard.")

    def find(name: str) -> Any:
        full = f"{path}.{name}".removeprefix(".")
        try:
            found = getattr(base, name)
        except AttributeError as error:
            raise _lacking(library, full) from error
        if library == "dask" and full == "linalg.qr":
            found = _guarded(found)
        elif isinstance(found, ModuleType):
            found = _plain(found, library, f".{full}")
        return namespace.__dict__.setdefault(name, found)

    namespace.__dict__.update(__getattr__=find, __dir__=lambda: dir(base))
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
