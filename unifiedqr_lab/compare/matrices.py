"""Matrices from files, and the bundled data set. Whatever cannot be compared is refused in one clear line."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from unifiedqr._typing import Array
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.errors import InputError
from unifiedqr_lab.compare.job import FUNCTION, Matrix
from unifiedqr_lab.compare.text import read_text
from unifiedqr_lab.files import check_readable

LONGLEY = (
    "NIST Statistical Reference Datasets (StRD), linear least squares, Longley: J. W. Longley (1967), An Appraisal of "
    "Least Squares Programs for the Electronic Computer from the Viewpoint of the User, JASA 62, 819-841; public domain"
)
EXACT_INTEGERS = 2**53


def longley() -> tuple[Array, Array]:
    """Return the 16 x 7 design matrix (ones, x1 ... x6) and the observations y of the bundled Longley data."""
    text = files("unifiedqr_lab.compare").joinpath("data/longley.csv").read_text(encoding="utf-8")
    table = np.loadtxt(text.splitlines(), delimiter=",")
    return np.concatenate([np.ones((table.shape[0], 1)), table[:, 1:]], axis=1), table[:, 0]


def bundled() -> tuple[Matrix, ...]:
    """Return what is compared when no matrix is named: Longley's design matrix for QR, its transpose for LQ.

    The leading seven rows of the 16 x 7 matrix are seven consecutive years, of condition 1.7e10 however scaled: an LQ
    decomposition of it tells nothing in double precision. That of the transpose has the condition 4.3e4 of the QR.
    """
    X, y = longley()
    by_rows = tuple(name for name, row in DECOMPOSITIONS.items() if row().orientation.adjoint)
    by_columns = tuple(name for name in DECOMPOSITIONS if name not in by_rows)
    note = "design matrix: a column of ones and the six predictors"
    return (
        Matrix("longley", X, LONGLEY, (note,), (*by_columns, FUNCTION), y[:, None]),
        Matrix("longley.T", np.ascontiguousarray(X.T), "the transpose of longley", (), by_rows),
    )


@dataclass(frozen=True)
class Found:
    """An array as a file has it, and what was done to read it."""

    values: Any
    notes: tuple[str, ...] = ()


Reader = Callable[[Path], dict[str, Found]]


def read_all(texts: Sequence[str]) -> tuple[Matrix, ...]:
    """Read every matrix that the arguments of a command name.

    Raises
    ------
    InputError
        What `read_matrices` raises, or two matrices have the same name.
    """
    named: dict[str, str] = {}
    matrices: list[Matrix] = []
    for text in texts:
        for matrix in read_matrices(text):
            if matrix.label in named:
                raise InputError(
                    f"{named[matrix.label]} and {text} both hold a matrix called {matrix.label!r}, and results are "
                    f"identified by name; rename one, or give it once."
                )
            named[matrix.label] = text
            matrices.append(matrix)
    return tuple(matrices)


def located(text: str) -> tuple[Path, str | None]:
    """Return the file that an argument names, and the name of one of its arrays, as in ``FILE:NAME``, or None."""
    path = Path(text)
    if os.path.exists(path) or ":" not in path.name:
        return path, None
    file, _, name = text.rpartition(":")
    return Path(file), name


def read_matrices(text: str) -> tuple[Matrix, ...]:
    """Read every matrix of a file, or the one that ``FILE:NAME`` names in a file of several.

    Raises
    ------
    InputError
        The file is missing, unreadable, pickled or of an unknown kind, or a matrix is ragged, empty, one-dimensional,
        not numeric, or has a NaN or infinite entry.
    """
    path, name = located(text)
    check_readable(path)
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: files of kind {path.suffix or 'without suffix'!r} are not read; {', '.join(READERS)} are."
        )
    found = _read(path, reader)
    if not found:
        raise InputError(f"{path} contains no array.")
    if name is not None:
        if name not in found:
            raise InputError(f"{path} has no array {name!r}; it has {', '.join(found)}.")
        found = {name: found[name]}
    single = len(found) == 1 and name is None
    return tuple(_checked(array, path.name if single else f"{path.name}:{key}", path) for key, array in found.items())


def _read(path: Path, reader: Reader) -> dict[str, Found]:
    try:
        return reader(path)
    except InputError:
        raise
    except MemoryError as error:
        raise InputError(f"{path} is too large for the memory of this machine as a dense matrix.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # readers of foreign formats raise whatever they like on damaged files
        told = str(error).strip().split("\n")[0]
        if "allow_pickle" in told or "pickle" in told.lower():
            raise InputError(
                f"{path} holds pickled objects, which are never loaded; save it as a numeric array."
            ) from error
        raise InputError(f"{path} cannot be read as {path.suffix}: {told or type(error).__name__}.") from error


def _npy(path: Path) -> dict[str, Found]:
    with path.open("rb") as stream:
        if stream.read(6) != b"\x93NUMPY":
            raise InputError(f"{path} is no .npy file (a pickle is never loaded); save it with numpy.save.")
    return {path.stem: Found(np.load(path, allow_pickle=False))}


def _npz(path: Path) -> dict[str, Found]:
    with path.open("rb") as stream:
        if stream.read(2) != b"PK":
            raise InputError(f"{path} is no .npz file (a pickle is never loaded); save it with numpy.savez.")
        stream.seek(0)
        with np.load(stream, allow_pickle=False) as archive:
            if not SPARSE.issubset(archive.files):
                return {name: Found(archive[name]) for name in archive.files}
    return {path.stem: _dense(import_module("scipy.sparse").load_npz(path))}


def _text(path: Path) -> dict[str, Found]:
    return {path.stem: Found(*read_text(path))}


def _mtx(path: Path) -> dict[str, Found]:
    return {path.stem: _dense(import_module("scipy.io").mmread(path))}


def _mat(path: Path) -> dict[str, Found]:
    try:
        contents: dict[str, Any] = import_module("scipy.io").loadmat(path)
    except NotImplementedError as error:
        raise InputError(f"{path} is a MATLAB 7.3 file (HDF5); save it with -v7.") from error
    return {name: _dense(value) for name, value in contents.items() if not name.startswith("__")}


def _safetensors(path: Path) -> dict[str, Found]:
    return {name: Found(array) for name, array in import_module("safetensors.numpy").load_file(path).items()}


def _dense(x: Any) -> Found:
    if not hasattr(x, "toarray"):
        return Found(x)
    return Found(x.toarray(), (f"sparse, {x.nnz} entries stored; made dense",))


READERS: dict[str, Reader] = {
    ".npy": _npy,
    ".npz": _npz,
    ".csv": _text,
    ".tsv": _text,
    ".txt": _text,
    ".mtx": _mtx,
    ".mat": _mat,
    ".safetensors": _safetensors,
}
"""The readers by suffix."""

SPARSE = {"format", "shape", "data"}
"""The arrays by which a file of `scipy.sparse.save_npz` is known, whatever its format."""


def _checked(found: Found, label: str, path: Path) -> Matrix:
    values, notes = as_floating(np.asarray(found.values), label)
    if values.ndim < 2:
        raise InputError(
            f"{label} has shape {values.shape}; a matrix (m, n) or a stack of them (..., m, n) is needed. Reshape it "
            f"to one column (m, 1) or one row (1, n) if that is meant."
        )
    stacked = (f"a stack of {math.prod(values.shape[:-2])} matrices",) if values.ndim > 2 else ()
    return Matrix(label, values, f"file {path.name}", (*found.notes, *notes, *stacked))


def as_floating(values: Array, label: str) -> tuple[Array, tuple[str, ...]]:
    """Return finite numbers as float64 or complex128, with a note where something was converted.

    Raises
    ------
    InputError
        The array is empty, not numeric, not finite, or of integers that float64 cannot hold.
    """
    kind = values.dtype.kind
    if values.size == 0:
        raise InputError(f"{label} is empty (shape {values.shape}).")
    if kind == "O":
        raise InputError(f"{label} is an array of Python objects, which is never loaded; save it as a numeric array.")
    if kind not in "iufc":
        raise InputError(f"{label} has dtype {values.dtype}; real or complex numbers are needed.")
    if kind in "iu" and max(abs(int(values.max())), abs(int(values.min()))) > EXACT_INTEGERS:
        raise InputError(f"{label} has integers beyond 2^53, which float64 cannot hold; scale it.")
    wide = values.astype(np.complex128 if kind == "c" else np.float64)
    if not np.all(np.isfinite(wide)):
        place = tuple(int(i) for i in np.argwhere(~np.isfinite(wide))[0])
        raise InputError(f"{label} has a NaN or infinite entry, the first at {place}; all must be finite.")
    if values.dtype == wide.dtype:
        return wide, ()
    return wide, (f"converted from {values.dtype} to {wide.dtype}",)
