"""Where CholeskyQR is faster, and on which device: what is made of ratios, and what is said where none are."""

import subprocess
import sys

import pytest

from tests.conftest import FRAMEWORKS
from unifiedqr.arrays.operations import Limits
from unifiedqr_lab.bench.benchmark import run_benchmark
from unifiedqr_lab.bench.cases import GROUPS, read_case, select_cases
from unifiedqr_lab.bench.document import document
from unifiedqr_lab.bench.limits import best_limits
from unifiedqr_lab.bench.results import Benchmark

TRUE = Limits(slenderness=16, columns=256, rows=512, narrowest=16, entries=2**15)
SMALL = (read_case("qr-cholesky:64x4:float32"),)


def ratios(limits, within=2.0, beyond=0.5):
    """Return made-up ratios of the cases: as large as one likes within limits, and small beyond them."""
    return {case: within if limits.include(read_case(case).shape) else beyond for case in GROUPS["limits"]}


@pytest.mark.parametrize("limits", [TRUE, TRUE._replace(entries=0), TRUE._replace(slenderness=2, narrowest=4, rows=8)])
def test_limits_are_found_that_divide_the_cases_as_the_ratios_do(limits):
    found = best_limits(ratios(limits))
    for case in GROUPS["limits"]:
        shape = read_case(case).shape
        assert found.include(shape) == limits.include(shape), case


def test_a_few_losses_are_taken_for_many_gains_and_not_the_other_way_round():
    given = ratios(TRUE)
    inside = [case for case in given if TRUE.include(read_case(case).shape)]
    assert best_limits({**given, inside[0]: 0.9}).include(read_case(inside[0]).shape)
    assert best_limits({**given, **dict.fromkeys(inside, 0.9)}) is None


def test_where_nothing_is_gained_there_are_no_limits():
    assert best_limits(ratios(TRUE, within=0.9)) is None


def test_these_cases_are_measured_where_they_are_asked_for():
    assert not {case.id for case in select_cases()} & set(GROUPS["limits"])
    assert {case.id for case in select_cases(["limits"])} == set(GROUPS["limits"])


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "torch" else pytest.mark.exhaustive) for name in FRAMEWORKS]
)  # each starts a framework
def test_a_device_that_is_missing_is_told_beside_those_that_are_there(name):
    found = run_benchmark(SMALL, (name,), seconds=0.0, device="quantum:0")
    for framework in found.frameworks:
        assert framework.failure.startswith(f"InputError: {framework.name} has no device 'quantum:0' (")
        assert "; expected one of: " in framework.failure
        assert not framework.results


@pytest.mark.skipif("torch" not in FRAMEWORKS, reason="torch was not chosen")
def test_the_command_line_prints_what_is_to_be_pasted(tmp_path):
    options = ("--backend", "torch", "--device", "cpu", "--case", "64x4:float32", "--seconds", "0", "--json", "b.json")
    command = [sys.executable, "-m", "unifiedqr", "bench", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    found = Benchmark.read(tmp_path / "b.json")
    assert found.cases == ("qr-cholesky:64x4:float32", "qr-cholesky:1000x64x4:float32")
    assert found.device == "cpu"
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("limits = "))
    assert line.rstrip().endswith("in torch on cpu")
    assert line.rstrip() in document(found)
    assert "Measured on the device cpu on" in document(found)


def test_a_device_and_an_earlier_release_are_not_measured_together(tmp_path):
    command = [sys.executable, "-m", "unifiedqr", "bench", "--device", "cpu", "--against", "x.whl"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "give one of them" in done.stderr
