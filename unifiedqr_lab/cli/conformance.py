"""``unifiedqr conformance``."""

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from unifiedqr.backend import DTYPES
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr_lab.cli import options
from unifiedqr_lab.instruments import instruments

SHOWN = 20


def conformance(
    backends: options.Backends = None,
    decomposition: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help=f"Decompositions, comma-separated: {', '.join(DECOMPOSITIONS)}.",
            show_default=options.ALL,
            autocompletion=options.completing(lambda: (*DECOMPOSITIONS, options.ALL)),
        ),
    ] = None,
    dtype: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            help=f"Dtypes: {', '.join(DTYPES)}.",
            show_default="all",
            autocompletion=options.completing(lambda: DTYPES),
        ),
    ] = None,
    sharded: Annotated[
        bool,
        typer.Option("--sharded/--no-sharded", help="Run matrices that are spread over devices and processes too."),
    ] = True,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Write the results, including every failure, as JSON.")
    ] = None,
) -> None:
    """Run the conformance suite: golden vectors, adjoint identities, planted wrong rules, spread matrices.

    Exit status: 0 all conform, 1 one does not, 2 bad input, 3 one was not checked at all, 128 + n interrupted by
    signal n.
    """
    from rich.console import Console

    import unifiedqr
    from unifiedqr_lab.conformance.golden import TRUTH_BACKEND
    from unifiedqr_lab.conformance.runner import run_suite
    from unifiedqr_lab.conformance.sharded import run_engines
    from unifiedqr_lab.conformance.sharded_table import objections, table
    from unifiedqr_lab.files import check_outputs, write_json
    from unifiedqr_lab.workers.display import watching
    from unifiedqr_lab.workers.progress import Progress

    check_outputs(json)
    installed = unifiedqr.backends()
    names = options.names("backends", backends) or tuple(
        name for name, info in installed.items() if info.available and name != TRUTH_BACKEND
    )
    for name in names:
        os.environ.update(instruments(name).environment)  # before the framework is imported
    decompositions, dtypes = (
        options.decompositions(decomposition) or tuple(DECOMPOSITIONS),
        options.names("dtype", dtype),
    )
    with watching() as watch:
        result = run_suite(
            names,
            lambda name, done, total: watch(Progress(name, "done" if done == total else "running", done, total)),
            decompositions,
            dtypes or DTYPES,
        )
        if sharded:
            found = run_engines(names, decompositions=decompositions, dtypes=result.dtypes[-1:], watch=watch)
            result = replace(result, sharded=found)
    if json is not None:
        write_json(
            json,
            {
                **result.to_dict(),
                "unifiedqr": unifiedqr.__version__,
                "versions": {name: installed[name].version for name in names},
            },
        )
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    console.print(result.table())
    if result.sharded:
        console.print(table(result.sharded))
    failures = [*map(str, result.failures), *objections(result.sharded)]
    for failure in failures[:SHOWN]:
        console.print(failure, soft_wrap=True, markup=False)
    if len(failures) > SHOWN:
        console.print(f"... and {len(failures) - SHOWN} more")
    for name in names:
        console.print(result.verdict(name), soft_wrap=True, markup=False)
    raise typer.Exit(0 if result.passed else 1 if failures else 3)
