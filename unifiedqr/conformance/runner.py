"""Run the suite on backends, a third party's included, and tell what was seen."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.table import Table

from unifiedqr.backend import DTYPES, Backend
from unifiedqr.conformance.checks import (
    Outcome,
    check_case,
    check_second_order,
    check_sentinel,
    check_zero_size,
    in_scope,
    is_planted_on,
)
from unifiedqr.conformance.dependence import check_dependent
from unifiedqr.conformance.golden import TRUTH, Golden, golden
from unifiedqr.decomposition import DECOMPOSITIONS, REDUCED
from unifiedqr.discovery import get_backend
from unifiedqr.errors import OptionError


@dataclass(frozen=True)
class Finding:
    """One outcome and where it was seen."""

    backend: str
    decomposition: str
    dtype: str
    case: str
    outcome: Outcome

    def __str__(self) -> str:
        where = f"{self.backend} {self.case} {self.dtype}, {self.outcome.check}"
        return f"{where}: error {self.outcome.error:.2e}, allowed {self.outcome.bound:.2e}"


@dataclass(frozen=True)
class SuiteResult:
    """Everything a run of the suite has seen."""

    findings: tuple[Finding, ...]

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that broke their bound."""
        return tuple(finding for finding in self.findings if not finding.outcome.passed)

    @property
    def passed(self) -> bool:
        """Whether something was checked and nothing failed."""
        return bool(self.findings) and not self.failures

    def table(self) -> Table:
        """Give one row per backend, decomposition and dtype: checks, failures, largest share of the allowed error."""
        table = Table(title="unifiedqr conformance")
        for column in ("backend", "decomposition", "dtype", "checks", "failures", "worst error / allowed", "where"):
            table.add_column(column, justify="right" if column in ("checks", "failures") else "left")
        rows: dict[tuple[str, str, str], list[Finding]] = {}
        for finding in self.findings:
            rows.setdefault((finding.backend, finding.decomposition, finding.dtype), []).append(finding)
        for key, found in rows.items():
            failed = sum(not finding.outcome.passed for finding in found)
            measured = [finding for finding in found if finding.outcome.bound > 0]
            worst = max(measured, key=lambda finding: finding.outcome.error / finding.outcome.bound)
            share = worst.outcome.error / worst.outcome.bound
            style = "bold red" if failed else None
            table.add_row(*key, str(len(found)), str(failed), f"{share:.3f}", _where(worst), style=style)
        return table


def run_suite(
    backend_names: Sequence[str],
    progress: Callable[[str], None] = lambda _: None,
    decompositions: Sequence[str] = tuple(DECOMPOSITIONS),
) -> SuiteResult:
    """Run every check on backends.

    Parameters
    ----------
    backend_names : sequence of str
        Names of installed backends.
    progress : callable
        Told the name of each case as it starts.
    decompositions : sequence of str
        Names in the table of decompositions.

    Returns
    -------
    SuiteResult

    Raises
    ------
    UnknownBackendError, BackendUnavailableError, OptionError
        Before anything is run, if one of the backends cannot be used, or is the truth itself.
    """
    if TRUTH in backend_names:
        raise OptionError(f"{TRUTH} is the truth that backends are tested against; name another.")
    backends = [get_backend(name) for name in backend_names]
    findings: list[Finding] = []
    for backend in backends:
        for decomposition in decompositions:
            for dtype in DTYPES:
                for case, outcomes in _checks(backend, decomposition, dtype):
                    progress(f"{backend.name} {case} {dtype}")
                    findings += [Finding(backend.name, decomposition, dtype, case, outcome) for outcome in outcomes]
            backend.release()
    return SuiteResult(tuple(findings))


def _checks(backend: Backend, decomposition: str, dtype: str) -> Iterator[tuple[str, Iterator[Outcome]]]:
    if decomposition in REDUCED:
        yield f"{decomposition}-zero-size", check_zero_size(backend, decomposition, dtype)
    for case in golden(decomposition).values():
        if in_scope(case, dtype) or not _is_wanted(case, dtype):
            continue
        yield case.name, check_case(backend, case, dtype)
        if is_planted_on(case) and dtype in ("float64", "complex128"):
            yield case.name, check_sentinel(backend, case, dtype)
            yield case.name, check_dependent(backend, case, dtype)
            yield case.name, check_second_order(backend, case, dtype)


def _is_wanted(case: Golden, dtype: str) -> bool:
    """Leave out single precision, but for one matrix, of what the same rules make: some frameworks compile each."""
    if dtype in ("float64", "complex128") or case.decomposition in REDUCED:
        return True
    known, field = golden(case.decomposition), "complex" if dtype == "complex64" else "real"
    names = (f"{case.decomposition}-random-{shape}-{field}" for shape in ("2x4x3", "3x5", "4x4"))
    return case.name == next(name for name in names if name in known)


def _where(finding: Finding) -> str:
    return f"{finding.outcome.check} of {finding.case}"
