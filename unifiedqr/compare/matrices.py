"""Matrices from files, and the bundled data set. Whatever cannot be compared is refused in one clear line."""

import csv
import io
from collections.abc import Callable
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from unifiedqr._typing import Array
from unifiedqr.compare.job import FUNCTION, Matrix
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.errors import InputError

LONGLEY = (
    "NIST Statistical Reference Datasets (StRD), linear least squares, Longley: J. W. Longley (1967), An Appraisal of "
    "Least Squares Programs for the Electronic Computer from the Viewpoint of the User, JASA 62, 819-841; public domain"
)
EXACT_INTEGERS = 2**53


def longley() -> tuple[Array, Array]:
    """Give the 16 x 7 design matrix (ones, x1 ... x6) and the observations y of the bundled Longley data."""
    text = files("unifiedqr.compare").joinpath("data/longley.csv").read_text(encoding="utf-8")
    table = _table(text, "longley.csv")
    return np.concatenate([np.ones((table.shape[0], 1)), table[:, 1:]], axis=1), table[:, 0]


def bundled() -> tuple[Matrix, ...]:
    """Give what is compared when no matrix is named: Longley's design matrix for QR, its transpose for LQ.

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


def read_matrices(text: str) -> tuple[Matrix, ...]:
    """Read every matrix of a file, or the one that ``FILE:NAME`` names in a file of several.

    Raises
    ------
    InputError
        The file is missing, unreadable, pickled or of an unknown kind, or a matrix is ragged, empty, one-dimensional,
        not numeric, or has a NaN or infinite entry.
    """
    path, name = Path(text), None
    if not path.exists() and ":" in path.name:
        head, _, name = text.rpartition(":")
        path = Path(head)
    if path.is_dir():
        raise InputError(f"{path} is a directory; name a file.")
    if not path.is_file():
        raise InputError(f"{path}: no such file.")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: files of kind {path.suffix or 'without suffix'!r} are not read; {', '.join(READERS)} are."
        )
    found = _read(path, reader)
    if name is not None:
        if name not in found:
            raise InputError(f"{path} has no array {name!r}; it has {', '.join(found)}.")
        found = {name: found[name]}
    if not found:
        raise InputError(f"{path} contains no array.")
    single = len(found) == 1 and name is None
    return tuple(_checked(values, path.name if single else f"{path.name}:{key}", path) for key, values in found.items())


def _read(path: Path, reader: Callable[[Path], dict[str, Any]]) -> dict[str, Any]:
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


def _npy(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        if stream.read(6) != b"\x93NUMPY":
            raise InputError(f"{path} is no .npy file (a pickle is never loaded); save it with numpy.save.")
    return {path.stem: np.load(path, allow_pickle=False)}


def _npz(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream:
        if stream.read(2) != b"PK":
            raise InputError(f"{path} is no .npz file (a pickle is never loaded); save it with numpy.savez.")
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _text(path: Path) -> dict[str, Any]:
    return {path.stem: _table(path.read_text(encoding="utf-8-sig"), str(path))}


def _table(text: str, path: str) -> Array:
    """Read numbers separated by commas, semicolons, tabs or blanks; lines from # on are comments."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    separator = next((mark for mark in ",;\t" if any(mark in line for line in lines)), None)
    rows: list[list[complex]] = []
    for number, line in enumerate(lines, start=1):
        if line:
            cells = line.split() if separator is None else next(csv.reader(io.StringIO(line), delimiter=separator))
            rows.append([_number(cell, path, number, column) for column, cell in enumerate(cells, start=1)])
            if len(rows[-1]) != len(rows[0]):
                raise InputError(
                    f"{path} is ragged: line {number} has {len(rows[-1])} entries, the first row {len(rows[0])}."
                )
    values = np.array(rows, dtype=np.complex128)
    return values if np.any(values.imag != 0) else values.real.copy()


def _number(cell: str, path: str, line: int, column: int) -> complex:
    """Read a real or complex number as Python, NumPy or MATLAB write them."""
    text = cell.replace(" ", "").lower().replace("+-", "-")
    if text.endswith(("i", "i)")):
        text = text.replace("i", "j")
    try:
        return complex(text)
    except ValueError:
        raise InputError(
            f"{path}, line {line}, entry {column}: {cell.strip()[:40]!r} is not a number (a heading must start with #)."
        ) from None


def _mtx(path: Path) -> dict[str, Any]:
    return {path.stem: _dense(import_module("scipy.io").mmread(path))}


def _mat(path: Path) -> dict[str, Any]:
    try:
        contents: dict[str, Any] = import_module("scipy.io").loadmat(path)
    except NotImplementedError as error:
        raise InputError(f"{path} is a MATLAB 7.3 file (HDF5); save it with -v7.") from error
    return {name: _dense(value) for name, value in contents.items() if not name.startswith("__")}


def _safetensors(path: Path) -> dict[str, Any]:
    return dict(import_module("safetensors.numpy").load_file(path))


def _dense(x: Any) -> Any:
    return x.toarray() if hasattr(x, "toarray") else x


READERS: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".npy": _npy,
    ".npz": _npz,
    ".csv": _text,
    ".txt": _text,
    ".mtx": _mtx,
    ".mat": _mat,
    ".safetensors": _safetensors,
}
"""The readers by suffix."""


def _checked(values: Any, label: str, path: Path) -> Matrix:
    values, notes = as_floating(np.asarray(values), label)
    if values.ndim < 2:
        raise InputError(f"{label} has shape {values.shape}; a matrix (m, n) or a stack of them (..., m, n) is needed.")
    return Matrix(label, values, f"file {path.name}", notes)


def as_floating(values: Array, label: str) -> tuple[Array, tuple[str, ...]]:
    """Give finite numbers as float64 or complex128, with a note where something was converted.

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
