"""Run the suite on backends, including those of third parties, and report the findings."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from rich.table import Table

from unifiedqr.backend import DTYPES, Backend
from unifiedqr.decomposition import DECOMPOSITIONS, REDUCED
from unifiedqr.discovery import get_backend
from unifiedqr.errors import CapabilityError, OptionError
from unifiedqr_lab.conformance.case_checks import (
    Outcome,
    check_case,
    check_second_order,
    check_sentinel,
    check_zero_size,
    in_scope,
    is_planted_on,
)
from unifiedqr_lab.conformance.dependence import check_dependent
from unifiedqr_lab.conformance.golden import TRUTH_BACKEND, Golden, golden
from unifiedqr_lab.conformance.sharded import EngineFinding
from unifiedqr_lab.instruments import instruments
from unifiedqr_lab.pages.page import fragment

FORMAT, VERSION = "unifiedqr-conformance", 1

COLUMNS = ("backend", "decomposition", "dtype", "checks", "failures", "worst error / allowed", "where")

Check = Callable[[Backend], Iterable[Outcome]]


def unwatched(backend: str, done: int, total: int) -> None:
    """Watch nothing."""


@dataclass(frozen=True)
class SuiteFinding:
    """One outcome and where it was seen."""

    backend: str
    decomposition: str
    dtype: str
    case: str
    outcome: Outcome

    def __str__(self) -> str:
        where = f"{self.backend} {self.case} {self.dtype}, {self.outcome.check}"
        return f"{where}: error {self.outcome.error:.2e}, allowed {self.outcome.bound:.2e}"

    @property
    def share(self) -> float:
        """The error as a fraction of the bound; 0 or inf where the bound is zero."""
        if self.outcome.bound > 0:
            return self.outcome.error / self.outcome.bound
        return 0.0 if self.outcome.passed else math.inf


@dataclass(frozen=True)
class SuiteResult:
    """All findings of a run of the suite, and the backends, decompositions and dtypes it was run on.

    `sharded` has those of `unifiedqr_lab.conformance.sharded.run_engines`, where that was run too.
    """

    findings: tuple[SuiteFinding, ...]
    backends: tuple[str, ...] = ()
    decompositions: tuple[str, ...] = tuple(DECOMPOSITIONS)
    dtypes: tuple[str, ...] = DTYPES
    sharded: tuple[EngineFinding, ...] = ()

    @property
    def failures(self) -> tuple[SuiteFinding, ...]:
        """The findings that broke their bound."""
        return tuple(finding for finding in self.findings if not finding.outcome.passed)

    @property
    def passed(self) -> bool:
        """Whether every backend was checked and nothing failed."""
        checked = {finding.backend for finding in self.findings}
        right = not self.failures and all(finding.passed for finding in self.sharded)
        return bool(checked) and checked.issuperset(self.backends) and right

    def _counts(self, backend: str) -> tuple[int, int]:
        """Return how many checks a backend has passed and failed."""
        passed = [f.outcome.passed for f in self.findings if f.backend == backend]
        passed += [f.passed for f in self.sharded if f.backend == backend]
        return sum(passed), len(passed) - sum(passed)

    def verdict(self, backend: str) -> str:
        """Say in one line whether a backend conforms, and in what if not everything was run."""
        passed, failed = self._counts(backend)
        chosen = ((self.decompositions, DECOMPOSITIONS), (self.dtypes, DTYPES))
        asked = "; ".join(", ".join(some) for some, every in chosen if len(some) < len(every))
        told = "nothing was checked" if not passed + failed else "does not conform" if failed else "conforms"
        within = f" in what was asked for ({asked})" if asked else ""
        return f"{backend}: {passed} checks passed, {failed} failed: {told}{within}"

    def rows(self) -> Iterator[tuple[tuple[str, str, str], list[SuiteFinding], SuiteFinding]]:
        """Return, by backend, decomposition and dtype, the findings and the worst relative to its bound."""
        groups: dict[tuple[str, str, str], list[SuiteFinding]] = {}
        for finding in self.findings:
            groups.setdefault((finding.backend, finding.decomposition, finding.dtype), []).append(finding)
        for key, found in groups.items():
            yield key, found, max(found, key=lambda finding: (not finding.outcome.passed, finding.share))

    def table(self) -> Table:
        """Return one row per backend, decomposition and dtype: checks, failures, largest share of the allowed error."""
        table = Table(title="unifiedqr conformance")
        for column in COLUMNS:
            table.add_column(column, justify="right" if column in ("checks", "failures") else "left")
        for cells in self._cells():
            table.add_row(*cells, style=None if cells[COLUMNS.index("failures")] == "0" else "bold red")
        return table

    def _cells(self) -> Iterator[tuple[str, ...]]:
        for key, found, worst in self.rows():
            yield *key, str(len(found)), str(_failed(found)), f"{worst.share:.3f}", _where(worst)

    def _repr_html_(self) -> str:
        verdicts = [self.verdict(name) for name in self.backends]
        return fragment("unifiedqr conformance", COLUMNS, self._cells(), texts=3, before=verdicts)

    def to_dict(self) -> dict[str, Any]:
        """Return all findings, ready for JSON; infinite and undefined numbers are "inf" or None."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "passed": self.passed,
            "decompositions": list(self.decompositions),
            "dtypes": list(self.dtypes),
            "backends": [self._backend(name) for name in self.backends],
            "rows": [
                {
                    **dict(zip(("backend", "decomposition", "dtype"), key, strict=True)),
                    "checks": len(found),
                    "failed": _failed(found),
                    "worst_share": _number(worst.share),
                    "where": _where(worst),
                }
                for key, found, worst in self.rows()
            ],
            "failures": [
                {
                    **{key: value for key, value in vars(finding).items() if key != "outcome"},
                    **{key: _number(value) for key, value in vars(finding.outcome).items()},
                }
                for finding in self.failures
            ],
            "sharded": [{key: _number(value) for key, value in asdict(finding).items()} for finding in self.sharded],
        }

    def _backend(self, name: str) -> dict[str, Any]:
        passed, failed = self._counts(name)
        return {
            "name": name,
            "checks": passed + failed,
            "failed": failed,
            "conforms": bool(passed) and not failed,
            "verdict": self.verdict(name),
        }


def run_suite(
    backend_names: Sequence[str],
    progress: Callable[[str, int, int], None] = unwatched,
    decompositions: Sequence[str] = tuple(DECOMPOSITIONS),
    dtypes: Sequence[str] = DTYPES,
) -> SuiteResult:
    """Run every check on backends.

    Parameters
    ----------
    backend_names : sequence of str
        Names of installed backends.
    progress : callable
        Called with a backend's name, how many of its checks are done, and how many there are; first before any.
    decompositions : sequence of str
        Names in the table of decompositions.
    dtypes : sequence of str
        Some of `unifiedqr.backend.DTYPES`.

    Returns
    -------
    SuiteResult
        A check in which a backend raised an exception has failed; its name tells what was raised. A decomposition
        that a backend refuses with a `CapabilityError`, of whatever matrix, is not checked.

    Raises
    ------
    UnknownBackendError, BackendUnavailableError, OptionError
        Before anything is run, if one of the backends cannot be used, or is the truth itself, or a name is unknown.
    """
    if TRUTH_BACKEND in backend_names:
        raise OptionError(f"{TRUTH_BACKEND} is the truth that backends are tested against; name another.")
    for option, values, choices in (("decomposition", decompositions, DECOMPOSITIONS), ("dtype", dtypes, DTYPES)):
        for value in values:
            if value not in choices:
                raise OptionError(f"{option} {value!r} is unknown; choose among {', '.join(choices)}.")
    backends = [get_backend(name) for name in backend_names]
    plan = {
        name: [(dtype, case, check) for dtype in dtypes for case, check in _checks(name, dtype)]
        for name in decompositions
    }
    findings: list[SuiteFinding] = []
    for backend in backends:
        served = {name: checks for name, checks in plan.items() if _serves(backend, name)}
        done, total = 0, sum(map(len, served.values()))
        progress(backend.name, done, total)
        for decomposition, checks in served.items():
            for dtype, case, check in checks:
                outcomes = _outcomes(check, backend)
                findings += [SuiteFinding(backend.name, decomposition, dtype, case, outcome) for outcome in outcomes]
                done += 1
                progress(backend.name, done, total)
            instruments(backend.name).release()
    return SuiteResult(tuple(findings), tuple(backend_names), tuple(decompositions), tuple(dtypes))


def _serves(backend: Backend, decomposition: str) -> bool:
    try:
        backend.bind(DECOMPOSITIONS[decomposition]())
    except CapabilityError:
        return False
    return True


def _checks(decomposition: str, dtype: str) -> Iterator[tuple[str, Check]]:
    if decomposition in REDUCED:
        yield f"{decomposition}-zero-size", partial(check_zero_size, decomposition=decomposition, dtype=dtype)
    for case in golden(decomposition).values():
        if in_scope(case, dtype) or not _is_wanted(case, dtype):
            continue
        yield case.name, partial(check_case, case=case, dtype=dtype)
        if is_planted_on(case) and dtype in ("float64", "complex128"):
            for check in (check_sentinel, check_dependent, check_second_order):
                yield case.name, partial(check, case=case, dtype=dtype)


def _outcomes(check: Check, backend: Backend) -> Iterator[Outcome]:
    """Run a check; what a backend raises in it is a reported failure, and the others go on."""
    try:
        yield from check(backend)
    except Exception as error:
        told = " ".join(str(error).split())[:200]
        yield Outcome(f"raised {type(error).__name__}: {told}", math.inf, 0.0)


def _is_wanted(case: Golden, dtype: str) -> bool:
    """Leave out single precision except for one matrix where the rules are the same: some frameworks compile each."""
    if dtype in ("float64", "complex128") or case.decomposition in REDUCED:
        return True
    known, field = golden(case.decomposition), "complex" if dtype == "complex64" else "real"
    names = (f"{case.decomposition}-random-{shape}-{field}" for shape in ("2x4x3", "3x5", "4x4"))
    return case.name == next(name for name in names if name in known)


def _failed(findings: list[SuiteFinding]) -> int:
    return sum(not finding.outcome.passed for finding in findings)


def _where(finding: SuiteFinding) -> str:
    return f"{finding.outcome.check} of {finding.case}"


def _number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
