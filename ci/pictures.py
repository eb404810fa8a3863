"""Draw the pictures of the documents: the report of `make compare`, and that of the benchmark in the documents.

``python ci/pictures.py FOLDER`` writes ``compare.png`` and ``benchmark.png`` into the folder, which has
``benchmark.json``. It needs a browser; `make browser` installs one.
"""

import argparse
import shutil
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from unifiedqr_lab.bench.report import render as render_benchmark
from unifiedqr_lab.bench.results import Benchmark
from unifiedqr_lab.cli.options import job_of
from unifiedqr_lab.compare.api import run_comparison
from unifiedqr_lab.compare.report import render
from unifiedqr_lab.files import check_outputs, write_whole

WIDTH = 1100
SHOWN = {"compare": ".panels >> nth=0", "benchmark": ".chart.times >> nth=0"}
"""What a picture ends with."""


def draw(pages: dict[str, str], folder: Path) -> None:
    """Write the upper part of each page as a picture."""
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    sync_playwright: Any = import_module("playwright.sync_api").sync_playwright
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as temporary:
        browser = driver.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        for name, text in pages.items():
            path = Path(temporary) / f"{name}.html"
            path.write_text(text, encoding="utf-8")
            page = browser.new_page(viewport={"width": WIDTH, "height": 900})
            page.goto(path.as_uri())
            end = page.locator(SHOWN[name]).bounding_box()
            clip = {"x": 0, "y": 0, "width": WIDTH, "height": end["y"] + end["height"] + 20}
            write_whole(folder / f"{name}.png", page.screenshot(full_page=True, clip=clip))
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the pictures of the documents.")
    parser.add_argument("folder", type=Path, help="where benchmark.json is and the pictures go, such as docs")
    told = parser.parse_args()
    check_outputs(*(told.folder / f"{name}.png" for name in SHOWN))
    comparison = run_comparison(job_of(None, None, None, None, None))
    comparison.command = "unifiedqr compare --report report.html --json report.json"
    benchmark = Benchmark.read(told.folder / "benchmark.json")
    draw({"compare": render(comparison), "benchmark": render_benchmark(benchmark)}, told.folder)
