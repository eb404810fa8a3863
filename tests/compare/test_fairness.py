"""Who is to blame: planted errors, missing truths, failures, and the exit status each of them comes to."""

from dataclasses import replace

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.errors import DurationError
from unifiedqr_lab.compare import Comparison, compare, cost
from unifiedqr_lab.compare.api import run_comparison
from unifiedqr_lab.compare.cost import counted_cost, estimate, kind_of_reference
from unifiedqr_lab.compare.evaluate import Evaluation
from unifiedqr_lab.compare.job import ComparisonCase, Matrix, matrix_job
from unifiedqr_lab.compare.verdict import case_condition
from unifiedqr_lab.conformance import tolerance
from unifiedqr_lab.workers.processes import Failure


def altered(record, key, change):
    """Return a record with the largest entry of one result changed."""
    given = record.outcomes[key]
    name, X = next(iter(given.arrays.items()))
    X = X.copy()
    place = np.unravel_index(np.argmax(np.abs(X)), X.shape)
    X[place] = change(X[place])
    return replace(record, outcomes={**record.outcomes, key: replace(given, arrays={**given.arrays, name: X})})


def judged(job, records, truth):
    """Return the statuses by framework."""
    findings = Comparison(job, records, truth).findings
    return {name: {f.status for f in findings if f.framework == name} for name in records}


@pytest.fixture
def frameworks(small_records):
    """Return the records of the frameworks alone."""
    return {name: record for name, record in small_records.items() if name != "truth"}


def test_only_who_misses_the_truth_disagrees(small_job, small_records, frameworks):
    for key in small_records["torch"].outcomes:
        wrong = {**frameworks, "torch": altered(frameworks["torch"], key, lambda x: x + 1e-3)}
        comparison = Comparison(small_job, wrong, small_records["truth"])
        assert {f.framework for f in comparison.findings if f.status == "disagrees"} == {"torch"}, key
        output = next(iter(frameworks["torch"].outcomes[key].arrays))
        assert comparison.verdict() == f"No agreement: torch disagrees in {output}."
        assert comparison.objections()[0].startswith(f"torch, {key[0]}, {key[1]}: {output}: ")
        assert comparison.status == "disagreement"
        (numpy,) = (f for f in comparison.findings if f.framework == "numpy" and (f.case, f.derivative) == key)
        assert numpy.disagreement > 1e-6  # which is told
        assert numpy.strain < 1  # and not held against it


def test_without_a_truth_nobody_knows_who_is_wrong(small_job, frameworks):
    key = next(key for key in frameworks["torch"].outcomes if key[1] == "vjp")
    wrong = {**frameworks, "torch": altered(frameworks["torch"], key, lambda x: x + 1e-3)}
    comparison = Comparison(small_job, wrong, None)
    assert {f.framework for f in comparison.findings if f.status == "disagrees"} == {"torch", "numpy"}
    assert all("it is open which of the two is wrong" in line for line in comparison.objections())
    assert comparison.verdict() == "No agreement: numpy, torch disagree in A_bar."


def test_the_verdict_names_a_few_wrong_outputs(small_job, small_records, frameworks):
    wrong = {"numpy": frameworks["numpy"], "torch": frameworks["torch"]}
    for key in small_records["torch"].outcomes:
        wrong["torch"] = altered(wrong["torch"], key, lambda x: x + 1e-3)
        if key[1] == "vjp":
            wrong["numpy"] = altered(wrong["numpy"], key, lambda x: x + 1e-3)
    comparison = Comparison(small_job, wrong, small_records["truth"])
    names = {f.outputs for f in comparison.findings if f.framework == "torch"}
    assert len({*names}) > 1
    assert comparison.verdict().startswith("No agreement: numpy disagrees in A_bar; torch disagrees in ")


def test_slopes_tell_who_is_wrong_and_keep_the_others_from_blame(small_job, small_records, frameworks):
    """The truth is reduced to the slopes it has along the fixed directions."""
    from unifiedqr_lab.compare.reference import probing_directions

    case = small_job.cases[0]
    job = replace(small_job, cases=(case,), derivatives=("vjp",))
    key, truth = (case.id, "vjp"), small_records["truth"]
    gradient = truth.outcomes[key].arrays["A_bar"]
    slopes = np.array([np.sum((gradient.conj() * V).real) for (V,) in probing_directions(job, case)])
    known = replace(truth, outcomes={key: Evaluation("ok", "", "directions", {"slopes": slopes})})
    assert judged(job, frameworks, known) == {"numpy": {"agrees"}, "torch": {"agrees"}}
    wrong = {**frameworks, "torch": altered(frameworks["torch"], key, lambda x: x + 1e-3)}
    assert judged(job, wrong, known) == {"numpy": {"agrees"}, "torch": {"disagrees"}}


def test_a_failure_or_a_missing_truth_establishes_nothing(small_job, small_records, frameworks):
    truth, key = small_records["truth"], next(iter(small_records["truth"].outcomes))
    assert Comparison(small_job, frameworks, truth).status == "agreement"
    assert Comparison(small_job, frameworks, None).status == "agreement"  # asked for no truth
    assert Comparison(small_job, {}, truth).status == "not established"
    assert Comparison(small_job, frameworks, truth, [Failure("jax", "crashed")]).status == "not established"
    raised = replace(frameworks["torch"], outcomes={**frameworks["torch"].outcomes, key: Evaluation("failed", "no")})
    assert Comparison(small_job, {**frameworks, "torch": raised}, truth).status == "not established"
    untold = replace(truth, outcomes={**truth.outcomes, key: Evaluation("cannot", "too large", "none")})
    comparison = Comparison(small_job, frameworks, untold)
    assert comparison.status == "not established"
    assert not comparison.passed
    assert f"no truth for {key[0]}, {key[1]}: too large" in comparison.objections()[0]
    wrong = {**frameworks, "torch": altered(frameworks["torch"], key, lambda x: x + 1)}
    assert Comparison(small_job, wrong, truth, [Failure("jax", "crashed")]).status == "disagreement"


def test_the_result_prints_as_its_table(small_job, small_records, frameworks):
    comparison = Comparison(small_job, frameworks, small_records["truth"])
    for text in (str(comparison), repr(comparison)):
        for word in ("framework", "numpy", "torch", "complex128", "worst error", "agrees", comparison.verdict()[:60]):
            assert word in text
        assert "\x1b" not in text
    assert type(comparison.table()).__name__ == "Table"


def test_a_functions_cost_is_counted_and_not_timed():
    exact = uqr.get_backend("mpmath")
    A = (exact.from_numpy(np.random.default_rng(0).standard_normal((4, 3))),)

    def once(X):
        return uqr.qr(X).R

    counts = {counted_cost(once, A) for _ in range(3)}
    assert len(counts) == 1
    assert counted_cost(lambda X: [uqr.qr(X) for _ in range(10)], A) == pytest.approx(10 * counts.pop(), rel=0.01)
    assert counted_cost(lambda X: X.nosuch, A) == 0.0


def test_a_function_that_costs_too_much_is_not_evaluated_to_its_end(monkeypatch):
    exact = uqr.get_backend("mpmath")
    A = (exact.from_numpy(np.ones((2, 2))),)
    turns = []

    def endless(X):
        while True:
            turns.append(X @ X)

    monkeypatch.setattr(cost, "BUDGET", 1e-3)
    assert counted_cost(endless, A) == float("inf")
    assert turns
    case = ComparisonCase("f", "function", "float64", ("x",))
    assert kind_of_reference(case, "value", (np.ones((2, 2)),), "exact", float("inf")) == "none"


def test_no_clock_decides_which_truth_is_used(monkeypatch, small_job):
    """A machine on which everything takes hours chooses as any other does."""
    from unifiedqr_lab.compare import reference

    ticks = iter(range(0, 10**9, 3600))
    monkeypatch.setattr(reference.time, "perf_counter", lambda: float(next(ticks)))
    monkeypatch.setattr(reference.time, "process_time", lambda: float(next(ticks)))
    given = reference.Reference(small_job, "exact")
    case = small_job.cases[0]
    assert [given.outcome(case, derivative, None).via for derivative in ("value", "vjp")] == ["exact", "exact"]


def test_what_is_expected_to_take_too_long_is_not_begun(monkeypatch):
    job = matrix_job(
        (Matrix("A", np.ones((2000, 2000)), "test"),),
        decompositions=("qr",),
        dtypes=("float64",),
        derivatives=("value", "vjp"),
    )
    seconds, truth = estimate(job, "exact", 2)
    assert 600 < truth <= seconds
    with pytest.raises(DurationError, match=r"expected.* exceeds the timeout of 600 s, so nothing was run\. Give it"):
        run_comparison(job, ("numpy", "torch"), timeout=600)
    with pytest.raises(DurationError, match="reference none"):
        compare(uqr.qr, np.ones((2000, 2000)), backends=["numpy", "torch"])
    from unifiedqr_lab.compare import api

    monkeypatch.setattr(api, "run_workers", lambda *_, **__: ({}, []))
    told = []
    run_comparison(job, ("numpy", "torch"), timeout=1e6, announce=told.append)
    assert len(told) == 1
    assert "expected" in told[0]


def test_a_loss_of_one_digit_shows(small_job, small_records, frameworks):
    """Every result of a well-conditioned matrix may be wrong by ten times what was measured, and by no more."""
    truth = small_records["truth"]
    for case in small_job.cases:
        for derivative in small_job.derivatives:
            key = (case.id, derivative)
            exact = truth.outcomes[key].arrays
            size = tolerance.unit(case.dtype, 4, 3, case_condition(small_job, case))
            worst = tolerance.MEASURED[case.target][derivative != "value"]
            lost = {name: X * (1 + 11 * worst * size) for name, X in exact.items()}
            torch = frameworks["torch"]
            given = replace(torch.outcomes[key], arrays=lost)
            wrong = {**frameworks, "torch": replace(torch, outcomes={**torch.outcomes, key: given})}
            assert Comparison(small_job, wrong, truth).status == "disagreement", key
