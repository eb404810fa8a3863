"""``unifiedqr conformance``."""

import os
from typing import Annotated

import typer


def conformance(
    backend: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Backend to test; repeatable.", show_default="all available"),
    ] = None,
) -> None:
    """Run the conformance suite: golden vectors, adjoint identities, invariants.

    Exit status: 0 conforms, 1 does not, 2 bad input.
    """
    from rich.console import Console

    from unifiedqr.conformance.runner import run_suite
    from unifiedqr.discovery import backends, plugin

    names = list(backend or [name for name, info in backends().items() if info.available])
    for name in names:
        os.environ.update(plugin(name).environment)  # before the framework is imported
    result = run_suite(names, progress=lambda line: typer.echo(line, err=True))
    Console(highlight=False).print(result.table())
    raise typer.Exit(0 if result.passed else 1)
