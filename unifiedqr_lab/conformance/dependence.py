"""What every backend must pass where columns are dependent: the derivatives that exist are right, all else is NaN."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from unifiedqr.backend import Backend
from unifiedqr.checks import checks
from unifiedqr.decomposition import DECOMPOSITIONS, Primitive
from unifiedqr.discovery import get_backend
from unifiedqr_lab.conformance.case_checks import Outcome, bound_of, exactly, routes
from unifiedqr_lab.conformance.golden import Golden
from unifiedqr_lab.conformance.inputs import DECOMPOSED, with_matrix
from unifiedqr_lab.conformance.tolerance import relative_error

SPOIL: dict[str, tuple[Callable[[Any], Any], int]] = {
    "a repeated column": (lambda X: X.__setitem__((..., 1), X[..., 0]), 1),
    "a combined column": (lambda X: X.__setitem__((..., 2), 2 * X[..., 0] - 3 * X[..., 1]), 2),
    "a zero column": (lambda X: X.__setitem__((..., 1), 0), 1),
    "zeros": (lambda X: X.__setitem__(..., 0), 0),
    "a NaN": (lambda X: X.__setitem__((..., 0, 0), np.nan), 0),
}
"""Ways to make columns (rows) dependent, and how many leading ones remain sound."""


def spoiled(case: Golden) -> dict[str, tuple[Any, int]]:
    """Return the matrix of a case spoiled in several ways, each with the number of leading columns that are sound."""
    orientation = DECOMPOSITIONS[case.decomposition]().orientation
    square_or_wide = np.isrealobj(case.A) and case.A.shape[-1 if orientation.adjoint else -2] == 3
    matrices: dict[str, Any] = {}
    for name, (change, sound) in SPOIL.items():
        if name == "a combined column" and square_or_wide:
            continue  # the last pivot of a real square or wide matrix is exempt
        X = case.A.copy()
        lines = X.swapaxes(-1, -2) if orientation.adjoint else X
        change(lines[..., ::-1] if orientation.reversed else lines)
        matrices[name] = X, sound
    return matrices


def before(row: Primitive, output: str, shape: tuple[int, ...], sound: int) -> Any:
    """Return which entries of an output have a derivative if only this many leading columns (rows) are independent."""
    exists = np.zeros(shape, dtype=bool)
    if output not in ("Q", "R", "L", "C"):
        return exists
    lines = exists.swapaxes(-1, -2) if row.orientation.adjoint else exists
    if row.orientation.reversed:
        lines = lines[..., ::-1] if output == "Q" else lines[..., ::-1, ::-1]
    lines[(..., slice(sound)) if output == "Q" else (..., slice(sound), slice(None))] = True  # a view of what exists
    return exists


def check_dependent(backend: Backend, case: Golden, dtype: str) -> Iterator[Outcome]:
    """Batch a matrix with others that have dependent columns: what has a derivative is right, all else is NaN."""
    row = DECOMPOSITIONS[case.decomposition]()
    if row.name in DECOMPOSED:
        return  # columns of A may be dependent where those of the decomposed matrix are not
    if "A" not in row.inputs or row.pivots or ("b" in row.inputs and case.A.shape[-2] < case.A.shape[-1]):
        return
    matrices = {"": (case.A, -1), **spoiled(case)}
    derivatives, bound = routes(backend, row), bound_of(case, dtype)
    numpy_xp = get_backend("numpy").xp

    def stack(arrays: Iterable[Any]) -> Any:
        return backend.from_numpy(np.stack(list(arrays)).astype(dtype))

    def repeated(X: Any, factor: float = 1) -> Any:
        return None if X is None else stack([X, *[factor * X] * (len(matrices) - 1)])

    inputs = tuple(map(stack, zip(*(with_matrix(row, X, case.inputs) for X, _ in matrices.values()), strict=True)))
    readable = tuple(
        None
        if bar is None
        else stack(np.where(before(row, name, bar.shape, r), bar, 0) if r >= 0 else bar for _, r in matrices.values())
        for name, bar in zip(row.outputs, case.factor_bars, strict=False)
    )
    with checks("off"):
        _, (A_bar, *_) = derivatives.vjp(inputs, tuple(map(repeated, case.factor_bars)))
        _, zero = derivatives.vjp(inputs, tuple(None if bar is None else repeated(bar, 0) for bar in case.factor_bars))
        _, (A_bar_before, *_) = derivatives.vjp(inputs, readable)
        _, dots = derivatives.jvp(inputs, tuple(map(repeated, case.input_dots))) if derivatives.jvp else ((), ())
    sound, *nowhere = backend.to_numpy(A_bar)
    yield Outcome("vjp beside dependent ones", relative_error(sound, case.A_bars["both"]), bound)
    finite = {name: X for name, X in list(matrices.items())[1:] if name != "a NaN"}
    for name, gradient in zip(list(matrices)[1:], nowhere, strict=True):
        yield exactly(f"vjp of {name} is NaN", bool(np.all(np.isnan(gradient))))
    for X_bar in map(backend.to_numpy, zero):
        for name, gradient in zip(finite, X_bar[1:], strict=False):
            yield exactly(f"vjp of {name} for a zero cotangent is zero", not np.any(gradient))
    for i, (name, (X, _)) in enumerate(finite.items(), start=1):
        given = tuple(Y.astype(dtype) for Y in with_matrix(row, X, case.inputs))
        kept = row.kept(given, row.forward(numpy_xp, *given))
        bars = [None if bar is None else backend.to_numpy(bar)[i] for bar in readable]
        with checks("off"):
            (expected, *_) = row.vjp(numpy_xp, kept, (*bars, *[None] * (len(row.outputs) - len(bars))))
        yield Outcome(
            f"vjp of what comes before {name}", relative_error(backend.to_numpy(A_bar_before)[i], expected), bound
        )
    for output, X_dot, truth in zip(row.outputs, map(backend.to_numpy, dots), case.factor_dots, strict=False):
        if not row.spans:
            yield Outcome("jvp beside dependent ones", relative_error(X_dot[0], truth), bound)
        for (name, (_, r)), tangent in zip(list(matrices.items())[1:], X_dot[1:], strict=True):
            exists = before(row, output, truth.shape, r)
            varies = truth != 0 if output not in row.discrete else np.zeros(truth.shape, dtype=bool)
            yield exactly(f"jvp of {name} is NaN beyond", bool(np.all(np.isnan(tangent[varies & ~exists]))))
            if name in finite:
                yield exactly(f"jvp of {name} exists before", bool(np.all(np.isfinite(tangent[exists]))))
