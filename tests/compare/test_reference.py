"""The references: long double against 100 digits, and which one is chosen."""

import numpy as np
import pytest

from unifiedqr_lab.compare.cost import kind_of_reference
from unifiedqr_lab.compare.evaluate import outcome
from unifiedqr_lab.compare.extended import EXTENDED, has_extended_precision, qr
from unifiedqr_lab.compare.job import Function, Matrix, matrix_job
from unifiedqr_lab.compare.reference import Reference, probing_directions
from unifiedqr_lab.compare.verdict import case_tolerance, judge
from unifiedqr_lab.conformance.tolerance import relative_error, tolerance

LONG_DOUBLE = pytest.mark.skipif(not has_extended_precision(), reason="long double is double on this platform")


@LONG_DOUBLE
@pytest.mark.parametrize("shape", [(5, 3), (4, 4), (3, 5), (2, 4, 3)])
@pytest.mark.parametrize("complex_", [False, True])
def test_the_extended_qr_factorizes_beyond_double(shape, complex_, rng):
    A = rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if complex_ else 0)
    A = A.astype(np.clongdouble if complex_ else np.longdouble)
    Q, R = qr(A)
    residual = np.max(np.abs(Q @ R - A)) / np.max(np.abs(A))
    assert residual < np.finfo(np.float64).eps / 100
    assert not np.any(np.tril(R, -1))


@LONG_DOUBLE
def test_extended_agrees_with_exact(small_job, small_records):
    backend = EXTENDED.load()
    for case in small_job.cases:
        for derivative in small_job.derivatives:
            exact = small_records["truth"].outcomes[case.id, derivative]
            assert exact.via == "exact"
            extended = outcome(backend, small_job, case, derivative, None)
            for name, X in extended.arrays.items():
                assert relative_error(X, exact.arrays[name]) <= case_tolerance(small_job, case)


@pytest.mark.parametrize(
    ("size", "target", "derivative", "kind"),
    [
        (4, "qr", "vjp", "exact"),
        (60, "qr", "vjp", "extended"),
        (60, "qr", "value", "exact"),
        (400, "qr", "value", "extended"),
        (40, "function", "vjp", "directions"),
        (400, "function", "vjp", "none"),
    ],
)
def test_the_reference_follows_the_cost(size, target, derivative, kind, small_job):
    if kind == "extended" and not has_extended_precision():
        kind = "none"
    case = next(case for case in small_job.cases if case.target == "qr")
    case = type(case)(case.id, target, case.dtype, case.inputs)
    assert kind_of_reference(case, derivative, (np.ones((size, size)),), "exact") == kind
    assert kind_of_reference(case, derivative, (np.ones((size, size)),), "none") == "none"


def test_a_slow_function_is_measured_along_directions(rng):
    import unifiedqr as uqr

    def loss(A):
        xp = uqr.namespace(A)
        return xp.sum(uqr.qr(A).R ** 2 * 0.5) + uqr.qr(A).R[0, 0]

    A = rng.standard_normal((5, 3))
    job = matrix_job(
        (Matrix("A", A, "test"),),
        decompositions=(),
        dtypes=("float64",),
        derivatives=("vjp",),
        function=Function("loss", None, None, "", scalar=True),
    )
    (case,) = job.cases
    reference = Reference(job, "exact")
    reference._costs[case.id] = 1.0  # as if one evaluation took a second
    given = reference.outcome(case, "vjp", loss)
    assert (given.status, given.via) == ("ok", "directions")
    exact = outcome(reference.exact, job, case, "vjp", loss).arrays["A_bar"]
    slopes = [np.sum(exact * V) for (V,) in probing_directions(job, case)]
    assert relative_error(np.array(slopes), given.arrays["slopes"]) <= tolerance("float64", 5, 3)


def test_a_hessian_product_of_the_truth_is_right(rng):
    import unifiedqr as uqr

    A = rng.standard_normal((3, 2))
    job = matrix_job(
        (Matrix("A", A, "test"),),
        decompositions=(),
        dtypes=("float64",),
        derivatives=("hvp",),
        function=Function("loss", None, None, "", scalar=True),
    )
    (case,) = job.cases

    def loss(X):
        return uqr.namespace(X).sum(
            uqr.qr(X).R[0, 0] ** 2
        )  # |first column|^2, whose Hessian is 2 there and 0 elsewhere

    from unifiedqr_lab.compare.directions import tangents

    (V,) = tangents(job.seed, case.id, case.target, job.inputs_of(case))
    given = Reference(job, "exact").outcome(case, "hvp", loss).arrays["H_A_dot"]
    expected = 2 * V * (np.arange(2) == 0)
    assert relative_error(given, expected) <= tolerance("float64", 3, 2)


def test_judging_needs_no_truth(small_job, small_records):
    records = {name: record for name, record in small_records.items() if name != "truth"}
    findings = judge(small_job, records, None)
    assert {f.status for f in findings} == {"agrees"}
    assert all(f.error is None and f.disagreement is not None for f in findings)
