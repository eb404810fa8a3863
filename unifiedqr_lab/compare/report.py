"""The HTML report: one file, everything inside it, no network."""

import math
from typing import Any

from unifiedqr_lab.compare.figures import error_map, gradient_pictures
from unifiedqr_lab.compare.page import page
from unifiedqr_lab.compare.table import WORDS
from unifiedqr_lab.conformance.tolerance import FACTOR, MARGIN, WELL


def render(comparison: Any) -> str:
    """Return the report of a comparison as HTML text."""
    told = comparison.to_dict()
    compared = [finding for finding in comparison.findings if finding.status in ("agrees", "disagrees")]
    return page(
        "unifiedqr_lab.compare",
        {"number": _number, "percent": _percent},
        told=told,
        findings=comparison.findings,
        compared=len(compared),
        strain=max((finding.strain for finding in compared), default=math.nan),
        words=WORDS,
        factor=FACTOR,
        margin=MARGIN,
        well=WELL,
        error_map=error_map(comparison) if comparison.records else "",
        pictures=gradient_pictures(comparison),
    )


def _number(x: float | str | None) -> str:
    if x is None or (isinstance(x, float) and math.isnan(x)):
        return "–"
    return f"{float(x):.1e}"


def _percent(x: float) -> str:
    if math.isnan(x):
        return "–"
    return f"{x:.1%}" if x < 10 else f"{x:.0e} ×"
