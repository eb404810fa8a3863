"""The report's figures: the ratio of every case, and time against size, as marks in percent of a figure's width."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from unifiedqr_lab.bench.cases import BenchmarkCase, read_case
from unifiedqr_lab.bench.results import QUANTITIES, Benchmark, FrameworkResult
from unifiedqr_lab.pages.axis import LogAxis

MARKS = (
    "M5 0A5 5 0 1 1-5 0A5 5 0 1 1 5 0z",
    "M-4.5-4.5h9v9h-9z",
    "M0-6 6 0 0 6-6 0z",
    "M0-6 5.5 4.5h-11z",
    "M-5.5-3l2.5-2.5 3 3 3-3L5.5-3l-3 3 3 3L3 5.5l-3-3-3 3L-5.5 3l3-3z",
    "M-2-5.5h4v3.5h3.5v4H2v3.5h-4V2h-3.5v-4H-2z",
    "M0 6-5.5-4.5h11z",
)
"""Outlines around the origin, in the order of the frameworks: circle, square, diamond, triangle, cross, plus, another
triangle. Outlines and colours remain distinguishable to colour-blind readers."""

STRIP, MIDDLE = 38, 26
"""Pixels of the height of a row of ratios, its case's name included, and where in it the marks are."""

HEIGHT = 300
"""Pixels of a figure of times."""

COLUMNS = 16
"""Of the matrices whose number of rows grows."""

SERIES: dict[str, Callable[[BenchmarkCase], bool]] = {
    f"m × {COLUMNS}": lambda case: case.n == COLUMNS,
    "n × n": lambda case: case.m == case.n,
}
"""Sequences of sizes in which qr is drawn against size, and what belongs to them."""


@dataclass(frozen=True)
class Mark:
    """A value: its position, framework, label, and spread along the row."""

    x: float
    y: float
    framework: int
    told: str
    spread: tuple[float, float] | None = None


@dataclass(frozen=True)
class Tick:
    """A line across a figure and its label."""

    at: float
    text: str


@dataclass(frozen=True)
class Stroke:
    """A line between two points."""

    x1: float
    y1: float
    x2: float
    y2: float
    framework: int
    dotted: bool


@dataclass(frozen=True)
class Strip:
    """The marks of one case in a row."""

    label: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Strips:
    """Rows under a common axis: across in percent, each of a height in pixels."""

    title: str
    description: str
    height: int
    across: tuple[Tick, ...]
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class Chart:
    """Lines and marks: across in percent, down in pixels."""

    title: str
    description: str
    height: int
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    strokes: tuple[Stroke, ...]
    marks: tuple[Mark, ...]


def ratio_figures(benchmark: Benchmark, cases: Sequence[str]) -> list[Strips]:
    """Return a figure of the forward and one of forward + backward: the ratio of every case with its quartiles."""
    return [figure for name in ("forward", "both") if (figure := _ratio_figure(benchmark, cases, name)).strips]


def _ratio_figure(benchmark: Benchmark, cases: Sequence[str], name: str) -> Strips:
    found: dict[str, list[tuple[int, float, float, float, int]]] = {}
    for place, framework in enumerate(benchmark.frameworks):
        for result in framework.results:
            t = result.quantity(name).timing
            if t is not None and t.ratio is not None and result.case in cases:
                entry = (place, t.ratio, t.low or t.ratio, t.high or t.ratio, t.rounds)
                found.setdefault(result.case, []).append(entry)
    axis = LogAxis.around([1.0, *(x for entries in found.values() for entry in entries for x in entry[1:4])])

    def mark(case: str, place: int, ratio: float, low: float, high: float, rounds: int) -> Mark:
        told = (
            f"{benchmark.frameworks[place].name}, {case}\nnative / ours: {ratio:.2f}, quartiles {low:.2f} and "
            f"{high:.2f}, of {rounds} rounds"
        )
        return Mark(axis.percent(ratio), MIDDLE, place, told, (axis.percent(low), axis.percent(high)))

    return Strips(
        QUANTITIES[name],
        f"Ratios native / ours of {len(found)} cases on a logarithmic axis; right of 1 unifiedqr is faster. The tables "
        f"have every number.",
        STRIP,
        tuple(Tick(axis.percent(x), f"{x:g}") for x in axis.ticks()),
        tuple(Strip(case, tuple(mark(case, *entry) for entry in found[case])) for case in cases if case in found),
    )


def time_figures(benchmark: Benchmark) -> list[Chart]:
    """Return figures of the time of qr in float64 against the size; none without two sizes to draw."""
    cases = [case for case in map(read_case, benchmark.cases) if _is_drawn(case)]
    series = {title: sorted(filter(belongs, cases), key=lambda case: case.m) for title, belongs in SERIES.items()}
    return [_time_figure(benchmark, title, found) for title, found in series.items() if len(found) > 1]


def _time_figure(benchmark: Benchmark, title: str, cases: list[BenchmarkCase]) -> Chart:
    times: dict[tuple[int, str], list[tuple[int, float]]] = {}
    for place, framework in enumerate(benchmark.frameworks):
        timings = {result.case: result.quantity(framework.compared).timing for result in framework.results}
        for side in ("ours", "native"):
            found = [(case.m, getattr(timings.get(case.id), side, None)) for case in cases]
            times[place, side] = [(m, 1e3 * seconds) for m, seconds in found if seconds]
    sizes = LogAxis.around(case.m for case in cases)
    axis = LogAxis.around(ms for points in times.values() for _, ms in points)
    marks: list[Mark] = []
    strokes: list[Stroke] = []
    for (place, side), points in times.items():
        framework = benchmark.frameworks[place]
        at = [(sizes.percent(m), round(HEIGHT * (1 - axis.percent(ms) / 100), 1)) for m, ms in points]
        label = _label(framework, side)
        marks += [Mark(*xy, place, f"{label}\n{m} rows: {ms:.3g} ms") for xy, (m, ms) in zip(at, points, strict=True)]
        strokes += [Stroke(*a, *b, place, side == "native") for a, b in pairwise(at)]
    return Chart(
        title,
        f"Time of qr in float64 against {len(cases)} sizes in {len(benchmark.frameworks)} frameworks, both axes "
        f"logarithmic: ours as full lines, the framework's own dotted. The tables have every number.",
        HEIGHT,
        tuple(Tick(sizes.percent(case.m), str(case.m)) for case in cases),
        tuple(
            Tick(HEIGHT * (1 - axis.percent(ms) / 100), f"{ms:g} ms" if ms < 1000 else f"{ms / 1000:g} s")
            for ms in axis.ticks()
        ),
        tuple(strokes),
        tuple(marks),
    )


def _is_drawn(case: BenchmarkCase) -> bool:
    return case.name == "qr" and case.dtype == "float64" and case.batch == 1


def _label(framework: FrameworkResult, side: str) -> str:
    what = "" if framework.compared == "both" else ", forward only"
    return f"{framework.name}, {'unifiedqr' if side == 'ours' else 'its own'}{what}"
