"""Reading matrices: every kind of file, and every way one can be bad."""

import pickle

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from safetensors.numpy import save_file

from unifiedqr.errors import InputError
from unifiedqr_lab.compare.matrices import bundled, longley, read_all, read_matrices

A = np.array([[1.0, 2.5], [3.0, -4.0], [5.0, 7.25]])

WRITERS = {
    ".npy": lambda path, X: np.save(path, X),
    ".npz": lambda path, X: np.savez(path, X=X),
    ".csv": lambda path, X: np.savetxt(path, X, delimiter=",", fmt="%.17g"),
    ".txt": lambda path, X: np.savetxt(path, X, fmt="%.17g"),
    ".mtx": scipy.io.mmwrite,
    ".mat": lambda path, X: scipy.io.savemat(path, {"X": X}),
    ".safetensors": lambda path, X: save_file({"X": X}, path),
}


@pytest.mark.parametrize("suffix", WRITERS)
def test_every_kind_of_file_gives_the_same_matrix(tmp_path, suffix):
    path = str(tmp_path / f"m{suffix}")
    WRITERS[suffix](path, A)
    (matrix,) = read_matrices(path)
    np.testing.assert_array_equal(matrix.values, A)
    assert matrix.values.dtype == np.float64


@pytest.mark.parametrize("suffix", [".npy", ".csv", ".txt", ".mtx", ".mat"])
def test_complex_matrices(tmp_path, suffix):
    path = str(tmp_path / f"m{suffix}")
    WRITERS[suffix](path, A * (1 - 2j))
    (matrix,) = read_matrices(path)
    np.testing.assert_array_equal(matrix.values, A * (1 - 2j))


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".mat", ".safetensors"])
def test_integers_are_converted_and_noted(tmp_path, suffix):
    path = str(tmp_path / f"m{suffix}")
    WRITERS[suffix](path, np.array([[1, 2], [3, 5]], dtype=np.int32))
    (matrix,) = read_matrices(path)
    assert matrix.values.dtype == np.float64
    assert "int32" in matrix.notes[0]


def test_one_array_of_several(tmp_path):
    path = tmp_path / "two.npz"
    np.savez(path, X=A, Y=2 * A)
    assert [m.label for m in read_matrices(str(path))] == ["two.npz:X", "two.npz:Y"]
    (only,) = read_matrices(f"{path}:Y")
    np.testing.assert_array_equal(only.values, 2 * A)
    with pytest.raises(InputError, match="has no array 'Z'"):
        read_matrices(f"{path}:Z")


SPARSE = {
    ".mtx": scipy.io.mmwrite,
    ".mat": lambda path, X: scipy.io.savemat(path, {"X": X}),
    **{f" {kind}.npz": scipy.sparse.save_npz for kind in ("csr", "csc", "coo", "bsr", "dia")},
}


@pytest.mark.parametrize("ending", SPARSE)
def test_sparse_files_are_made_dense_and_it_is_said(tmp_path, ending):
    kind, _, suffix = ending.strip().rpartition(".")
    path = str(tmp_path / f"s.{suffix}")
    SPARSE[ending](path, scipy.sparse.coo_matrix(np.diag([1.0, 2.0, 3.0])).asformat(kind or "coo"))
    (matrix,) = read_matrices(path)
    np.testing.assert_array_equal(matrix.values, np.diag([1.0, 2.0, 3.0]))
    assert matrix.notes == ("sparse, 3 entries stored; made dense",)


def test_dense_files_are_not_called_sparse(tmp_path):
    for suffix, write in WRITERS.items():
        write(tmp_path / f"m{suffix}", A)
        assert read_matrices(str(tmp_path / f"m{suffix}"))[0].notes == ()


def test_two_matrices_of_one_name_are_refused(tmp_path):
    paths = [tmp_path / "a" / "m.npy", tmp_path / "b" / "m.npy"]
    for path in paths:
        path.parent.mkdir()
        np.save(path, A)
    with pytest.raises(InputError, match=r"both hold a matrix called 'm.npy'"):
        read_all([str(path) for path in paths])
    with pytest.raises(InputError, match="give it once"):
        read_all([str(paths[0])] * 2)


TEXTS = {
    "ragged": ("1,2\n3\n", "ragged: line 2"),
    "not numeric": ("1,2\na,b\n", "'a' is not a number"),
    "words": ("a,b\nc,d\n", "no line of numbers"),
    "not finite": ("1,nan\n2,3\n", "NaN or infinite"),
    "infinite": ("1,inf\n2,3\n", "NaN or infinite"),
    "no rows": ("# nothing\n", "no line of numbers"),
    "empty": ("", "is empty"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_bad_text_is_refused(tmp_path, case):
    text, message = TEXTS[case]
    path = tmp_path / "m.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_matrices(str(path))


ARRAYS = {
    "0-D": (np.array(1.0), r"shape \(\); a matrix"),
    "1-D": (np.ones(3), r"shape \(3,\); a matrix .* is needed. Reshape it"),
    "structured": (np.ones((2, 2), dtype=[("x", "f8")]), "real or complex numbers"),
    "dates": (np.zeros((2, 2), dtype="M8[D]"), "real or complex numbers"),
    "objects": (np.array([[1, "x"]], dtype=object), "pickled"),
    "text": (np.array([["a", "b"]]), "real or complex numbers"),
    "booleans": (np.eye(2, dtype=bool), "real or complex numbers"),
    "empty": (np.ones((0, 3)), "empty"),
    "huge integers": (np.full((2, 2), 2**60), "2\\^53"),
    "NaN": (np.array([[1.0, np.nan]]), r"first at \(0, 1\)"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_bad_arrays_are_refused(tmp_path, case):
    values, message = ARRAYS[case]
    path = tmp_path / "m.npy"
    np.save(path, values, allow_pickle=True)
    with pytest.raises(InputError, match=message):
        read_matrices(str(path))


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_pickles_are_never_loaded(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    path.write_bytes(pickle.dumps(A))
    with pytest.raises(InputError, match="pickle is never loaded"):
        read_matrices(str(path))


@pytest.mark.parametrize("suffix", WRITERS)
def test_damaged_files_are_refused(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    path.write_bytes(b"\x93NUMPY\x01 PK damaged \xff\xfe")
    with pytest.raises(InputError, match="m\\."):
        read_matrices(str(path))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        *(("no.npy", "no such file"), ("m.pkl", "not read"), (".", "directory"), ("no.npz:X", "no such file")),
        *(("m", "without suffix"), ("m.pkl/x.npy", "Not a directory"), ("m" * 300 + ".npy", "too long")),
    ],
)
def test_wrong_paths_are_refused(tmp_path, name, message):
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(A))
    (tmp_path / "m").write_bytes(b"1")
    with pytest.raises(InputError, match=message):
        read_matrices(str(tmp_path / name))


def test_longley_has_the_certified_solution():
    import mpmath

    certified = [
        *("-3482258.63459582", "15.0618722713733", "-0.358191792925910e-1", "-2.02022980381683"),
        *("-1.03322686717359", "-0.511041056535807e-1", "1829.15146461355"),
    ]
    X, y = longley()
    assert X.shape == (16, 7)
    with mpmath.workdps(60):
        M, b = mpmath.matrix(X.tolist()), mpmath.matrix(y.tolist())
        solution = mpmath.lu_solve(M.T * M, M.T * b)
        # Fifteen significant digits are certified.
        assert [mpmath.nstr(x, 13) for x in solution] == [mpmath.nstr(mpmath.mpf(x), 13) for x in certified]


def test_the_bundled_matrices_say_where_they_come_from():
    deep, wide = bundled()
    assert "NIST" in deep.source
    np.testing.assert_array_equal(deep.values.T, wide.values)
