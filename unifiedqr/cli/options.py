"""The options that verbs share, and how their text becomes a job."""

from typing import TYPE_CHECKING, Annotated

import typer

from unifiedqr.backend import DTYPES
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.errors import OptionError

if TYPE_CHECKING:
    from unifiedqr.compare.job import Job

SHOWN = ("qr", "qr-pivoted", "lq", "lstsq")
"""The decompositions that are compared unless some are named."""

Matrices = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[MATRIX]...",
        help="Matrix files: .npy .npz .csv .txt .mtx .mat .safetensors; FILE:NAME picks one of several arrays. "
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
Decomposition = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help=f"Decompositions, comma-separated: {', '.join(DECOMPOSITIONS)}; or all, but for those that "
        "do not take the matrix's shape. Least squares has the data's response for its right-hand "
        "side, or fixed random numbers.",
        show_default=",".join(SHOWN),
    ),
]
Derivative = Annotated[str, typer.Option(metavar="NAMES", help="What to compare: value, vjp, jvp; hvp too for a loss.")]
Dtype = Annotated[
    str | None,
    typer.Option(
        metavar="NAMES",
        help=f"Dtypes: {', '.join(DTYPES)}. A real matrix becomes complex by random phases.",
        show_default="float64,complex128",
    ),
]
Timeout = Annotated[float, typer.Option(metavar="SECONDS", min=1.0, help="Bound on the time of the whole command.")]


def names(option: str, text: str) -> tuple[str, ...]:
    """Split a comma-separated list; an empty entry is an error."""
    found = tuple(part.strip() for part in text.split(","))
    if not all(found):
        raise OptionError(f"--{option} {text!r} has an empty entry; give names separated by commas.")
    return found


def job_of(
    matrices: list[str] | None, loss: str | None, decomposition: str | None, derivative: str, dtype: str | None
) -> "Job":
    """Read the matrices and make the job; a loss replaces the decompositions unless both are named."""
    from unifiedqr.compare.function import function_in_file
    from unifiedqr.compare.job import matrix_job
    from unifiedqr.compare.matrices import bundled, read_matrices

    function = None if loss is None else function_in_file(loss)
    if decomposition is None:
        decompositions = SHOWN if function is None else ()
    else:
        decompositions = (
            tuple(DECOMPOSITIONS) if decomposition.strip() == "all" else names("decomposition", decomposition)
        )
    read = tuple(matrix for text in matrices for matrix in read_matrices(text)) if matrices else bundled()
    return matrix_job(
        read,
        decompositions=decompositions,
        dtypes=None if dtype is None else names("dtype", dtype),
        derivatives=names("derivative", derivative),
        function=function,
        strict=decomposition is not None and decomposition.strip() != "all",
    )
