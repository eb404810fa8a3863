"""The table of names as a document: one table per subject, one row per name, one column per backend."""

from collections.abc import Collection, Mapping

from unifiedqr_lab.conformance.namespace_table import (
    BY_DIFFERENCES,
    LACKS,
    REFUSED,
    RIGHT,
    VALUE,
    WRONG_GRADIENT,
    WRONG_VALUE,
    Verdicts,
)

Table = Mapping[str, Mapping[str, Verdicts]]
"""For each backend its verdicts by ``subject/name``."""

OPERATORS = "Operators and attributes"

INTRODUCTION = f"""# What every namespace has

`uqr.namespace(x)` gives the functions of the Array API standard (2024.12) for the arrays of one framework. `make names`
writes this page by running each of them on small arrays, real and complex where the standard has both; `make
test` runs them again and fails if anything has changed.

- **{RIGHT}**: the values are NumPy's, and the gradient, wherever the function has one and the framework has autodiff,
  is that of central differences. (The derivatives of mpmath, the comparison's truth in 100 digits, are differences
  themselves.)
- **{VALUE}**: the values are right, and the gradient is refused with this error.
- **{REFUSED}**: the framework raised this error. **{LACKS}**: there is no such name, and using it raises an
  `AttributeError` that says what to use instead. **{WRONG_VALUE}**, **{WRONG_GRADIENT}**: wrong, without an error.

Operators and attributes are those of the frameworks' own arrays, which we do not change; functions promote dtypes
as the standard says even where operators do not. The extension `fft` is not part of the namespace of every backend.
"""


def common_names(table: Table) -> list[str]:
    """Return the names that are right in every framework, real and complex; those of ``linalg`` with that prefix."""
    frameworks = [found for backend, found in table.items() if backend not in BY_DIFFERENCES]
    right = [key for key in frameworks[0] if all(set(found[key].values()) == {RIGHT} for found in frameworks)]
    return [_spelled(key) for key in right if not key.startswith(OPERATORS)]


def lacking_names(found: Mapping[str, Verdicts], names: Collection[str]) -> list[str]:
    """Return which of these names are not right in one backend."""
    partial = (_spelled(key) for key, verdicts in found.items() if set(verdicts.values()) != {RIGHT})
    return [name for name in partial if name in names]


def _spelled(key: str) -> str:
    subject, _, name = key.partition("/")
    return f"linalg.{name}" if "linalg" in subject else name


def document(table: Table, versions: Mapping[str, str]) -> str:
    """Return the document in Markdown.

    Parameters
    ----------
    table : mapping of str to mapping
        For each backend its verdicts by ``subject/name``.
    versions : mapping of str to str
        Version of each backend's framework.
    """
    common = common_names(table)
    sections = [INTRODUCTION, "## In every framework, real and complex", "", _listed(common), ""]
    for backend in BY_DIFFERENCES:
        sections += [
            f"Of these {backend} lacks, or has only in part: {_listed(lacking_names(table[backend], common))}",
            "",
        ]
    subjects: dict[str, list[str]] = {}
    for key in next(iter(table.values())):
        subjects.setdefault(key.partition("/")[0], []).append(key)
    for subject, keys in subjects.items():
        heading = " | ".join(f"{backend} {versions[backend]}" for backend in table)
        sections += [f"## {subject}", "", f"| | {heading} |", "|---" * (len(table) + 1) + "|"]
        sections += [
            f"| `{_escaped(key.partition('/')[2])}` | {' | '.join(_cell(found[key]) for found in table.values())} |"
            for key in keys
        ]
        sections.append("")
    return "\n".join(sections)


def _listed(names: Collection[str]) -> str:
    return " ".join(f"`{name}`" for name in names)


def _cell(verdicts: Verdicts) -> str:
    if len(set(verdicts.values())) == 1:
        return _styled(next(iter(verdicts.values())))
    return "; ".join(f"{field}: {_styled(verdict)}" for field, verdict in verdicts.items())


def _styled(verdict: str) -> str:
    return f"**{verdict}**" if verdict in (WRONG_VALUE, WRONG_GRADIENT) else verdict


def _escaped(name: str) -> str:
    return name.replace("|", "\\|")
