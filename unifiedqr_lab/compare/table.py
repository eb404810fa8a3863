"""The comparison as tables for the terminal."""

from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from unifiedqr_lab.compare.verdict import Finding

WORDS = {
    "exact": "100-digit arithmetic, derivatives by central differences of the function itself",
    "extended": "the rules in long double (100 digits would take too long)",
    "directions": "100-digit derivatives along a few fixed random directions",
    "none": "no reference, frameworks against each other only",
}
"""What each kind of reference is."""


TEXTS = ("framework", "version", "device", "dtype")
HEADINGS = (*TEXTS, "worst error\nvs truth", "of its\ntolerance", "worst\ndisagreement", "result")
"""Of the columns of `summary_rows`."""


def summary_rows(comparison: Any) -> list[tuple[str, ...]]:
    """Return one row per framework and dtype, under `HEADINGS`; what a framework repeats is left empty."""
    rows: list[tuple[str, ...]] = []
    dtypes = {case.id: case.dtype for case in comparison.job.cases}
    for name, record in comparison.records.items():
        environment = record.environment
        told = (name, environment.version, environment.device)
        for dtype in dict.fromkeys(dtypes.values()):
            found = [f for f in comparison.findings if f.framework == name and dtypes[f.case] == dtype]
            if found:
                rows.append((*told, dtype, *_worst(found), _result(found)))
                told = ("", "", "")
    rows += [(failure.backend, *[""] * 6, "did not run") for failure in comparison.failures]
    return rows


def summary(comparison: Any) -> Table:
    """Return one row per framework and dtype: version, device, worst error and worst disagreement."""
    table = Table(title="Values and derivatives by framework", title_justify="left", title_style="bold")
    for heading in HEADINGS:
        table.add_column(heading, justify="right" if "\n" in heading else "left")
    for row in summary_rows(comparison):
        if row[0]:
            table.add_section()
        table.add_row(*map(escape, row[:-1]), Text(row[-1], style=_style(row[-1])))
    return table


def _style(result: str) -> str:
    if "disagrees" in result or "failed" in result:
        return "bold red"
    return "green" if result.startswith("agrees") else "yellow"


def places(comparison: Any) -> dict[str, list[str]]:
    """Return the machines and Pythons, in words, with the frameworks that ran there."""
    found: dict[str, list[str]] = {}
    for name, record in comparison.records.items():
        found.setdefault(record.environment.place, []).append(name)
    return found


def _worst(found: list[Finding]) -> tuple[str, str, str]:
    errors = [f.error for f in found if f.error is not None]
    apart = [f.disagreement for f in found if f.disagreement is not None]
    ratio = max((f.error / f.tolerance for f in found if f.error is not None), default=None)
    return (
        f"{max(errors):.1e}" if errors else "-",
        "-" if ratio is None else f"{ratio:.1%}" if ratio < 10 else f"{ratio:.0e} x",
        f"{max(apart):.1e}" if apart else "-",
    )


def _result(found: list[Finding]) -> str:
    counts = {status: sum(f.status == status for f in found) for status in dict.fromkeys(f.status for f in found)}
    if counts.get("disagrees") or counts.get("failed"):
        return ", ".join(f"{counts[s]} {s}" for s in ("disagrees", "failed") if s in counts)
    cannot = sorted({f.derivative for f in found if f.status == "cannot"})
    told = "agrees" if counts.get("agrees") else "undetermined"
    if counts.get("agrees") and counts.get("undetermined"):
        told += f", {counts['undetermined']} undetermined"
    if cannot:
        told += f" (no {', '.join(cannot)})"
    if any(f.via == "explicit rule" for f in found):
        told += " (explicit rule)"
    return told


def reference_lines(comparison: Any) -> list[str]:
    """Return what the results were measured against, a line a kind of reference."""
    references = comparison.references()
    total = sum(references.values())
    return [f"Reference for {count} of {total} results: {WORDS[kind]}." for kind, count in references.items()]


def notes(comparison: Any) -> Group:
    """Return the notes on the table: references, notes on the input, what could not be done, and every objection."""
    lines: list[Text] = []
    for source in comparison.job.sources:
        shape = " x ".join(map(str, source["shape"]))
        lines.append(
            Text(f"{source['label']} ({shape}): {'; '.join((source['source'], *source['notes']))}.", style="dim")
        )
    lines += [Text(line, style="dim") for line in reference_lines(comparison)]
    cannot = {(f.framework, f.derivative): f.reason for f in comparison.findings if f.status == "cannot"}
    lines += [
        Text(f"{name} gives no {derivative}: {reason}", style="dim") for (name, derivative), reason in cannot.items()
    ]
    lines += [
        Text(f"{f.backend} did not run: {f.reason}", style="yellow") for f in comparison.failures if not f.explicit
    ]
    lines += [Text(line, style="red") for line in comparison.objections()]
    lines.append(Text(comparison.verdict(), style="bold green" if comparison.passed else "bold red"))
    return Group(*lines)
