"""``unifiedqr compare``."""

from pathlib import Path
from typing import Annotated

import typer

from unifiedqr.cli import options
from unifiedqr.errors import InputError


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
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Write a self-contained HTML report.")
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write everything but the arrays as JSON.")
    ] = None,
    timeout: options.Timeout = 600.0,
) -> None:
    """Compare values and derivatives of all installed frameworks, with each other and with the truth.

    Exit status: 0 they agree, 1 they disagree, 2 bad input.
    """
    from unifiedqr.cli.progress import watching
    from unifiedqr.compare.api import read_records, run_comparison
    from unifiedqr.compare.files import check_outputs
    from unifiedqr.compare.function import function_in_file
    from unifiedqr.compare.reference import check_reference

    check_outputs(report, json, inputs=[*(matrices or ()), *(records or ())])
    interpreters = _interpreters(python or [])
    check_reference(reference)
    if records:
        paths = [*records, *map(Path, matrices or ())]
        job, recorded = read_records(paths, None if loss is None else function_in_file(loss))
        if job.function is not None and loss is None:
            reference = "none"  # the function itself is not in a record
    else:
        job, recorded = options.job_of(matrices, loss, decomposition, derivative, dtype), []
    with watching() as watch:
        comparison = run_comparison(
            job,
            options.names("backends", backends),
            reference=reference,
            interpreters=interpreters,
            recorded=recorded,
            timeout=timeout,
            watch=watch,
        )
    if report is not None:
        comparison.to_html(report)
    if json is not None:
        comparison.to_json(json)
    _show(comparison)
    raise typer.Exit(0 if comparison.passed else 1)


def _show(comparison: object) -> None:
    from rich.console import Console

    from unifiedqr.compare.table import notes, summary

    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = max(console.width, 120)  # a pipe has no width: do not break the table for it
    console.print(summary(comparison))
    console.print(notes(comparison))


def _interpreters(texts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, equals, interpreter = text.partition("=")
        if not (name and equals and interpreter):
            raise InputError(f"--python {text!r} has not the form BACKEND=INTERPRETER.")
        if not Path(interpreter).exists():
            raise InputError(f"--python {text!r}: there is no file {interpreter}.")
        if name in found:
            raise InputError(f"--python names {name} twice, with {found[name]} and {interpreter}; give it once.")
        found[name] = interpreter
    return found
