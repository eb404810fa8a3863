"""Which backend serves a call: entry points, selection by name, by array, by environment variable.

Nothing is imported until it is needed: plugins are descriptions, and a framework is imported only when one of its
arrays is passed or its name is selected.
"""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, PackageNotFoundError, entry_points, version
from types import MappingProxyType
from typing import Any

from unifiedqr._typing import Namespace
from unifiedqr.backend import ENTRY_POINT_GROUP, Backend, Plugin, refusal
from unifiedqr.checks import BETWEEN
from unifiedqr.errors import (
    BackendConflictError,
    BackendUnavailableError,
    ForeignArrayError,
    UnknownBackendError,
    in_one_line,
)
from unifiedqr.generic import backend_by_standard
from unifiedqr.sequences import entries, is_sequence
from unifiedqr.tracing import untraced

VARIABLE = "UNIFIEDQR_BACKEND"
DEFAULT = "numpy"


@dataclass(frozen=True)
class BackendInfo:
    """What is known about one backend on this machine.

    Attributes
    ----------
    name : str
        The name by which it is selected.
    version : str or None
        Version of the framework's distribution; None if it is not installed.
    available : bool
        Whether the framework is installed and, if it has been used, could be imported.
    reason : str
        Why it is not available; empty if it is.
    devices : tuple of str or None
        The framework's devices; None until the framework has been imported.
    capabilities : frozenset of str
        What the framework's own autodiff can do: ``vjp``, ``jvp``, ``second-order``.
    """

    name: str
    version: str | None
    available: bool
    reason: str
    devices: tuple[str, ...] | None
    capabilities: frozenset[str]


_context: ContextVar[str | None] = ContextVar("unifiedqr_backend", default=None)
_process_wide: str | None = None
loaded: dict[str, Backend] = {}
_failures: dict[str, Exception] = {}
_name_of_type: dict[type, str] = {}
_owner_of_type: dict[type, str] = {}


@cache
def _entry_points() -> MappingProxyType[str, EntryPoint]:
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            raise BackendConflictError(
                f"two distributions register a backend named {entry.name!r}: {distribution_of(other)} ({other.value}) "
                f"and {distribution_of(entry)} ({entry.value}). Uninstall one of them."
            )
    return MappingProxyType(found)


def distribution_of(entry: EntryPoint) -> str:
    """Return the name of the distribution that registers an entry point."""
    return entry.dist.name if entry.dist is not None else "an unnamed distribution"


@cache
def plugin(name: str) -> Plugin:
    """Return a backend's description, without importing its framework."""
    entry = _entry_points().get(name)
    if entry is None:
        raise UnknownBackendError(f"no backend is named {name!r}; installed are {', '.join(_installed())}.")
    try:
        described = entry.load()
    except Exception as error:  # whatever is wrong with one distribution, the other backends go on
        raise BackendUnavailableError(
            f"the backend {name!r} of {distribution_of(entry)} ({entry.value}) cannot be imported: "
            f"{in_one_line(error)}. Reinstall or uninstall that distribution."
        ) from error
    if not isinstance(described, Plugin):
        raise BackendUnavailableError(
            f"the backend {name!r} of {distribution_of(entry)} ({entry.value}) is {type(described).__name__}; expected "
            f"unifiedqr.backend.Plugin. Reinstall or uninstall that distribution."
        )
    return described


def _described() -> list[Plugin]:
    """Return the descriptions of all backends that have a valid one; `backends` and `plugin` report the others."""
    found: list[Plugin] = []
    for name in names():
        with suppress(BackendUnavailableError):
            found.append(plugin(name))
    return found


def _installed() -> list[str]:
    return [described.name for described in _described() if _installed_version(described) is not None]


def names() -> tuple[str, ...]:
    """Return the names of all registered backends, numpy first."""
    return tuple(sorted(_entry_points(), key=lambda name: (name != DEFAULT, name)))


def backends() -> dict[str, BackendInfo]:
    """Describe every registered backend, without importing a framework.

    Returns
    -------
    dict of str to BackendInfo
        In the order numpy, then by name.
    """
    return {name: _info(name) for name in names()}


def _info(name: str) -> BackendInfo:
    try:
        described = plugin(name)
    except BackendUnavailableError as error:
        return BackendInfo(name, None, False, str(error), None, frozenset())
    installed = _installed_version(described)
    if installed is None:
        return BackendInfo(name, None, False, _how_to_install(described), None, described.capabilities)
    reason = in_one_line(_failures[name]) if name in _failures else ""
    devices = loaded[name].devices() if name in loaded else None
    return BackendInfo(name, installed, not reason, reason, devices, described.capabilities)


def _installed_version(described: Plugin) -> str | None:
    for distribution in described.distributions:
        with suppress(PackageNotFoundError):
            return version(distribution)
    return None


def _how_to_install(described: Plugin) -> str:
    framework = described.distributions[0]
    return f"{framework} is not installed; pip install '{described.requirement or framework}'"


def get_backend(x_or_name: Any = None) -> Backend:
    """Return the backend of an array, of a name, or the selected one.

    Parameters
    ----------
    x_or_name : array, nested sequence of arrays and numbers, str or None
        None: the backend selected by `use_backend`, else by `set_backend`, else by the environment variable
        ``UNIFIEDQR_BACKEND``, else numpy.

    Returns
    -------
    Backend
        Its framework has been imported.

    Raises
    ------
    UnknownBackendError
        No backend has this name.
    BackendUnavailableError
        The framework is not installed, or fails to import.
    ForeignArrayError
        `x_or_name` is an object of no known framework.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> uqr.get_backend("numpy")
    <unifiedqr backend 'numpy'>
    """
    if x_or_name is None:
        return by_name(selected() or DEFAULT)
    if isinstance(x_or_name, str):
        return by_name(x_or_name)
    if is_sequence(x_or_name):
        return decided(entries(x_or_name)) or get_backend()
    return backend_of(x_or_name)


def by_name(name: str) -> Backend:
    """Return the backend of a name, importing its framework."""
    _load(name)  # before anything is looked up: a compiler keeps what it has seen of a dictionary
    return loaded[name]


@untraced
def _load(name: str) -> None:
    """Import the framework of a name, once; keep a failure unless it came from within the framework's own import."""
    if name in loaded:
        return
    described, failure = plugin(name), _failures.get(name)
    if failure is None:
        if _installed_version(described) is None:
            raise BackendUnavailableError(f"the backend {name!r} was requested, but {_how_to_install(described)}.")
        BETWEEN.update((_entry_points()[name].module.partition(".")[0], *described.array_modules))
        try:
            loaded.setdefault(name, described.load())
            return
        except Exception as error:  # a framework may fail in any way, such as when old and new distributions mix
            if described.is_importing:
                raise BackendUnavailableError(
                    f"the backend {name!r} was requested while {described.array_modules[0]} is still being imported: "
                    f"{in_one_line(error)}. Call again after its import."
                ) from error
            failure = _failures[name] = error
    provider = distribution_of(_entry_points()[name])
    raise BackendUnavailableError(
        f"the backend {name!r} of {provider} is installed but cannot be imported: {in_one_line(failure)}. Reinstall "
        f"{described.distributions[0]} in a version that fits, or {provider}."
    ) from failure


def backend_of(x: object) -> Backend:
    """Return the backend of an array by the module of its type, by a protocol of its framework, or by its namespace.

    Any other object raises `ForeignArrayError`.
    """
    kind = type(x)
    name = backend_name(kind) or owner_of(kind)
    if name is not None:
        return by_name(name)
    generic = backend_by_standard(x)
    if generic is None:
        raise refusal(
            x, f"an array of {', '.join(_installed())} or of an Array API library, or a list of numbers or such arrays"
        )
    return generic


def decided(arrays: list[Any]) -> Backend | None:
    """Return the one backend of those arrays that decide where a call runs; None if none of them does."""
    owners = [(type(x).__name__, backend_of(x)) for x in arrays]
    deciding = {(kind, owner.name): owner for kind, owner in owners if owner.name != DEFAULT or selected() is None}
    if len({name for _, name in deciding}) > 1:
        came = ", ".join(f"{kind} of {name}" for kind, name in deciding)
        raise ForeignArrayError(
            f"got {came} in one call; expected arrays of one framework. Convert all of them with "
            f"unifiedqr.namespace(...).asarray."
        )
    return next(iter(deciding.values()), None)


@untraced  # a backend is loaded by the first call that is compiled
def backend_name(kind: type) -> str | None:
    """Return the name of the backend, by now loaded, to which a type is one of arrays; None for any other type."""
    name = _name_of_type.get(kind)
    if name is None:
        owner = owner_of(kind)
        if owner is not None and issubclass(kind, by_name(owner).array_types):
            name = _name_of_type[kind] = owner
    return name


@untraced
def owner_of(kind: type) -> str | None:
    """Return the backend to which a type belongs or says to belong, the most derived of its bases first."""
    owner = _owner_of_type.get(kind)
    if owner is None and kind.__module__ != "builtins":
        owner = _owner_by_module(kind) or _owner_by_protocol(kind)
        if owner is not None:
            _owner_of_type[kind] = owner
    return owner


def _owner_by_module(kind: type) -> str | None:
    for base in kind.__mro__:
        module = base.__module__.partition(".")[0]
        for described in _described():
            if module in described.array_modules:
                return described.name
    return None


def _owner_by_protocol(kind: type) -> str | None:
    # Who answers with an array of a framework has imported it, and so need nobody else.
    for described in _described():
        if hasattr(kind, described.protocol) and any(module in sys.modules for module in described.array_modules):
            return described.name
    return None


def selected() -> str | None:
    """Return the selected backend's name, from the context, `set_backend` or the variable; None without a selection."""
    return _context.get() or _process_wide or os.environ.get(VARIABLE) or None


def set_backend(name: str | None) -> None:
    """Select, for this process, the backend of inputs that have none of their own.

    Parameters
    ----------
    name : str or None
        A name from `backends()`; None undoes the selection.

    Raises
    ------
    UnknownBackendError, BackendUnavailableError
        The name is not registered, or its framework cannot be imported.
    """
    global _process_wide
    if name is not None:
        by_name(name)
    _process_wide = name


@contextmanager
def use_backend(name: str) -> Generator[Backend]:
    """Select, inside a ``with`` block, the backend of inputs that have none of their own.

    Parameters
    ----------
    name : str
        A name from `backends()`.

    Yields
    ------
    Backend
        The selected backend.

    Raises
    ------
    UnknownBackendError, BackendUnavailableError
        The name is not registered, or its framework cannot be imported.
    """
    backend = by_name(name)
    token = _context.set(name)
    try:
        yield backend
    finally:
        _context.reset(token)


def namespace(x_or_name: Any = None) -> Namespace:
    """Return a backend's Array API namespace ``xp``: the functions of the standard for the framework's own arrays.

    Every framework supplies the following, for real and for complex arrays where the standard has both, with correct
    gradients where the framework has autodiff, so a script that keeps to these runs in all of them::

        log log10 log1p log2 reciprocal sqrt imag abs cos cosh exp expm1 negative positive real sign sin sinh
        square tan tanh conj ceil floor trunc signbit round isfinite isinf isnan logical_not bitwise_invert add
        subtract multiply divide pow atan2 copysign hypot logaddexp maximum minimum remainder floor_divide equal
        not_equal less less_equal greater greater_equal logical_and logical_or logical_xor bitwise_and
        bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift clip where sum mean prod max min std var
        all any count_nonzero argmax argmin cumulative_sum cumulative_prod diff sort argsort nonzero
        searchsorted isin unique_counts unique_inverse unique_values take take_along_axis reshape permute_dims
        matrix_transpose moveaxis expand_dims squeeze concat stack unstack flip roll tile repeat broadcast_to
        broadcast_arrays tril triu meshgrid arange asarray astype empty empty_like eye from_dlpack full
        full_like linspace ones ones_like zeros zeros_like can_cast finfo iinfo isdtype result_type
        broadcast_shapes matmul tensordot vecdot linalg.cross linalg.det linalg.inv linalg.diagonal
        linalg.matmul linalg.matrix_norm linalg.matrix_power linalg.matrix_rank linalg.matrix_transpose
        linalg.outer linalg.slogdet linalg.solve linalg.tensordot linalg.trace linalg.vecdot linalg.vector_norm

    docs/namespace.md, made by running them, lists what else of the standard each framework and the 100-digit numbers
    of mpmath have, and which operators their arrays support. A missing name raises an error, both an `AttributeError`
    and a `CapabilityError`, that says what to use instead.

    Parameters
    ----------
    x_or_name : array, nested sequence of arrays and numbers, str or None
        As in `get_backend`.

    Returns
    -------
    namespace
        Its functions promote dtypes as the standard requires, which the operators of a framework may not.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> xp = uqr.namespace("numpy")
    >>> float(xp.sum(xp.ones((2, 3))))
    6.0
    >>> hasattr(xp, "no_such_function")
    False
    """
    return get_backend(x_or_name).xp
