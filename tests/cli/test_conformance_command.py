"""``unifiedqr conformance``: what it says, writes and returns, of a backend that is right and of one that is not."""

import json
import os
import signal
import stat
from importlib import import_module

import numpy as np
import pytest

from unifiedqr.errors import OptionError
from unifiedqr_lab.conformance.case_checks import Outcome
from unifiedqr_lab.conformance.runner import SuiteFinding, SuiteResult, run_suite

SMALL = ("--backends", "numpy", "--decomposition", "slogdet", "--dtype", "float64")
runner = import_module("unifiedqr_lab.conformance.runner")


@pytest.fixture
def wrong(monkeypatch):
    """Make every golden case fail."""

    def check_case(backend, case, dtype):
        yield Outcome("value logabsdet", 1e-3, 1e-12)
        yield Outcome("vjp both", float("nan"), 1e-12)

    monkeypatch.setattr(runner, "check_case", check_case)


def test_a_verdict_in_one_line_ends_it(command):
    done = command("conformance", *SMALL)
    assert done.status == 0, done.err
    checks = len(run_suite(["numpy"], decompositions=("slogdet",), dtypes=("float64",)).findings)
    last = done.out.splitlines()[-1]
    assert last == f"numpy: {checks} checks passed, 0 failed: conforms in what was asked for (slogdet; float64)"
    assert "numpy: done" in done.err


def test_json_has_what_the_verdict_says(command, tmp_path):
    done = command("conformance", *SMALL, "--json", "c.json")
    told = json.loads((tmp_path / "c.json").read_text())
    assert told["passed"] is True
    assert (told["decompositions"], told["dtypes"]) == (["slogdet"], ["float64"])
    assert told["versions"] == {"numpy": np.__version__}
    assert [backend["verdict"] for backend in told["backends"]] == done.out.splitlines()[-1:]
    assert sum(row["checks"] for row in told["rows"]) == told["backends"][0]["checks"]
    assert told["failures"] == []


def test_json_may_go_to_a_device_which_stays_one(command):
    assert command("conformance", *SMALL, "--json", os.devnull).status == 0
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_a_backend_that_is_wrong_does_not_conform(command, wrong, tmp_path):
    done = command("conformance", *SMALL, "--json", "c.json")
    assert done.status == 1
    assert "does not conform" in done.out.splitlines()[-1]
    assert "error 1.00e-03, allowed 1.00e-12" in done.out
    told = json.loads((tmp_path / "c.json").read_text(), parse_constant=pytest.fail)
    assert told["passed"] is False
    assert {failure["error"] for failure in told["failures"]} == {1e-3, None}
    assert told["backends"][0]["failed"] == len(told["failures"])


def test_what_a_backend_raises_is_a_failure_and_the_others_go_on(command, monkeypatch):
    def raising(backend, case, dtype):
        yield Outcome("value logabsdet", 0.0, 1e-12)
        raise NotImplementedError("no\nsuch kernel")

    monkeypatch.setattr(runner, "check_case", raising)
    result = run_suite(["numpy"], decompositions=("slogdet",), dtypes=("float64",))
    raised = [finding for finding in result.failures if finding.outcome.check.startswith("raised")]
    assert {finding.case for finding in raised} == {finding.case for finding in result.findings}
    assert raised[0].outcome.check == "raised NotImplementedError: no such kernel"
    done = command("conformance", *SMALL)
    assert done.status == 1
    assert "raised NotImplementedError: no such kernel" in done.out
    assert "Traceback" not in done.out + done.err


def test_an_interrupted_run_writes_nothing(command, monkeypatch, tmp_path):
    def interrupted(backend, case, dtype):
        signal.raise_signal(signal.SIGINT)

    (tmp_path / "c.json").write_text("old")
    monkeypatch.setattr(runner, "check_case", interrupted)
    assert command("conformance", *SMALL, "--json", "c.json").status == 130
    assert (tmp_path / "c.json").read_text() == "old"


BAD = {
    "backend": (["--backends", "caffe"], "no backend is named 'caffe'; installed are numpy, "),
    "the truth": (["--backends", "mpmath"], "mpmath is the truth"),
    "decomposition": (["--decomposition", "svd"], "decomposition 'svd' is unknown; choose among qr, "),
    "dtype": (["--dtype", "float8"], "dtype 'float8' is unknown; choose among float32, "),
    "json": (["--json", "no/c.json"], "no directory"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_exits_2_with_one_line(command, case, tmp_path):
    arguments, message = BAD[case]
    done = command("conformance", *SMALL, *arguments) if case == "json" else command("conformance", *arguments)
    assert done.status == 2
    (line,) = done.err.splitlines()
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_progress_knows_the_total():
    steps = []
    result = run_suite(["numpy"], lambda *step: steps.append(step), ("slogdet", "orth"), ("float64",))
    assert steps[0] == ("numpy", 0, steps[0][2])
    assert [done for _, done, _ in steps] == list(range(steps[0][2] + 1))
    assert steps[-1][2] >= len({(f.decomposition, f.case) for f in result.findings})


def test_a_backend_of_which_nothing_was_checked_has_not_passed():
    finding = SuiteFinding("numpy", "qr", "float64", "case", Outcome("value Q", 0.0, 1e-12))
    assert SuiteResult((finding,), ("numpy",)).passed
    result = SuiteResult((finding,), ("numpy", "torch"))
    assert not result.passed
    assert result.verdict("numpy") == "numpy: 1 checks passed, 0 failed: conforms"
    assert result.verdict("torch") == "torch: 0 checks passed, 0 failed: nothing was checked"


def test_a_name_that_is_unknown_is_refused_before_anything_runs():
    with pytest.raises(OptionError, match="dtype 'float16' is unknown"):
        run_suite(["numpy"], dtypes=("float16",))
