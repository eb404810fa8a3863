"""A comparison in Markdown, for a pull request."""

from typing import Any

import unifiedqr as uqr
from unifiedqr_lab.compare.figures import error_lines
from unifiedqr_lab.compare.table import HEADINGS, TEXTS, places, reference_lines, summary_rows
from unifiedqr_lab.conformance import sharded_table
from unifiedqr_lab.pages.markdown import escaped, folded, table

SHOWN = 20
"""The largest number of objections shown."""


def document(comparison: Any) -> str:
    """Return the verdict, the table by framework, the errors of every case, folded, and the provenance."""
    objections = comparison.objections()
    parts = [
        f"### unifiedqr compare: {comparison.status}\n",
        f"{escaped(comparison.verdict())}\n",
        "".join(f"- {escaped(line)}\n" for line in objections[:SHOWN]),
        f"- and {len(objections) - SHOWN} more\n" if len(objections) > SHOWN else "",
        table(
            [heading.replace("\n", " ") for heading in HEADINGS],
            summary_rows(comparison),
            texts=len(TEXTS),
            last_text=True,
        ),
        folded("Error of every case", _errors(comparison)) if comparison.records else "",
        folded(sharded_table.TITLE, _sharded(comparison)) if comparison.sharded else "",
        "".join(f"- {line}\n" for line in _provenance(comparison)),
    ]
    return "\n".join(filter(None, parts))


def _errors(comparison: Any) -> str:
    groups = error_lines(comparison, comparison.job.cases)
    rows = [
        [line.case, line.derivative, *(cell.text for cell in line.cells), f"{line.tolerance:.1e}"]
        for lines in groups.values()
        for line in lines
    ]
    return table(["case", "derivative", *comparison.records, "allowed"], rows, texts=2)


def _sharded(comparison: Any) -> str:
    rows = sharded_table.table_rows(comparison.sharded)
    return table(sharded_table.HEADINGS, rows, texts=sharded_table.TEXTS, last_text=True)


def _provenance(comparison: Any) -> list[str]:
    return [
        f"unifiedqr {uqr.__version__}" + (f": `{comparison.command}`" if comparison.command else ""),
        *map(escaped, reference_lines(comparison)),
        *(f"{escaped(', '.join(names))}: {escaped(place)}" for place, names in places(comparison).items()),
        f"Seed {comparison.job.seed}; inputs, SHA-256: `{comparison.job.digest()}`",
    ]
