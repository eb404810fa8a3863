"""The HTML report of a comparison: one file, everything inside it, no network."""

import math
from functools import partial
from typing import Any

from unifiedqr_lab.compare.figures import DECADES, SIDES, by_strain, error_lines, gradient_panels
from unifiedqr_lab.compare.job import ComparisonCase
from unifiedqr_lab.compare.table import WORDS, places
from unifiedqr_lab.conformance.sharded_table import HEADINGS, ROWS, table_rows
from unifiedqr_lab.conformance.tolerance import FACTOR, MARGIN, WELL
from unifiedqr_lab.pages.colours import LEVELS
from unifiedqr_lab.pages.page import fits, fitting, page

OBJECTIONS = 20
"""The largest number shown."""


def render(comparison: Any) -> str:
    """Return the report of a comparison as HTML text, small enough to be attached.

    Where not every case fits, those are shown that use most of their tolerance; pictures take what room is left.
    """
    cases, ordered = comparison.job.cases, by_strain(comparison)
    write = partial(_page, comparison, comparison.to_dict())

    def numbers(count: int) -> str:
        kept = {case.id for case in ordered[:count]}
        return write(tuple(case for case in cases if case.id in kept))

    text, shown = fitting(numbers, len(cases))
    if shown < len(cases):
        return text
    for side in SIDES:
        whole = write(cases, _pictures(comparison, cases, side))
        if fits(whole):
            return whole
    fewer = _pictures(comparison, ordered, SIDES[-1])
    return fitting(lambda count: write(cases, fewer[:count]), len(fewer))[0]


def _pictures(comparison: Any, cases: tuple[ComparisonCase, ...], side: int) -> list[tuple[str, Any]]:
    drawn = (gradient_panels(comparison, case, side) for case in cases)
    return [(title, panels) for title, panels in drawn if panels]


def _page(comparison: Any, told: dict[str, Any], cases: tuple[ComparisonCase, ...], pictures: Any = ()) -> str:
    compared = [finding for finding in comparison.findings if finding.status in ("agrees", "disagrees")]
    shown = {case.id for case in cases}
    return page(
        "compare/report.html.j2",
        told,
        name="comparison",
        told=told,
        cases=[case for case in told["cases"] if case["id"] in shown],
        compared=len(compared),
        strain=max((finding.strain for finding in compared), default=math.nan),
        objections=told["objections"][:OBJECTIONS],
        words=WORDS,
        factor=FACTOR,
        margin=MARGIN,
        well=WELL,
        levels=LEVELS,
        decades=DECADES,
        places=places(comparison),
        frameworks=list(comparison.records),
        groups=error_lines(comparison, cases),
        pictures=pictures,
        sharded=table_rows(comparison.sharded),
        sharded_headings=HEADINGS,
        sharded_rows=ROWS,
    )
