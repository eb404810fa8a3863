"""Spread matrices in the laboratory: what it says of engines that are right, and of those that are not."""

from dataclasses import replace

import pytest

from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import get_backend
from unifiedqr_lab.conformance import sharded
from unifiedqr_lab.conformance.capabilities import BYPASS, OURS, RIGHT, WRONG
from unifiedqr_lab.conformance.case_checks import doubled
from unifiedqr_lab.conformance.runner import SuiteResult, run_suite
from unifiedqr_lab.conformance.sharded import GATHERED, EngineFinding, judged, run_engines
from unifiedqr_lab.conformance.sharded_table import objections, rows_of, table_rows
from unifiedqr_lab.conformance.spread_problems import ROWS, spread_problem
from unifiedqr_lab.engines import MEMBERS, Engine, Place, axis_of
from unifiedqr_lab.instruments import Instruments, instruments
from unifiedqr_numpy.instruments.engines import ByASum

BACKEND = get_backend("numpy")
KINDS = ("value", "vjp", "jvp")


def alone():
    """Return the engine of one process, which has all rows."""
    return ByASum(BACKEND, 0, 1, None)


def transform_of(spreading, kind):
    return next(transform for transform in spreading.transforms if transform.kind == kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("member", MEMBERS)
def test_an_engine_that_is_right(member, kind):
    for dtype in ("float32", "complex128"):
        verdict, error, bound = judged(alone(), transform_of(alone(), kind), member, dtype)
        assert verdict == (RIGHT if kind == "value" else OURS)
        assert error <= bound


def test_a_wrong_rule_is_wrong():
    class Wrong(ByASum):
        def function(self, name, change):
            return super().function(name, lambda row: doubled(change(row)))

    spreading = Wrong(BACKEND, 0, 1, None)
    assert judged(spreading, transform_of(spreading, "value"), "qr", "float64")[0] == RIGHT
    verdict, error, _ = judged(spreading, transform_of(spreading, "vjp"), "qr", "float64")
    assert (verdict, round(error, 6)) == (WRONG, 1)


def test_a_rule_that_is_not_run_is_bypassed():
    class Native(ByASum):
        def function(self, name, change):
            return super().function(name, lambda row: row)

    spreading = Native(BACKEND, 0, 1, None)
    assert judged(spreading, transform_of(spreading, "jvp"), "lq", "float64")[0] == BYPASS


def test_what_is_gathered_is_told():
    class Gathering(ByASum):
        def is_spread(self, X):
            return False

    spreading = Gathering(BACKEND, 0, 1, None)
    assert judged(spreading, transform_of(spreading, "value"), "qr", "float64")[0] == GATHERED
    assert judged(spreading, transform_of(spreading, "value"), "qr-r", "float64")[0] == RIGHT  # R has no rows


@pytest.mark.parametrize("member", MEMBERS)
def test_problems_have_the_long_side_of_what_is_spread(member):
    row = DECOMPOSITIONS[member]()
    given = spread_problem(member, "float64", "vjp")
    for part, name in zip(given.given[0], row.inputs, strict=True):
        assert part.axis == axis_of(row, name)
        assert part.X.shape[part.axis] == ROWS
    assert axis_of(row, "A") == (-1 if member == "lq" else -2)


def test_two_processes_of_a_sum():
    found = run_engines(["numpy"], decompositions=("qr", "slogdet"), dtypes=("float32",), timeout=120)
    assert {(f.member, f.kind, f.verdict) for f in found} == {
        ("qr", "value", RIGHT),
        ("qr", "vjp", OURS),
        ("qr", "jvp", OURS),
    }
    assert all(f.passed and f.error <= f.bound for f in found)
    assert run_engines(["numpy"], decompositions=("slogdet",)) == ()
    assert len(rows_of(found)) == len(table_rows(found)) == 3


def broken(place):
    raise RuntimeError(f"process {place.rank} of {place.size} is broken")


def test_a_process_that_fails_is_told(monkeypatch):
    class Broken(Instruments):
        def engines(self):
            return (Engine("broken", "tests.test_sharded:broken", 1),)

    true = instruments
    monkeypatch.setattr(sharded, "instruments", lambda name: Broken(name) if name == "numpy" else true(name))
    monkeypatch.setattr(sharded, "TASK", "tests.test_sharded:run_broken")
    (found,) = run_engines(["numpy"], timeout=60)
    assert not found.passed
    assert "process 0 of 1 is broken" in found.verdict
    assert objections([found]) == [f"numpy broken: {found.verdict}"]


def run_broken(name, job_path, result_path):
    broken(Place(0, 1, job_path.parent))


GOOD = EngineFinding("numpy", "engine", "vjp", "vjp", "qr", "float64", OURS, 1e-16, 1e-14)
BAD = replace(GOOD, verdict=WRONG, error=1.0)
LACKS = replace(GOOD, verdict="refused: CapabilityError", error=None, bound=None)
RAISED = replace(LACKS, verdict="refused: ZeroDivisionError")


def test_conformance_counts_them():
    result = run_suite(["numpy"], decompositions=("slogdet",), dtypes=("float64",))
    count = len(result.findings)
    for found, passes, told in (
        ((GOOD, LACKS), True, f"numpy: {count + 2} checks passed, 0 failed: conforms"),
        ((GOOD, BAD), False, f"numpy: {count + 1} checks passed, 1 failed: does not conform"),
        ((RAISED,), False, f"numpy: {count} checks passed, 1 failed: does not conform"),
    ):
        checked = replace(result, sharded=found)
        assert checked.passed is passes
        assert checked.verdict("numpy").startswith(told)
        assert [each["verdict"] for each in checked.to_dict()["sharded"]] == [f.verdict for f in found]
    assert SuiteResult((), ("numpy",)).sharded == ()
