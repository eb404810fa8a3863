"""The benchmark's HTML report: one file, everything inside it, no network."""

from unifiedqr_lab.bench import memory
from unifiedqr_lab.bench.figures import ratio_figure, time_figure
from unifiedqr_lab.bench.results import QUANTITIES, Benchmark
from unifiedqr_lab.bench.rounds import FEWEST, MOST
from unifiedqr_lab.bench.table import RATIO, head, notes, ratio, row
from unifiedqr_lab.compare.page import page


def render(benchmark: Benchmark) -> str:
    """Return the report of a benchmark as HTML text."""
    frameworks = [
        {
            "name": framework.name,
            "head": head(framework),
            "failure": framework.failure,
            "summary": framework.summary(),
            "rows": [row(framework, result) for result in framework.results],
            "notes": notes(framework),
        }
        for framework in benchmark.frameworks
    ]
    return page(
        "unifiedqr_lab.bench",
        {"ratio": ratio},
        machine=benchmark.machine,
        benchmark=benchmark,
        frameworks=frameworks,
        quantities=QUANTITIES,
        sense=RATIO,
        rounds=(FEWEST, MOST),
        smallest=memory.SMALLEST // 1_000_000,
        time_figure=time_figure(benchmark),
        ratio_figure=ratio_figure(benchmark),
    )
