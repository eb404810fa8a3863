"""``unifiedqr conformance``."""

import os
import sys
from typing import Annotated

import typer

SHOWN = 20


def conformance(
    backend: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Backend to test; repeatable.", show_default="all available"),
    ] = None,
) -> None:
    """Run the conformance suite: golden vectors, adjoint identities, planted wrong rules.

    Exit status: 0 conforms, 1 does not, 2 bad input.
    """
    from rich.console import Console

    from unifiedqr.conformance.golden import TRUTH
    from unifiedqr.conformance.runner import run_suite
    from unifiedqr.discovery import backends, plugin

    names = list(backend or [name for name, info in backends().items() if info.available and name != TRUTH])
    for name in names:
        os.environ.update(plugin(name).environment)  # before the framework is imported
    with Console(stderr=True).status("starting") as status:
        result = run_suite(names, progress=status.update)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    console.print(result.table())
    for failure in result.failures[:SHOWN]:
        console.print(str(failure), soft_wrap=True)
    if len(result.failures) > SHOWN:
        console.print(f"... and {len(result.failures) - SHOWN} more")
    raise typer.Exit(0 if result.passed else 1)
