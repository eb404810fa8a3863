"""Golden vectors: factors and derivatives to the last bit of double precision, by differences in 100 digits.

``python -m unifiedqr_lab.conformance.golden`` computes them with the mpmath backend, in which no derivative rule takes
part, and writes one ``.npz`` per decomposition beside this module (numbers only, never pickled).
"""

import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from unifiedqr.decomposition import DECOMPOSITIONS, REDUCED, Primitive, shape_name
from unifiedqr.discovery import get_backend
from unifiedqr_lab.conformance.factored import FACTORED
from unifiedqr_lab.conformance.inputs import decomposed, defined, inputs_of, takes_factors, tangents_of
from unifiedqr_lab.conformance.matrices import (
    ADVERSARIAL,
    ADVERSARIAL_SHAPES,
    SHAPES,
    adversarial,
    exact_product,
    random,
    rounded,
)

TRUTH_BACKEND = "mpmath"
"""The backend that gives the truth: 100-digit arithmetic, derivatives by differences.

As a framework it takes part in a comparison only when it is named.
"""

FOLDER = files("unifiedqr_lab.conformance") / "vectors"
PATTERNS = ("both", "left", "right")
"""Which cotangents are given: of both factors, or of the left or the right one alone (the other is None)."""

SECOND_ORDER_SHAPES = ((5, 3), (4, 4), (3, 5), (2, 4, 3))
"""Shapes of the random cases that have the truth of second order: deep, square, wide, batched."""

SECOND_STEP = 2.0**-70
"""Step of the difference of gradients, which carry 60 digits: it leaves 40 of them."""


FEW = ("graded", "laeuchli")
"""The adversarial matrices for what is not `REDUCED`, in addition to random ones of the `SECOND_ORDER_SHAPES`."""

FEW_WITHOUT_TIES = ("graded",)


@dataclass(frozen=True, eq=False)
class Golden:
    """One problem with the truth about one decomposition of it.

    Attributes
    ----------
    name : str
        Such as ``"qr-hilbert-9x6-complex"``.
    decomposition : str
        Name in the table.
    inputs, input_dots : tuple of numpy.ndarray
        What the row takes, the matrix A, shape (..., m, n), first of all in most; and tangents.
    factors, factor_dots, factor_bars : tuple of numpy.ndarray
        The results in the positive gauge, their tangents, and random cotangents of them: None for pivots and ranks.
    input_bars : dict of str to tuple of numpy.ndarray
        Gradients for each of `patterns`.
    input_bar_dots : tuple of numpy.ndarray or None
        Derivatives along the tangents of the gradients for all cotangents; only for the `SECOND_ORDER_SHAPES`.
    weight : numpy.ndarray or None
        For a basis Q that matters through its space alone: the Hermitian M of the loss Re tr(Q^H M Q) / 2, whose
        cotangent is M Q.
    """

    name: str
    decomposition: str
    inputs: tuple[Any, ...]
    input_dots: tuple[Any, ...]
    factors: tuple[Any, ...]
    factor_dots: tuple[Any, ...]
    factor_bars: tuple[Any, ...]
    input_bars: dict[str, tuple[Any, ...]]
    input_bar_dots: tuple[Any, ...] | None
    weight: Any = None

    @property
    def A(self) -> Any:
        """The first input: the matrix, in most rows."""
        return self.inputs[0]

    @property
    def matrix(self) -> Any:
        """The matrix that is decomposed."""
        return decomposed(DECOMPOSITIONS[self.decomposition](), self.inputs)

    @property
    def A_dot(self) -> Any:
        """Its tangent."""
        return self.input_dots[0]

    @property
    def A_bars(self) -> dict[str, Any]:
        """Its gradients."""
        return {pattern: bars[0] for pattern, bars in self.input_bars.items()}

    @property
    def A_bar_dot(self) -> Any:
        """The derivative of its gradient."""
        return None if self.input_bar_dots is None else self.input_bar_dots[0]

    @property
    def patterns(self) -> tuple[str, ...]:
        """The `PATTERNS` with gradients."""
        return tuple(self.input_bars)

    def cotangents(self, pattern: str) -> tuple[Any, ...]:
        """Return the cotangents of a pattern, None for those left out."""
        return selected(self.factor_bars, pattern)


def selected(bars: tuple[Any, ...], pattern: str) -> tuple[Any, ...]:
    """Return the cotangents of a pattern, None for those left out: at most two results have any."""
    if pattern == "both":
        return bars
    kept = [i for i, bar in enumerate(bars) if bar is not None][0 if pattern == "left" else 1]
    return tuple(bar if i == kept else None for i, bar in enumerate(bars))


def patterns_of(row: Primitive) -> tuple[str, ...]:
    """Return the patterns in which cotangents of a row's results can be given."""
    return PATTERNS if row.results - sum(name in row.discrete for name in row.outputs[: row.results]) > 1 else ("both",)


def cases(decomposition: str) -> Iterator[tuple[str, Any]]:
    """Return name and matrix of every golden case of a decomposition."""
    row = DECOMPOSITIONS[decomposition]()
    orientation, everything = row.orientation, decomposition in REDUCED
    # A residual that is truly zero, and the gradient of a range that is everything, are rounding: nothing to compare.
    shapes = ("deep",) if decomposition in ("lstsq-pivoted", "orth") else row.shapes
    few = FEW_WITHOUT_TIES if "P" in row.outputs else FEW
    of_factors = takes_factors(row)
    nothing_more = row.spans or of_factors or decomposition in ("lstsq-pivoted", *FACTORED)
    names = tuple(ADVERSARIAL) if everything else () if nothing_more else few
    for complex_ in (False, True):
        field = "complex" if complex_ else "real"
        for number, shape in enumerate(SHAPES):
            if everything or (shape in SECOND_ORDER_SHAPES and shape_name(*shape[-2:]) in shapes):
                if of_factors and shape[-2] < 4:
                    continue  # there are no factors of few bits
                A = (exact_product if of_factors else random)(shape, complex_=complex_, seed=100 + number)
                yield f"{decomposition}-random-{_by(shape)}-{field}", A
        for name in names:
            for m, n in ADVERSARIAL_SHAPES if everything else ADVERSARIAL_SHAPES[:1]:
                A = adversarial(name, m, n, complex_=complex_)
                A = A[:, ::-1] if orientation.reversed else A  # the columns that QR would read, where they are read
                A = np.ascontiguousarray(A.swapaxes(-1, -2) if orientation.adjoint else A)
                if shape_name(*A.shape[-2:]) in shapes:
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
    row = DECOMPOSITIONS[decomposition]()
    results = row.outputs[: row.results]

    def given(names: tuple[str, ...], ending: str) -> tuple[Any, ...]:
        return tuple(parts.get(f"{X}{ending}") for X in names)

    return Golden(
        name=name,
        decomposition=decomposition,
        inputs=given(row.inputs, ""),
        input_dots=given(row.inputs, "_dot"),
        factors=given(results, ""),
        factor_dots=given(results, "_dot"),
        factor_bars=given(results, "_bar"),
        input_bars={pattern: given(row.inputs, f"_bar_{pattern}") for pattern in patterns_of(row)},
        input_bar_dots=given(row.inputs, "_bar_dot") if f"{row.inputs[0]}_bar_dot" in parts else None,
        weight=parts.get("weight"),
    )


def compute(name: str, decomposition: str, A: Any) -> dict[str, Any]:
    """Compute one case in 100 digits: central differences of the factorization itself."""
    backend, row = get_backend(TRUTH_BACKEND), defined(DECOMPOSITIONS[decomposition]())
    complex_, seed = np.iscomplexobj(A), zlib.crc32(name.encode())

    def results(*inputs: Any) -> tuple[Any, ...]:
        return backend.bind(row)(*inputs)[: row.results]

    def drawn(shape: tuple[int, ...], number: int) -> Any:
        return random(shape, complex_=complex_, seed=seed + number)

    inputs = inputs_of(row, A, drawn)
    dots = tangents_of(row, inputs, drawn)
    exact_inputs, exact_dots = (tuple(map(backend.from_numpy, arrays)) for arrays in (inputs, dots))
    factors, pull = backend.vjp(results, exact_inputs)
    _, factor_dots = backend.jvp(results, exact_inputs, exact_dots)
    parts: dict[str, Any] = dict(zip(row.inputs, inputs, strict=True))
    parts |= {f"{X}_dot": dot for X, dot in zip(row.inputs, dots, strict=True)}
    exact_weight = None
    if row.spans:
        parts["weight"] = rounded(_hermitian(drawn((A.shape[-1 if row.orientation.adjoint else -2],) * 2, 12)))
        exact_weight = backend.from_numpy(parts["weight"])
    bars: list[Any] = []
    for number, (X, factor, dot) in enumerate(zip(row.outputs, factors, factor_dots, strict=False), start=1):
        values = backend.to_numpy(factor)
        bar = None if X in row.discrete else drawn(values.shape, number)
        if exact_weight is not None:
            bar = backend.to_numpy(exact_weight @ factor)  # to the last bit the same on every machine
        parts |= {X: values, f"{X}_dot": backend.to_numpy(dot)} | ({} if bar is None else {f"{X}_bar": bar})
        bars.append(None if bar is None else backend.from_numpy(bar))
    for pattern in patterns_of(row):
        pulled = pull(selected(tuple(bars), pattern))
        parts |= {f"{X}_bar_{pattern}": backend.to_numpy(bar) for X, bar in zip(row.inputs, pulled, strict=True)}
    if A.shape in SECOND_ORDER_SHAPES and "random" in name:
        steps = tuple(dot * SECOND_STEP for dot in exact_dots)

        def gradient(*inputs: Any) -> tuple[Any, ...]:
            found, pull = backend.vjp(results, inputs)
            return pull(tuple(bars) if exact_weight is None else (exact_weight @ found[0],))

        above = gradient(*(X + step for X, step in zip(exact_inputs, steps, strict=True)))
        below = gradient(*(X - step for X, step in zip(exact_inputs, steps, strict=True)))
        for X, high, low in zip(row.inputs, above, below, strict=True):
            parts[f"{X}_bar_dot"] = backend.to_numpy((high - low) / (2 * SECOND_STEP))
    return parts


def _hermitian(X: Any) -> Any:
    return (X + np.conj(X.swapaxes(-1, -2))) / 2


def write(folder: Path, decompositions: Sequence[str] = ()) -> None:
    """Compute and write the golden vectors of some decompositions, of all if none is named."""
    for decomposition in decompositions or DECOMPOSITIONS:
        arrays: dict[str, Any] = {}
        for name, A in cases(decomposition):
            print(name, file=sys.stderr, flush=True)
            arrays |= {f"{name}/{part}": X for part, X in compute(name, decomposition, A).items()}
        unfinished = folder / f".{decomposition}.npz"
        with unfinished.open("wb") as file:
            np.savez_compressed(file, **arrays)
        os.replace(unfinished, folder / f"{decomposition}.npz")


if __name__ == "__main__":
    write(Path(str(FOLDER)), sys.argv[1:])
