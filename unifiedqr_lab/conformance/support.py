"""The table of what each backend supports, made only from the findings of the suite."""

from collections.abc import Mapping

from unifiedqr.backend import DTYPES
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr_lab.conformance.runner import SuiteFinding, SuiteResult

KINDS = {"value": "values", "vjp": "reverse", "jvp": "forward", "second": "second order"}
BEGIN, END = "<!-- support table: begin -->", "<!-- support table: end -->"


def support_table(results: Mapping[str, SuiteResult], versions: Mapping[str, str]) -> str:
    """Return a Markdown table: what agreed with the truth in each backend, in which dtypes.

    Parameters
    ----------
    results : mapping of str to SuiteResult
        The findings of the suite, by backend.
    versions : mapping of str to str
        Version of each backend's framework.

    Returns
    -------
    str
        One row per decomposition, one column per backend.
    """
    columns = [f"{name} {versions[name].partition('+')[0]}" for name in results]
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for decomposition in DECOMPOSITIONS:
        cells = [support_cell(result, decomposition) for result in results.values()]
        lines.append(f"| {decomposition} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def support_cell(result: SuiteResult, decomposition: str) -> str:
    """Say what of a decomposition agreed with the truth: all in a cell did so in every dtype, or in those it names."""
    said: list[str] = []
    for kind, title in KINDS.items():
        seen = [f for f in result.findings if f.decomposition == decomposition and f.outcome.check.startswith(kind)]
        dtypes = [dtype for dtype in DTYPES if any(f.dtype == dtype for f in seen)]
        right = [dtype for dtype in dtypes if _all_passed([f for f in seen if f.dtype == dtype])]
        if seen:
            said.append(title if right == dtypes else f"{title} ({', '.join(right) or 'wrong'})")
    return ", ".join(said) or "no"


def _all_passed(findings: list[SuiteFinding]) -> bool:
    return bool(findings) and all(finding.outcome.passed for finding in findings)


def replaced(text: str, table: str, begin: str = BEGIN, end: str = END) -> str:
    """Return a document with the table between its markers replaced."""
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{table}\n{end}{after}"
