"""What is run for a case in a framework: our function, the framework's own or what its users do instead, the inputs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import unifiedqr as uqr
from unifiedqr._typing import Array, Arrays
from unifiedqr.arrays.operators import adjoint
from unifiedqr.backend import Backend
from unifiedqr_lab.bench.cases import BenchmarkCase
from unifiedqr_lab.instruments import instruments

Function = Callable[..., Arrays]

SEED = 2009
"""Of the inputs and the cotangents."""

DIFFERENTIABLE = {"qr-pivoted": slice(0, 2), "lstsq": slice(0, 1), "slogdet": slice(1, 2)}
"""Which of a function's results are measured, if not all: pivots, ranks, singular values and signs are left out."""

TRIANGLES: dict[str, dict[int, Callable[[Any], Any]]] = {
    "qr": {1: np.triu},
    "qr-r": {0: np.triu},
    "qr-pivoted": {1: np.triu},
    "lq": {0: np.tril},
}
"""Results that are triangular, by place, and the triangle."""


@dataclass(frozen=True)
class Candidate:
    """A way to compute what ours does without it.

    Attributes
    ----------
    run : callable
        Of the framework's arrays, to a tuple of them.
    via : str
        How, where the framework has not the function itself.
    """

    run: Function
    via: str = ""


# Functions, not lambdas: TensorFlow reads their source, and finds no single one of several lambdas.
def _qr(A: Array) -> Arrays:
    return tuple(uqr.qr(A))


def _qr_r(A: Array) -> Arrays:
    return (uqr.qr(A, mode="r"),)


def _qr_pivoted(A: Array) -> Arrays:
    return tuple(uqr.qr(A, pivoting=True))


def _lq(A: Array) -> Arrays:
    return tuple(uqr.lq(A))


def _lstsq(A: Array, b: Array) -> Arrays:
    return tuple(uqr.lstsq(A, b))


def _slogdet(A: Array) -> Arrays:
    return tuple(uqr.slogdet(A))


OURS: dict[str, Function] = {
    "qr": _qr,
    "qr-r": _qr_r,
    "qr-pivoted": _qr_pivoted,
    "lq": _lq,
    "lstsq": _lstsq,
    "slogdet": _slogdet,
}


def ours(name: str) -> Function:
    """Return our function, of the results that are measured."""
    return _measured(name, OURS[name])


def candidates(backend: Backend, name: str) -> tuple[Candidate, ...]:
    """Return the ways of the framework's users without us, the best first; those later are for where it fails."""
    natives, xp = instruments(backend.name).natives(), backend.xp
    found = [Candidate(_measured(name, natives[name]))] if name in natives else []
    if name == "qr-r" and "qr" in natives:
        found.append(Candidate(_second(natives["qr"]), "through its reduced factors"))
    for one, other in (("lq", "qr"), ("qr", "lq")):
        if name == one and name not in natives and other in natives:
            found.append(Candidate(_of_the_adjoint(xp, natives[other]), f"by its {other}"))
    return tuple(found)


def _measured(name: str, function: Function) -> Function:
    part = DIFFERENTIABLE.get(name, slice(None))

    def measured(*inputs: Array) -> Arrays:
        return tuple(function(*inputs))[part]

    return measured


def _second(function: Function) -> Function:
    def second(A: Array) -> Arrays:
        return (function(A)[1],)

    return second


def _of_the_adjoint(xp: Any, function: Function) -> Function:
    def factors(A: Array) -> Arrays:
        first, second = function(adjoint(xp, A))
        return adjoint(xp, second), adjoint(xp, first)

    return factors


def inputs_of(case: BenchmarkCase) -> Arrays:
    """Return standard normal inputs as NumPy arrays; least squares has one right-hand side."""
    rng = np.random.default_rng(SEED)
    A = _normal(rng, case.shape, case.dtype)
    return (A, _normal(rng, (*case.shape[:-1], 1), case.dtype)) if case.name == "lstsq" else (A,)


def cotangents_of(case: BenchmarkCase, outputs: Arrays) -> Arrays:
    """Return standard normal cotangents of outputs, all as NumPy arrays; a triangular one's has its triangle."""
    rng = np.random.default_rng(SEED + 1)
    bars = [_normal(rng, Y.shape, Y.dtype.name) for Y in outputs]
    for place, triangle in TRIANGLES.get(case.name, {}).items():
        bars[place] = triangle(bars[place])
    return tuple(bars)


def _normal(rng: Any, shape: tuple[int, ...], dtype: str) -> Any:
    real = np.finfo(dtype).dtype
    X = rng.standard_normal(shape, np.float64)
    if dtype.startswith("complex"):
        X = X + 1j * rng.standard_normal(shape, np.float64)
    return X.astype(dtype if dtype.startswith("complex") else real)
