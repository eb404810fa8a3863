"""The report's figures: errors as a heat map, and gradients as pictures beside their difference to the truth."""

import math
from importlib import import_module
from typing import Any

import numpy as np

from unifiedqr._typing import Array
from unifiedqr_lab.compare.directions import by_rows
from unifiedqr_lab.compare.evaluate import Outcome
from unifiedqr_lab.compare.job import Case
from unifiedqr_lab.compare.page import FONT, html_of

FLOOR = -17.0
"""log10 of the smallest error that is told apart; zero is drawn there."""

LARGEST = 96
"""Rows and columns of a picture at most: more would not be seen."""

SEQUENTIAL = "Viridis"
DIVERGING = "RdBu_r"
MISSING = "#e9edf1"


def error_map(comparison: Any) -> str:
    """Draw log10 of the error of every framework and case; where there is no reference, of the worst disagreement."""
    go: Any = import_module("plotly.graph_objects")

    frameworks = list(comparison.records)
    rows = [(case, derivative) for case in comparison.job.cases for derivative in comparison.job.derivatives]
    found = {(f.framework, f.case, f.derivative): f for f in comparison.findings}
    z: list[list[float | None]] = []
    text: list[list[str]] = []
    hover: list[list[str]] = []
    for case, derivative in rows:
        findings = [found[name, case.id, derivative] for name in frameworks]
        shown = [f.error if f.error is not None else f.disagreement for f in findings]
        limit = findings[0].tolerance if findings else math.nan
        z.append([*(None if e is None else _log(e) for e in shown), _log(limit)])
        words = [
            f.status if e is None else f"{e:.1e}{' ✕' if f.status == 'disagrees' else ''}"
            for f, e in zip(findings, shown, strict=True)
        ]
        text.append([*words, f"{limit:.1e}"])
        hover.append(
            [
                *(
                    f"{f.framework}: {f.status}<br>reference: {f.reference}<br>via {f.via}"
                    f"<br>disagreement {_told(f.disagreement)} ({f.opponent})"
                    for f in findings
                ),
                "the largest error allowed",
            ]
        )
    figure = go.Figure(
        go.Heatmap(
            z=z,
            x=[*frameworks, "<b>allowed</b>"],
            y=[f"{case.id} · {derivative}" for case, derivative in rows],
            text=text,
            customdata=hover,
            texttemplate="%{text}",
            hovertemplate="%{y}<br>%{customdata}<extra></extra>",
            colorscale=SEQUENTIAL,
            zmin=FLOOR,
            zmax=0,
            xgap=3,
            ygap=3,
            colorbar={
                "title": {"text": "relative error", "side": "right"},
                "tickvals": list(range(-16, 1, 4)),
                "ticktext": [f"1e{power}" for power in range(-16, 0, 4)] + ["1"],
                "thickness": 12,
                "outlinewidth": 0,
            },
        )
    )
    figure.update_layout(
        font=FONT,
        height=120 + 34 * len(rows),
        margin={"l": 10, "r": 10, "t": 40, "b": 10},
        plot_bgcolor=MISSING,
        paper_bgcolor="white",
        xaxis={"side": "top", "showgrid": False, "fixedrange": True},
        yaxis={"autorange": "reversed", "showgrid": False, "automargin": True, "fixedrange": True},
    )
    figure.add_vline(x=len(frameworks) - 0.5, line_width=3, line_color="white")
    return html_of(figure)


def gradient_pictures(comparison: Any) -> list[tuple[str, str]]:
    """Draw for every case each framework's gradient, below it the difference to the truth; give (title, HTML)."""
    derivative = next((d for d in ("vjp", "value") if d in comparison.job.derivatives), comparison.job.derivatives[0])
    drawn: list[tuple[str, str]] = []
    for case in comparison.job.cases:
        outcomes = {name: record.outcomes.get((case.id, derivative)) for name, record in comparison.records.items()}
        present = {name: o for name, o in outcomes.items() if o is not None and o.status == "ok" and o.arrays}
        if present:
            drawn.append((_title(case, derivative), _pictures(comparison, case, derivative, present)))
    return drawn


def _title(case: Case, derivative: str) -> str:
    what = {"vjp": "Gradient of", "value": "Value of", "jvp": "Tangent of", "hvp": "Hessian-vector product of"}[
        derivative
    ]
    return f"{what} {case.id}"


def _pictures(comparison: Any, case: Case, derivative: str, present: dict[str, Outcome]) -> str:
    go: Any = import_module("plotly.graph_objects")
    make_subplots: Any = import_module("plotly.subplots").make_subplots

    reference = None if comparison.truth is None else comparison.truth.outcomes.get((case.id, derivative))
    panels = {name: _matrix(next(iter(outcome.arrays.values()))) for name, outcome in present.items()}
    if reference is not None and reference.status == "ok" and reference.via in ("exact", "extended"):
        panels = {"truth": _matrix(next(iter(reference.arrays.values()))), **panels}
    base = next(iter(panels))
    size = np.max(np.abs(panels[base]), axis=1 if by_rows(case.target) else 0, keepdims=True)
    size = np.where(np.isfinite(size) & (size > 0), size, 1.0)
    limit = next(f.tolerance for f in comparison.findings if (f.case, f.derivative) == (case.id, derivative))
    top = max(FLOOR + 2.0, math.ceil(_log(limit)))
    figure: Any = make_subplots(
        rows=2,
        cols=len(panels),
        column_titles=list(panels),
        horizontal_spacing=0.02,
        vertical_spacing=0.06,
    )
    for column, (name, X) in enumerate(panels.items(), start=1):
        figure.add_trace(go.Heatmap(z=_plane(X / size), coloraxis="coloraxis", hovertemplate=_hover(name)), 1, column)
        if name != base:
            apart = _plane((X - panels[base]) / size, logarithm=True) if X.shape == panels[base].shape else None
            figure.add_trace(
                go.Heatmap(z=apart, coloraxis="coloraxis2", hovertemplate=_hover(f"{name}, log10")), 2, column
            )
    ticks = [power for power in range(int(FLOOR) + 1, int(top) + 1) if (power - int(top)) % 3 == 0]
    figure.update_layout(
        font=FONT,
        height=430,
        margin={"l": 10, "r": 10, "t": 34, "b": 10},
        plot_bgcolor="white",
        paper_bgcolor="white",
        coloraxis={
            "colorscale": DIVERGING,
            "cmin": -1,
            "cmax": 1,
            "colorbar": {"len": 0.47, "y": 0.77, "thickness": 12, "outlinewidth": 0, "tickvals": [-1, 0, 1]},
        },
        coloraxis2={
            "colorscale": SEQUENTIAL,
            "cmin": FLOOR,
            "cmax": top,
            "colorbar": {
                "len": 0.47,
                "y": 0.23,
                "thickness": 12,
                "outlinewidth": 0,
                "tickvals": ticks,
                "ticktext": [f"1e{power}" for power in ticks],
            },
        },
    )
    figure.update_xaxes(visible=False, fixedrange=True)
    figure.update_yaxes(visible=False, fixedrange=True, autorange="reversed")
    figure.add_annotation(
        text=f"difference to<br>{base}, log scale →",
        xref="x domain",
        yref="y domain",
        x=0.5,
        y=-0.62,
        showarrow=False,
        font={"size": 12, "color": "#5b6775"},
    )
    return html_of(figure)


def _matrix(X: Array) -> Array:
    """Return the first matrix of a stack, its leading part if it is large, a vector as one row."""
    first = X.reshape((-1, *X.shape[-2:]))[0] if X.ndim >= 2 else X.reshape(1, -1)
    return first[:LARGEST, :LARGEST]


def _plane(X: Array, *, logarithm: bool = False) -> list[list[float | None]]:
    """Return numbers to draw: a complex matrix as its real part, a gap and its imaginary part."""
    parts = [X.real, X.imag] if np.iscomplexobj(X) else [X]
    planes: list[Array] = []
    for part in parts:
        part = np.asarray(part, dtype=np.float64)
        if logarithm:
            part = np.log10(np.maximum(np.abs(part), 10.0**FLOOR))
        planes += [part, np.full((part.shape[0], 1), np.nan)]
    joined = np.concatenate(planes[:-1], axis=1)
    return [[float(x) if math.isfinite(x) else None for x in row] for row in joined]


def _hover(name: str) -> str:
    return f"{name}<br>row %{{y}}, column %{{x}}: %{{z:.3g}}<extra></extra>"


def _log(x: float) -> float:
    return math.log10(min(max(x, 10.0**FLOOR), 1e3)) if not math.isnan(x) else 0.0


def _told(x: float | None) -> str:
    return "-" if x is None else f"{x:.1e}"
