"""Importing the package is quick and imports no framework; neither does asking what is installed."""

import json
import subprocess
import sys

import pytest

FRAMEWORKS = {"torch", "tensorflow", "mxnet", "jax", "numpy", "scipy", "mpmath", "plotly", "typer", "rich"}


def modules_after(code):
    run = subprocess.run(
        [sys.executable, "-c", f"import sys, json\n{code}\nprint(json.dumps(sorted(sys.modules)))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(run.stdout.splitlines()[-1]))


@pytest.mark.parametrize("code", ["import unifiedqr", "import unifiedqr as uqr; uqr.backends()"])
def test_nothing_heavy_is_imported(code):
    assert not modules_after(code) & FRAMEWORKS


def test_an_array_imports_its_own_framework_alone():
    loaded = modules_after("import torch, unifiedqr as uqr; uqr.qr(torch.eye(2))")
    assert not loaded & {"tensorflow", "mxnet", "jax"}


def test_import_takes_less_than_a_fifth_of_a_second():
    code = "import time; start = time.perf_counter(); import unifiedqr; print(time.perf_counter() - start)"
    times = [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    ]
    assert min(times) < 0.2
