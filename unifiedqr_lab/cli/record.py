"""``unifiedqr record``."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from unifiedqr.errors import InputError
from unifiedqr_lab.cli import options

PLACE = "{backend}"
"""The placeholder for a backend's name in the name of a record."""


def record(
    matrices: options.Matrices = None,
    backends: options.Backends = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE.npz",
            help=f"Record to write; with several frameworks its name must contain {PLACE}, which becomes their name.",
            show_default=False,
        ),
    ] = ...,  # pyright: ignore[reportArgumentType]
    loss: options.Loss = None,
    decomposition: options.Decomposition = None,
    derivative: options.Derivative = None,
    dtype: options.Dtype = None,
    timeout: options.Timeout = 600.0,
) -> None:
    """Record a framework's values and derivatives in a file, to be compared elsewhere with 'compare --records'.

    Exit status: 0 recorded, 2 bad input, 3 a framework failed or time ran out, 128 + n interrupted by signal n.
    """
    from unifiedqr_lab.compare.api import select_backends
    from unifiedqr_lab.compare.frameworks import run_workers
    from unifiedqr_lab.files import check_outputs
    from unifiedqr_lab.workers.display import watching

    if output.suffix != ".npz":
        raise InputError(f"--output {output}: a record is an .npz file.")
    chosen, _ = select_backends(options.names("backends", backends), {})
    if len(chosen) > 1 and PLACE not in output.name:
        raise InputError(
            f"--output {output} is one file, but {', '.join(chosen)} make one record each: name one with --backends, "
            f"or write {PLACE} into the name, as in {output.stem}-{PLACE}.npz."
        )
    paths = {name: output.with_name(output.name.replace(PLACE, name)) for name in chosen}
    check_outputs(*paths.values(), inputs=options.files(matrices, loss))
    job = options.job_of(matrices, loss, decomposition, derivative, dtype)
    with watching() as watch:
        records, failures = run_workers(job, chosen, reference="none", timeout=timeout, watch=watch)
    for source in job.sources:
        if source["notes"]:
            typer.echo(f"{source['label']}: {'; '.join(source['notes'])}")
    for failure in failures:
        print(f"unifiedqr: {failure.backend} gave no results: {failure.reason}", file=sys.stderr)
    complete = not failures
    for name, made in records.items():
        made.write(paths[name])
        done = sum(outcome.status == "ok" for outcome in made.outcomes.values())
        ran = made.environment
        typer.echo(f"{paths[name]}: {ran.backend} {ran.version} on {ran.device}, {done} results")
        for (case, derivative_name), outcome in made.outcomes.items():
            if outcome.status == "failed":
                complete = False
                print(f"unifiedqr: {case}, {derivative_name}: {outcome.reason}", file=sys.stderr)
    raise typer.Exit(0 if complete else 3)
