"""Where the extra ``lab`` is not installed, whatever needs it says in one line what to install, and the rest works."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import unifiedqr_lab

ROOT = Path(__file__).parents[2]

BARE = f"""
import sys

LAB = {set(unifiedqr_lab.REQUIRED)!r}


class WithoutLab:
    def __init__(self, finder):
        self.finder = finder

    def __getattr__(self, name):  # such as find_distributions
        return getattr(self.finder, name)

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in LAB else self.finder.find_spec(name, path, target)


sys.meta_path[:] = [WithoutLab(finder) for finder in sys.meta_path]
"""
"""Python in which nothing finds the modules that the extra installs."""


def bare(code, cwd):
    """Run code in a process of its own without the extra."""
    command = [sys.executable, "-c", BARE + code]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def told(what):
    names = "clevercsv, cloudpickle, jinja2, mpmath, rich, safetensors, typer"
    return f"{what} needs {names}, which are not installed; pip install 'unifiedqr[lab]'"


@pytest.mark.parametrize("verb", ["compare", "record", "backends", "conformance", "bench", "--version"])
def test_a_command_says_what_to_install(tmp_path, verb):
    done = bare(f"sys.argv = ['unifiedqr', {verb!r}]\nfrom unifiedqr_lab.cli import main\nmain()", tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"unifiedqr: error: {told('the command line')}\n"


def test_the_module_says_it_too(tmp_path):
    code = "import runpy\nsys.argv = ['unifiedqr', 'compare']\nrunpy.run_module('unifiedqr', run_name='__main__')"
    done = bare(code, tmp_path)
    assert (done.returncode, done.stderr) == (2, f"unifiedqr: error: {told('the command line')}\n")


def test_the_function_says_it_as_an_error(tmp_path):
    done = bare(
        "from unifiedqr import *\nimport unifiedqr as uqr\n"
        "try:\n    uqr.compare(uqr.qr, [[1.0]])\n"
        "except ImportError as error:\n    print(isinstance(error, uqr.MissingExtraError), error)",
        tmp_path,
    )
    assert done.stdout == f"True {told('compare')}\n", done.stderr


def test_one_missing_module_is_named_alone(monkeypatch):
    found = unifiedqr_lab.find_spec
    monkeypatch.setattr(unifiedqr_lab, "find_spec", lambda name: None if name == "rich" else found(name))
    with pytest.raises(ImportError, match=r"^compare needs rich, which is not installed; pip install 'unifiedqr\["):
        unifiedqr_lab.check_installed("compare")


def test_the_library_needs_none_of_it(tmp_path):
    done = bare("import unifiedqr as uqr\nprint(uqr.qr([[3.0, 1.0], [4.0, 2.0]]).R.tolist())", tmp_path)
    assert done.stdout.startswith("[[5.0, 2.2"), done.stderr


def test_the_truth_says_that_the_extra_brings_it(tmp_path):
    code = (
        "from unifiedqr import discovery\nimport unifiedqr as uqr\n"
        "discovery._installed_version = lambda plugin: None if plugin.name == 'mpmath' else '1'\n"
        "try:\n    uqr.get_backend('mpmath')\nexcept uqr.BackendUnavailableError as error:\n    print(error)"
    )
    done = bare(code, tmp_path)
    assert "mpmath is not installed; pip install 'unifiedqr[lab]'" in done.stdout, done.stderr


def test_what_is_checked_is_what_the_extra_installs():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["lab"]
    assert tuple(requirement.partition(">=")[0] for requirement in declared) == unifiedqr_lab.REQUIRED
