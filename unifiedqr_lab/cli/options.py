"""The options that verbs share, their completion in a shell, and how their text becomes a job."""

import shlex
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from unifiedqr.backend import DTYPES
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import names as backend_names
from unifiedqr.errors import OptionError

if TYPE_CHECKING:
    from unifiedqr_lab.compare.job import Job

SHOWN = ("qr", "qr-pivoted", "lq", "lstsq")
"""The decompositions that are compared by default."""

DERIVATIVES = ("value", "vjp", "jvp")
"""The derivatives that are compared by default."""

ALL = "all"


def completing(choices: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return the function that completes a comma-separated list in a shell: by a choice not yet in it."""

    def complete(incomplete: str) -> list[str]:
        before, comma, _ = incomplete.rpartition(",")
        named = before.split(",")
        continued = (f"{before}{comma}{choice}" for choice in choices() if choice not in named)
        return [text for text in continued if text.startswith(incomplete)]

    return complete


Matrices = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MATRIX]...",
        help="Matrix files: .npy .npz .csv .tsv .txt .mtx .mat .safetensors; FILE:NAME picks one of several arrays. "
        "With none, the bundled data set (NIST Longley).",
        show_default=False,
    ),
]
Loss = Annotated[
    str | None,
    typer.Option(
        metavar="FILE.py:FUNC", help="Compare your own func(xp, A) -> real scalar (or func(A)).", show_default=False
    ),
]
Backends = Annotated[
    list[str] | None,
    typer.Option(
        "--backends",
        metavar="NAMES",
        help="Frameworks to run, comma-separated; repeatable.",
        show_default="all installed",
        autocompletion=completing(backend_names),
    ),
]
Decomposition = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        help=f"Decompositions, comma-separated: {', '.join(DECOMPOSITIONS)}; or all, except those that "
        "do not take the matrix's shape. The right-hand side of least squares is the data's "
        "response, or fixed random numbers.",
        show_default=",".join(SHOWN),
        autocompletion=completing(lambda: (*DECOMPOSITIONS, ALL)),
    ),
]
Derivative = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        help="What to compare: value, vjp, jvp; hvp too for a loss.",
        show_default=",".join(DERIVATIVES),
        autocompletion=completing(lambda: (*DERIVATIVES, "hvp")),
    ),
]
Dtype = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        help=f"Dtypes: {', '.join(DTYPES)}. A real matrix becomes complex by random phases.",
        show_default="float64,complex128",
        autocompletion=completing(lambda: DTYPES),
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(metavar="FILE.html", help="Write a report: one HTML file that needs no network.", show_default=False),
]
Json = Annotated[
    Path | None, typer.Option(metavar="FILE.json", help="Write everything but arrays as JSON.", show_default=False)
]
Markdown = Annotated[
    Path | None,
    typer.Option(metavar="FILE.md", help="Write the tables in Markdown, for a pull request.", show_default=False),
]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=1.0, help="Time limit for the whole command.")]


def names(option: str, texts: Sequence[str] | None) -> tuple[str, ...] | None:
    """Split comma-separated lists, each name once; an empty entry is an error, and None stays None."""
    if texts is None:
        return None
    found = tuple(part.strip() for text in texts for part in text.split(","))
    if not all(found):
        given = " ".join(map(repr, texts))
        raise OptionError(f"--{option} {given} has an empty entry; give names separated by commas.")
    return tuple(dict.fromkeys(found))


def decompositions(texts: Sequence[str] | None) -> tuple[str, ...] | None:
    """Split the names of decompositions, where "all" means every one."""
    found = names("decomposition", texts)
    return tuple(DECOMPOSITIONS) if found == (ALL,) else found


def command() -> str:
    """Return what was typed."""
    return shlex.join(["unifiedqr", *sys.argv[1:]])


def files(matrices: list[str] | None, loss: str | None, records: Sequence[Path] | None = None) -> list[Path]:
    """Return every file that a command reads, so that none is overwritten."""
    from unifiedqr_lab.compare.matrices import located

    sources = [] if loss is None else [Path(loss.rpartition(":")[0])]
    return [*(located(text)[0] for text in matrices or ()), *sources, *(records or ())]


def job_of(
    matrices: list[str] | None,
    loss: str | None,
    decomposition: list[str] | None,
    derivative: list[str] | None,
    dtype: list[str] | None,
) -> "Job":
    """Read the matrices and make the job; a loss replaces the decompositions unless both are named."""
    from unifiedqr_lab.compare.function import function_in_file
    from unifiedqr_lab.compare.job import matrix_job
    from unifiedqr_lab.compare.matrices import bundled, read_all

    function = None if loss is None else function_in_file(loss)
    chosen = decompositions(decomposition)
    return matrix_job(
        read_all(matrices) if matrices else bundled(),
        decompositions=chosen or (() if function else SHOWN),
        dtypes=names("dtype", dtype),
        derivatives=names("derivative", derivative) or DERIVATIVES,
        function=function,
        strict=chosen is not None and len(chosen) < len(DECOMPOSITIONS),
    )
