"""The table of capabilities as a document: one section per framework, one row per transform."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from unifiedqr.backend import HALF_DTYPES
from unifiedqr_lab.conformance.capabilities import BYPASS, OF_MEMBERS, OURS, RIGHT, WRONG, Verdicts

HEADINGS = {"value": "Values", "vjp": "Reverse mode", "jvp": "Forward mode", "hvp": "Second order"}

INTRODUCTION = f"""# What works where

Written by `make capabilities`, which runs every cell; `make test-all` fails if one has changed. Each cell
of `qr` and `lq` is a program that decomposes a deep, a square and a wide matrix at once, compared with the truth
(differences in 100 digits), in float32, float64, complex64, complex128 and, where the framework has them, float16 and
bfloat16. Then a wrong rule is planted, twice the derivative. Rows marked *slow*, which compile what they run, are run
for `qr` in float64 only, and for the framework's own function on a deep real matrix.

- **{OURS}**: right, and the planted rule changed the result as it must: our rule ran.
- **{BYPASS}**: right, but the planted rule changed nothing: the transform bypasses custom rules by design.
- **{RIGHT}**: a value; or half precision, computed in float32 and rounded once.
- **refused**: the framework raised this error. **{WRONG}**: a finite wrong number.
- **native**: the framework's own QR under the same transform, its signs made ours by constants, shape by shape in
  double precision. *none* where it has no differentiable QR of its own. (MXNet has an LQ of real wide matrices, the
  legacy operator `linalg.gelqf`; no other framework has an LQ.)
"""

Row = Mapping[str, Any]


OF_EVERY_MEMBER = f"""## Every member

Every decomposition, and every function built on one, under transforms that represent the others, in {OF_MEMBERS}.
The conformance suite (the table of support) checks the plain derivatives of all of them in every dtype.
"""


def document(
    table: Mapping[str, Sequence[Row]],
    versions: Mapping[str, str],
    members: Mapping[str, Mapping[str, Verdicts]],
    spread: str,
) -> str:
    """Return the document in Markdown.

    Parameters
    ----------
    table : mapping of str to sequence of mapping
        For each backend its rows: ``name``, ``kind`` and ``slow`` of the transform, verdicts under ``qr``, ``lq``,
        ``native``.
    versions : mapping of str to str
        Version of each backend's framework.
    members : mapping of str to mapping
        For each backend and transform a verdict per member.
    spread : str
        The section on spread matrices, as `unifiedqr_lab.conformance.sharded_table.section` gives it.
    """
    sections = [INTRODUCTION]
    for backend, rows in table.items():
        lines = [f"## {backend} {versions[backend]}", "", "| | qr | lq | native |", "|---|---|---|---|"]
        for kind, heading in HEADINGS.items():
            of_kind = [row for row in rows if row["kind"] == kind]
            if of_kind:
                lines.append(f"| *{heading}* | | | |")
            lines += [
                f"| {row['name']}{', *slow*' if row['slow'] else ''} | {cell(row['qr'])} | "
                f"{cell(row.get('lq'), 'not run')} | {cell(row['native'])} |"
                for row in of_kind
            ]
        sections.append("\n".join(lines) + "\n")
    sections.append(OF_EVERY_MEMBER)
    for backend, of_transforms in members.items():
        names = list(next(iter(of_transforms.values())))
        lines = [f"### {backend} {versions[backend]}: every member", "", f"| | {' | '.join(of_transforms)} |"]
        lines.append("|---" * (len(of_transforms) + 1) + "|")
        lines += [
            f"| {name} | {' | '.join(styled(found[name]) for found in of_transforms.values())} |" for name in names
        ]
        sections.append("\n".join(lines) + "\n")
    return "\n".join((*sections, spread))


def excerpt(rows: Sequence[Row], names: Sequence[str]) -> str:
    """Return some rows of one framework, in Markdown: the transform, our QR under it, and the framework's own.

    Raises
    ------
    KeyError
        No row has one of the names.
    """
    found = {row["name"]: row for row in rows}
    lines = ["| | `uqr.qr` | the framework's own QR |", "|---|---|---|"]
    lines += [f"| {name} | {cell(found[name]['qr'])} | {cell(found[name]['native'])} |" for name in names]
    return "\n".join(lines)


def cell(verdicts: Verdicts | None, nothing: str = "none", style: Callable[[str], str] | None = None) -> str:
    """Return the verdict that most keys share, then the other verdicts with their keys."""
    if not verdicts:
        return nothing
    style = styled if style is None else style
    groups: dict[str, list[str]] = {}
    for key, verdict in verdicts.items():
        # Half precision that is right is right by the rule of single precision.
        by_rule = verdicts["float32"] if key in HALF_DTYPES and verdict == RIGHT else verdict
        groups.setdefault(by_rule, []).append(key)
    most = max(groups, key=lambda verdict: len(groups[verdict]))
    others = [f"{style(verdict)}: {', '.join(keys)}" for verdict, keys in groups.items() if verdict != most]
    return "; ".join([style(most), *others])


def styled(verdict: str) -> str:
    """Return a verdict in Markdown."""
    return f"**{verdict}**" if verdict == WRONG else verdict
