"""Tables of numbers in text files, whatever program wrote them.

CleverCSV reads them. It finds the encoding (by chardet) and the dialect, by how regular the rows and how plausible the
cells of each possible one are: G. J. J. van den Burg, A. Nazábal, C. Sutton (2019), Wrangling messy CSV files by
detecting row and type patterns, Data Mining and Knowledge Discovery 33. pandas asks the `Sniffer` of the standard
library, which looks at how often a character comes, and must be told of decimal commas and encodings. What is left to
us is what no reader of tables knows: complex numbers as Python, NumPy and MATLAB write them. What has two meanings is
refused.
"""

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from unifiedqr._typing import Array
from unifiedqr.errors import InputError

SEPARATORS = (",", ";", "\t", " ", "|")
SAMPLE, CHARACTERS = 50, 100_000
"""Lines from which the dialect is found, and about how many characters."""

Row = tuple[int, list[str]]
"""The number of a line, and its cells."""


def read_text(path: Path) -> tuple[Array, tuple[str, ...]]:
    """Read a matrix from a text file.

    Parameters
    ----------
    path : Path
        Rows of numbers separated by commas, semicolons, tabs, blanks or bars; lines from # on are comments; heading
        lines, in which nothing is a number, may come first.

    Returns
    -------
    numpy.ndarray, shape (m, n)
        float64 or complex128.
    tuple of str
        What was done that the file does not say: heading lines skipped, commas read as decimal marks.

    Raises
    ------
    InputError
        The file is not text, has no numbers, is ragged, or has an entry that is ambiguous or not a number.
    """
    rows = _rows(_lines(path))
    body = next((i for i, (_, cells) in enumerate(rows) if _has_number(cells)), len(rows))
    headings, rows = rows[:body], rows[body:]
    if not rows:
        told = f"; its first line is {_short(' '.join(headings[0][1]))!r}" if headings else ""
        raise InputError(f"{path} has no line of numbers{told}. Write the matrix a row a line, its entries separated.")
    _check_shape(path, headings, rows)
    decimal_commas = any("," in cell for _, cells in rows for cell in cells)
    values = np.array([_values(path, row, decimal_commas) for row in rows], dtype=np.complex128)
    notes = [f"heading skipped: {_short(', '.join(cell.strip() for cell in cells))}" for _, cells in headings]
    if decimal_commas:
        notes.append("commas read as decimal marks")
    return values if np.any(values.imag != 0) else values.real.copy(), tuple(notes)


def _lines(path: Path) -> list[str]:
    encoding = import_module("clevercsv.encoding").get_encoding(path)
    if encoding is None and path.stat().st_size > 0:
        raise InputError(f"{path} is no text file, or its encoding cannot be told; save it as UTF-8.")
    text = path.read_text(encoding=encoding)
    return [line.partition("#")[0].rstrip() for line in text.splitlines()]


def _rows(lines: Sequence[str]) -> list[Row]:
    clevercsv: Any = import_module("clevercsv")
    first = [line for line in lines if line][:SAMPLE]
    sample = "\n".join(first[: max(2, CHARACTERS * len(first) // max(1, sum(map(len, first))))])
    dialect = clevercsv.Sniffer().sniff(sample, delimiters=SEPARATORS) if sample else None
    if dialect is None:
        return []
    reader = clevercsv.reader([f"{line}\n" for line in lines], dialect)
    rows: list[Row] = []
    for row in reader:
        # Columns aligned by blanks have several of them between two numbers.
        cells: list[str] = [cell for cell in row if cell] if dialect.delimiter == " " else row
        if cells not in ([], [""]):
            rows.append((reader.line_num, cells))
    return rows


def _check_shape(path: Path, headings: list[Row], rows: list[Row]) -> None:
    first, columns = rows[0][0], len(rows[0][1])
    for line, cells in rows:
        if len(cells) != columns:
            raise InputError(
                f"{path} is ragged: line {line} has {len(cells)} entries, the first row (line {first}) {columns}."
            )
    for line, cells in headings:
        # R leaves out the heading of the names of rows, pandas leaves it empty; such names may be numbers.
        if len(cells) != columns or not cells[0].strip():
            raise InputError(
                f"{path}: the heading on line {line} does not name {columns} columns as the rows have them "
                f"({_short(', '.join(cells))!r}). Remove it, and names of rows, which pandas leaves out by "
                f"index=False, R by row.names=FALSE."
            )


def _values(path: Path, row: Row, decimal_commas: bool) -> list[complex]:
    line, cells = row
    values: list[complex] = []
    for column, cell in enumerate(cells, start=1):
        if decimal_commas and "." in cell:
            raise InputError(
                f"{path}, line {line}, entry {column}: {_short(cell)!r} has a point, and other entries have commas; "
                f"which of them is the decimal mark cannot be told. Write numbers without separators of thousands."
            )
        value = _number(_pointed(cell))
        if value is None:
            what = f"{_short(cell)!r} is not a number" if cell.strip() else "the entry is empty"
            raise InputError(f"{path}, line {line}, entry {column}: {what}; every row must have numbers only.")
        values.append(value)
    return values


def _has_number(cells: list[str]) -> bool:
    return any(_number(_pointed(cell)) is not None for cell in cells)


def _pointed(cell: str) -> str:
    return cell.replace(",", ".")


def _number(cell: str) -> complex | None:
    """Read a real or complex number as Python, NumPy or MATLAB write them; None for any other text."""
    if "_" in cell or cell.strip(" ()") in ("i", "I", "j", "J"):
        return None  # to Python a number, to people a word
    try:
        return complex(cell)
    except ValueError:
        text = re.sub(r"\s*([+-])\s*", r"\1", cell.strip().lower()).replace("+-", "-")
    try:
        return complex(text.replace("i", "j") if text.endswith(("i", "i)")) else text)
    except ValueError:
        return None


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:57]}..."
