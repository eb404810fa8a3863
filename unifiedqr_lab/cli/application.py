"""The typer application with its verbs."""

from typing import Annotated

import typer

import unifiedqr
from unifiedqr_lab.cli.backends import backends
from unifiedqr_lab.cli.bench import bench
from unifiedqr_lab.cli.compare import compare
from unifiedqr_lab.cli.conformance import conformance
from unifiedqr_lab.cli.record import record


def _spelled(token: str) -> str:
    """Accept --backend, an earlier spelling of --backends, and the verb without its last letter."""
    return "backends" if token == "backend" else token


application = typer.Typer(
    name="unifiedqr",
    help="QR and LQ decompositions with correct derivatives, identical in PyTorch, TensorFlow, MXNet and JAX.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": _spelled,
    },
)
for verb in (compare, record, backends, conformance, bench):
    application.command()(verb)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"unifiedqr {unifiedqr.__version__}")
        raise typer.Exit


@application.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """QR and LQ decompositions with correct derivatives, identical in PyTorch, TensorFlow, MXNet and JAX."""
