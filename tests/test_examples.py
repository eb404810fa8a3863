"""The examples run, and print the same gradient in every framework; the README leads to them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")


def run(*command):
    completed = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        cwd=ROOT,
    )
    assert completed.returncode == 0, completed.stderr
    return completed.stdout


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(path):
    assert NUMBER.search(run(str(path)))


def test_every_example_prints_the_same_gradient():
    printed = {path.stem: run(str(path)) for path in EXAMPLES if path.stem.endswith("_gradient")}
    assert len(printed) == 4
    numbers = {
        name: [round(float(x), 3) for x in NUMBER.findall(text) if "." in x][:6] for name, text in printed.items()
    }
    assert len({tuple(found) for found in numbers.values()}) == 1, numbers


def test_the_readme_has_code_for_every_framework():
    for framework in ("torch", "tensorflow", "mxnet", "jax"):
        assert f"examples/{framework}_gradient.py" in README
