"""The benchmark's HTML report: one file, everything inside it, no network."""

from unifiedqr_lab.bench import memory, sharded
from unifiedqr_lab.bench.figures import MARKS, ratio_figures, time_figures
from unifiedqr_lab.bench.results import QUANTITIES, Benchmark
from unifiedqr_lab.bench.rounds import FEWEST, MOST
from unifiedqr_lab.bench.subjects import SEED
from unifiedqr_lab.bench.table import RATIO, against_notes, against_rows, head, notes, ratio, row
from unifiedqr_lab.pages.page import fitting, page


def render(benchmark: Benchmark) -> str:
    """Return the report of a benchmark as HTML text; of the first cases, as many as fit."""
    document = benchmark.to_dict()

    def write(count: int) -> str:
        cases = benchmark.cases[:count]
        frameworks = [
            {
                "name": framework.name,
                "head": head(framework),
                "failure": framework.failure,
                "summary": framework.summary(),
                "blas": framework.blas,
                "rows": [row(framework, result) for result in framework.results if result.case in cases],
                "notes": notes(framework),
                "against": [texts for texts in against_rows(framework) if texts[0] in cases],
                "against_notes": against_notes(framework) if benchmark.against else (),
            }
            for framework in benchmark.frameworks
        ]
        return page(
            "bench/report.html.j2",
            document,
            name="benchmark",
            machine=benchmark.machine,
            benchmark=benchmark,
            cases=cases,
            frameworks=frameworks,
            digests=benchmark.digests(),
            quantities=QUANTITIES,
            sense=RATIO,
            ratio=ratio,
            rounds=(FEWEST, MOST),
            seed=SEED,
            smallest=memory.SMALLEST // 1_000_000,
            symbols=MARKS,
            sharded=None if benchmark.sharded is None else sharded.rows(benchmark.sharded),
            sharded_headings=sharded.HEADINGS,
            explanation=sharded.EXPLANATION,
            time_figures=time_figures(benchmark),
            ratio_figures=ratio_figures(benchmark, cases),
        )

    return fitting(write, len(benchmark.cases))[0]
