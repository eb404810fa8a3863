"""Set-up shared by all tests: every framework in one process, in double precision, and quiet."""

import gc
import os
import sys

import numpy as np
import pytest

from unifiedqr import checks, discovery
from unifiedqr.discovery import backends, get_backend, plugin
from unifiedqr_lab.instruments import instruments

FRAMEWORKS = ("numpy", "torch", "tensorflow", "mxnet", "jax")

# Two test processes share two cores: threads of one matrix of 12 x 5 would only wait for each other.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
# Thousands of XLA's programs run once each, on small matrices: LLVM's optimizations take a third of their time.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0".strip()
for _name in (discovery.VARIABLE, checks.VARIABLE):
    os.environ.pop(_name, None)  # whoever runs the tests may have chosen something
for _name in backends():
    os.environ.update(instruments(_name).environment)


@pytest.fixture(scope="module", autouse=True)
def nothing_piles_up():
    """Drop what the frameworks compiled for a module: the programs of all would take every memory map Linux gives.

    What is alive before a module stays out of all garbage collections after it: looking at millions of objects of five
    frameworks takes seconds, twice a module a sixth of the time of all tests.
    """
    gc.freeze()
    yield
    if "jax" in sys.modules:
        sys.modules["jax"].clear_caches()
    if "torch._dynamo" in sys.modules:
        sys.modules["torch"].compiler.reset()
    gc.collect()


@pytest.fixture(params=FRAMEWORKS)
def backend(request):
    """Give each framework's backend in turn."""
    return get_backend(request.param)


@pytest.fixture(params=[name for name in FRAMEWORKS if "vjp" in plugin(name).capabilities])
def autodiff_backend(request):
    """Give the backend of each framework that has autodiff."""
    return get_backend(request.param)


@pytest.fixture
def rng():
    """Give a generator with a fixed seed."""
    return np.random.default_rng(20092010)


@pytest.fixture
def unchecked():
    """Take derivatives where none exist without a warning."""
    with checks.checks("off"):
        yield
