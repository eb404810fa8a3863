"""The table of differentiable primitives: what is computed, its two derivative rules, what they need.

A backend turns a row of this table into a differentiable function of its framework and never looks inside. Every
function of a row takes the array namespace ``xp`` first:

    forward(xp, *inputs)          -> outputs
    vjp(xp, kept, cotangents)     -> one cotangent per input        (a cotangent that is None is zero)
    jvp(xp, kept, tangents)       -> one tangent per output
    singular(xp, kept)            -> boolean, per matrix: no derivative exists
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from unifiedqr._typing import Array, Arrays, Cotangents, Namespace
from unifiedqr.errors import OptionError
from unifiedqr.kernels.householder import householder_lq, householder_ql, householder_qr, householder_rq
from unifiedqr.rules.lq import lq_jvp, lq_singular, lq_vjp
from unifiedqr.rules.operators import adjoint, reverse, reverse_columns
from unifiedqr.rules.ql import ql_jvp, ql_singular, ql_vjp
from unifiedqr.rules.qr import qr_jvp, qr_singular, qr_vjp
from unifiedqr.rules.rq import rq_jvp, rq_singular, rq_vjp

METHODS = ("auto", "householder")
"""Algorithms of the forward; "auto" is "householder" for every shape and device so far."""


class QRResult(NamedTuple):
    """Factors of A = Q R."""

    Q: Array
    R: Array


class LQResult(NamedTuple):
    """Factors of A = L Q."""

    L: Array
    Q: Array


class RQResult(NamedTuple):
    """Factors of A = R Q."""

    R: Array
    Q: Array


class QLResult(NamedTuple):
    """Factors of A = Q L."""

    Q: Array
    L: Array


@dataclass(frozen=True)
class Orientation:
    """How a decomposition of A is the QR decomposition of A, of A^H, of A J or of A^H J (J reverses the columns).

    Attributes
    ----------
    adjoint, reversed : bool
        Whether the adjoint is taken, and whether its columns are reversed.
    """

    adjoint: bool
    reversed: bool

    def matrix(self, xp: Namespace, X: Array) -> Array:
        """Give the matrix whose QR decomposition it is, from A, or its orthonormal factor, from Q."""
        X = adjoint(xp, X) if self.adjoint else X
        return reverse_columns(xp, X) if self.reversed else X

    def triangle(self, xp: Namespace, X: Array) -> Array:
        """Give the triangular factor of that QR decomposition, from R or L."""
        X = adjoint(xp, X) if self.adjoint else X
        return reverse(xp, X) if self.reversed else X

    @property
    def lines(self) -> str:
        """What must be independent, in words."""
        return f"{'last' if self.reversed else 'leading'} {'rows' if self.adjoint else 'columns'}"


@dataclass(frozen=True, eq=False)
class Primitive:
    """One row of the table.

    Attributes
    ----------
    name : str
        The decomposition's name.
    options : tuple of str
        A word for each option; name and options together identify the row, in every process.
    orientation : Orientation
        Which QR decomposition it is.
    inputs, outputs : tuple of str
        Names of the arrays taken and given, in order.
    keeps : tuple of str
        The inputs and outputs, by name, that both derivative rules read.
    forward, vjp, jvp, singular : callable
        As described at the head of the module.
    """

    name: str
    options: tuple[str, ...]
    orientation: Orientation
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    keeps: tuple[str, ...]
    forward: Callable[..., Arrays]
    vjp: Callable[[Namespace, Arrays, Cotangents], Arrays]
    jvp: Callable[[Namespace, Arrays, Arrays], Arrays]
    singular: Callable[[Namespace, Arrays], Array]

    @property
    def triangle(self) -> str:
        """The name of the triangular factor."""
        return next(name for name in self.outputs if name != "Q")

    def kept(self, inputs: Arrays, outputs: Arrays) -> Arrays:
        """Select from the inputs and outputs what the derivative rules read."""
        named = dict(zip(self.inputs + self.outputs, inputs + outputs, strict=True))
        return tuple(named[name] for name in self.keeps)


class _Family(NamedTuple):
    """What the rows of one decomposition share."""

    outputs: tuple[str, ...]
    adjoint: bool
    reversed: bool
    kernel: Callable[..., Arrays]
    vjp: Callable[..., Array]
    jvp: Callable[..., Arrays]
    singular: Callable[..., Array]


_FAMILIES = {
    "qr": _Family(QRResult._fields, False, False, householder_qr, qr_vjp, qr_jvp, qr_singular),
    "lq": _Family(LQResult._fields, True, False, householder_lq, lq_vjp, lq_jvp, lq_singular),
    "rq": _Family(RQResult._fields, True, True, householder_rq, rq_vjp, rq_jvp, rq_singular),
    "ql": _Family(QLResult._fields, False, True, householder_ql, ql_vjp, ql_jvp, ql_singular),
}


def primitive(name: str, *, positive: bool = True, method: str = "auto") -> Primitive:
    """Give a row of the table: the reduced form of a decomposition."""
    if method not in METHODS:
        raise OptionError(f"method={method!r} is unknown; choose one of {', '.join(map(repr, METHODS))}.")
    return _ROWS[name, bool(positive), method]


DECOMPOSITIONS: dict[str, Callable[..., Primitive]] = {name: partial(primitive, name) for name in _FAMILIES}
"""Every decomposition by its public name; a call without options gives its default row."""


def rows() -> Iterator[Primitive]:
    """Give every row under every set of options."""
    yield from _ROWS.values()


def _forward(kernel: Callable[..., Arrays], positive: bool) -> Callable[..., Arrays]:
    def forward(xp: Namespace, *inputs: Array) -> Arrays:
        return kernel(xp, *inputs, positive=positive)

    return forward


def _pullback(rule: Callable[..., Array]) -> Callable[[Namespace, Arrays, Cotangents], Arrays]:
    return lambda xp, kept, cotangents: (rule(*kept, *cotangents, xp=xp),)


def _pushforward(rule: Callable[..., Arrays]) -> Callable[[Namespace, Arrays, Arrays], Arrays]:
    return lambda xp, kept, tangents: rule(*kept, *tangents, xp=xp)


def _reduced(name: str, positive: bool, method: str) -> Primitive:
    family = _FAMILIES[name]
    return Primitive(
        name=name,
        options=("positive" if positive else "raw", method),
        orientation=Orientation(family.adjoint, family.reversed),
        inputs=("A",),
        outputs=family.outputs,
        keeps=family.outputs,
        forward=_forward(family.kernel, positive),
        vjp=_pullback(family.vjp),
        jvp=_pushforward(family.jvp),
        singular=lambda xp, kept: family.singular(*kept, xp=xp),
    )


# Made once and looked up: backends keep what they build from a row, and tracing compilers can follow a lookup.
_ROWS = {
    (name, positive, method): _reduced(name, positive, method)
    for name in DECOMPOSITIONS
    for positive in (True, False)
    for method in METHODS
}
