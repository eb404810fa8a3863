"""One matrix on several workers: what is measured of it, what is counted, and what is said of both."""

import pytest

from unifiedqr.errors import InputError
from unifiedqr_lab.bench import sharded
from unifiedqr_lab.bench.cases import read_case
from unifiedqr_lab.bench.document import brief, document
from unifiedqr_lab.bench.machine import Machine
from unifiedqr_lab.bench.report import render
from unifiedqr_lab.bench.results import Benchmark
from unifiedqr_lab.bench.sharded import Scaled, ScalingResult, rows, run_scaling

M, N = 4096, 8
CASE = f"qr:{M}x{N}:float64"
ENTRIES = 8


@pytest.fixture(scope="module")
def measured():
    return run_scaling(read_case(CASE), ["numpy", "dask"], timeout=200)


def of(result, **wanted):
    return [each for each in result.found if all(getattr(each, key) == value for key, value in wanted.items())]


def test_ours_sends_no_rows_and_gathering_does(measured):
    assert measured.failures == ()
    (forward,) = of(measured, backend="numpy", way="ours", quantity="forward", workers=2)
    (both,) = of(measured, backend="numpy", way="ours", quantity="both", workers=2)
    assert N * N * ENTRIES <= forward.received <= 2 * N * N * ENTRIES
    assert both.received - forward.received <= 2 * N * N * ENTRIES
    (gathered,) = [each for each in of(measured, backend="numpy", workers=2) if each.way != "ours"]
    assert gathered.received >= M // 2 * N * ENTRIES
    assert all(each.received == 0 for each in of(measured, workers=1))


def test_time_of_one_and_two_and_bytes_of_eight(measured):
    assert all(each.cpu > 0 and each.wall > 0 for each in of(measured, workers=1) + of(measured, workers=2))
    eight = of(measured, workers=8)
    assert {(each.backend, each.quantity) for each in eight} == {("dask", "forward"), ("dask", "both")}
    assert all(each.cpu is None and 0 < each.received < M * N * ENTRIES // 8 for each in eight)


def test_rows_have_a_cell_for_each_number(measured):
    told = rows(measured)
    assert {len(row) for row in told} == {len(sharded.HEADINGS)}
    (row,) = [row for row in told if row[0] == "numpy" and row[2] == "ours: forward + backward"]
    assert row[-1] == "-"  # a sum of two processes has no eight
    assert int(row[-2]) == of(measured, backend="numpy", way="ours", quantity="both", workers=2)[0].received


FAST, SLOW = (Scaled("torch", "DTensor", "ours", "both", count, 0.4 / count, 0.5, 4096) for count in (1, 2))


def test_documents_and_data_have_them(tmp_path):
    result = ScalingResult(CASE, (FAST, SLOW), ("jax, 2: was ended by signal 9",))
    benchmark = Benchmark(Machine.here(1, "0"), 6.0, (), (), sharded=result)
    benchmark.to_json(tmp_path / "b.json")
    assert Benchmark.read(tmp_path / "b.json") == benchmark
    line = "| torch | DTensor | ours: forward + backward | 400 | 200 | 2.00 | 4096 | - |"
    for text in (brief(benchmark), document(benchmark)):
        assert line in text
        assert "jax, 2: was ended by signal 9" in text
    page = render(benchmark)
    assert "ours: forward + backward" in page
    assert "was ended by signal" in page


def test_a_process_that_ends_is_told(monkeypatch):
    monkeypatch.setattr(sharded, "TASK", "tests.bench.test_sharded:failing")
    result = run_scaling(read_case(CASE), ["dask"], timeout=60)
    assert result.found == ()
    assert [line.partition(":")[0] for line in result.failures] == ["dask, 1", "dask, 2", "dask, 8"]
    assert all("no such thing" in line for line in result.failures)


def failing(name, job_path, result_path):
    raise RuntimeError("no such thing")


@pytest.mark.parametrize("text", ["lq:8x4096:float64", "qr:4097x8:float64", "qr:64x16:float64", "qr:2x4096x8:float64"])
def test_other_cases_are_refused(text):
    with pytest.raises(InputError, match="rows is a multiple of 8"):
        run_scaling(read_case(text), ["numpy"], timeout=1)
