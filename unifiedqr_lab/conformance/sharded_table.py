"""The findings for spread matrices, as tables: verdicts for the document of capabilities, errors elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from unifiedqr_lab.conformance.capability_table import cell, styled
from unifiedqr_lab.conformance.sharded import GATHERED, EngineFinding
from unifiedqr_lab.conformance.spread_problems import ROWS
from unifiedqr_lab.engines import MEMBERS

TITLE = "Spread matrices"

__all__ = ["HEADINGS", "ROWS", "TEXTS", "TITLE", "objections", "rows_of", "section", "table", "table_rows"]

HEADINGS = ("framework", "engine", "derivative", "worst error vs truth", "of its tolerance", "result")
TEXTS = 3
"""How many of the headings are of text; so is the last one."""

INTRODUCTION = f"""## {TITLE}

One matrix of {ROWS} rows (columns, for LQ), no device holding all of them, in complex128. It is a golden matrix
multiplied by one with orthonormal columns, so its factors and derivatives are known to 100 digits. Verdicts as above;
**{GATHERED}** where Q, or a gradient, is not spread like the matrix.
"""

Rows = Sequence[Mapping[str, Any]]


def rows_of(findings: Iterable[EngineFinding]) -> list[dict[str, Any]]:
    """Return one row per engine and transform, ready for JSON: ``engine``, ``transform``, ``kind``, ``verdicts``."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for f in findings:
        key = (f.engine, f.transform, f.kind)
        row = rows.setdefault(key, {"engine": f.engine, "transform": f.transform, "kind": f.kind, "verdicts": {}})
        row["verdicts"][f.member] = f.verdict
    return list(rows.values())


def section(stored: Mapping[str, Rows], versions: Mapping[str, str]) -> str:
    """Return the section of the document of capabilities, in Markdown."""
    lines = [INTRODUCTION, f"| | | {' | '.join(MEMBERS)} |", "|---" * (2 + len(MEMBERS)) + "|"]
    for backend, rows in stored.items():
        for row in rows:
            cells = (styled(row["verdicts"].get(member, "")) for member in MEMBERS)
            told = f"{backend} {versions[backend]}: {row['engine']}"
            lines.append(f"| {told} | {row['transform']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def table_rows(findings: Iterable[EngineFinding]) -> list[tuple[str, ...]]:
    """Return the texts of one row per engine and transform, under `HEADINGS`."""
    groups: dict[tuple[str, str, str], list[EngineFinding]] = {}
    for f in findings:
        groups.setdefault((f.backend, f.engine, f.transform), []).append(f)
    return [
        (*key, *_worst(found), cell({f.member: f.verdict for f in found}, style=str)) for key, found in groups.items()
    ]


def _worst(found: list[EngineFinding]) -> tuple[str, str]:
    pairs = [(f.error / f.bound, f.error) for f in found if f.error is not None and f.bound]
    if not pairs:
        return "-", "-"
    share, error = max(pairs)
    return f"{error:.1e}", f"{share:.1%}" if share < 10 else f"{share:.0e} x"


def table(findings: Sequence[EngineFinding]) -> Table:
    """Return the table for a terminal."""
    shown = Table(title=f"{TITLE}: one, whose rows several devices, processes or blocks have", title_justify="left")
    for number, heading in enumerate(HEADINGS):
        shown.add_column(heading, justify="left" if number < TEXTS or heading == HEADINGS[-1] else "right")
    failed = {(f.backend, f.engine, f.transform) for f in findings if not f.passed}
    for texts in table_rows(findings):
        shown.add_row(*map(escape, texts), style="bold red" if texts[:3] in failed else None)
    return shown


def objections(findings: Iterable[EngineFinding]) -> list[str]:
    """Return a line for everything that is not right, nor refused because the framework lacks it."""
    return [
        ", ".join(filter(None, (f"{f.backend} {f.engine}", f.transform, f.member, f.dtype))) + f": {f.verdict}"
        for f in findings
        if not f.passed
    ]
