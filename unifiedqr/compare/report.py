"""The HTML report: one file, everything inside it, no network."""

import datetime
import math
from importlib import import_module
from importlib.resources import files
from typing import Any

from unifiedqr.compare.figures import error_map, gradient_pictures
from unifiedqr.compare.table import WORDS
from unifiedqr.conformance.tolerance import FACTOR


def render(comparison: Any) -> str:
    """Give the report of a comparison as HTML text."""
    jinja2: Any = import_module("jinja2")
    get_plotlyjs: Any = import_module("plotly.offline").get_plotlyjs

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["number"] = _number
    environment.filters["percent"] = _percent
    template = environment.from_string(
        files("unifiedqr.compare").joinpath("report.html.j2").read_text(encoding="utf-8")
    )
    told = comparison.to_dict()
    compared = [finding for finding in comparison.findings if finding.status in ("agrees", "disagrees")]
    return template.render(
        told=told,
        findings=comparison.findings,
        compared=len(compared),
        strain=max((finding.strain for finding in compared), default=math.nan),
        words=WORDS,
        factor=FACTOR,
        when=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        error_map=error_map(comparison) if comparison.records else "",
        pictures=gradient_pictures(comparison),
        plotly=get_plotlyjs(),
    )


def _number(x: float | str | None) -> str:
    if x is None or (isinstance(x, float) and math.isnan(x)):
        return "–"
    return f"{float(x):.1e}"


def _percent(x: float) -> str:
    if math.isnan(x):
        return "–"
    return f"{x:.1%}" if x < 10 else f"{x:.0e} ×"
