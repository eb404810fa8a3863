"""A page of HTML: one file with its style and its figures' program inside, which needs no network."""

import datetime
from importlib import import_module
from importlib.resources import files
from typing import Any

FONT = {
    "family": "system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif",
    "size": 13,
    "color": "#1f2933",
}
"""Of figures."""

VIEW = {"displayModeBar": False, "responsive": True}
"""What figures offer their reader."""


def page(package: str, filters: dict[str, Any], **told: Any) -> str:
    """Fill in a package's template ``report.html.j2``.

    Parameters
    ----------
    package : str
        Where the template lies.
    filters : dict of str to callable
        What it writes numbers by.
    **told
        What it asks for, besides ``style``, ``plotly`` and ``when``.

    Returns
    -------
    str
    """
    jinja2: Any = import_module("jinja2")
    get_plotlyjs: Any = import_module("plotly.offline").get_plotlyjs
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(filters)
    template = environment.from_string(files(package).joinpath("report.html.j2").read_text(encoding="utf-8"))
    return template.render(
        style=files("unifiedqr_lab.compare").joinpath("page.css").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
        when=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        **told,
    )


def html_of(figure: Any) -> str:
    """Return a figure as a part of a page."""
    return figure.to_html(full_html=False, include_plotlyjs=False, config=VIEW)
