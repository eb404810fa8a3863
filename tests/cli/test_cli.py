"""The command line as a user meets it: exit statuses, one clear line, nothing half-written."""

import json
import subprocess
import sys

import numpy as np
import pytest

LOSS = """
import unifiedqr as uqr

def energy(xp, A):
    Q, R = uqr.qr(A)
    return xp.sum(xp.abs(Q[..., 0, :]) ** 2) + xp.sum(xp.log(xp.abs(xp.linalg.diagonal(R))))

def lone(A):
    return uqr.namespace(A).sum(uqr.namespace(A).abs(uqr.qr(A).R))

def wrong(xp, A):
    return xp.nosuch(A)
"""


def run(*arguments, cwd):
    """Run the command line in its own process."""
    command = [sys.executable, "-m", "unifiedqr", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a matrix, bad ones, and a loss."""
    rng = np.random.default_rng(5)
    np.savetxt(tmp_path / "m.csv", rng.standard_normal((4, 3)), delimiter=",", fmt="%.17g")
    np.savetxt(tmp_path / "other.csv", rng.standard_normal((4, 3)), delimiter=",", fmt="%.17g")
    np.save(tmp_path / "c.npy", rng.standard_normal((3, 2)) * 1j)
    (tmp_path / "ragged.csv").write_text("1,2\n3\n")
    (tmp_path / "loss.py").write_text(LOSS)
    (tmp_path / "broken.py").write_text("def f(:\n")
    return tmp_path


def test_agreement_exits_0_with_table_json_report_and_markdown(folder):
    done = run(
        *(
            "compare",
            "m.csv",
            "--backends",
            "numpy,torch",
            "--dtype",
            "float64",
            "--json",
            "c.json",
            "--report",
            "c.html",
            "--markdown",
            "c.md",
        ),
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    for word in ("numpy", "torch", "float64", "worst", "agrees", "100-digit"):
        assert word in done.stdout
    assert "torch: done" in done.stderr
    assert json.loads((folder / "c.json").read_text())["passed"] is True
    assert (folder / "c.html").read_text().startswith("<!DOCTYPE html>")
    assert (folder / "c.md").read_text().startswith("### unifiedqr compare: agreement\n")
    assert "unifiedqr compare m.csv --backends numpy,torch" in (folder / "c.md").read_text()


@pytest.mark.parametrize("function", ["energy", "lone"])
def test_a_users_loss(folder, function):
    options = ("--backends", "numpy,torch", "--dtype", "float64", "--derivative", "value,vjp")
    done = run("compare", "m.csv", "--loss", f"loss.py:{function}", *options, cwd=folder)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "numpy, torch agree" in done.stdout


BAD = {
    "no such file": (["compare", "no.npy"], "no.npy: no such file"),
    "ragged": (["compare", "ragged.csv"], "ragged: line 2"),
    "dtype": (["compare", "m.csv", "--dtype", "float8"], "dtype 'float8' is unknown"),
    "decomposition": (["compare", "m.csv", "--decomposition", "svd"], "decomposition 'svd' is unknown"),
    "derivative": (["compare", "m.csv", "--derivative", "grad"], "derivative 'grad' is unknown"),
    "empty entry": (["compare", "m.csv", "--derivative", "vjp,,jvp"], "empty entry"),
    "reference": (["compare", "m.csv", "--reference", "oracle"], "reference 'oracle' is unknown"),
    "backend": (["compare", "m.csv", "--backends", "caffe"], "no backend is named 'caffe'"),
    "real dtype": (["compare", "c.npy", "--dtype", "float64"], "is complex"),
    "hvp without loss": (["compare", "m.csv", "--derivative", "hvp"], "needs a loss"),
    "python": (["compare", "m.csv", "--python", "torch"], "BACKEND=INTERPRETER"),
    "interpreter": (["compare", "m.csv", "--python", "torch=no-python"], "there is no file no-python"),
    "loss form": (["compare", "m.csv", "--loss", "loss.py"], "FILE.py:FUNC"),
    "loss file": (["compare", "m.csv", "--loss", "no.py:f"], "cannot be read"),
    "loss syntax": (["compare", "m.csv", "--loss", "broken.py:f"], "no Python file"),
    "loss name": (["compare", "m.csv", "--loss", "loss.py:nope"], "defines no 'nope'"),
    "loss raises": (
        ["compare", "m.csv", "--loss", "loss.py:wrong", "--backends", "numpy"],
        "raised in every framework",
    ),
    "report": (["compare", "m.csv", "--report", "no/r.html"], "no directory"),
    "json": (["compare", "m.csv", "--report", "r.html", "--json", "."], "is a directory"),
    "system folder": (["compare", "m.csv", "--json", "/proc/c.json"], "/proc/c.json cannot be written"),
    "name too long": (["compare", "m.csv", "--report", "r" * 300], "cannot be written"),
    "written twice": (["compare", "m.csv", "--report", "r.x", "--json", "./r.x"], "it is another output too"),
    "record": (["compare", "--records", "m.csv"], "is not a unifiedqr-record file"),
    "record output": (["record", "m.csv", "--backend", "numpy", "-o", "no/r.npz"], "no directory"),
    "record suffix": (["record", "m.csv", "--backend", "numpy", "-o", "r.txt"], ".npz"),
    "record backend": (["record", "m.csv", "--backend", "caffe", "-o", "r.npz"], "no backend is named 'caffe'"),
    "option": (["compare", "--nope"], "No such option"),
    "verb": (["frobnicate"], "No such command"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_exits_2_with_one_line(folder, case):
    arguments, message = BAD[case]
    before = sorted(folder.iterdir())
    done = run(*arguments, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    if case not in ("option", "verb"):
        assert sum(line.startswith("unifiedqr: error:") for line in done.stderr.splitlines()) == 1
    assert sorted(path for path in folder.iterdir() if path.name != "__pycache__") == before


def test_records_are_compared_and_an_altered_one_fails(folder):
    for name in ("numpy", "torch"):
        done = run("record", "m.csv", "--backend", name, "-o", f"{name}.npz", cwd=folder)
        assert done.returncode == 0, done.stderr
    done = run("compare", "--records", "numpy.npz", "torch.npz", cwd=folder)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "numpy, torch agree" in done.stdout
    with np.load(folder / "torch.npz", allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    name = next(name for name in arrays if name.endswith("A_bar"))
    arrays[name].flat[0] += 1e-4
    np.savez(folder / "altered.npz", **arrays)
    done = run("compare", "--records", "numpy.npz", "--records", "altered.npz", cwd=folder)
    assert done.returncode == 1, done.stderr + done.stdout
    assert "torch" in done.stdout.splitlines()[-1]
    run("record", "other.csv", "--backend", "numpy", "-o", "other.npz", cwd=folder)
    done = run("compare", "--records", "numpy.npz", "other.npz", cwd=folder)
    assert done.returncode == 2
    assert "different inputs" in done.stderr


def test_a_crash_is_told_and_the_others_go_on(folder):
    options = ("--backends", "numpy,torch", "--python", "torch=/bin/false", "--dtype", "float64")
    done = run("compare", "m.csv", *options, cwd=folder)
    assert done.returncode == 3
    assert "did not run" in done.stdout
    assert "torch: ended with exit status 1" in done.stdout
    assert "agrees" in done.stdout


def test_backends_imports_no_framework(tmp_path):
    probe = (
        "import sys; sys.argv = ['unifiedqr', 'backends']\n"
        "from unifiedqr_lab.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as end:\n    assert end.code in (0, None), end.code\n"
        "found = {'torch', 'tensorflow', 'mxnet', 'jax', 'mpmath', 'numpy'} & set(sys.modules)\n"
        "assert not found, found\n"
    )
    done = subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("numpy", "torch", "tensorflow", "mxnet", "jax"):
        assert name in done.stdout


def test_importing_compare_is_light(tmp_path):
    probe = "import sys, unifiedqr_lab.compare; assert 'numpy' not in sys.modules; assert 'rich' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", probe], cwd=tmp_path, check=False).returncode == 0


def test_version_and_help(tmp_path):
    import unifiedqr

    assert run("--version", cwd=tmp_path).stdout.strip() == f"unifiedqr {unifiedqr.__version__}"
    shown = run("--help", cwd=tmp_path)
    assert shown.returncode == 0
    for verb in ("compare", "record", "backends", "conformance"):
        assert verb in shown.stdout
    shown = " ".join(run("compare", "--help", cwd=tmp_path).stdout.split())
    for status in ("0 they agree", "1 they disagree", "2 bad input", "3 not established"):
        assert status in shown


def test_the_bundled_data_in_every_framework(tmp_path):
    done = run("compare", "--dtype", "float64", "--report", "r.html", "--json", "r.json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "r.json").read_text())
    assert told["references"] == {"exact": 12}
    assert {f["name"] for f in told["frameworks"]} >= {"numpy", "torch", "tensorflow", "mxnet", "jax", "truth"}
    assert "NIST" in (tmp_path / "r.html").read_text()


def test_conformance_of_one_backend(folder):
    done = run("conformance", "--backend", "numpy", "--decomposition", "orth", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "unifiedqr conformance" in done.stdout
    assert " checks passed, 0 failed: conforms in what was asked for (orth)" in done.stdout.splitlines()[-1]
    assert run("conformance", "--backend", "caffe", cwd=folder).returncode == 2
