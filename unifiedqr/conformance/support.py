"""The table of what each backend supports, made from what the suite saw and from nothing else."""

from collections.abc import Mapping

from unifiedqr.backend import DTYPES
from unifiedqr.conformance.runner import Finding, SuiteResult
from unifiedqr.decomposition import DECOMPOSITIONS

WHAT = {"value": "values", "vjp": "reverse mode", "jvp": "forward mode", "second": "second order"}
BEGIN, END = "<!-- support table: begin -->", "<!-- support table: end -->"


def support_table(results: Mapping[str, SuiteResult], versions: Mapping[str, str]) -> str:
    """Give a Markdown table: for each backend the dtypes in which values and derivatives met the truth.

    Parameters
    ----------
    results : mapping of str to SuiteResult
        What the suite saw, by backend.
    versions : mapping of str to str
        Version of each backend's framework.

    Returns
    -------
    str
        One row per decomposition and kind of derivative, one column per backend.
    """
    columns = [f"{name} {versions[name].partition('+')[0]}" for name in results]
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for decomposition in DECOMPOSITIONS:
        for kind, title in WHAT.items():
            cells = [_cell(result, decomposition, kind) for result in results.values()]
            lines.append(f"| {decomposition}, {title} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(result: SuiteResult, decomposition: str, kind: str) -> str:
    seen = [f for f in result.findings if f.decomposition == decomposition and f.outcome.check.startswith(kind)]
    if not seen:
        return "no"
    right = [dtype for dtype in DTYPES if _all_passed([f for f in seen if f.dtype == dtype])]
    if right == list(DTYPES):
        return "all dtypes"
    return ", ".join(right) or "wrong"


def _all_passed(findings: list[Finding]) -> bool:
    return bool(findings) and all(finding.outcome.passed for finding in findings)


def replaced(text: str, table: str) -> str:
    """Give a document with the table between its markers replaced."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table}\n{END}{after}"
