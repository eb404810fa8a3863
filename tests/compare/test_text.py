"""Text files as spreadsheets, R, MATLAB, NumPy and people write them; what has two meanings is refused."""

import numpy as np
import pytest

from unifiedqr.errors import InputError
from unifiedqr_lab.compare.matrices import read_matrices
from unifiedqr_lab.compare.text import read_text

A = np.array([[1.5, -2.25, 3.0], [4.125, 5.0, -6.5], [0.0, 1e-3, 2e5]])
SEPARATORS = {"comma": ",", "semicolon": ";", "tab": "\t", "blank": " ", "bar": "|", "comma and blank": ", "}
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]


def written(separator, *, point=".", heading="", end="\n"):
    """Write A as text."""
    rows = [separator.join(repr(float(x)).replace(".", point) for x in row) for row in A]
    return end.join([*([heading] if heading else []), *rows, ""])


def reading(folder, text, encoding="utf-8", name="m.csv"):
    """Read a text as a file."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return read_text(path)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", SEPARATORS)
def test_separators(tmp_path, separator, end):
    values, notes = reading(tmp_path, written(SEPARATORS[separator], end=end))
    np.testing.assert_array_equal(values, A)
    assert notes == ()


@pytest.mark.parametrize("separator", ["semicolon", "tab", "bar"])
def test_decimal_commas_are_read_and_said(tmp_path, separator):
    values, notes = reading(tmp_path, written(SEPARATORS[separator], point=","))
    np.testing.assert_array_equal(values, A)
    assert notes == ("commas read as decimal marks",)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_encodings_and_byte_order_marks(tmp_path, encoding):
    values, notes = reading(tmp_path, written(";", heading="Größe;Länge;Höhe"), encoding)
    np.testing.assert_array_equal(values, A)
    assert len(notes) == 1
    if encoding != "cp1252":  # too few letters to tell one 8-bit encoding from another
        assert notes == ("heading skipped: Größe, Länge, Höhe",)


HEADINGS = {
    "words": ("year,GDP in USD,pop", ",", "year, GDP in USD, pop"),
    "quoted": ('"a","b, of c","d"', ",", "a, b, of c, d"),
    "two lines": ("a;b;c\nm;kg;s", ";", "a, b, c"),
    "after a comment": ("# made today\na\tb\tc", "\t", "a, b, c"),
}


@pytest.mark.parametrize("case", HEADINGS)
def test_a_heading_is_skipped_and_said(tmp_path, case):
    heading, separator, told = HEADINGS[case]
    values, notes = reading(tmp_path, written(separator, heading=heading))
    np.testing.assert_array_equal(values, A)
    assert notes[0] == f"heading skipped: {told}"


def test_quoted_decimal_commas(tmp_path):
    values, _ = reading(tmp_path, '"1,5","2,5"\n"3,5","-4,25"\n')
    np.testing.assert_array_equal(values, [[1.5, 2.5], [3.5, -4.25]])


def test_columns_aligned_by_blanks(tmp_path):
    values, _ = reading(tmp_path, "   1.5    -2.25\n  40.0     5.00\n")
    np.testing.assert_array_equal(values, [[1.5, -2.25], [40, 5]])


@pytest.mark.parametrize(("text", "shape"), [("1.5\n2.5\n", (2, 1)), ("1.5,2.5\n", (1, 2)), ("x\n1\n2\n3\n", (3, 1))])
def test_one_column_and_one_row(tmp_path, text, shape):
    assert reading(tmp_path, text)[0].shape == shape


@pytest.mark.parametrize(
    "text",
    [
        *("1+2i, 3-4i\n2i, 5\n", "1 + 2i, 3 - 4i\n2i, 5\n", "(1+2j),(3-4j)\n2j,5\n", "(1+2j) (3-4j)\n2j 5\n"),
        "a,b\n1+2j,3+-4j\n0+2i,5+0i\n",
    ],
)
def test_complex_numbers(tmp_path, text):
    np.testing.assert_array_equal(reading(tmp_path, text)[0], [[1 + 2j, 3 - 4j], [2j, 5]])


REFUSED = {
    "words": ("hello world\nthis is a text, nothing else\n", "no line of numbers; its first line is 'hello"),
    "a word among numbers": ("1,2\n3,x\n", "line 2, entry 2: 'x' is not a number"),
    "a word in the first line": ("1,x\n3,4\n", "line 1, entry 2: 'x' is not a number"),
    "an empty entry": ("1,2\n,4\n", "line 2, entry 1: the entry is empty"),
    "trailing commas": ("1,2,\n3,4,\n", "line 1, entry 3: the entry is empty"),
    "a word for i": ("1,2\ni,j\n", "'i' is not a number"),
    "underscores": ("1_000,2\n3,4\n", "'1_000' is not a number"),
    "two numbers in a cell": ("1 2,3\n4 5,6\n", "is not a number"),
    "thousands": ("1.234,5;2\n3;4\n", "which of them is the decimal mark"),
    "thousands elsewhere": ("1,234;2.5\n3;4\n", "which of them is the decimal mark"),
    "names of rows, pandas": (",x,y\n0,1.5,2.5\n1,2.5,3\n", "index=False"),
    "names of rows, R": ('"x" "y"\n"1" 1.5 2.5\n"2" 2.5 3\n', "row.names=FALSE"),
    "binary": (bytes(range(256)) * 4, "save it as UTF-8"),
    "comments only": ("# nothing\n", "no line of numbers"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_matrix_is_refused(tmp_path, case):
    text, message = REFUSED[case]
    with pytest.raises(InputError, match=message):
        reading(tmp_path, text)


@pytest.mark.parametrize("text", ["1,5 2,5\n3,5 4,5\n", "1, 2; 3, 4\n", "1,5\n2,5 3\n"])
def test_an_unclear_separator_gives_no_wrong_numbers(tmp_path, text):
    with pytest.raises(InputError, match=r"is not a number|ragged"):
        reading(tmp_path, text)


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.txt", "m.CSV"])
def test_matrices_are_read_from_every_suffix_of_text(tmp_path, name):
    (tmp_path / name).write_text("a;b\n1,5;2\n3;4\n")
    (matrix,) = read_matrices(str(tmp_path / name))
    np.testing.assert_array_equal(matrix.values, [[1.5, 2], [3, 4]])
    assert matrix.notes == ("heading skipped: a, b", "commas read as decimal marks")
