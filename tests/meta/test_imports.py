"""Importing the package is quick and imports no framework; neither does asking what is installed."""

import inspect
import json
import subprocess
import sys

import pytest

import unifiedqr as uqr

FRAMEWORKS = {"torch", "tensorflow", "mxnet", "jax", "numpy", "scipy", "dask", "mpmath", "jinja2", "typer", "rich"}


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


def test_importing_is_light():
    """A standard library, ourselves, and a package that imports nothing before it is asked: a tenth of a second."""
    others = {name.partition(".")[0] for name in modules_after("import unifiedqr")} - set(sys.stdlib_module_names)
    assert {name for name in others if not name.startswith("_")} <= {"unifiedqr", "array_api_compat"}


def test_dir_is_the_public_api_and_nothing_else():
    names = dir(uqr)
    assert names == sorted(uqr.__all__)
    assert [name for name in names if inspect.ismodule(getattr(uqr, name))] == ["rules"]
