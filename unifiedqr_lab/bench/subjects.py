"""What is run for a case in a framework: our function, the framework's own or what its users do instead, the inputs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import unifiedqr as uqr
from unifiedqr._typing import Array, Arrays
from unifiedqr.arrays.operators import adjoint
from unifiedqr.backend import Backend
from unifiedqr_lab.bench.cases import APPENDED, APPENDING, PARTS, SKETCH, BenchmarkCase
from unifiedqr_lab.bench.ours import COMPILED, Function, measured
from unifiedqr_lab.instruments import instruments

SEED = 2009
"""Of the inputs and the cotangents."""

TRIANGLES: dict[str, dict[int, Callable[[Any], Any]]] = {
    "qr": {1: np.triu},
    "qr-r": {0: np.triu},
    "r-alone": {0: np.triu},
    **{name: {0: np.triu} for name in APPENDING},
    "update": {1: np.triu},
    **{name: {1: np.triu} for name in ("qr-pivoted", "qr-compiled", "qr-cholesky")},
    "lq": {0: np.tril},
}
"""Results that are triangular, by place, and the triangle."""


@dataclass(frozen=True)
class Candidate:
    """A way to compute the same results without our function.

    Attributes
    ----------
    run : callable
        Of the framework's arrays, to a tuple of them.
    via : str
        How, where the framework lacks the function.
    takes : slice
        The inputs of a case that it takes.
    """

    run: Function
    via: str = ""
    takes: slice = field(default_factory=lambda: slice(None))


def _r_of_qr(A: Array) -> Arrays:
    return (uqr.qr(A).R,)


def _by_householder(A: Array) -> Arrays:
    return tuple(uqr.qr(A, method="householder"))


def _r_afresh(A: Array) -> Arrays:
    return (uqr.qr(A, mode="r"),)


def _r_of_stacked(R: Array, B: Array) -> Arrays:
    return (uqr.qr(uqr.namespace(R).concat([R, B], axis=-2), mode="r"),)


def _afresh(A: Array) -> Arrays:
    return tuple(uqr.qr(A))


RIVALS: dict[str, tuple[Function, str]] = {
    "r-alone": (_r_of_qr, "by our qr(A).R"),
    "qr-cholesky": (_by_householder, "by our method='householder'"),
    "append-rows": (_r_afresh, "by our qr(mode='r') of all rows"),
    "append-stacked": (_r_of_stacked, "by our qr(mode='r') of the stacked rows"),
    "update": (_afresh, "by our qr of the new matrix"),
}
"""What is measured against ours instead of the framework's own function: another function of ours."""


def candidates(backend: Backend, name: str) -> tuple[Candidate, ...]:
    """Return how the framework's users do it without us, the best way first; the others are for where it fails."""
    natives, xp = instruments(backend.name).natives(), backend.xp
    if name in RIVALS:
        function, via = RIVALS[name]
        own = [Candidate(natives[name], f"by SciPy's qr_{name}", slice(PARTS[name]))] if name in natives else []
        return (*own, Candidate(function, via, slice(PARTS.get(name), None)))
    found = [Candidate(measured(name, natives[name]))] if name in natives else []
    if name in COMPILED and "qr" in natives:
        found.append(Candidate(natives["qr"]))
    for mine, its, built in (
        ("lstsq-weighted", "lstsq", _of_weighted_rows),
        ("lstsq-damped", "lstsq", _of_appended_rows),
        ("range-finder", "qr", _of_products),
    ):
        if name == mine and its in natives:
            found.append(Candidate(measured(name, built(xp, natives[its])), f"by its {its}"))
    if name == "qr-r" and "qr" in natives:
        found.append(Candidate(_second(natives["qr"]), "through its reduced factors"))
    for one, other in (("lq", "qr"), ("qr", "lq")):
        if name == one and name not in natives and other in natives:
            found.append(Candidate(_of_the_adjoint(xp, natives[other]), f"by its {other}"))
    return tuple(found)


def _second(function: Function) -> Function:
    def second(A: Array) -> Arrays:
        return (function(A)[1],)

    return second


def _of_the_adjoint(xp: Any, function: Function) -> Function:
    def factors(A: Array) -> Arrays:
        first, second = function(adjoint(xp, A))
        return adjoint(xp, second), adjoint(xp, first)

    return factors


def _of_weighted_rows(xp: Any, lstsq: Function) -> Function:
    def solution(A: Array, b: Array, w: Array) -> Arrays:
        roots = xp.expand_dims(xp.sqrt(w), axis=-1)
        return lstsq(roots * A, roots * b)

    return solution


def _of_appended_rows(xp: Any, lstsq: Function) -> Function:
    def solution(A: Array, b: Array, d: Array) -> Arrays:
        below = d * xp.eye(A.shape[-1], dtype=A.dtype)
        return lstsq(xp.concat([A, below], axis=-2), xp.concat([b, xp.zeros_like(below[..., :1])], axis=-2))

    return solution


def _of_products(xp: Any, qr: Function) -> Function:
    def basis(A: Array, Omega: Array) -> Arrays:
        A_H = adjoint(xp, A)
        return (qr(A @ qr(A_H @ qr(A @ Omega)[0])[0])[0],)

    return basis


def inputs_of(case: BenchmarkCase) -> Arrays:
    """Return inputs as NumPy arrays: standard normal ones, one right-hand side, weights and damping that are positive.

    For a case of `PARTS`, they are what determines a matrix, and the matrix: R of all rows but the last `APPENDED`, and
    these; or the factors of A and an update of rank one. For "append-stacked" the matrix itself is no input.
    """
    rng, real = np.random.default_rng(SEED), np.finfo(case.dtype).dtype
    A = _normal(rng, case.shape, case.dtype)
    if case.name == "update":
        U, V = (_normal(rng, (*case.shape[:-2], size, 1), case.dtype) for size in (case.m, case.n))
        return *np.linalg.qr(A), U, V, A + U @ np.conj(V.swapaxes(-1, -2))
    if case.name in APPENDING:
        parts = np.linalg.qr(A[..., :-APPENDED, :], mode="r"), A[..., -APPENDED:, :]
        return (*parts, A) if case.name in PARTS else parts
    if case.name == "range-finder":
        return A, _normal(rng, (*case.shape[:-2], case.n, SKETCH), case.dtype)
    if not case.name.startswith("lstsq"):
        return (A,)
    b = _normal(rng, (*case.shape[:-1], 1), case.dtype)
    sizes = {"lstsq-weighted": case.m, "lstsq-damped": case.n}
    if case.name not in sizes:
        return A, b
    return A, b, rng.uniform(0.5, 2.0, sizes[case.name]).astype(real)


def taken(name: str, inputs: Arrays) -> Arrays:
    """Return the inputs that our function takes."""
    return inputs[: PARTS.get(name)]


def cotangents_of(case: BenchmarkCase, outputs: Arrays) -> Arrays:
    """Return standard normal cotangents of outputs, all as NumPy arrays; that of a triangular one is triangular."""
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
