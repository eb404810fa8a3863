"""The benchmark as text: the rows that terminal and report share, and the terminal's tables."""

from collections.abc import Sequence

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from unifiedqr_lab.bench import sharded
from unifiedqr_lab.bench.limits import limits_told
from unifiedqr_lab.bench.machine import Machine
from unifiedqr_lab.bench.results import QUANTITIES, Benchmark, CaseResult, FrameworkResult, Quantity

HEADINGS = (
    "case",
    "forward\nnative ms",
    "\nours ms",
    "\nratio",
    "both\nnative ms",
    "\nours ms",
    "\nratio",
    "backward\nof GEMM",
    "peak MiB\nnative",
    "\nours",
)
"""Of the columns of `row`; "both" is forward + backward."""

RATIO = "A ratio is native / ours, the median over rounds that time both: above 1 ours is faster."


def row(framework: FrameworkResult, result: CaseResult) -> tuple[str, ...]:
    """Return the texts of one case, under `HEADINGS`."""
    fraction, memory = framework.fractions(result)["backward"], result.memory
    return (
        result.case,
        *_times(result.forward),
        *_times(result.both),
        "-" if fraction is None else f"{fraction:.1%}",
        *(("-", "-") if memory is None else (_mebibytes(memory.native), _mebibytes(memory.ours))),
    )


def _times(quantity: Quantity) -> tuple[str, str, str]:
    timing = quantity.timing
    if timing is None:
        return "-", "-", "-"
    return milliseconds(timing.native), milliseconds(timing.ours), ratio(timing.ratio)


AGAINST_HEADINGS = (
    "case",
    "forward\nprevious ms",
    "\nours ms",
    "\nprevious / ours",
    "both\nprevious ms",
    "\nours ms",
    "\nprevious / ours",
)
"""Of the columns of `against_rows`; a ratio below 1 is a loss."""


def against_rows(framework: FrameworkResult) -> list[tuple[str, ...]]:
    """Return the texts of the cases in which an earlier release was timed, under `AGAINST_HEADINGS`."""
    found = [result for result in framework.results if result.forward.gain or result.both.gain]
    return [(result.case, *_gain(result.forward), *_gain(result.both)) for result in found]


def _gain(quantity: Quantity) -> tuple[str, str, str]:
    timing = quantity.timing
    if timing is None or timing.previous is None:
        return "-", "-", "-"
    return milliseconds(timing.previous), milliseconds(timing.ours), ratio(timing.gain)


def against_notes(framework: FrameworkResult) -> tuple[str, ...]:
    """Tell the gains of each group, and why an earlier release was not timed."""
    means = (
        f"{found.group}: geometric mean {ratio(found.mean)} of {found.count}, worst {ratio(found.worst)} ({found.case})"
        for found in framework.summary(gains=True)
    )
    lacking = (f"{result.case}: not timed, {result.lacking}" for result in framework.results if result.lacking)
    return *means, *lacking


def milliseconds(seconds: float | None) -> str:
    """Return a time in milliseconds, to three digits."""
    if seconds is None:
        return "-"
    value = 1e3 * seconds
    return f"{value:.0f}" if value >= 100 else f"{value:#.3g}"


def ratio(x: float | None) -> str:
    """Return a ratio."""
    return "-" if x is None else f"{x:.2f}"


def _mebibytes(x: float | None) -> str:
    return "-" if x is None else f"{x:.0f}"


def notes(framework: FrameworkResult) -> tuple[str, ...]:
    """Tell how the framework's users do what it has no function for, and why something was not timed; and where."""
    told: dict[str, list[str]] = {}
    for result in framework.results:
        for note in _notes(result):
            told.setdefault(note, []).append(result.case)
    everywhere = len(framework.results)
    return tuple(
        f"{note} ({'every case' if len(cases) == everywhere else ', '.join(cases)})" for note, cases in told.items()
    )


def _notes(result: CaseResult) -> tuple[str, ...]:
    told: dict[str, list[str]] = {}
    for name in ("forward", "both"):
        for text in (result.quantity(name).via, result.quantity(name).reason):
            if text:
                told.setdefault(text, []).append(QUANTITIES[name])
    return tuple(text if len(names) > 1 else f"{names[0]}: {text}" for text, names in told.items())


def summary(framework: FrameworkResult) -> tuple[str, ...]:
    """Return one line per group: geometric mean of the ratios, and the worst."""
    return tuple(
        f"{found.group}: geometric mean {ratio(found.mean)} of {found.count} {QUANTITIES[found.quantity]} ratios, "
        f"worst {ratio(found.worst)} ({found.case})"
        for found in framework.summary()
    )


def head(framework: FrameworkResult) -> str:
    """Return a framework's versions and the rate of its matrix products in a line."""
    versions = ", ".join(f"{name} {version}" for name, version in framework.versions.items())
    rates = ", ".join(f"{dtype} {rate / 1e9:.0f}" for dtype, rate in framework.gemm.items())
    return f"{versions or framework.name}{f'; GEMM, Gflop/s: {rates}' if rates else ''}"


def place(machine: Machine) -> str:
    """Tell where a benchmark ran."""
    return f"{machine.processor}, {machine.threads} threads; {machine.system}; Python {machine.python}"


def tables(benchmark: Benchmark) -> Group:
    """Return a table per framework, with its notes and means."""
    shown: list[Table | Text] = []
    for framework in benchmark.frameworks:
        if framework.results:
            rows = [row(framework, result) for result in framework.results]
            shown.append(_table(head(framework), HEADINGS, rows))
            shown += [Text(line, style="dim") for line in notes(framework)]
            shown += [Text(line, style="bold") for line in summary(framework)]
        if line := limits_told(benchmark, framework):
            shown.append(Text(line, style="bold"))
        if benchmark.against and framework.results:
            shown.append(
                _table(
                    f"{framework.name} against unifiedqr {benchmark.against}", AGAINST_HEADINGS, against_rows(framework)
                )
            )
            shown += [Text(line, style="bold") for line in against_notes(framework)]
        if framework.failure:
            shown.append(Text(f"{framework.name}: {framework.failure}", style="yellow"))
        shown.append(Text(""))
    if benchmark.sharded is not None:
        shown.append(sharded.table(benchmark.sharded))
        shown += [Text(line, style="yellow") for line in benchmark.sharded.failures]
        shown.append(Text(sharded.EXPLANATION, style="dim"))
    shown.append(Text(f"{place(benchmark.machine)}."))
    if benchmark.cases:
        shown.append(Text(RATIO, style="dim"))
    if benchmark.memory and benchmark.cases:
        shown.append(Text(f"No peaks of memory: {benchmark.memory}.", style="dim"))
    return Group(*shown)


def _table(title: str, headings: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(title=escape(title), title_justify="left", title_style="bold")
    for heading in headings:
        table.add_column(heading, justify="left" if heading == "case" else "right", no_wrap=True)
    for texts in rows:
        table.add_row(*map(escape, texts))
    return table
