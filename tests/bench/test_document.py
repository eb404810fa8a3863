"""The benchmark's document: what is in docs/, and what a reader sees of things that Markdown has no room for."""

import subprocess
import sys
from pathlib import Path

import pytest
from rich.markdown import Markdown

from unifiedqr_lab.bench.cases import SUMMARIZED, groups_of
from unifiedqr_lab.bench.document import BEGIN, DIGEST, END, digest, document
from unifiedqr_lab.bench.machine import Machine
from unifiedqr_lab.bench.results import Benchmark, CaseResult, FrameworkResult, Memory, Quantity
from unifiedqr_lab.bench.rounds import Timing
from unifiedqr_lab.bench.table import HEADINGS, RATIO, head, notes, row

ROOT = Path(__file__).parents[2]
STORED = ROOT / "docs/benchmark.json"
CASES = ("qr:64x64:float64", "qr:512x512:float64", "qr:8x8:float64", "lq:3x4:float32")


@pytest.fixture(scope="module")
def stored():
    return Benchmark.read(STORED)


def shown(text):
    """Return the texts of all blocks and cells as Markdown shows them, and the tables, each a list of rows of texts.

    Markup that was not meant would be missing from the texts.
    """
    texts, tables, cell = [], [], False
    for token in Markdown(text).parsed:
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline":
            seen = "".join(" " if part.type == "softbreak" else part.content for part in token.children)
            texts.append(seen)
            if cell:
                tables[-1][-1].append(seen)
        cell = token.type in ("th_open", "td_open")
    return texts, tables


def timed(ratio):
    return Quantity(Timing(0.002, 0.002 * ratio, ratio, ratio, ratio, 5))


def alone(reason):
    """Return what is told of ours where the framework has nothing of its own."""
    return Quantity(Timing(0.002, None, None, None, None, 5), reason=reason)


def benchmark(*frameworks, cases=CASES, memory="", **machine):
    """Return a benchmark of made-up numbers."""
    described = {"processor": "A CPU", "system": "Linux 6 x86_64", "python": "3.11.7", "unifiedqr": "0.1.0"}
    place = Machine(cores=2, threads=2, when="2026-01-02 03:04 UTC", **{**described, **machine})
    return Benchmark(place, 4.0, cases, frameworks, memory)


def framework(*both, **told):
    """Return torch with these as forward + backward of the first cases."""
    results = tuple(
        CaseResult(case, timed(3.0), timed(1.0), quantity, 1e6, 2e6)
        for case, quantity in zip(CASES, both, strict=False)
    )
    return FrameworkResult("torch", {"torch": "2.13.0+cpu"}, {"float64": 1e10}, results, **told)


def test_the_document_is_made_of_the_numbers(stored):
    assert (ROOT / "docs/benchmark.md").read_text(encoding="utf-8") == document(stored), "run ci/benchmark.py"


def test_every_framework_case_and_note_is_in_it(stored):
    texts, (groups, *tables) = shown(document(stored))
    assert groups[0] == ["", *(framework.name for framework in stored.frameworks)]
    found = {group for case in stored.cases for group in groups_of(case)}
    assert [cells[0] for cells in groups[2:]] == [group for group in SUMMARIZED if group in found]
    assert len(tables) == len(stored.frameworks) > 1
    for framework, table in zip(stored.frameworks, tables, strict=True):
        assert not framework.failure
        assert [cells[0] for cells in table[1:]] == list(stored.cases)
        assert table[1:] == [list(row(framework, result)) for result in framework.results]
        assert {framework.name, head(framework), *notes(framework)} <= set(texts)


def test_the_machine_is_described_and_what_a_ratio_is(stored):
    first, second, *_ = shown(document(stored))[0][1:]
    machine = stored.machine
    for word in (machine.processor, f"{machine.threads} threads", machine.system, machine.python, machine.when):
        assert word in first
    for word in ("make bench", f"--seconds {stored.seconds:g}"):
        assert word in first
    assert RATIO in second


def test_the_short_table_is_made_of_them_too(stored):
    text = (ROOT / "docs/speed.md").read_text(encoding="utf-8")
    table = text.partition(BEGIN)[2].partition(END)[0].strip()
    assert table == digest(stored), "run ci/benchmark.py"
    _, [(first, *rows)] = shown(table)
    assert first[1:] == [framework.name for framework in stored.frameworks if framework.name != "numpy"]
    named = {title.replace("`", ""): case for title, case in DIGEST.items()}
    by_case = {named[cells[0]]: cells for cells in rows}
    torch = next(framework for framework in stored.frameworks if framework.name == "torch")
    mean = next(found.mean for found in torch.summary() if found.group == "tall")
    assert by_case["tall"][first.index("torch")] == f"{mean:.2f}"
    alone = next(result for result in torch.results if result.case == "qr:8x8:float64")
    assert by_case["qr:8x8:float64"][first.index("torch")] == f"{alone.both.ratio:.2f}"


def test_what_it_links_to_is_there(stored):
    links = [
        part.attrs["href"] for token in Markdown(document(stored)).parsed for part in token.children or () if part.attrs
    ]
    assert len(links) == 3
    for link in links:
        assert (ROOT / "docs" / link).is_file(), link


def test_headings_stand_on_one_line_and_tell_all():
    _, (_, table) = shown(document(benchmark(framework(timed(2.0)))))
    assert table[0] == [
        "case",
        *("forward, native ms", "forward, ours ms", "forward, ratio"),
        *("both, native ms", "both, ours ms", "both, ratio"),
        "backward, of GEMM",
        *("peak MiB, native", "peak MiB, ours"),
    ]
    assert len(table[0]) == len(HEADINGS)


def test_groups_tell_mean_worst_and_how_many_cases_they_are_of():
    torch = framework(timed(4.0), alone("no"), timed(0.5), timed(9.0))
    numpy = FrameworkResult("numpy", results=tuple(CaseResult(case, timed(1.5), *2 * [Quantity()]) for case in CASES))
    dead = FrameworkResult("jax", failure="was ended by signal 6")
    texts, (groups, *_) = shown(document(benchmark(torch, numpy, dead)))
    assert groups == [
        ["", "torch", "numpy", "jax"],
        ["ratios of", "forward + backward", "forward", "not measured"],
        ["other", "4.00 (1 of 2); worst 4.00, qr:64x64:float64", "1.50 (2 of 2); worst 1.50, qr:64x64:float64", "-"],
        ["small", "1.41 (2 of 2); worst 0.50, qr:8x8:float64", "1.50 (2 of 2); worst 1.50, qr:64x64:float64", "-"],
    ]
    assert "other: qr:64x64:float64, qr:512x512:float64" in texts
    assert not any(groups_of("lq:3x4:float32"))


def test_without_a_case_of_the_groups_there_is_no_table_of_them():
    torch = FrameworkResult("torch", results=(CaseResult("lq:3x4:float32", timed(3.0), timed(1.0), timed(2.0)),))
    texts, tables = shown(document(benchmark(torch, cases=("lq:3x4:float32",))))
    assert "Groups" not in texts
    assert [cells[:4] for cells in tables[0][1:]] == [["lq:3x4:float32", "6.00", "2.00", "3.00"]]
    assert len(tables) == 1


def test_a_case_without_a_native_derivative_has_our_time_and_the_reason():
    texts, (_, table) = shown(document(benchmark(framework(alone("no derivative of its own")))))
    assert table[1] == ["qr:64x64:float64", "6.00", "2.00", "3.00", "-", "2.00", "-", "10.0%", "-", "-"]
    assert "forward + backward: no derivative of its own (every case)" in texts


@pytest.mark.parametrize(
    ("found", "cells"),
    [(None, ["-", "-"]), (Memory(None, 24.4, "both"), ["-", "24"]), (Memory(36.0, 24.0, "both"), ["36", "24"])],
)
def test_peaks_of_memory(found, cells):
    result = CaseResult("qr:64x64:float64", timed(3.0), timed(1.0), timed(2.0), memory=found)
    _, (_, table) = shown(document(benchmark(FrameworkResult("torch", results=(result,)))))
    assert table[1][-2:] == cells


def test_where_no_peaks_were_measured_it_says_why():
    text = document(benchmark(framework(timed(2.0)), memory="not asked for"))
    assert "No peaks of memory: not asked for." in text
    assert "8 MB" not in text
    assert "8 MB" in document(benchmark(framework(timed(2.0))))


def test_a_failure_is_told_beside_what_was_found_before_it():
    texts, (_, table) = shown(
        document(benchmark(framework(timed(2.0), failure="was ended by signal 6\n\n- at <lambda>")))
    )
    assert [cells[0] for cells in table[1:]] == ["qr:64x64:float64"]
    assert texts[-1] == "Failed: was ended by signal 6 - at <lambda>"
    texts, (groups,) = shown(document(benchmark(FrameworkResult("jax", failure="gave no result within 5 s"))))
    assert texts[-2:] == ["jax", "Failed: gave no result within 5 s"]
    assert groups[2][1:] == ["-"]


@pytest.mark.parametrize(
    "text",
    [
        "Check failed: in_a[ndim-2] <= in_a[ndim-1] (4096 vs. 256)",
        "a | b || c",
        "*all* of **it**, 2 * 3 * 4",
        "__init__ and _private_ of a_b_c, a__b__c",
        "`code` and ``more``",
        "<b>bold</b> <lambda> &lt; &amp;",
        "[text](link) and ![image](link)",
        "~~gone~~, back\\slash, \\| and \\_",
        "# no heading",
        "- no list",
        "+ no list",
        "> no quotation",
    ],
)
def test_what_markdown_takes_for_syntax_is_shown_as_it_is(text):
    forward, both = (Quantity(timed(ratio).timing, via=text) for ratio in (3.0, 2.0))
    result = CaseResult(text, forward, timed(1.0), both)
    torch = FrameworkResult("torch", results=(result,), failure=text)
    texts, (_, table) = shown(document(benchmark(torch, processor=text)))
    assert texts[1].startswith(f"Measured on {text}, 2 threads; Linux 6 x86_64; Python 3.11.7; unifiedqr 0.1.0")
    assert table[1:] == [[text, "6.00", "2.00", "3.00", "4.00", "2.00", "2.00", "-", "-", "-"]]
    assert texts[-2:] == [f"{text} (every case)", f"Failed: {text}"]


def run(*arguments, cwd):
    command = [sys.executable, str(ROOT / "ci/benchmark.py"), *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


def test_the_script_writes_both_files(tmp_path):
    small = benchmark(framework(timed(2.0)))
    small.to_json(tmp_path / "bench.json")
    (tmp_path / "docs").mkdir()
    done = run("bench.json", "docs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "docs").iterdir()} == {"benchmark.json", "benchmark.md"}
    assert Benchmark.read(tmp_path / "docs/benchmark.json") == small
    assert (tmp_path / "docs/benchmark.md").read_text(encoding="utf-8") == document(small)


def test_the_script_writes_the_table_of_a_readme_between_its_markers(tmp_path):
    small, readme = benchmark(framework(timed(2.0))), tmp_path / "README.md"
    small.to_json(tmp_path / "bench.json")
    readme.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    done = run("bench.json", ".", "README.md", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert readme.read_text(encoding="utf-8") == f"before\n{BEGIN}\n{digest(small)}\n{END}\nafter\n"


BAD = {
    "no arguments": ([], "required: benchmark, folder"),
    "no file": (["absent.json", "."], "absent.json cannot be read"),
    "another file": ([ROOT / "docs/capabilities.json", "."], "is not a unifiedqr-benchmark"),
    "no markers": ([STORED, ".", ROOT / "LICENSE"], "has no <!-- speed table: begin -->"),
    "no folder": ([STORED, "absent"], "there is no directory absent"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_usage_exits_2_and_writes_nothing(tmp_path, case):
    arguments, message = BAD[case]
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
