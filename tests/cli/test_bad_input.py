"""Whatever is wrong with a file or a name: one clear line, exit status 2, and nothing written."""

import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from unifiedqr_lab.compare.evaluate import Evaluation
from unifiedqr_lab.compare.function import PICKLED
from unifiedqr_lab.compare.job import FUNCTION, ComparisonCase, Function, Job
from unifiedqr_lab.compare.record import Environment, Record

A = np.array([[1.0, 2.0], [3.0, 5.0], [7.0, 11.0]])


@pytest.fixture
def folder(tmp_path):
    """Return a folder of files, one of them good."""
    np.save(tmp_path / "good.npy", A)
    (tmp_path / "folder.npy").mkdir()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "empty.npy").touch()
    np.save(tmp_path / "nan.npy", np.where(A > 6, np.nan, A))
    (tmp_path / "nan.csv").write_text("1,nan\n2,3\n")
    np.save(tmp_path / "vector.npy", A[0])
    np.save(tmp_path / "scalar.npy", np.array(1.0))
    np.save(tmp_path / "objects.npy", np.array([[1, "x"]], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", X=np.array([[{}]], dtype=object))
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(A))
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(A))
    (tmp_path / "pickle.pkl").write_bytes(pickle.dumps(A))
    (tmp_path / "words.txt").write_text("It was the best of times,\nit was the worst of times.\n")
    (tmp_path / "word.csv").write_text("1,2\n3,n/a\n")
    (tmp_path / "m.xlsx").write_bytes(b"PK\x03\x04")
    (tmp_path / "bare").write_text("1,2\n")
    (tmp_path / "binary.csv").write_bytes(bytes(range(256)))
    (tmp_path / "half.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:-9])
    np.savez(tmp_path / "whole.npz", X=A, Y=A[0])
    (tmp_path / "half.npz").write_bytes((tmp_path / "whole.npz").read_bytes()[:200])
    scipy.io.mmwrite(tmp_path / "half.mtx", A)
    (tmp_path / "half.mtx").write_text((tmp_path / "half.mtx").read_text()[:-8])
    scipy.io.savemat(tmp_path / "words.mat", {"s": "text"})
    scipy.io.savemat(tmp_path / "cells.mat", {"c": np.array([A, "x"], dtype=object)})
    scipy.sparse.save_npz(tmp_path / "nan.npz", scipy.sparse.csr_matrix(np.diag([1.0, np.nan])))
    (tmp_path / "m.safetensors").write_bytes(b"\xff" * 40)
    (tmp_path / "twice").mkdir()
    np.save(tmp_path / "twice" / "good.npy", A)
    return tmp_path


def everything(folder):
    """Return every file below a folder, and what it holds."""
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


INPUTS = {
    "missing": (["no.npy"], "no.npy: no such file"),
    "a directory": (["folder.npy"], "folder.npy is a directory; name a file"),
    "an empty file": (["empty.csv"], "empty.csv is empty"),
    "an empty file of arrays": (["empty.npy"], "empty.npy is empty"),
    "a NaN": (["nan.npy"], "nan.npy has a NaN or infinite entry, the first at (2, 0); all must be finite"),
    "a NaN in text": (["nan.csv"], "nan.csv has a NaN or infinite entry, the first at (0, 1)"),
    "a NaN in a sparse file": (["nan.npz"], "nan.npz has a NaN or infinite entry, the first at (1, 1)"),
    "one dimension": (["vector.npy"], "vector.npy has shape (2,); a matrix (m, n)"),
    "no dimension": (["scalar.npy"], "scalar.npy has shape (); a matrix (m, n)"),
    "objects": (["objects.npy"], "holds pickled objects, which are never loaded; save it as a numeric array"),
    "objects in an archive": (["objects.npz"], "holds pickled objects, which are never loaded"),
    "a pickle called .npy": (["pickle.npy"], "is no .npy file (a pickle is never loaded); save it with numpy.save"),
    "a pickle called .npz": (["pickle.npz"], "is no .npz file (a pickle is never loaded); save it with numpy.savez"),
    "a pickle": (["pickle.pkl"], "files of kind '.pkl' are not read; .npy, .npz, .csv"),
    "words": (["words.txt"], "words.txt has no line of numbers; its first line is 'It was the best of times"),
    "a word": (["word.csv"], "word.csv, line 2, entry 2: 'n/a' is not a number"),
    "a kind that is not read": (["m.xlsx"], "files of kind '.xlsx' are not read; .npy, .npz, .csv"),
    "no suffix": (["bare"], "files of kind 'without suffix' are not read"),
    "a binary file called .csv": (["binary.csv"], "binary.csv"),
    "half a .npy file": (["half.npy"], "half.npy cannot be read as .npy"),
    "half a .npz file": (["half.npz"], "half.npz cannot be read as .npz"),
    "half a .mtx file": (["half.mtx"], "half.mtx cannot be read as .mtx"),
    "text in a .mat file": (["words.mat"], "words.mat has dtype <U4; real or complex numbers are needed"),
    "cells in a .mat file": (["cells.mat"], "cells.mat is an array of Python objects"),
    "noise called .safetensors": (["m.safetensors"], "m.safetensors cannot be read as .safetensors"),
    "one bad array of two": (["whole.npz"], "whole.npz:Y has shape (2,)"),
    "an array that is not there": (["whole.npz:Z"], "whole.npz has no array 'Z'; it has X, Y"),
    "a name too long": (["m" * 300 + ".npy"], "cannot be read: File name too long"),
    "one file twice": (["good.npy", "good.npy"], "good.npy and good.npy both hold a matrix called 'good.npy'"),
    "one name twice": (["good.npy", "twice/good.npy"], "rename one, or give it once"),
    "a bad one after a good one": (["good.npy", "no.npy"], "no.npy: no such file"),
}


@pytest.mark.parametrize("verb", ["compare", "record"])
@pytest.mark.parametrize("case", INPUTS)
def test_a_bad_matrix(command, folder, verb, case):
    arguments, message = INPUTS[case]
    before = everything(folder)
    outputs = ("-o", "out.npz") if verb == "record" else ("--report", "out.html", "--json", "out.json")
    done = command(verb, *arguments, "--backends", "numpy", *outputs)
    assert done.status == 2, done.out
    (line,) = done.err.splitlines()
    assert line.startswith("unifiedqr: error: ")
    assert message in line
    assert everything(folder) == before


OUTPUTS = {
    "a report in no directory": (["compare", "--report", "no/r.html"], "there is no directory no"),
    "a report that is a directory": (["compare", "--report", "twice"], "twice is a directory; name a file to write"),
    "Markdown in no directory": (["compare", "--markdown", "no/r.md"], "there is no directory no"),
    "Markdown over the matrix": (["compare", "good.npy", "--markdown", "good.npy"], "it is an input"),
    "one file for Markdown and JSON": (["bench", "--markdown", "r", "--json", "r"], "it is another output too"),
    "Markdown of bench that is a directory": (["bench", "--markdown", "twice"], "name a file to write"),
    "JSON below a file": (["compare", "--json", "bare/r.json"], "there is no directory bare"),
    "one file for both": (["compare", "--json", "r", "--report", "./r"], "give each output a file of its own"),
    "a report over the matrix": (["compare", "--report", "good.npy"], "good.npy cannot be written: it is an input"),
    "JSON over an array's file": (
        ["compare", "whole.npz:X", "--json", "whole.npz"],
        "npz cannot be written: it is an input",
    ),
    "a report over the loss": (["compare", "--loss", "bare:f", "--report", "bare"], "it is an input"),
    "a name too long": (["compare", "--json", "r" * 300], "cannot be written: File name too long"),
    "a record in no directory": (["record", "-o", "no/r.npz"], "there is no directory no"),
    "a record of another kind": (["record", "-o", "r.txt"], "a record is an .npz file"),
    "a benchmark in no directory": (["bench", "--json", "no/b.json"], "there is no directory no"),
    "one file for both of bench": (["bench", "--json", "r", "--report", "r"], "give each output a file of its own"),
    "conformance in no directory": (["conformance", "--json", "no/c.json"], "there is no directory no"),
}


@pytest.mark.parametrize("case", OUTPUTS)
def test_an_output_that_cannot_be_written(command, folder, case):
    (verb, *arguments), message = OUTPUTS[case]
    before = everything(folder)
    matrices = ["good.npy"] if verb in ("compare", "record") else []
    done = command(verb, *matrices, "--backends", "numpy", *arguments)
    assert done.status == 2, done.out
    (line,) = done.err.splitlines()
    assert line.startswith("unifiedqr: error: ")
    assert message in line
    assert everything(folder) == before


@pytest.mark.parametrize("verb", ["compare", "bench", "conformance"])
@pytest.mark.parametrize("place", ["folder", "file"])
def test_an_output_without_permission(command, folder, monkeypatch, verb, place):
    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    if place == "file":
        (folder / "r.json").write_text("old")
        monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)
    else:
        monkeypatch.setattr(Path, "touch", refuse)
    before = everything(folder)
    done = command(verb, "--backends", "numpy", "--json", "r.json")
    assert done.status == 2
    assert done.err == "unifiedqr: error: r.json cannot be written: Permission denied.\n"
    assert everything(folder) == before


@pytest.mark.parametrize("arguments", [("--records", "r" * 300), ("--python", f"torch={'r' * 300}")])
def test_other_names_too_long(command, arguments):
    done = command("compare", *arguments)
    assert done.status == 2
    (line,) = done.err.splitlines()
    assert line.startswith("unifiedqr: error: ")


def test_an_interpreter_named_twice(command):
    done = command("compare", "--python", "torch=/bin/true", "--python", "torch=/bin/false")
    assert done.status == 2
    assert "--python names torch twice" in done.err


def test_what_was_done_to_read_a_matrix_is_said(command, folder):
    (folder / "m.csv").write_text("width;height\n1,5;2\n3;4,25\n5;7\n")
    scipy.sparse.save_npz(folder / "s.npz", scipy.sparse.csr_matrix(A))
    np.save(folder / "stack.npy", np.stack([A, 2 * A]))
    files = ("m.csv", "s.npz", "stack.npy", "--backends", "numpy")
    options = ("--decomposition", "qr", "--dtype", "float64", "--derivative", "value")
    done = command("record", *files, *options, "-o", "out.npz")
    assert done.status == 0, done.err
    recorded = command("compare", "--records", "out.npz", "--reference", "none")
    for told in (
        "heading skipped: width, height; commas read as decimal marks",
        "sparse, 6 entries stored; made dense",
        "a stack of 2 matrices",
    ):
        assert told in done.out
        assert told in recorded.out


def test_a_function_in_a_record_is_not_run(command, tmp_path):
    """A record may come from anybody, and what is pickled in it would run as whoever compares it."""
    harm = tmp_path / "harm"
    pickled = f"cbuiltins\nopen\n(V{harm}\nVw\ntR.".encode()  # loading it writes the file
    function = Function("f", None, None, "digest", scalar=False)
    case = ComparisonCase("f(3 x 2) float64", FUNCTION, "float64", ("input_0",))
    job = Job((case,), ("value",), {"input_0": A, PICKLED: np.frombuffer(pickled, np.uint8)}, (), function)
    outcome = Evaluation("ok", "", "", {"output_0": A}, 0.0)
    environment = Environment.here("torch", "2", "cpu", "0.1.0")
    Record(environment, job, {(case.id, "value"): outcome}).write(tmp_path / "r.npz")
    done = command("compare", "--records", "r.npz", "--backends", "numpy", "--timeout", "30")
    assert done.status == 2, done.out + done.err
    assert "got records of the loss f and --backends; a record's own copy of a loss is not run" in done.err
    assert command("compare", "--records", "r.npz").status in (0, 3)
    assert not harm.exists()
    pickle.loads(pickled).close()
    assert harm.exists(), "the test itself would not notice"
