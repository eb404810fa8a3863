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
from typing import NamedTuple

from unifiedqr._typing import Array, Arrays, Cotangents, Namespace
from unifiedqr.errors import OptionError
from unifiedqr.kernels.householder import householder_lq, householder_qr
from unifiedqr.rules.lq import lq_jvp, lq_singular, lq_vjp
from unifiedqr.rules.qr import qr_jvp, qr_singular, qr_vjp

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


@dataclass(frozen=True, eq=False)
class Primitive:
    """One row of the table.

    Attributes
    ----------
    name : str
        The decomposition's name.
    options : tuple of str
        A word for each option; name and options together identify the row, in every process.
    inputs, outputs : tuple of str
        Names of the arrays taken and given, in order.
    keeps : tuple of str
        The inputs and outputs, by name, that both derivative rules read.
    forward, vjp, jvp, singular : callable
        As described at the head of the module.
    """

    name: str
    options: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    keeps: tuple[str, ...]
    forward: Callable[..., Arrays]
    vjp: Callable[[Namespace, Arrays, Cotangents], Arrays]
    jvp: Callable[[Namespace, Arrays, Arrays], Arrays]
    singular: Callable[[Namespace, Arrays], Array]

    def kept(self, inputs: Arrays, outputs: Arrays) -> Arrays:
        """Select from the inputs and outputs what the derivative rules read."""
        named = dict(zip(self.inputs + self.outputs, inputs + outputs, strict=True))
        return tuple(named[name] for name in self.keeps)


def qr_primitive(*, positive: bool = True, method: str = "auto") -> Primitive:
    """Give the row of the reduced QR decomposition."""
    return _ROWS["qr", bool(positive), _checked(method)]


def lq_primitive(*, positive: bool = True, method: str = "auto") -> Primitive:
    """Give the row of the reduced LQ decomposition."""
    return _ROWS["lq", bool(positive), _checked(method)]


DECOMPOSITIONS: dict[str, Callable[..., Primitive]] = {"qr": qr_primitive, "lq": lq_primitive}
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


def _checked(method: str) -> str:
    if method not in METHODS:
        raise OptionError(f"method={method!r} is unknown; choose one of {', '.join(map(repr, METHODS))}.")
    return method


def _reduced(name: str, positive: bool, method: str) -> Primitive:
    outputs, forward, vjp, jvp, singular = {
        "qr": (QRResult._fields, householder_qr, qr_vjp, qr_jvp, qr_singular),
        "lq": (LQResult._fields, householder_lq, lq_vjp, lq_jvp, lq_singular),
    }[name]
    return Primitive(
        name=name,
        options=("positive" if positive else "raw", method),
        inputs=("A",),
        outputs=outputs,
        keeps=outputs,
        forward=_forward(forward, positive),
        vjp=_pullback(vjp),
        jvp=_pushforward(jvp),
        singular=lambda xp, kept: singular(*kept, xp=xp),
    )


# Made once and looked up: backends keep what they build from a row, and tracing compilers can follow a lookup.
_ROWS = {
    (name, positive, method): _reduced(name, positive, method)
    for name in DECOMPOSITIONS
    for positive in (True, False)
    for method in METHODS
}
