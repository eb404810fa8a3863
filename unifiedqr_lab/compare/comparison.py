"""The result of a comparison: its verdict, and the ways to look at it."""

import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import unifiedqr as uqr
from unifiedqr_lab.compare.job import Job, digest_of
from unifiedqr_lab.compare.record import Record
from unifiedqr_lab.compare.verdict import Finding, case_condition, case_tolerance, judge
from unifiedqr_lab.conformance.sharded import EngineFinding
from unifiedqr_lab.conformance.sharded_table import objections
from unifiedqr_lab.files import write_json, write_whole
from unifiedqr_lab.workers.processes import Failure

FORMAT = "unifiedqr-comparison"
VERSION = 1
SHOWN = 20
"""Objections that a notebook shows."""

NAMED = 4
"""Wrong outputs of a framework that the verdict names."""

WIDTH = 120
"""Columns of the table as text."""


class Comparison:
    """Values and derivatives of one job in several frameworks, judged.

    Attributes
    ----------
    passed : bool
        Whether everything that was to run did, and agrees within tolerance.
    status : {"agreement", "disagreement", "not established"}
        The verdict in a word: `disagreement` where a result is wrong or two frameworks differ, `not established` where
        a framework failed, or there are not two results, or no truth although one was asked for.
    max_error : float
        The largest relative error against the reference; NaN without one.
    findings : list of Finding
        Every result of every framework with its errors.
    records : dict of str to Record
        The results themselves, by framework.
    truth : Record or None
        The reference.
    failures : list of Failure
        Frameworks that gave no results.
    command : str
        The command that made it; "" if it was made in Python.
    sharded : tuple of EngineFinding
        The findings for matrices spread over devices, processes and blocks, where those were run too.
    """

    def __init__(
        self,
        job: Job,
        records: dict[str, Record],
        truth: Record | None,
        failures: Sequence[Failure] = (),
        command: str = "",
    ) -> None:
        self.job = job
        self.command = command
        self.records = records
        self.truth = truth
        self.failures = list(failures)
        self.sharded: tuple[EngineFinding, ...] = ()
        self.findings: list[Finding] = judge(job, records, truth)

    @property
    def passed(self) -> bool:
        """Whether everything that was to run did, and agrees within tolerance."""
        return not self.objections()

    @property
    def status(self) -> str:
        """The verdict in a word: "agreement", "disagreement" or "not established"."""
        if self._wrong():
            return "disagreement"
        return "agreement" if self.passed else "not established"

    def _wrong(self) -> dict[str, dict[str, None]]:
        """Return who is wrong, or differs from others, each with the names of its wrong outputs."""
        outputs: dict[str, dict[str, None]] = {}
        for f in self.findings:
            if f.status == "disagrees":
                outputs.setdefault(f.framework, {}).update(dict.fromkeys(f.outputs))
        for f in self.sharded:
            if f.error is not None and not f.passed:
                outputs.setdefault(f"{f.backend} ({f.engine})", {})[f.member] = None
        return outputs

    @property
    def max_error(self) -> float:
        """The largest relative error against the reference; NaN without one."""
        return max((f.error for f in self.findings if f.error is not None), default=math.nan)

    @property
    def max_disagreement(self) -> float:
        """The largest relative difference between two frameworks; NaN if there are not two."""
        return max((f.disagreement for f in self.findings if f.disagreement is not None), default=math.nan)

    def objections(self) -> list[str]:
        """Return every reason why the comparison does not pass, one line each."""
        lines = [f"{failure.backend}: {failure.reason}" for failure in self.failures if failure.explicit]
        lines += [
            f"{f.framework}, {f.case}, {f.derivative}: {f.reason}"
            for f in self.findings
            if f.status in ("disagrees", "failed")
        ]
        lines += objections(self.sharded)
        referees = len(self.records) + (self.truth is not None)
        if not self.records or referees < 2:
            lines.append("fewer than two results could be compared")
        elif not any(f.status == "agrees" for f in self.findings) and not lines:
            reasons = {f.reason for f in self.findings if f.status == "undetermined"}
            lines.append(
                f"nothing could be compared: {'; '.join(sorted(reasons)) or 'no framework gives this derivative'}"
            )
        return lines + self._without_truth()

    def _without_truth(self) -> list[str]:
        """Return the results that agree with each other and have no truth although one was asked for, a line each."""
        if self.truth is None:
            return []
        missing: dict[str, list[str]] = {}
        for case, derivative in {(f.case, f.derivative): f for f in self.findings if f.status == "agrees"}:
            given = self.truth.outcomes.get((case, derivative))
            if given is None or given.status != "ok":
                missing.setdefault(given.reason if given else "not recorded", []).append(f"{case}, {derivative}")
        return [
            f"no truth for {'; '.join(results)}: {reason}. The frameworks agree with each other; "
            f"reference 'none' asks for no more"
            for reason, results in missing.items()
        ]

    def verdict(self) -> str:
        """Return the outcome in one sentence."""
        names = ", ".join(self.records) or "no framework"
        if self.status == "disagreement":
            return f"No agreement: {self._who_disagrees()}."
        if not self.passed:
            return f"Not established: {self.objections()[0].rstrip('.')}."
        truth, apart = self.max_error, self.max_disagreement
        against = "truth" if set(self.references()) == {"exact"} else "reference"
        measured = [
            *([] if math.isnan(truth) else [f"{truth:.1e} from the {against}"]),
            *([] if math.isnan(apart) else [f"{apart:.1e} from each other"]),
        ]
        verb = "agree" if len(self.records) > 1 else "agrees with the truth"
        undetermined = sum(f.status == "undetermined" for f in self.findings)
        rest = (
            f"; {undetermined} results are undetermined, the matrix being too ill-conditioned" if undetermined else ""
        )
        return f"{names} {verb}, at most {' and '.join(measured)}, within tolerance{rest}."

    def _who_disagrees(self) -> str:
        """Return the frameworks that disagree, those together that do so in the same outputs, and the outputs."""
        outputs = self._wrong()
        groups: dict[tuple[str, ...], list[str]] = {}
        for name in sorted(outputs):
            groups.setdefault(tuple(outputs[name]), []).append(name)
        parts: list[str] = []
        for wrong, frameworks in groups.items():
            more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
            where = f" in {', '.join(wrong[:NAMED])}{more}" if wrong else ""
            parts.append(f"{', '.join(frameworks)} {'disagrees' if len(frameworks) == 1 else 'disagree'}{where}")
        return "; ".join(parts)

    def references(self) -> dict[str, int]:
        """Count the cases and derivatives by the kind of reference they were measured against."""
        counts: dict[str, int] = {}
        for kind in {(f.case, f.derivative): f.reference for f in self.findings}.values():
            counts[kind] = counts.get(kind, 0) + 1
        return counts

    def __str__(self) -> str:
        """Return the table and the notes on it, as plain text."""
        from rich.console import Console

        from unifiedqr_lab.compare.table import notes

        text = io.StringIO()
        # In a notebook a console would show what it prints instead of writing it.
        plain: dict[str, Any] = {
            "force_terminal": False,
            "force_jupyter": False,
            "color_system": None,
            "highlight": False,
        }
        console = Console(file=text, width=WIDTH, **plain)
        console.print(self.table())
        console.print(notes(self))
        return text.getvalue().rstrip()

    __repr__ = __str__

    def _repr_html_(self) -> str:
        from unifiedqr_lab.compare.table import HEADINGS, TEXTS, reference_lines, summary_rows
        from unifiedqr_lab.pages.page import fragment

        return fragment(
            "Values and derivatives by framework",
            [heading.replace("\n", " ") for heading in HEADINGS],
            summary_rows(self),
            texts=len(TEXTS),
            before=[self.verdict()],
            after=[*self.objections()[:SHOWN], *reference_lines(self)],
        )

    def table(self) -> Any:
        """Return a `rich.table.Table` with one row per framework and dtype."""
        from unifiedqr_lab.compare.table import summary

        return summary(self)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the arrays, ready for JSON; infinite and undefined numbers are None or "inf"."""
        conditions = {case.id: case_condition(self.job, case) for case in self.job.cases}
        return {
            "format": FORMAT,
            "version": VERSION,
            "passed": self.passed,
            "status": self.status,
            "verdict": self.verdict(),
            "objections": self.objections(),
            "max_error": _number(self.max_error),
            "max_disagreement": _number(self.max_disagreement),
            "unifiedqr": uqr.__version__,
            "command": self.command,
            "inputs": list(self.job.sources),
            "sha256": self.job.digest(),
            "function": self.job.function and self.job.function.label,
            "function_sha256": self.job.function and self.job.function.digest,
            "seed": self.job.seed,
            "references": self.references(),
            "frameworks": [
                {"name": name, **vars(record.environment)}
                for name, record in (*self.records.items(), *self._truth_item())
            ],
            "failures": [vars(failure) for failure in self.failures],
            "cases": [
                {
                    "id": case.id,
                    "target": case.target,
                    "dtype": case.dtype,
                    "shapes": [list(A.shape) for A in self.job.inputs_of(case)],
                    "sha256": [digest_of(A) for A in self.job.inputs_of(case)],
                    "condition": _number(conditions[case.id]),
                    "tolerance": case_tolerance(self.job, case, conditions[case.id]),
                }
                for case in self.job.cases
            ],
            "results": [{key: _number(value) for key, value in vars(finding).items()} for finding in self.findings],
            "sharded": [{key: _number(value) for key, value in vars(finding).items()} for finding in self.sharded],
        }

    def _truth_item(self) -> list[tuple[str, Record]]:
        return [] if self.truth is None else [(self.truth.environment.backend, self.truth)]

    def to_json(self, path: str | Path) -> None:
        """Write `to_dict` as a JSON file.

        Parameters
        ----------
        path : str or Path
            File to write, whole or not at all.

        Raises
        ------
        InputError
            It cannot be written.
        """
        write_json(Path(path), self.to_dict())

    def to_html(self, path: str | Path) -> None:
        """Write the report as one self-contained HTML file that needs no network.

        Parameters
        ----------
        path : str or Path
            File to write, whole or not at all.

        Raises
        ------
        InputError
            It cannot be written.
        """
        from unifiedqr_lab.compare.report import render

        write_whole(Path(path), render(self).encode())

    def to_markdown(self, path: str | Path) -> None:
        """Write the verdict and the tables in Markdown, for a pull request.

        Parameters
        ----------
        path : str or Path
            File to write, whole or not at all.

        Raises
        ------
        InputError
            It cannot be written.
        """
        from unifiedqr_lab.compare.document import document

        write_whole(Path(path), document(self).encode())


def _number(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
