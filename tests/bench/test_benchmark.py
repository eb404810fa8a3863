"""Every framework in its own process, and what is told of it: results, JSON, report, command line."""

import json
import re
import subprocess
import sys
from dataclasses import replace

import pytest

import unifiedqr as uqr
from unifiedqr.errors import BackendUnavailableError, InputError, UnknownBackendError
from unifiedqr_lab.bench import benchmark
from unifiedqr_lab.bench.benchmark import choose_backends, run_benchmark
from unifiedqr_lab.bench.cases import read_case
from unifiedqr_lab.bench.report import render
from unifiedqr_lab.bench.results import Benchmark, CaseResult, FrameworkResult, Quantity
from unifiedqr_lab.bench.rounds import Timing
from unifiedqr_lab.bench.table import notes, row, summary

CASES = tuple(map(read_case, ("qr:64x8:float32", "lq:8x8:float32", "qr-pivoted:2x64x8:float32")))


@pytest.fixture(scope="module")
def small():
    """Return a benchmark of three cases in two frameworks."""
    return run_benchmark(CASES, ("numpy", "torch"), seconds=0.0)


def test_frameworks_run_and_are_told_of_in_order(small):
    assert [framework.name for framework in small.frameworks] == ["numpy", "torch"]
    for framework in small.frameworks:
        assert not framework.failure
        assert [result.case for result in framework.results] == [case.id for case in CASES]
        assert framework.gemm["float32"] > 0
        assert framework.versions["numpy"]
    assert small.machine.threads == small.machine.cores


def test_json_is_read_as_it_was_written(small, tmp_path):
    path = tmp_path / "b.json"
    small.to_json(path)
    assert Benchmark.read(path) == small
    told = json.loads(path.read_text())
    assert told["frameworks"][1]["results"][0]["gemm_fractions"]["backward"] > 0
    for text in ("[]", "{}", '{"format": "other", "version": 1}', "no"):
        path.write_text(text)
        with pytest.raises(InputError):
            Benchmark.read(path)


def test_the_report_is_one_file_that_loads_nothing(small):
    html = render(small)
    assert html.startswith("<!DOCTYPE html>")
    for word in ("qr-pivoted:2x64x8:float32", "torch has no qr-pivoted of its own", "numpy has no autodiff", "GEMM"):
        assert word in html
    assert "src=" not in html
    for case, digest in small.digests().items():
        assert digest[:16] in html
        assert len({r.sha256 for f in small.frameworks for r in f.results if r.case == case}) == 1
    read = re.sub(r"<[^>]*>", "", html)
    assert all(framework.blas and framework.blas in read for framework in small.frameworks)
    failed = replace(small, frameworks=(FrameworkResult("jax", failure="<b>crashed</b>"),))
    assert "&lt;b&gt;crashed&lt;/b&gt;" in render(failed)


def test_a_worker_that_dies_or_hangs_costs_its_own_results_alone(monkeypatch, tmp_path):
    """The worker of torch is made to die after its first case, as by a crash of the framework."""
    folder = tmp_path / "crash"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if 'unifiedqr_lab.bench.benchmark_task:run' in sys.orig_argv and 'torch' in sys.orig_argv:\n"
        "    from unifiedqr_lab.workers import progress\n"
        "    progress.tell = lambda done, total: os.abort()\n"
    )
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=":")
    found = run_benchmark(CASES, ("torch", "numpy"), seconds=0.0)
    torch, numpy = found.frameworks
    assert "was ended by signal 6" in torch.failure
    assert len(torch.results) == 1
    assert not numpy.failure
    assert len(numpy.results) == len(CASES)
    (late,) = run_benchmark(CASES, ("numpy",), seconds=1e4, timeout=0.2).frameworks
    assert late.failure == "gave no result within 0.2 s"
    assert late.results == ()


def test_the_threads_of_every_framework_are_set(monkeypatch):
    environments = {}

    def run(workers, task, backend, job, result, *, environment, **_):
        environments[backend] = environment
        return "not run"

    monkeypatch.setattr(benchmark.Workers, "run", run)
    monkeypatch.setattr(benchmark, "cores", lambda: 7)
    found = run_benchmark(CASES, ("tensorflow", "jax"), seconds=0.0)
    assert [framework.failure for framework in found.frameworks] == ["not run", "not run"]
    for variable in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        assert environments["tensorflow"][variable] == "7"
    assert environments["jax"]["NPROC"] == "7"


def test_backends_are_chosen_by_name():
    assert "mpmath" not in choose_backends(None)
    with pytest.raises(UnknownBackendError, match="mpmath is not measured; choose among numpy"):
        choose_backends(("mpmath",))
    with pytest.raises(UnknownBackendError, match="no backend is named 'caffe'"):
        choose_backends(("caffe",))


def test_a_backend_that_is_not_installed_is_refused(monkeypatch):
    absent = {**uqr.backends(), "torch": replace(uqr.backends()["torch"], available=False, reason="it is not here")}
    monkeypatch.setattr(uqr, "backends", lambda: absent)
    with pytest.raises(BackendUnavailableError, match="it is not here"):
        choose_backends(("torch",))


def timed(ratio):
    return Quantity(Timing(0.002, 0.002 * ratio, ratio, ratio, ratio, 5))


def test_groups_are_summarized_by_geometric_mean_and_worst():
    ratios = {"qr:64x64:float64": 4.0, "qr:512x512:float64": 1.0, "qr:8x8:float64": 0.5, "qr:3x3:float64": 9.0}
    results = tuple(CaseResult(case, timed(7.0), timed(1.0), timed(x), 1e6, 2e6) for case, x in ratios.items())
    framework = FrameworkResult("torch", gemm={"float64": 1e10}, results=results)
    assert summary(framework) == (
        "other: geometric mean 2.00 of 2 forward + backward ratios, worst 1.00 (qr:512x512:float64)",
        "small: geometric mean 1.41 of 2 forward + backward ratios, worst 0.50 (qr:8x8:float64)",
    )
    assert framework.fractions(results[0]) == {"forward": pytest.approx(0.05), "backward": pytest.approx(0.1)}
    assert row(framework, results[0])[1:] == ("14.0", "2.00", "7.00", "8.00", "2.00", "4.00", "10.0%", "-", "-")
    assert notes(framework) == ()


def run(*arguments, cwd):
    command = [sys.executable, "-m", "unifiedqr", "bench", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)


def test_the_command_line_writes_table_json_and_report(tmp_path):
    done = run(
        *("--backend", "numpy,torch", "--seconds", "0", "--no-memory"),
        *("--shape", "qr:64x8:float64", "--shape", "qr:10x4x3:float64", "--shape", "qr:32x8:float32"),
        *("--json", "b.json", "--report", "b.html", "--markdown", "b.md"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    for word in (
        "torch",
        "qr:64x8:float64",
        "qr:10x4x3:float64",
        "numpy has no autodiff (every case)",
        "not asked for",
    ):
        assert word in done.stdout
    assert "torch: done" in done.stderr
    assert len(Benchmark.read(tmp_path / "b.json").cases) == 3
    assert (tmp_path / "b.html").read_text().startswith("<!DOCTYPE html>")
    assert "qr:10x4x3:float64" in (tmp_path / "b.md").read_text()
    assert Benchmark.read(tmp_path / "b.json").command.endswith("--markdown b.md")


BAD = {
    "backend": (["--backend", "caffe"], "no backend is named 'caffe'"),
    "group": (["--group", "tall,large"], "group 'large' is unknown; choose among tall, other"),
    "case": (["--group", "small", "--case", "svd"], "no case contains 'svd'; there are qr:8x8:float64"),
    "shape": (["--shape", "qr:64x8"], "NAME:SHAPE:DTYPE"),
    "both": (["--shape", "qr:64x8:float64", "--group", "tall"], "leave out --group"),
    "report": (["--report", "no/r.html"], "no directory"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_exits_2_with_one_line(tmp_path, case):
    arguments, message = BAD[case]
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
