"""Golden vectors: factors and derivatives to the last bit of double precision, by differences in 100 digits.

``python -m unifiedqr.conformance.golden`` computes them with the mpmath backend, in which no derivative rule takes
part, and writes one ``.npz`` per decomposition beside this module (numbers only, never pickled).
"""

import os
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from unifiedqr.conformance.matrices import ADVERSARIAL, ADVERSARIAL_SHAPES, SHAPES, adversarial, random, rounded
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import get_backend

TRUTH = "mpmath"
"""The backend that is the truth itself: 100-digit arithmetic, derivatives by differences."""

FOLDER = files("unifiedqr.conformance") / "vectors"
PATTERNS = ("both", "left", "right")
"""Which cotangents are given: of both factors, or of the left or the right one alone (the other is None)."""

SECOND_ORDER_SHAPES = ((5, 3), (4, 4), (3, 5), (2, 4, 3))
"""Shapes of the random cases that have the truth of second order: deep, square, wide, batched."""

SECOND_STEP = 2.0**-70
"""Step of the difference of gradients, which carry 60 digits: it leaves 40 of them."""


@dataclass(frozen=True, eq=False)
class Golden:
    """One matrix with the truth about one decomposition of it.

    Attributes
    ----------
    name : str
        Such as ``"qr-hilbert-9x6-complex"``.
    decomposition : str
        Name of the primitive.
    A, A_dot : numpy.ndarray, shape (..., m, n)
        The matrix and a tangent.
    factors, factor_dots, factor_bars : tuple of numpy.ndarray
        The two factors in the positive gauge, their tangents, and random cotangents of them.
    A_bars : dict of str to numpy.ndarray
        Gradient for each of `PATTERNS`.
    A_bar_dot : numpy.ndarray or None
        Derivative along A_dot of the gradient for both cotangents; of the `SECOND_ORDER_SHAPES` only.
    """

    name: str
    decomposition: str
    A: Any
    A_dot: Any
    factors: tuple[Any, ...]
    factor_dots: tuple[Any, ...]
    factor_bars: tuple[Any, ...]
    A_bars: dict[str, Any]
    A_bar_dot: Any

    def cotangents(self, pattern: str) -> tuple[Any, ...]:
        """Give the cotangents of a pattern, None for those left out."""
        left, right = self.factor_bars
        return {"both": (left, right), "left": (left, None), "right": (None, right)}[pattern]


def cases(decomposition: str) -> Iterator[tuple[str, Any]]:
    """Give name and matrix of every golden case of a decomposition."""
    orientation = DECOMPOSITIONS[decomposition]().orientation
    for complex_ in (False, True):
        field = "complex" if complex_ else "real"
        for number, shape in enumerate(SHAPES):
            yield f"{decomposition}-random-{_by(shape)}-{field}", random(shape, complex_=complex_, seed=100 + number)
        for name in ADVERSARIAL:
            for m, n in ADVERSARIAL_SHAPES:
                A = adversarial(name, m, n, complex_=complex_)
                A = A[:, ::-1] if orientation.reversed else A  # the columns that QR would read, where they are read
                A = np.ascontiguousarray(A.swapaxes(-1, -2) if orientation.adjoint else A)
                yield f"{decomposition}-{name}-{_by(A.shape)}-{field}", A


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


@cache
def golden(decomposition: str) -> dict[str, Golden]:
    """Load the golden vectors of a decomposition, by name."""
    with (FOLDER / f"{decomposition}.npz").open("rb") as file, np.load(file, allow_pickle=False) as stored:
        arrays: dict[str, dict[str, Any]] = {}
        for key in stored.files:
            case, _, part = key.rpartition("/")
            arrays.setdefault(case, {})[part] = stored[key]
    return {case: _assembled(case, decomposition, parts) for case, parts in arrays.items()}


def _assembled(name: str, decomposition: str, parts: dict[str, Any]) -> Golden:
    X, Y = DECOMPOSITIONS[decomposition]().outputs
    return Golden(
        name=name,
        decomposition=decomposition,
        A=parts["A"],
        A_dot=parts["A_dot"],
        factors=(parts[X], parts[Y]),
        factor_dots=(parts[f"{X}_dot"], parts[f"{Y}_dot"]),
        factor_bars=(parts[f"{X}_bar"], parts[f"{Y}_bar"]),
        A_bars={pattern: parts[f"A_bar_{pattern}"] for pattern in PATTERNS},
        A_bar_dot=parts.get("A_bar_dot"),
    )


def compute(name: str, decomposition: str, A: Any) -> dict[str, Any]:
    """Compute one case in 100 digits: central differences of the factorization itself."""
    backend = get_backend(TRUTH)
    primitive = DECOMPOSITIONS[decomposition]()
    A_exact = backend.from_numpy(A)
    factors, pull = backend.vjp(backend.bind(primitive), (A_exact,))
    complex_, seed = np.iscomplexobj(A), zlib.crc32(name.encode())
    # A tangent of the size of each column (row, for LQ, RQ) is graded as the matrix is: all of the truth is visible.
    sizes = np.max(np.abs(A), axis=-1 if primitive.orientation.adjoint else -2, keepdims=True)
    A_dot = rounded(random(A.shape, complex_=complex_, seed=seed) * sizes)
    bars = tuple(random(X.shape, complex_=complex_, seed=seed + i) for i, X in enumerate(factors, start=1))
    exact_bars = tuple(map(backend.from_numpy, bars))
    _, dots = backend.jvp(backend.bind(primitive), (A_exact,), (backend.from_numpy(A_dot),))
    parts: dict[str, Any] = {"A": A, "A_dot": A_dot}
    for X, factor, dot, bar in zip(primitive.outputs, factors, dots, bars, strict=True):
        parts |= {X: backend.to_numpy(factor), f"{X}_dot": backend.to_numpy(dot), f"{X}_bar": bar}
    left, right = exact_bars
    for pattern, cotangents in zip(PATTERNS, ((left, right), (left, None), (None, right)), strict=True):
        parts[f"A_bar_{pattern}"] = backend.to_numpy(pull(cotangents)[0])
    if A.shape in SECOND_ORDER_SHAPES and "random" in name:
        step = backend.from_numpy(A_dot) * SECOND_STEP
        above, below = (
            backend.vjp(backend.bind(primitive), (moved,))[1](exact_bars)[0]
            for moved in (A_exact + step, A_exact - step)
        )
        parts["A_bar_dot"] = backend.to_numpy((above - below) / (2 * SECOND_STEP))
    return parts


def write(folder: Path) -> None:
    """Compute and write the golden vectors of every decomposition."""
    for decomposition in DECOMPOSITIONS:
        arrays: dict[str, Any] = {}
        for name, A in cases(decomposition):
            print(name, file=sys.stderr, flush=True)
            arrays |= {f"{name}/{part}": X for part, X in compute(name, decomposition, A).items()}
        unfinished = folder / f".{decomposition}.npz"
        with unfinished.open("wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(unfinished, folder / f"{decomposition}.npz")


if __name__ == "__main__":
    write(Path(str(FOLDER)))
