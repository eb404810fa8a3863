"""Set-up shared by all tests: every framework in one process, in double precision, and quiet."""

import gc
import os
import sys

import numpy as np
import pytest

from unifiedqr import checks, discovery
from unifiedqr.discovery import backends, get_backend, plugin
from unifiedqr.errors import BackendUnavailableError
from unifiedqr_lab.instruments import instruments

EVERY = ("numpy", "torch", "tensorflow", "mxnet", "jax")
VARIABLE = "UNIFIEDQR_TEST_BACKENDS"
CHOSEN = tuple(filter(None, os.environ.get(VARIABLE, "").replace(" ", "").split(","))) or EVERY
if not set(CHOSEN) <= set(EVERY):
    raise pytest.UsageError(f"{VARIABLE}={os.environ[VARIABLE]} came; choose among {', '.join(EVERY)}.")
FRAMEWORKS = tuple(name for name in EVERY if name in (*CHOSEN, "numpy"))
LEFT_OUT = tuple(name for name in EVERY if name not in FRAMEWORKS)
"""Frameworks whose tests are not run, since whoever runs the tests does not have them."""

# Two test processes share two cores: threads of one matrix of 12 x 5 would only wait for each other.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
# Thousands of XLA's programs run once each, on small matrices: optimizing them and dividing them for several compiling
# threads would take most of the time of their tests.
QUICK = (
    "--xla_backend_optimization_level=0",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_parallel_codegen_split_count=1",
)
os.environ["XLA_FLAGS"] = " ".join([*os.environ.get("XLA_FLAGS", "").split(), *QUICK])
os.environ["UNIFIEDQR_BENCH_REST"] = "0"  # no test asks how long something took
for _name in (discovery.VARIABLE, checks.VARIABLE):
    os.environ.pop(_name, None)  # whoever runs the tests may have chosen something
for _name in backends():
    os.environ.update(instruments(_name).environment)


def pytest_ignore_collect(collection_path):
    """Leave out the modules that test a framework which was not chosen."""
    if collection_path.parent.name == "backends":
        return True if collection_path.stem.split("_")[1:2] and collection_path.stem.split("_")[1] in LEFT_OUT else None
    return None


COMPILING = {"tensorflow": (10, 5), "jax": (5, 10)}
"""Frameworks that compile anew for each shape and dtype, which takes a good part of a second: of more cases of a test
than the first number each runs one in as many as the second, of more than a hundred one in four times as many, and
`make test-all` runs the others."""


def framework_of(item, names):
    """Return which of some frameworks a case is for, None if for none of them."""
    values = list(item.callspec.params.values()) if hasattr(item, "callspec") else []
    values += [getattr(getattr(item, "cls", None), attribute, None) for attribute in ("backend", "name")]
    return next((x for x in values if isinstance(x, str) and x in names), None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    """Leave out the cases of a framework that was not chosen; mark those of which others prove as much."""
    left = [item for item in items if framework_of(item, LEFT_OUT)]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if not framework_of(item, LEFT_OUT)]
    cases = {}
    for item in items:
        named = item.callspec.id.split("-") if hasattr(item, "callspec") else []
        framework = framework_of(item, COMPILING) or next((name for name in named if name in COMPILING), None)
        framework = None if getattr(item, "cls", None) else framework
        if framework is not None:
            cases.setdefault((item.path, item.originalname, framework), []).append(item)
    for (*_, framework), found in cases.items():
        many, each = COMPILING[framework]
        each = each if len(found) <= 100 else 4 * each
        for number, item in enumerate(found):
            if len(found) > many and number % each:
                item.add_marker(pytest.mark.exhaustive)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    """Skip a module that imports a framework which was not chosen."""
    report = yield
    lacking = [name for name in LEFT_OUT if f"No module named '{name}" in str(report.longrepr)]
    if report.failed and lacking:
        report.outcome = "skipped"
        report.longrepr = (str(collector.path), 0, f"Skipped: needs {lacking[0]}, which {VARIABLE} leaves out")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Skip a test that needs a framework which was not chosen."""
    try:
        return (yield)
    except (BackendUnavailableError, ModuleNotFoundError) as error:
        needed = next((name for name in LEFT_OUT if name in str(error)), None)
        if needed is None:
            raise
        pytest.skip(f"{item.name} needs {needed}, which {VARIABLE} leaves out")


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
    """Return each framework's backend in turn."""
    return get_backend(request.param)


@pytest.fixture(params=[name for name in FRAMEWORKS if "vjp" in plugin(name).capabilities])
def autodiff_backend(request):
    """Return the backend of each framework that has autodiff."""
    return get_backend(request.param)


@pytest.fixture
def rng():
    """Return a generator with a fixed seed."""
    return np.random.default_rng(20092010)


@pytest.fixture
def unchecked():
    """Take derivatives where none exist without a warning."""
    with checks.checks("off"):
        yield
