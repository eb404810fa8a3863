"""Names of frameworks are spelled alike in every verb, and a shell completes them."""

import shutil
import subprocess
from importlib import import_module

import numpy as np
import pytest

import unifiedqr
from unifiedqr.backend import DTYPES
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.errors import OptionError
from unifiedqr_lab.cli import options

VERBS = {
    "compare": ("--dtype", "float64", "--decomposition", "qr", "--derivative", "value", "--reference", "none"),
    "record": ("--dtype", "float64", "--decomposition", "qr", "--derivative", "value", "-o", "{backend}.npz"),
    "conformance": ("--dtype", "float64", "--decomposition", "slogdet"),
    "bench": ("--shape", "qr:3x2:float64", "--seconds", "0", "--no-memory"),
}
ENDS = {
    "unifiedqr_lab.compare.api": "select_backends",
    "unifiedqr_lab.bench.benchmark": "select_backends",
    "unifiedqr_lab.conformance.runner": "run_suite",
}
"""Where the names of the frameworks arrive."""
SPELLINGS = {
    "comma": ("--backends", "numpy,torch"),
    "repeated": ("--backends", "numpy", "--backends", "torch"),
    "both, and one twice": ("--backends", "numpy, numpy", "--backends", "torch"),
    "earlier": ("--backend", "numpy", "--backend=torch"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("verb", VERBS)
def test_frameworks_are_named_alike_in_every_verb(command, monkeypatch, verb, spelling):
    named = []

    def stop(names, *_, **__):
        named.append(tuple(names))
        raise OptionError("seen")

    for module, function in [(import_module(module), function) for module, function in ENDS.items()]:
        monkeypatch.setattr(module, function, stop)
    assert command(verb, *SPELLINGS[spelling], *VERBS[verb]).status == 2
    assert named == [("numpy", "torch")]


@pytest.mark.parametrize("verb", VERBS)
def test_an_unknown_framework_gives_one_line_with_the_choices(command, verb):
    done = command(verb, "--backends", "numpy,caffe", *VERBS[verb])
    assert done.status == 2
    (line,) = done.err.splitlines()
    assert "no backend is named 'caffe'" in line
    for name in unifiedqr.backends():
        assert name in line


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_one_spelling(command, verb):
    shown = command(verb, "--help").out
    assert "--backends" in shown
    assert "--backend " not in shown


def test_every_list_of_names_may_be_repeated(command):
    options = ("--dtype", "float64", "--dtype", "float32", "--decomposition", "slogdet", "--decomposition", "orth")
    done = command("conformance", "--backends", "numpy", *options)
    assert done.status == 0, done.err
    assert "(slogdet, orth; float64, float32)" in done.out


@pytest.mark.parametrize("text", ["numpy,", ",numpy", "numpy,,torch", ""])
def test_an_empty_name_is_refused(command, text):
    done = command("compare", "--backends", text)
    assert done.status == 2
    assert "has an empty entry" in done.err


def test_records_of_several_frameworks_need_a_name_each(command, tmp_path):
    np.save("m.npy", np.eye(3) + 1)
    options = ("--dtype", "float64", "--decomposition", "qr", "--derivative", "value")
    done = command("record", "m.npy", "--backends", "numpy,mpmath", *options, "-o", "r.npz")
    assert done.status == 2
    assert "numpy, mpmath make one record each" in done.err
    done = command("record", "m.npy", "--backends", "numpy,mpmath", *options, "-o", "r-{backend}.npz")
    assert done.status == 0, done.err
    assert {path.name for path in tmp_path.iterdir()} == {"m.npy", "r-numpy.npz", "r-mpmath.npz"}


def completed(command, monkeypatch, words):
    """Return what a shell is offered for the last word."""
    monkeypatch.setenv("_UNIFIEDQR_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    return command().out.split()


COMPLETIONS = {
    "compare --backends nu": ["numpy"],
    "record --backends ten": ["tensorflow"],
    "bench --backends mx": ["mxnet"],
    "conformance --backends numpy,to": ["numpy,torch"],
    "conformance --backends numpy --backends ja": ["jax"],
    "conformance --dtype f": ["float32", "float64"],
    "compare --dtype complex64,": [f"complex64,{dtype}" for dtype in DTYPES if dtype != "complex64"],
    "compare --decomposition slog": ["slogdet"],
    "compare --decomposition qr,slog": ["qr,slogdet"],
    "conformance --decomposition left": [name for name in DECOMPOSITIONS if name.startswith("left")],
    "compare --derivative v": ["value", "vjp"],
    "compare --reference ex": ["exact", "extended"],
    "comp": ["compare"],
}


@pytest.mark.parametrize("words", COMPLETIONS)
def test_completion(command, monkeypatch, words):
    assert completed(command, monkeypatch, f"unifiedqr {words}") == COMPLETIONS[words]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_the_completion_script_of_each_shell(command, monkeypatch, shell):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = command("--show-completion", shell)
    assert done.status == 0
    assert "_UNIFIEDQR_COMPLETE" in done.out


def test_bash_takes_the_script(command, monkeypatch, tmp_path):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    bash = shutil.which("bash")
    assert bash, "the tests need bash"
    (tmp_path / "script").write_text(command("--show-completion", "bash").out)
    asked = "source ./script && complete -p unifiedqr"
    done = subprocess.run([bash, "-c", asked], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "unifiedqr" in done.stdout, done.stderr


def test_completion_installs_into_the_home_of_the_user(command, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = command("--install-completion", "bash")
    assert done.status == 0, done.err
    assert "unifiedqr" in (tmp_path / ".bashrc").read_text()


def test_a_list_is_completed_by_what_it_does_not_have_yet():
    complete = options.completing(lambda: ("a", "ab", "b"))
    assert complete("") == ["a", "ab", "b"]
    assert complete("a") == ["a", "ab"]
    assert complete("a,") == ["a,ab", "a,b"]
    assert complete("x") == []
