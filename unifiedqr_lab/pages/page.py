"""A page of HTML: one file with style, script, pictures and data inside, which needs nothing else.

It stays below `LARGEST` bytes whatever was compared: what does not fit remains in the data, and the page says so. The
data are embedded as compressed JSON.
"""

import base64
import datetime
import gzip
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib import import_module
from importlib.resources import files
from typing import Any

import unifiedqr
from unifiedqr_lab.pages.colours import style_of_levels

LARGEST = 500_000
"""The largest size of a page in bytes."""

EMBEDDED = 250_000
"""The largest number of characters of embedded data."""


LONGEST = 36
"""The longest word that is not broken, in characters: as long as fits a narrow screen."""


def page(template: str, document: dict[str, Any], **told: Any) -> str:
    """Fill in a template that extends ``pages/shell.html.j2``.

    Parameters
    ----------
    template : str
        Its path in ``unifiedqr_lab``.
    document : dict
        The data, ready for JSON.
    **told
        What the template asks for.

    Returns
    -------
    str
    """
    script = _text("pages/page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template(template)
        .render(
            style=_text("pages/page.css") + style_of_levels(),
            script=script,
            script_digest=f"sha256-{digest}",
            data=embedded(document),
            version=unifiedqr.__version__,
            when=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
            **told,
        )
    )


def fragment(
    caption: str,
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    texts: int = 1,
    last_text: bool = True,
    before: Sequence[str] = (),
    after: Sequence[str] = (),
) -> str:
    """Return a table as a part of a page, such as a notebook shows.

    Parameters
    ----------
    caption : str
        What the table is of.
    headings : sequence of str
        Of its columns.
    rows : iterable of sequences of str
        Its cells.
    texts : int
        How many of the first columns are text, aligned left.
    last_text : bool
        Whether the last one is too.
    before, after : sequence of str
        Paragraphs around it.

    Returns
    -------
    str
    """
    return (
        _environment()
        .get_template("pages/notebook.html.j2")
        .render(
            caption=caption,
            headings=headings,
            rows=list(rows),
            texts=texts,
            last_text=last_text,
            before=before,
            after=after,
        )
    )


@cache
def _environment() -> Any:
    jinja2: Any = import_module("jinja2")
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=jinja2.FunctionLoader(_text),
    )
    environment.filters.update(number=number, share=share, unbroken=unbroken)
    return environment


def _text(name: str) -> str:
    return files("unifiedqr_lab").joinpath(name).read_text(encoding="utf-8")


def embedded(document: dict[str, Any]) -> str:
    """Return data as Base64 of compressed JSON; empty if they are too large for a page."""
    compressed = gzip.compress(json.dumps(document, allow_nan=False).encode(), mtime=0)
    text = base64.b64encode(compressed).decode()
    return text if len(text) <= EMBEDDED else ""


def fits(text: str) -> bool:
    """Return whether a page is small enough."""
    return len(text.encode()) <= LARGEST


def fitting(write: Callable[[int], str], count: int) -> tuple[str, int]:
    """Return the page with as many of `count` parts as fit below `LARGEST`, and their number; `write` makes a page."""
    text = write(count)
    if fits(text):
        return text, count
    low, high, best = 0, count, write(0)
    while high - low > 1:
        middle = (low + high) // 2
        text = write(middle)
        if fits(text):
            low, best = middle, text
        else:
            high = middle
    return best, low


def number(x: float | str | None) -> str:
    """Return an error with two digits; a dash where there is none."""
    if x is None or (isinstance(x, float) and math.isnan(x)):
        return "–"
    return f"{float(x):.1e}"


def share(x: float | None) -> str:
    """Return a fraction of the tolerance in percent, or as a multiple where it is far more."""
    if x is None or math.isnan(x):
        return "–"
    if x >= 10:
        return f"{x:.0e} ×"
    if 0 < x < 1e-5:
        return "< 0.001%"
    return f"{x:.1%}" if x >= 0.01 else f"{100 * x:.1g}%"


def unbroken(text: str, *, every: bool = False) -> Any:
    """Return a text as HTML in which no word with a digit in it, or `every` word, is broken across lines."""
    markup: Any = import_module("markupsafe").Markup
    kept = r"\S" if every else r"\d"
    return markup("").join(
        markup('<span class="value">{}</span>').format(word) if re.search(kept, word) and len(word) <= LONGEST else word
        for word in re.split(r"(\s+)", str(text))
    )
