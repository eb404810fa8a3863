"""The verdict: agreement, an altered entry, failures, and what is written about it."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.errors import BackendUnavailableError, InputError, OptionError, UnknownBackendError
from unifiedqr_lab.compare import Comparison, compare
from unifiedqr_lab.compare.api import run_comparison
from unifiedqr_lab.compare.frameworks import run_workers
from unifiedqr_lab.compare.job import Matrix, matrix_job
from unifiedqr_lab.compare.record import FORMAT, Record
from unifiedqr_lab.files import read_archive, write_archive
from unifiedqr_lab.workers.processes import Failure


@pytest.fixture(scope="session")
def small(small_job, small_records):
    """Return the comparison of `small_records`."""
    records = {name: record for name, record in small_records.items() if name != "truth"}
    return Comparison(small_job, records, small_records["truth"])


def test_frameworks_agree_with_each_other_and_the_truth(small):
    assert small.passed, small.objections()
    assert small.references() == {"exact": 12}
    assert "numpy, torch agree" in small.verdict()
    assert {f.via for f in small.findings if f.framework == "numpy"} == {"explicit rule"}


def _altered(record, key, name, change):
    given = record.outcomes[key]
    X = given.arrays[name].copy()
    place = np.unravel_index(np.argmax(np.abs(X)), X.shape)
    X[place] = change(X[place])
    return replace(record, outcomes={**record.outcomes, key: replace(given, arrays={**given.arrays, name: X})})


@pytest.mark.parametrize("change", [lambda x: x * (1 + 1e-4), lambda x: x + 1e-4, lambda x: np.nan * x])
def test_an_entry_altered_anywhere_is_found(small, change):
    truth, records = small.truth, small.records
    for key, given in records["torch"].outcomes.items():
        for name in given.arrays:
            altered = {**records, "torch": _altered(records["torch"], key, name, change)}
            assert not Comparison(small.job, altered, truth).passed, (key, name)
            assert not Comparison(small.job, altered, None).passed, (key, name)


def test_a_missing_result_shape_or_framework_is_no_agreement(small):
    key = next(iter(small.records["torch"].outcomes))
    given = small.records["torch"].outcomes[key]
    cut = replace(given, arrays={name: X[:1] for name, X in given.arrays.items()})
    outcomes = {**small.records["torch"].outcomes, key: cut}
    wrong = replace(small.records["torch"], outcomes=outcomes)
    assert not Comparison(small.job, {**small.records, "torch": wrong}, small.truth).passed
    assert not Comparison(small.job, {}, small.truth).passed
    assert not Comparison(small.job, {"torch": small.records["torch"]}, None).passed
    assert Comparison(small.job, {"torch": small.records["torch"]}, small.truth).passed


def test_a_crash_fails_the_comparison_only_where_the_framework_was_named(small):
    crash = Failure("jax", "was ended by signal 11", explicit=False)
    assert Comparison(small.job, small.records, small.truth, [crash]).passed
    named = Comparison(small.job, small.records, small.truth, [replace(crash, explicit=True)])
    assert named.objections() == ["jax: was ended by signal 11"]


def test_a_record_survives_its_file(small, tmp_path):
    path = tmp_path / "torch.npz"
    small.records["torch"].write(path)
    again = Record.read(path)
    assert again.job.digest() == small.job.digest()
    assert again.environment == small.records["torch"].environment
    for key, given in small.records["torch"].outcomes.items():
        for name, X in given.arrays.items():
            np.testing.assert_array_equal(again.outcomes[key].arrays[name], X)


def test_a_record_of_version_1_is_read(small, tmp_path):
    path = tmp_path / "torch.npz"
    small.records["torch"].write(path)
    header, arrays = read_archive(path, FORMAT)
    for later in ("processor", "threads", "blas"):
        assert header["environment"].pop(later)
    write_archive(path, {**header, "version": 1}, arrays)
    old = Record.read(path)
    assert old.outcomes.keys() == small.records["torch"].outcomes.keys()
    assert old.environment.place == f"{old.environment.platform}, Python {old.environment.python}"
    write_archive(path, {**header, "version": 3}, arrays)
    with pytest.raises(InputError, match="format version 3; 1 and 2 are read"):
        Record.read(path)


def test_a_dependent_column_is_undetermined_and_not_an_agreement():
    A = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
    job = matrix_job(
        (Matrix("A", A, "test"),), decompositions=("qr",), dtypes=("float64",), derivatives=("value", "vjp")
    )
    comparison = run_comparison(job, ("numpy",), reference="extended")
    assert {f.status for f in comparison.findings} == {"undetermined"}
    assert "too ill-conditioned" in comparison.objections()[0]


def test_a_worker_that_crashes_leaves_the_others_alone(small_job):
    records, failures = run_workers(
        small_job, ("numpy", "torch"), reference="none", interpreters={"torch": "/bin/false"}
    )
    assert list(records) == ["numpy"]
    assert [failure.backend for failure in failures] == ["torch"]
    assert "exit status 1" in failures[0].reason


def test_a_worker_that_hangs_is_given_up(small_job, tmp_path):
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    _, failures = run_workers(
        small_job, ("torch",), reference="none", interpreters={"torch": str(sleeper)}, timeout=0.5
    )
    assert failures[0].reason == "gave no result within 0.5 s"


def test_json_says_everything(small, tmp_path):
    small.to_json(tmp_path / "c.json")
    told = json.loads((tmp_path / "c.json").read_text())
    assert told["format"] == "unifiedqr-comparison"
    assert told["passed"] is True
    assert len(told["results"]) == len(small.findings) == 24
    assert {"framework", "case", "derivative", "status", "error", "disagreement", "tolerance", "reference"} <= set(
        told["results"][0]
    )
    assert {f["name"] for f in told["frameworks"]} == {"numpy", "torch", "truth"}
    assert all(case["condition"] >= 1 for case in told["cases"])


def test_the_report_needs_no_network(small, tmp_path):
    small.to_html(tmp_path / "c.html")
    text = (tmp_path / "c.html").read_text()
    markup = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r"(src|href)\s*=(?!\"(#|data:))|@import|url\(", markup)  # its own places, and what it holds
    assert not re.search(r"<script[^>]*\bsrc", text)
    assert "default-src 'none'" in markup  # the browser itself refuses every request
    assert small.verdict() in re.sub(r"<[^>]*>", "", markup)
    for name in ("numpy", "torch", "allowed"):
        assert name in text


@pytest.mark.parametrize("reference", ["extended", "none"])
def test_reports_without_the_exact_truth(small_job, tmp_path, reference):
    comparison = run_comparison(small_job, ("numpy", "torch"), reference=reference)
    assert comparison.passed, comparison.objections()
    comparison.to_html(tmp_path / "c.html")
    comparison.to_json(tmp_path / "c.json")
    assert "Passed." in (tmp_path / "c.html").read_text()


def test_reports_of_failures_are_drawn_too(small, tmp_path):
    altered = _altered(small.records["torch"], next(iter(small.records["torch"].outcomes)), "Q", lambda x: x + 1)
    bad = Comparison(small.job, {**small.records, "torch": altered}, small.truth, [Failure("jax", "<b>crashed</b>")])
    bad.to_html(tmp_path / "bad.html")
    text = (tmp_path / "bad.html").read_text()
    assert "Not passed." in text
    assert "&lt;b&gt;crashed" in text
    assert "torch" in bad.verdict()


def test_nothing_is_left_half_written(small, tmp_path):
    with pytest.raises(InputError, match="no directory"):
        small.to_json(tmp_path / "no" / "c.json")
    with pytest.raises(InputError, match="is a directory"):
        small.to_html(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_compare_runs_a_function_of_several_arrays():
    def loss(A, b):
        xp = uqr.namespace(A)
        Q, R = uqr.qr(A)
        return xp.sum((xp.matrix_transpose(Q) @ b) ** 2) + R[0, 0]

    rng = np.random.default_rng(1)
    A, b = rng.standard_normal((4, 2)), rng.standard_normal((4, 1))
    comparison = compare(loss, A, b, backends=["numpy", "torch"])
    assert comparison.passed, comparison.objections()
    torch = {f.derivative: f for f in comparison.findings if f.framework == "torch"}
    assert set(torch) == {"value", "vjp", "jvp", "hvp"}
    assert {(f.status, f.reference) for f in torch.values()} == {("agrees", "exact")}
    assert {f.derivative for f in comparison.findings if f.status == "cannot"} == {"vjp", "jvp", "hvp"}


def test_compare_refuses_what_it_cannot_compare():
    A = np.eye(2)
    with pytest.raises(OptionError, match="derivative 'gradient'"):
        compare(uqr.qr, A, derivatives=["gradient"])
    with pytest.raises(OptionError, match="reference 'best'"):
        compare(uqr.qr, A, reference="best")
    with pytest.raises(InputError, match="NaN or infinite"):
        compare(uqr.qr, A * np.nan)
    with pytest.raises(InputError, match="no array"):
        compare(uqr.qr)
    with pytest.raises(UnknownBackendError, match="'nope'"):
        compare(uqr.qr, A, backends=["nope"])
    with pytest.raises(InputError, match="raised in every framework: ZeroDivisionError"):
        compare(lambda A: 1 / 0, A, backends=["numpy"], derivatives=["value"])


def test_a_framework_that_is_not_installed_is_bad_input_only_if_named(monkeypatch):
    from unifiedqr_lab.compare import api

    known = uqr.backends()
    gone = replace(known["torch"], version=None, available=False, reason="torch is not installed")
    monkeypatch.setattr(api.uqr, "backends", lambda: {**known, "torch": gone})
    with pytest.raises(BackendUnavailableError, match="torch is not installed"):
        api.select_backends(("torch",), {})
    chosen, missing = api.select_backends(None, {})
    assert "torch" not in chosen
    assert "mpmath" not in chosen
    assert [(failure.backend, failure.explicit) for failure in missing] == [("torch", False)]
    assert api.select_backends(("torch",), {"torch": "/elsewhere/python"}) == (("torch",), [])


@pytest.fixture(scope="module")
def family():
    """Return the comparison of every decomposition that takes the shape, for badly scaled matrices of all shapes."""
    rng = np.random.default_rng(3)
    scales = 10.0 ** rng.integers(-3, 4, (1, 4))
    matrices = tuple(
        Matrix(f"{m}x{n}", rng.standard_normal((m, n)) * scales[:, :n], "test") for m, n in ((4, 3), (3, 3), (3, 4))
    )
    job = matrix_job(
        matrices,
        decompositions=tuple(DECOMPOSITIONS),
        dtypes=("float64",),
        derivatives=("value", "vjp", "jvp"),
        strict=False,
    )
    return run_comparison(job, ("numpy", "torch"), reference="exact")


def test_every_decomposition_agrees_in_every_shape(family):
    assert family.passed, family.objections()
    assert {case.target for case in family.job.cases} == set(DECOMPOSITIONS)
    undetermined = {(f.case.split("(")[0], f.derivative) for f in family.findings if f.status == "undetermined"}
    assert undetermined == {("orth", "vjp"), ("orth", "jvp")}
    assert any("slogdet needs a square matrix" in note for note in family.job.sources[0]["notes"])


@pytest.mark.parametrize("target", DECOMPOSITIONS)
def test_an_altered_entry_of_any_decomposition_is_found(family, target):
    case = next(case for case in family.job.cases if case.target == target)
    job = replace(family.job, cases=(case,))
    for key, given in family.records["torch"].outcomes.items():
        for name in given.arrays if key[0] == case.id else ():
            altered = _altered(family.records["torch"], key, name, lambda x: 1.1 * x + 1)
            assert not Comparison(job, {**family.records, "torch": altered}, family.truth).passed, (key, name)


def test_columns_of_one_length_leave_the_pivots_undetermined():
    job = matrix_job(
        (Matrix("I", np.eye(3, 2), "test"),),
        decompositions=("qr-pivoted",),
        dtypes=("float64",),
        derivatives=("value", "vjp"),
    )
    comparison = run_comparison(job, ("numpy", "torch"), reference="exact")
    assert {f.status for f in comparison.findings} == {"undetermined"}
    assert "two equally long" in comparison.objections()[0]


@pytest.mark.parametrize("name", ["lstsq", "orth", "null_space", "slogdet"])
def test_functions_built_on_qr_are_compared_by_name(name, rng):
    A = {"null_space": rng.standard_normal((3, 5)), "slogdet": rng.standard_normal((3, 3))}.get(
        name, rng.standard_normal((5, 3))
    )
    arrays = (A, rng.standard_normal(5)) if name == "lstsq" else (A,)
    comparison = compare(getattr(uqr, name), *arrays, backends=["numpy", "torch"])
    assert comparison.passed, comparison.objections()
    assert {f.status for f in comparison.findings} == {"agrees"}


def test_a_shape_that_is_not_admitted_is_an_error():
    with pytest.raises(OptionError, match="slogdet needs a square matrix"):
        matrix_job(
            (Matrix("A", np.ones((3, 2)), "test"),), decompositions=("slogdet",), dtypes=None, derivatives=("value",)
        )
    with pytest.raises(InputError, match="null_space needs a wide matrix"):
        compare(uqr.null_space, np.ones((3, 2)))
    with pytest.raises(InputError, match="b of shape"):
        compare(uqr.lstsq, np.ones((3, 2)), np.ones(4))
