"""``unifiedqr record``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from unifiedqr.cli import options
from unifiedqr.errors import InputError


def record(
    matrices: options.Matrices = None,
    backend: Annotated[str, typer.Option(metavar="NAME", help="Framework to run.", show_default=False)] = ...,  # pyright: ignore[reportArgumentType]
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE.npz", help="Record to write.", show_default=False)
    ] = ...,  # pyright: ignore[reportArgumentType]
    loss: options.Loss = None,
    decomposition: options.Decomposition = None,
    derivative: options.Derivative = "value,vjp,jvp",
    dtype: options.Dtype = None,
    timeout: options.Timeout = 600.0,
) -> None:
    """Record one framework's values and derivatives in a file, to be compared elsewhere with 'compare --records'.

    Exit status: 0 recorded, 2 bad input, 3 the framework failed or the time was over, 128 + n interrupted by signal n.
    """
    from unifiedqr.cli.progress import watching
    from unifiedqr.compare.api import select_backends
    from unifiedqr.compare.files import check_writable
    from unifiedqr.compare.launch import run_workers

    if output.suffix != ".npz":
        raise InputError(f"--output {output}: a record is an .npz file.")
    check_writable(output)
    (name,), _ = select_backends((backend,), {})
    job = options.job_of(matrices, loss, decomposition, derivative, dtype)
    with watching() as watch:
        records, failures = run_workers(job, (name,), reference="none", timeout=timeout, watch=watch)
    if failures:
        print(f"unifiedqr: {name} gave no results: {failures[0].reason}", file=sys.stderr)
        raise typer.Exit(3)
    made = records[name]
    made.write(output)
    done = sum(outcome.status == "ok" for outcome in made.outcomes.values())
    environment = made.environment
    typer.echo(f"{output}: {environment.backend} {environment.version} on {environment.device}, {done} results")
    failed = [(key, outcome) for key, outcome in made.outcomes.items() if outcome.status == "failed"]
    for (case, derivative_name), outcome in failed:
        print(f"unifiedqr: {case}, {derivative_name}: {outcome.reason}", file=sys.stderr)
    raise typer.Exit(3 if failed else 0)
