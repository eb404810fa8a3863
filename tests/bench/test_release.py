"""An earlier release, from its wheel, in the rounds of this one. No test asserts a speed."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from unifiedqr.errors import InputError
from unifiedqr_lab.bench.benchmark import run_benchmark
from unifiedqr_lab.bench.cases import read_case
from unifiedqr_lab.bench.document import document
from unifiedqr_lab.bench.release import version_of
from unifiedqr_lab.bench.report import render
from unifiedqr_lab.bench.results import Benchmark, CaseResult, FrameworkResult, Quantity
from unifiedqr_lab.bench.rounds import FEWEST, Elsewhere, Timing, timing
from unifiedqr_lab.bench.table import against_notes, against_rows

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "unifiedqr", ROOT / "unifiedqr_lab", ROOT / "backends/numpy/unifiedqr_numpy")
ENTRY_POINTS = """[unifiedqr.backends]
numpy = unifiedqr_numpy:plugin
[unifiedqr.instruments]
numpy = unifiedqr_numpy.instruments:NumPyInstruments
"""
CASES = tuple(map(read_case, ("qr:64x8:float64", "range-finder:40x25:float64")))


def written(path, **texts):
    """Write a wheel with texts in its folder of metadata."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in texts.items():
            archive.writestr(f"unifiedqr-0.0.9.dist-info/{name}", text)
    return path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Return the wheel of a release before `range_finder` came."""
    path = tmp_path_factory.mktemp("wheel") / "unifiedqr-0.0.9-py3-none-any.whl"
    written(path, METADATA="Metadata-Version: 2.1\nName: unifiedqr\nVersion: 0.0.9\n")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("unifiedqr-0.0.9.dist-info/entry_points.txt", ENTRY_POINTS)
        for package in PACKAGES:
            for source in sorted(package.rglob("*.py")):
                text = source.read_text("utf-8")
                if source == ROOT / "unifiedqr/__init__.py":
                    text += "\ndel range_finder\n"
                archive.writestr(str(source.relative_to(package.parent)), text)
    return path


@pytest.fixture(scope="module")
def found(wheel):
    return run_benchmark(CASES, ("numpy",), seconds=0.0, with_memory=False, against=wheel)


def test_an_earlier_release_runs_in_the_same_rounds(found, tmp_path):
    assert found.against == "0.0.9"
    (numpy,) = found.frameworks
    assert not numpy.failure
    both, alone = numpy.results
    assert both.forward.timing.previous > 0
    assert both.forward.gain == pytest.approx(both.forward.timing.gain)
    assert both.forward.timing.gain_low <= both.forward.gain <= both.forward.timing.gain_high
    assert both.both.timing is None  # NumPy has no derivative
    assert alone.forward.timing.previous is None
    assert alone.lacking == "AttributeError: module 'unifiedqr' has no attribute 'range_finder'"
    found.to_json(tmp_path / "b.json")
    assert Benchmark.read(tmp_path / "b.json") == found


def test_it_is_told_in_every_form(found):
    (row,) = against_rows(found.frameworks[0])
    assert row[0] == "qr:64x8:float64"
    assert row[3] == f"{found.frameworks[0].results[0].forward.gain:.2f}"
    for text in (document(found), render(found)):
        assert "unifiedqr 0.0.9" in text
        assert row[3] in text
        assert "range_finder" in text


def test_a_release_that_cannot_run_costs_the_framework_and_says_why(tmp_path):
    path = written(tmp_path / "x.whl", METADATA="Name: unifiedqr\nVersion: 0.0.1\n")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("unifiedqr_lab/__init__.py", "raise RuntimeError('it is broken')")
    (numpy,) = run_benchmark(CASES, ("numpy",), seconds=0.0, with_memory=False, against=path).frameworks
    assert "the earlier release ended with exit status 1: RuntimeError: it is broken" in numpy.failure


def test_gains_of_groups():
    def timed(gain):
        return Quantity(Timing(1.0, None, None, None, None, 5, gain, gain, gain, gain))

    gains = {"qr:8x8:float64": 2.0, "qr:64x64:float64": 0.5, "lq:3x4:float64": 9.0}
    results = tuple(CaseResult(case, timed(x), Quantity(), timed(x)) for case, x in gains.items())
    assert against_notes(FrameworkResult("torch", results=results))[:2] == (
        "other: geometric mean 0.50 of 1, worst 0.50 (qr:64x64:float64)",
        "small: geometric mean 1.00 of 2, worst 0.50 (qr:64x64:float64)",
    )


def test_what_runs_elsewhere_takes_its_turns_and_times_itself():
    now, called = [0.0], []

    def here(name, seconds):
        def run():
            called.append(name)
            now[0] += seconds

        return run

    def elsewhere(untimed, timed):
        called.append("P")
        assert timed >= 1
        return 6.0

    found = timing(here("O", 2.0), here("N", 4.0), 0.0, lambda: now[0], lambda: None, Elsewhere(elsewhere))
    assert "".join(called)[3:] == ("NPO" + "OPN") * (FEWEST // 2) + "NPO" * (FEWEST % 2)
    assert (found.ours, found.native, found.ratio) == (2.0, 4.0, 2.0)
    assert (found.previous, found.gain, found.gain_low, found.gain_high) == (6.0, 3.0, 3.0, 3.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path, "cannot be read: No such file"),
        (lambda path: path.write_text("no wheel") and path, "cannot be read: File is not a zip file"),
        (lambda path: written(path, METADATA="Name: numpy\nVersion: 1\n"), "is a wheel of 'numpy'; expected one of"),
        (lambda path: written(path, RECORD=""), "is a wheel of None; expected one of unifiedqr"),
    ],
)
def test_what_is_no_wheel_of_ours_is_refused(make, message, tmp_path):
    with pytest.raises(InputError, match=message):
        version_of(make(tmp_path / "x.whl"))


def test_the_command_line_refuses_it_before_anything_is_measured(tmp_path):
    command = [sys.executable, "-m", "unifiedqr", "bench", "--against", "absent.whl", "--json", "b.json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "--against: absent.whl cannot be read" in done.stderr
    assert not list(tmp_path.iterdir())
