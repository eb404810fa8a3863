"""The benchmark as a document: a summary of the groups, then one section per framework, one row per case."""

from collections.abc import Sequence

from unifiedqr_lab.bench import sharded
from unifiedqr_lab.bench.cases import GROUPS, SUMMARIZED, groups_of
from unifiedqr_lab.bench.limits import limits_told
from unifiedqr_lab.bench.memory import SMALLEST
from unifiedqr_lab.bench.results import QUANTITIES, Benchmark, FrameworkResult
from unifiedqr_lab.bench.table import (
    AGAINST_HEADINGS,
    HEADINGS,
    RATIO,
    against_notes,
    against_rows,
    head,
    notes,
    place,
    ratio,
    row,
)
from unifiedqr_lab.pages.markdown import escaped, folded, table

DIGEST = {
    "geometric mean of six tall ones": "tall",
    "geometric mean of six others": "other",
    "geometric mean of three small ones": "small",
    "geometric mean of four batches of tiny ones": "tiny",
    "geometric mean of three tall ones, compiled": "compiled",
    '`qr(mode="r")` by `qr(A).R`, geometric mean of four': "triangle",
    "`qr` of 1000000 x 16, float64": "qr:1000000x16:float64",
    "`qr` of 100000 x 64, float64": "qr:100000x64:float64",
    "`qr` of 2048 x 2048, float64": "qr:2048x2048:float64",
    "`qr` of 512 x 512, float64": "qr:512x512:float64",
    "`qr` of 256 x 4096, float64": "qr:256x4096:float64",
    "`qr` of 1000 of 16 x 8, float32": "qr:1000x16x8:float32",
    "`qr` of 64 x 64, float64": "qr:64x64:float64",
    "`qr` of 8 x 8, float64": "qr:8x8:float64",
    '`qr(mode="r")` of 100000 x 32, float64': "qr-r:100000x32:float64",
    "`lq` of 32 x 100000, float64": "lq:32x100000:float64",
    "`lstsq` of 20000 x 50, float64": "lstsq:20000x50:float64",
}
"""The rows of the short table, each a group or a case; those that were not fully measured are left out."""

BEGIN, END = "<!-- speed table: begin -->", "<!-- speed table: end -->"


def digest(benchmark: Benchmark) -> str:
    """Return a short table in Markdown: ratios of forward + backward in the frameworks that have derivatives."""
    frameworks = [framework for framework in benchmark.frameworks if framework.compared == "both"]
    whole = ((title, case) for title, case in DIGEST.items() if {*GROUPS.get(case, (case,))} <= {*benchmark.cases})
    rows = ([title, *(_told(framework, case) for framework in frameworks)] for title, case in whole)
    return table(["native / ours", *(framework.name for framework in frameworks)], rows, as_is=True).strip()


def _told(framework: FrameworkResult, case: str) -> str:
    ratios = {found.group: found.mean for found in framework.summary()}
    ratios |= {result.case: x for result in framework.results if (x := result.both.ratio) is not None}
    return ratio(ratios.get(case))


def document(benchmark: Benchmark) -> str:
    """Return the document in Markdown."""
    sections = [_introduction(benchmark), _groups(benchmark), *(_framework(benchmark, f) for f in benchmark.frameworks)]
    sections.append(_sharded(benchmark))
    return "\n".join(filter(None, sections))


def brief(benchmark: Benchmark) -> str:
    """Return what belongs in a pull request, in Markdown: the groups, and the cases of each framework to unfold."""
    machine = benchmark.machine
    failures = [f"**{escaped(f.name)} failed**: {escaped(f.failure)}\n" for f in benchmark.frameworks if f.failure]
    parts = [
        "### unifiedqr against each framework's own functions\n",
        f"{escaped(RATIO)}\n" if benchmark.cases else "",
        _groups(benchmark, "####"),
        _sharded(benchmark, "####"),
        *failures,
        *(
            folded(framework.name, _framework(benchmark, framework, ""))
            for framework in benchmark.frameworks
            if framework.results
        ),
        f"unifiedqr {escaped(machine.unifiedqr)}, {escaped(machine.when)}; {escaped(place(machine))}; "
        + (f"{benchmark.seconds:g} s for each case" if benchmark.cases else f"{sharded.ROUNDS} rounds")
        + (f"; `{benchmark.command}`" if benchmark.command else "")
        + ".\n",
    ]
    return "\n".join(filter(None, parts))


def _sharded(benchmark: Benchmark, level: str = "##") -> str:
    """Return the section on one matrix on several workers."""
    if benchmark.sharded is None:
        return ""
    headings = [heading.replace("\n", " ") for heading in sharded.HEADINGS]
    told = table(headings, sharded.rows(benchmark.sharded), texts=sharded.TEXTS)
    failures = "".join(f"- **Failed**: {escaped(line)}\n" for line in benchmark.sharded.failures)
    return f"{level} Spread: {benchmark.sharded.case}\n\n{told}\n{failures}{escaped(sharded.EXPLANATION)}\n"


def _introduction(benchmark: Benchmark) -> str:
    machine, seconds = benchmark.machine, f"{benchmark.seconds:g}"
    where = f" on the device {escaped(benchmark.device)}" if benchmark.device else ""
    earlier = f"Ours is also measured against unifiedqr {escaped(benchmark.against)}.\n" if benchmark.against else ""
    peaks = f"Peaks of memory are for inputs of {SMALLEST // 1_000_000} MB and more: of both, or of a forward alone."
    if benchmark.memory:
        peaks = f"No peaks of memory: {benchmark.memory}."
    return f"""# unifiedqr against each framework's own functions

Measured{where} on {escaped(place(machine))};
unifiedqr {escaped(machine.unifiedqr)}, {escaped(machine.when)}.
`make bench` repeats it; here each case had {seconds} s in each framework (`--seconds {seconds}`).
[benchmarks/README.md](../benchmarks/README.md) says what is measured and how, and how this document is made from
[benchmark.json](benchmark.json), which also has the quartiles and the number of rounds.

{escaped(RATIO)}
*Native* is the framework's own function, or what its users do where it has none: the notes below each table say what
that is, and why a ratio is missing (-). Its derivative is timed even where it is wrong;
[capabilities.md](capabilities.md) says where. *Both* is forward + backward. *Backward, of GEMM* is the rate of our
backward as a fraction of that of the framework's product of large matrices, given above each table.
{earlier}{escaped(peaks)}
"""


def _groups(benchmark: Benchmark, level: str = "##") -> str:
    """Return geometric mean and worst of each group in each framework, and the cases of the groups."""
    members = {group: [case for case in benchmark.cases if group in groups_of(case)] for group in SUMMARIZED}
    members = {group: cases for group, cases in members.items() if cases}
    if not members:
        return ""
    frameworks = benchmark.frameworks
    compared = (QUANTITIES[framework.compared] if framework.results else "not measured" for framework in frameworks)
    headings = ["", *(framework.name for framework in frameworks)]
    means = (
        [group, *(_mean(framework, group, len(cases)) for framework in frameworks)] for group, cases in members.items()
    )
    told = "\n".join(f"- {group}: {escaped(', '.join(cases))}" for group, cases in members.items())
    return f"""{level} Groups

Geometric mean of the ratios, how many of the group's cases it covers, and the worst ratio with its case.

{table(headings, [["ratios of", *compared], *means])}
{told}
"""


def _mean(framework: FrameworkResult, group: str, of: int) -> str:
    for found in framework.summary():
        if found.group == group:
            return f"{ratio(found.mean)} ({found.count} of {of}); worst {ratio(found.worst)}, {found.case}"
    return "-"


def _framework(benchmark: Benchmark, framework: FrameworkResult, level: str = "##") -> str:
    parts = [f"{level} {escaped(framework.name)}\n"] if level else []
    if framework.results:
        parts.append(f"{escaped(head(framework))}\n")
        parts.append(table(_headings(HEADINGS), [row(framework, result) for result in framework.results]))
    if told := notes(framework):
        parts.append("".join(f"- {escaped(note)}\n" for note in told))
    if line := limits_told(benchmark, framework):
        parts.append(f"For an adapter: `{line}`\n")
    if compared := against_rows(framework):
        parts.append("Against the earlier release, in the same rounds; a ratio below 1 is a loss:\n")
        parts.append(table(_headings(AGAINST_HEADINGS), compared))
        parts.append("".join(f"- {escaped(note)}\n" for note in against_notes(framework)))
    if framework.failure:
        parts.append(f"**Failed**: {escaped(framework.failure)}\n")
    return "\n".join(parts)


def _headings(headings: Sequence[str]) -> list[str]:
    """Return headings on a line each: a heading over several columns is repeated in each of them."""
    over, found = "", list[str]()
    for heading in headings:
        upper, _, lower = heading.rpartition("\n")
        over = upper or over
        found.append(f"{over}, {lower}" if over else lower)
    return found
