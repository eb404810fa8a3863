"""The report's figures: errors as a map, and gradients as pictures beside their difference to the truth."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from unifiedqr._typing import Array
from unifiedqr_lab.compare.directions import by_rows
from unifiedqr_lab.compare.job import ComparisonCase
from unifiedqr_lab.compare.verdict import Finding
from unifiedqr_lab.pages.colours import DIVERGING, LEVELS, VIRIDIS, level, scale
from unifiedqr_lab.pages.picture import data_url

SIDES = (96, 64, 48, 32, 24, 16)
"""Rows and columns of a picture at most: as many as the size of the page allows, and no more than can be seen."""

SHADES = 21
"""Of entries between -1 and 1."""

DECADES = 10
"""Below the tolerance, of the differences that are told apart."""

WHAT = {"vjp": "Gradient", "value": "Value", "jvp": "Tangent", "hvp": "Hessian-vector product"}


@dataclass(frozen=True)
class Cell:
    """One framework's number in the map of errors: its level, text, status and the row of all numbers it is from."""

    level: int | None
    text: str
    status: str
    row: int

    @classmethod
    def of(cls, finding: Finding, row: int) -> Self:
        """Show the error of a finding; where there is no reference, its disagreement."""
        shown = finding.disagreement if finding.error is None else finding.error
        if shown is None:
            return cls(None, finding.status, finding.status, row)
        mark = " ✕" if finding.status == "disagrees" else ""
        return cls(None if math.isnan(shown) else level(shown), f"{shown:.1e}{mark}", finding.status, row)


@dataclass(frozen=True)
class Line:
    """One case and derivative: what every framework found, and what is allowed."""

    case: str
    derivative: str
    tolerance: float
    reference: str
    findings: tuple[Finding, ...]
    cells: tuple[Cell, ...]


def error_lines(comparison: Any, cases: tuple[ComparisonCase, ...]) -> dict[str, list[Line]]:
    """Return the lines of the map of errors, and of all numbers, by case."""
    rows: dict[tuple[str, str], list[tuple[int, Finding]]] = {}
    for row, finding in enumerate(comparison.findings):
        rows.setdefault((finding.case, finding.derivative), []).append((row, finding))
    groups: dict[str, list[Line]] = {}
    for case in cases:
        for derivative in comparison.job.derivatives:
            if found := rows.get((case.id, derivative)):
                findings, first = tuple(f for _, f in found), found[0][1]
                cells = tuple(Cell.of(finding, row) for row, finding in found)
                line = Line(case.id, derivative, first.tolerance, first.reference, findings, cells)
                groups.setdefault(case.id, []).append(line)
    return groups


def by_strain(comparison: Any) -> tuple[ComparisonCase, ...]:
    """Return the cases, those first that disagree, failed or use most of their tolerance."""
    worst: dict[str, tuple[bool, float]] = {}
    for finding in comparison.findings:
        strain = math.inf if math.isnan(finding.strain) else finding.strain
        worst[finding.case] = max(worst.get(finding.case, (False, 0.0)), (finding.status in _BAD, strain))
    return tuple(sorted(comparison.job.cases, key=lambda case: worst.get(case.id, (False, 0.0)), reverse=True))


_BAD = ("disagrees", "failed")


@dataclass(frozen=True)
class Panel:
    """One framework's result as a picture, and its difference to the first panel's as another."""

    name: str
    alternative: str
    picture: str
    difference: str = ""
    told: str = ""
    finding: Finding | None = None


def gradient_panels(comparison: Any, case: ComparisonCase, side: int) -> tuple[str, list[Panel]]:
    """Return a title and, by framework, the gradient of a case (its value where no gradient was asked for)."""
    derivative = drawn_derivative(comparison)
    title = f"{WHAT[derivative]} of {case.id}"
    results: dict[str, Array] = {}
    reference = None if comparison.truth is None else comparison.truth.outcomes.get((case.id, derivative))
    if reference is not None and reference.status == "ok" and reference.via in ("exact", "extended"):
        results["truth"] = _matrix(next(iter(reference.arrays.values())), side)
    for name, record in comparison.records.items():
        outcome = record.outcomes.get((case.id, derivative))
        if outcome is not None and outcome.status == "ok" and outcome.arrays:
            results[name] = _matrix(next(iter(outcome.arrays.values())), side)
    found = {f.framework: f for f in comparison.findings if (f.case, f.derivative) == (case.id, derivative)}
    if not found or not results.keys() - {"truth"}:
        return title, []
    base, first = next(iter(results.items()))
    size = np.max(np.abs(first), axis=1 if by_rows(case.target) else 0, keepdims=True)
    size = np.where(np.isfinite(size) & (size > 0), size, 1.0)
    limit = next(iter(found.values())).tolerance
    return title, [
        Panel(
            name,
            f"{title} in {name}, {' × '.join(map(str, X.shape))} entries",
            _entries(X / size) if X.shape == first.shape else _entries(X),
            *_difference(X, first, base, size, limit, alone=name == base),
            finding=found.get(name),
        )
        for name, X in results.items()
    ]


def drawn_derivative(comparison: Any) -> str:
    """Return which derivative is drawn."""
    return next((d for d in ("vjp", "value") if d in comparison.job.derivatives), comparison.job.derivatives[0])


def _difference(X: Array, first: Array, base: str, size: Array, limit: float, *, alone: bool) -> tuple[str, str]:
    """Return the picture of a difference and where it is largest, in units of each column (for LQ each row)."""
    if alone:
        return "", ""
    if X.shape != first.shape:
        return "", f"has another shape than {base}"
    apart = np.abs((X - first) / size)
    if not np.all(np.isfinite(apart)):
        row, column = np.argwhere(~np.isfinite(apart))[0]
        told = f"not finite at row {row}, column {column}"
    else:
        row, column = np.unravel_index(np.argmax(apart), apart.shape) if apart.size else (0, 0)
        told = f"largest difference to {base}: {np.max(apart, initial=0.0):.1e}, at row {row}, column {column}"
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.log10(_parts((X - first) / size, absolute=True) / limit) / DECADES + 1
    return _url(logs, VIRIDIS, LEVELS), told


def _entries(X: Array) -> str:
    return _url((_parts(X) + 1) / 2, DIVERGING, SHADES)


def _url(x: Array, anchors: Sequence[str], count: int) -> str:
    """Draw numbers between 0 and 1; NaN is the grey after the colours, a gap (inf) is transparent."""
    palette = np.concatenate([scale(anchors, count), np.full((1, 3), 128, dtype=np.uint8)])
    levels = np.clip(np.floor(np.where(np.isfinite(x), x, 0) * count), 0, count - 1)
    levels = np.where(np.isnan(x), count, np.where(x == np.inf, count + 1, levels))
    return data_url(levels.astype(np.uint8), palette)


def _parts(X: Array, *, absolute: bool = False) -> Array:
    """Return real numbers to draw: a complex matrix as its real part, a gap (inf) and its imaginary part."""
    parts = [np.asarray(part, dtype=np.float64) for part in ((X.real, X.imag) if np.iscomplexobj(X) else (X,))]
    parts = [np.where(np.isfinite(part), np.abs(part) if absolute else part, np.nan) for part in parts]
    return parts[0] if len(parts) == 1 else np.concatenate([parts[0], np.full((len(X), 1), np.inf), parts[1]], axis=1)


def _matrix(X: Array, side: int) -> Array:
    """Return the first matrix of a stack, its leading part if it is large, a vector as one row."""
    first = X.reshape((-1, *X.shape[-2:]))[0] if X.ndim >= 2 else X.reshape(1, -1)
    return first[:side, :side]
