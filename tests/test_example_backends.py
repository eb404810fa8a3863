"""The backends of ``examples/backends``: distributions of their own, installed as a third party's would be."""

import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from unifiedqr.decomposition import DECOMPOSITIONS

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "backends"
DTYPES = {"toy": "float64,complex128", "autograd": "float64,complex128", "mlx": "float32,float64"}
"""What each is run in; MLX has linear algebra of real matrices alone."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Install all of them into a folder, and return the environment of a process that finds them there."""
    folder = tmp_path_factory.mktemp("site")
    sources = [str(EXAMPLES / name) for name in DTYPES]
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *sources], check=True)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path}


@pytest.mark.parametrize("name", DTYPES)
def test_it_conforms(name, installed):
    if name != "toy" and find_spec(name) is None:
        pytest.skip(f"{name} is not installed")
    command = [sys.executable, "-m", "unifiedqr", "conformance", "--backends", name, "--dtype", DTYPES[name]]
    done = subprocess.run(command, env=installed, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert re.search(rf"{name}: [0-9]+ checks passed, 0 failed: conforms", done.stdout)
    assert all(decomposition in done.stdout for decomposition in DECOMPOSITIONS)


def test_gradient_of_the_toy(installed):
    program = """
import numpy as np
import unifiedqr as uqr
from toy import Array

A = Array(np.array([[3.0, 1.0], [4.0, 2.0]]))
print(uqr.grad(lambda A: uqr.namespace(A).sum(uqr.qr(A).R))(A).value.round(3).tolist())
print(uqr.qr(A, pivoting=True).P.value.tolist())
try:
    uqr.grad(lambda A: uqr.namespace(A).sum(uqr.namespace(A).exp(A)))(A)
except uqr.CapabilityError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], env=installed, capture_output=True, text=True, check=True)
    # R = [[5, (3 a_12 + 4 a_22)/5], [0, det/5]] at A: the gradient of |a_1| + a_1.a_2/|a_1| + det/|a_1|.
    assert done.stdout.splitlines()[:2] == ["[[0.888, -0.2], [0.584, 1.4]]", "[0, 1]"]
    assert "decompositions and sums, and nothing else" in done.stdout


def test_the_guide_shows_the_toy_as_it_is():
    guide = (ROOT / "docs" / "extending" / "backend.md").read_text()
    source = (EXAMPLES / "toy" / "unifiedqr_toy.py").read_text()
    shown = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
    assert len(shown) >= 4
    assert all(block.rstrip() in source for block in shown)


@pytest.mark.parametrize("name", ["autograd", "mlx"])
def test_a_whole_backend_is_short(name):
    lines = sum(len(path.read_text().splitlines()) for path in (EXAMPLES / name).rglob("*.py"))
    assert lines < 200
