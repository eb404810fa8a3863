"""The table of differentiable primitives: what is computed, its two derivative rules, what they need.

A backend turns a row of this table into a differentiable function of its framework and never looks inside. Every
function of a row takes the array namespace ``xp`` first:

    forward(xp, *inputs)          -> outputs
    vjp(xp, kept, cotangents)     -> one cotangent per input        (a cotangent that is None is zero)
    jvp(xp, kept, tangents)       -> one tangent per output
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import NamedTuple

from unifiedqr._typing import Array, Arrays, Cotangents, Namespace
from unifiedqr.errors import OptionError
from unifiedqr.kernels.householder import householder_lq, householder_qr
from unifiedqr.rules.lq import lq_jvp, lq_vjp
from unifiedqr.rules.qr import qr_jvp, qr_vjp

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
        The decomposition's name, unique among the rows of one option set.
    inputs, outputs : tuple of str
        Names of the arrays taken and given; the outputs in the order of `result`.
    keeps : tuple of str
        The inputs and outputs, by name, that both derivative rules read.
    result : callable
        Makes the public named tuple from the outputs.
    forward, vjp, jvp : callable
        As described at the head of the module.
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    keeps: tuple[str, ...]
    result: Callable[..., Arrays]
    forward: Callable[..., Arrays]
    vjp: Callable[[Namespace, Arrays, Cotangents], Arrays]
    jvp: Callable[[Namespace, Arrays, Arrays], Arrays]

    def kept(self, inputs: Arrays, outputs: Arrays) -> Arrays:
        """Select from the inputs and outputs what the derivative rules read."""
        named = dict(zip(self.inputs + self.outputs, inputs + outputs, strict=True))
        return tuple(named[name] for name in self.keeps)


@cache
def qr_primitive(*, positive: bool = True, method: str = "auto") -> Primitive:
    """Give the row of the reduced QR decomposition."""
    _check_method(method)
    return Primitive(
        name="qr",
        inputs=("A",),
        outputs=("Q", "R"),
        keeps=("Q", "R"),
        result=QRResult,
        forward=partial(householder_qr, positive=positive),
        vjp=_pullback(qr_vjp),
        jvp=_pushforward(qr_jvp),
    )


@cache
def lq_primitive(*, positive: bool = True, method: str = "auto") -> Primitive:
    """Give the row of the reduced LQ decomposition."""
    _check_method(method)
    return Primitive(
        name="lq",
        inputs=("A",),
        outputs=("L", "Q"),
        keeps=("L", "Q"),
        result=LQResult,
        forward=partial(householder_lq, positive=positive),
        vjp=_pullback(lq_vjp),
        jvp=_pushforward(lq_jvp),
    )


DECOMPOSITIONS: dict[str, Callable[[], Primitive]] = {"qr": qr_primitive, "lq": lq_primitive}
"""Every decomposition by its public name, with default options."""


def _pullback(rule: Callable[..., Array]) -> Callable[[Namespace, Arrays, Cotangents], Arrays]:
    return lambda xp, kept, cotangents: (rule(*kept, *cotangents, xp=xp),)


def _pushforward(rule: Callable[..., Arrays]) -> Callable[[Namespace, Arrays, Arrays], Arrays]:
    return lambda xp, kept, tangents: rule(*kept, *tangents, xp=xp)


def _check_method(method: str) -> None:
    if method not in METHODS:
        raise OptionError(f"method={method!r} is unknown; choose one of {', '.join(map(repr, METHODS))}.")
