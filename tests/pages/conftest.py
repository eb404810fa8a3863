"""The pages that are looked at: an agreement, a disagreement with a crash, and the benchmark of the documents."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr_lab.bench.report import render as render_benchmark
from unifiedqr_lab.bench.results import Benchmark
from unifiedqr_lab.compare.comparison import Comparison
from unifiedqr_lab.compare.frameworks import run_workers
from unifiedqr_lab.compare.job import Matrix, matrix_job
from unifiedqr_lab.compare.report import render
from unifiedqr_lab.workers.processes import Failure

ROOT = Path(__file__).parents[2]
AXE = ROOT / "build" / "browser" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = (
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
INSTALL = "make browser installs it"


@pytest.fixture(scope="session")
def comparison():
    """Return QR and least squares of a badly scaled 6 x 4 matrix, in NumPy and, where it is installed, PyTorch."""
    A = np.random.default_rng(5).standard_normal((6, 4)) * [1e-6, 1.0, 1e3, 1.0]
    job = matrix_job(
        (Matrix("measurements", A, "random numbers, four columns in four units", ("made for a test",)),),
        decompositions=("qr", "lstsq"),
        dtypes=("float64", "complex128"),
        derivatives=("value", "vjp", "jvp"),
    )
    names = tuple(name for name in ("numpy", "torch") if uqr.backends()[name].available)
    records, failures = run_workers(job, names, reference="exact")
    assert not failures
    return Comparison(job, records, records.pop("truth"), command="unifiedqr compare measurements.csv --report r.html")


@pytest.fixture(scope="session")
def disagreement(comparison):
    """Return the comparison with one wrong gradient, one that is not finite, and a framework that crashed."""
    records = dict(comparison.records)
    name, record = list(records.items())[-1]
    outcomes = dict(record.outcomes)
    for case, value in zip(comparison.job.cases[:2], (1e-3, np.nan), strict=True):
        given = outcomes[case.id, "vjp"]
        arrays = {key: X.copy() for key, X in given.arrays.items()}
        arrays["A_bar"][1, 2] += value
        outcomes[case.id, "vjp"] = replace(given, arrays=arrays)
    crash = Failure("jax", "was ended by signal 11: <b>Fatal</b> Python error: segmentation fault at 0x7f3a1c2e4b50")
    return Comparison(comparison.job, {**records, name: replace(record, outcomes=outcomes)}, comparison.truth, [crash])


@pytest.fixture(scope="session")
def benchmark():
    """Return the benchmark of the documents."""
    return Benchmark.read(ROOT / "docs" / "benchmark.json")


@pytest.fixture(scope="session")
def pages(comparison, disagreement, benchmark, tmp_path_factory):
    """Return the addresses of the reports."""
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "agreement": render(comparison),
        "disagreement": render(disagreement),
        "benchmark": render_benchmark(benchmark),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: (folder / f"{name}.html").as_uri() for name in texts}


@pytest.fixture(scope="session")
def browser():
    """Return a browser without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: make setup")
    if CHROMIUM is None:
        pytest.skip(f"no browser is installed: {INSTALL}")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield started
        started.close()


@pytest.fixture
def open_page(browser, pages):
    """Return a function that opens a report, and lets it have no message and no request."""
    contexts, seen = [], []

    def opened(name, width=1280, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}, **options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: seen.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: seen.append(f"error: {error}"))
        page.on("request", lambda request: seen.append(f"request: {request.url[:80]}"))
        page.goto(pages[name])
        seen.remove(f"request: {pages[name][:80]}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [line for line in seen if not line.startswith(("request: data:", "request: blob:"))] == []


@pytest.fixture(scope="session")
def axe():
    """Return the program of axe-core, which knows the rules of accessible pages."""
    if not AXE.is_file():
        pytest.skip(f"axe-core is not installed: {INSTALL}")
    return AXE.read_text(encoding="utf-8")
