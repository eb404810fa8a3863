"""``unifiedqr compare``."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unifiedqr.discovery import names as backend_names
from unifiedqr.errors import InputError
from unifiedqr_lab.cli import options

if TYPE_CHECKING:
    from unifiedqr_lab.compare.comparison import Comparison
    from unifiedqr_lab.compare.job import Job
    from unifiedqr_lab.compare.record import Record
    from unifiedqr_lab.conformance.sharded import EngineFinding

RESERVE = 5.0
"""Seconds of the time limit reserved for the report."""

STATUS = {"agreement": 0, "disagreement": 1, "not established": 3}
"""Exit status by the result of a comparison; 2 is bad input."""


def compare(
    matrices: options.Matrices = None,
    loss: options.Loss = None,
    decomposition: options.Decomposition = None,
    derivative: options.Derivative = None,
    dtype: options.Dtype = None,
    backends: options.Backends = None,
    python: Annotated[
        list[str] | None,
        typer.Option(metavar="BACKEND=INTERPRETER", help="Run a framework in another environment; repeatable."),
    ] = None,
    records: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE.npz", help="Compare records made by 'unifiedqr record'; more may follow as arguments."
        ),
    ] = None,
    reference: Annotated[
        str,
        typer.Option(
            metavar="KIND",
            help="What to measure against: exact (100 digits), extended, none.",
            autocompletion=options.completing(lambda: ("exact", "extended", "none")),
        ),
    ] = "exact",
    sharded: Annotated[
        bool, typer.Option("--sharded", help="Run small matrices spread over devices, processes and blocks too.")
    ] = False,
    report: options.Report = None,
    json: options.Json = None,
    markdown: options.Markdown = None,
    timeout: options.Timeout = 600.0,
) -> None:
    """Compare values and derivatives of all installed frameworks, with each other and with the truth.

    Exit status: 0 they agree, 1 they disagree, 2 bad input, 3 not established (a framework failed, time ran out,
    or there is no truth although one was asked for), 128 + n interrupted by signal n.
    """
    from unifiedqr_lab.compare.reference import check_reference
    from unifiedqr_lab.files import check_outputs
    from unifiedqr_lab.workers.interruption import time_limit

    with time_limit(timeout) as elapsed:
        check_outputs(report, json, markdown, inputs=options.files(matrices, loss, records))
        check_reference(reference)
        named = options.names("backends", backends)
        interpreters = _interpreters(python or [])
        if records:
            job, recorded, reference = _recorded([*records, *map(Path, matrices or ())], loss, reference)
            if named and job.function is not None and loss is None:
                raise InputError(
                    f"got records of the loss {job.function.label} and --backends; a record's own copy of a loss is "
                    f"not run. Give the loss too, as --loss FILE.py:FUNC, or leave out --backends."
                )
        else:
            job, recorded = options.job_of(matrices, loss, decomposition, derivative, dtype), []
        comparison = _run(
            job,
            named,
            reference=reference,
            interpreters=interpreters,
            recorded=recorded,
            timeout=timeout,
            elapsed=elapsed(),
        )
        if sharded:
            comparison.sharded = _sharded(comparison, timeout - elapsed() - RESERVE)
        comparison.command = options.command()
        if report is not None:
            comparison.to_html(report)
        if json is not None:
            comparison.to_json(json)
        if markdown is not None:
            comparison.to_markdown(markdown)
    _show(comparison)
    raise typer.Exit(STATUS[comparison.status])


def _recorded(paths: list[Path], loss: str | None, reference: str) -> tuple["Job", list["Record"], str]:
    """Read records; without the function they were made with there can be no truth."""
    from unifiedqr_lab.compare.api import read_records
    from unifiedqr_lab.compare.function import function_in_file

    job, recorded = read_records(paths, None if loss is None else function_in_file(loss))
    return job, recorded, "none" if job.function is not None and loss is None else reference


def _run(job: "Job", named: tuple[str, ...] | None, **options: Any) -> "Comparison":
    from unifiedqr_lab.compare.api import run_comparison
    from unifiedqr_lab.workers.display import watching

    def announce(expected: str) -> None:
        print(f"unifiedqr: {expected}", file=sys.stderr)

    with watching() as watch:
        return run_comparison(job, named, watch=watch, announce=announce, **options)


def _sharded(comparison: "Comparison", seconds: float) -> "tuple[EngineFinding, ...]":
    """Run the engines of the frameworks that were compared."""
    from unifiedqr_lab.conformance.sharded import run_engines
    from unifiedqr_lab.workers.display import watching

    names = dict.fromkeys(record.environment.backend for record in comparison.records.values())
    with watching() as watch:
        return run_engines([name for name in names if name in backend_names()], timeout=seconds, watch=watch)


def _show(comparison: "Comparison") -> None:
    from rich.console import Console

    from unifiedqr_lab.compare.table import notes, summary
    from unifiedqr_lab.conformance.sharded_table import table

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 120)  # a pipe has no width: do not wrap the table
    console.print(summary(comparison))
    if comparison.sharded:
        console.print(table(comparison.sharded))
    console.print(notes(comparison))


def _interpreters(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, interpreter = text.partition("=")
        if not (name and equals and interpreter):
            raise InputError(f"--python {text!r} is not of the form BACKEND=INTERPRETER.")
        if not os.path.exists(interpreter):
            raise InputError(f"--python {text!r}: there is no file {interpreter}.")
        if name in found:
            raise InputError(f"--python names {name} twice, with {found[name]} and {interpreter}; give it once.")
        found[name] = interpreter
    return found
