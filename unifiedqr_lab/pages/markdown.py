"""Tables in Markdown, as code hosts show them."""

import re
from collections.abc import Iterable, Sequence

SYNTAX = re.compile(r"[\\`*\[<|~$&]|_(?![^\W_])|^(?:>|(?:[+-]|#+)(?= ))")
"""What Markdown would not show as it is: underscores that could end an emphasis, and some signs at the start."""


def table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    texts: int = 1,
    last_text: bool = False,
    as_is: bool = False,
) -> str:
    """Return a table whose first columns, as many as `texts`, are aligned left, and the last one if it is text too.

    `as_is` leaves Markdown in the cells unescaped.
    """
    numbers = len(headings) - texts - last_text
    rule = f"|{'---|' * texts}{'--:|' * numbers}{'---|' * last_text}\n"
    written = str if as_is else escaped
    first, *others = (f"| {' | '.join(map(written, cells))} |\n" for cells in (headings, *rows))
    return "".join((first, rule, *others))


def escaped(text: str) -> str:
    """Return a text on one line, such that Markdown shows it as it is."""
    return SYNTAX.sub(r"\\\g<0>", " ".join(text.split()))


def folded(title: str, body: str) -> str:
    """Return a part that opens on a click."""
    return f"<details><summary>{escaped(title)}</summary>\n\n{body}\n</details>\n"
