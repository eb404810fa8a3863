"""The report's figures: time against size, and the ratio of every case."""

from collections.abc import Callable
from importlib import import_module
from typing import Any

from unifiedqr_lab.bench.cases import Case, read_case
from unifiedqr_lab.bench.results import QUANTITIES, Benchmark, FrameworkResult
from unifiedqr_lab.compare.page import FONT, html_of

COLOURS = ("#56636f", "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
"""Of the frameworks, in their order: told apart by eyes that see no red or green."""

MARKERS = ("circle", "square", "diamond", "triangle-up", "x", "star", "cross")
GRID = "#e9edf1"
LINE = "#9aa5b1"

COLUMNS = 16
"""Of the matrices whose number of rows grows."""

SERIES: dict[str, Callable[[Case], bool]] = {
    f"m × {COLUMNS}": lambda case: case.n == COLUMNS,
    "n × n": lambda case: case.m == case.n,
}
"""Sequences of sizes in which qr is drawn against size, and what belongs to them."""


def time_figure(benchmark: Benchmark) -> str:
    """Draw the time of qr in float64 against the size, ours and each framework's; "" without two sizes to draw."""
    go: Any = import_module("plotly.graph_objects")
    make_subplots: Any = import_module("plotly.subplots").make_subplots
    cases = [case for case in map(read_case, benchmark.cases) if _is_drawn(case)]
    series = {title: sorted(filter(belongs, cases), key=lambda case: case.m) for title, belongs in SERIES.items()}
    series = {title: found for title, found in series.items() if len(found) > 1}
    if not series:
        return ""
    figure: Any = make_subplots(rows=1, cols=len(series), subplot_titles=list(series), horizontal_spacing=0.07)
    for column, found in enumerate(series.values(), start=1):
        for place, framework in enumerate(benchmark.frameworks):
            times = {result.case: result.quantity(framework.compared).timing for result in framework.results}
            for side, dash in (("ours", "solid"), ("native", "dot")):
                points = [(case, getattr(times.get(case.id), side, None)) for case in found]
                points = [(case, seconds) for case, seconds in points if seconds]
                figure.add_trace(
                    go.Scatter(
                        x=[case.m for case, _ in points],
                        y=[1e3 * seconds for _, seconds in points],
                        name=_label(framework, side),
                        legendgroup=f"{framework.name} {side}",
                        showlegend=column == 1,
                        mode="lines+markers",
                        line={"color": COLOURS[place % len(COLOURS)], "dash": dash, "width": 2},
                        marker={"symbol": MARKERS[place % len(MARKERS)], "size": 7},
                        hovertemplate="%{x}: %{y:.3g} ms<extra>" + _label(framework, side) + "</extra>",
                    ),
                    1,
                    column,
                )
    figure.update_xaxes(type="log", title_text="rows", gridcolor=GRID, dtick=1, exponentformat="power")
    figure.update_yaxes(type="log", gridcolor=GRID, dtick=1, exponentformat="power")
    figure.update_yaxes(title_text="milliseconds", col=1)
    figure.update_layout(**_layout(460), legend={"orientation": "h", "y": -0.2})
    return html_of(figure)


def _is_drawn(case: Case) -> bool:
    return case.name == "qr" and case.dtype == "float64" and case.batch == 1


def _label(framework: FrameworkResult, side: str) -> str:
    what = "" if framework.compared == "both" else ", forward only"
    return f"{framework.name}, {'unifiedqr' if side == 'ours' else 'its own'}{what}"


def ratio_figure(benchmark: Benchmark) -> str:
    """Draw the ratio of every case as a dot with its quartiles, beside a line at 1."""
    go: Any = import_module("plotly.graph_objects")
    make_subplots: Any = import_module("plotly.subplots").make_subplots
    names = ("forward", "both")
    figure: Any = make_subplots(
        rows=1, cols=2, shared_yaxes=True, subplot_titles=[QUANTITIES[name] for name in names], horizontal_spacing=0.03
    )
    for column, name in enumerate(names, start=1):
        for place, framework in enumerate(benchmark.frameworks):
            timings = [(result.case, result.quantity(name).timing) for result in framework.results]
            points = [(case, timing) for case, timing in timings if timing is not None and timing.ratio is not None]
            figure.add_trace(
                go.Scatter(
                    x=[timing.ratio for _, timing in points],
                    y=[case for case, _ in points],
                    error_x={
                        "type": "data",
                        "symmetric": False,
                        "array": [(t.high or 0) - (t.ratio or 0) for _, t in points],
                        "arrayminus": [(t.ratio or 0) - (t.low or 0) for _, t in points],
                        "thickness": 1,
                        "width": 3,
                    },
                    mode="markers",
                    name=framework.name,
                    legendgroup=framework.name,
                    showlegend=column == 1,
                    marker={
                        "color": COLOURS[place % len(COLOURS)],
                        "symbol": MARKERS[place % len(MARKERS)],
                        "size": 9,
                    },
                    hovertemplate="%{y}: %{x:.2f}<extra>" + framework.name + "</extra>",
                ),
                1,
                column,
            )
        figure.add_vline(x=1, line_width=1.5, line_color=LINE, row=1, col=column)  # pyright: ignore[reportArgumentType]
    ticks = [mantissa * 10.0**power for power in range(-3, 4) for mantissa in (1, 2, 5)]
    figure.update_xaxes(
        type="log", gridcolor=GRID, tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks], title_text="native / ours"
    )
    figure.update_yaxes(
        categoryorder="array", categoryarray=list(reversed(benchmark.cases)), gridcolor=GRID, automargin=True
    )
    figure.update_layout(
        **_layout(150 + 24 * len(benchmark.cases), top=64),
        legend={"orientation": "h", "y": 1, "yanchor": "top", "yref": "container", "x": 0},
    )
    return html_of(figure)


def _layout(height: int, top: int = 40) -> dict[str, Any]:
    return {
        "font": FONT,
        "height": height,
        "margin": {"l": 10, "r": 10, "t": top, "b": 10},
        "plot_bgcolor": "white",
        "paper_bgcolor": "white",
    }
