"""R alone where Q is kept for its derivatives: which matrices that is chosen for, and that it passes the suite."""

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.decomposition import DECOMPOSITIONS, KEEPING_Q
from unifiedqr_lab.conformance.case_checks import check_case, check_second_order, doubled, in_scope
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import relative_error, tolerance

NAMES = ("qr-r", "lq-l", "qr-append")


class KeepingQ:
    """A backend that runs, for a row of R or L alone, the one that keeps Q."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def bind(self, primitive):
        return self.inner.bind(KEEPING_Q[primitive])


@pytest.mark.parametrize("dtype", ["float64", "complex128", "float32"])
@pytest.mark.parametrize("name", NAMES)
def test_the_row_that_keeps_Q_passes_the_suite(name, dtype, autodiff_backend):
    backend, count = KeepingQ(autodiff_backend), 0
    for case in golden(name).values():
        if in_scope(case, dtype) or "random" not in case.name:
            continue
        count += 1
        outcomes = list(check_case(backend, case, dtype))
        if case.A_bar_dot is not None and dtype != "float32":
            outcomes += check_second_order(backend, case, dtype)
        assert [outcome for outcome in outcomes if not outcome.passed] == [], case.name
    assert count > 2


def gradient(backend, f, A):
    """Return the gradient of the sum of the cubes of the entries of f(A)."""
    xp = backend.xp
    return backend.to_numpy(uqr.grad(lambda X: xp.sum(xp.abs(f(X)) ** 3))(backend.from_numpy(A)))


@pytest.mark.parametrize(
    ("shape", "keeps"),
    [((4, 4), True), ((3, 5), True), ((7, 4), True), ((32, 2), True), ((2, 7, 4), True), ((2**15, 8), False)],
)
def test_Q_is_kept_where_it_costs_less(shape, keeps, autodiff_backend, monkeypatch):
    taken = []
    for row, keeping in KEEPING_Q.items():
        monkeypatch.setitem(KEEPING_Q, row, doubled(keeping))
    A = random(shape, complex_=False, seed=1)
    for X, alone, beside in (
        (A, lambda X: uqr.qr(X, mode="r"), lambda X: uqr.qr(X).R),
        (A, lambda X: uqr.qr_append_rows(X[..., :2, :], X[..., 2:, :]), lambda X: uqr.qr(X).R),
        (A.swapaxes(-1, -2).copy(), lambda X: uqr.lq(X, mode="l"), lambda X: uqr.lq(X).L),
    ):
        found, truth = gradient(autodiff_backend, alone, X), gradient(autodiff_backend, beside, X)
        taken.append(float(np.vdot(truth, found) / np.vdot(truth, truth)))
    assert taken == pytest.approx([2.0 if keeps else 1.0] * 3, rel=1e-6)


def test_values_alone_do_without_Q(backend, monkeypatch):
    monkeypatch.setattr(type(backend), "is_watched", lambda self, x: False)
    for row in KEEPING_Q:
        monkeypatch.setitem(KEEPING_Q, row, None)  # which nobody can run
    A = random((5, 3), complex_=True, seed=2)
    found = backend.to_numpy(uqr.qr(backend.from_numpy(A), mode="r"))
    assert relative_error(found, np.asarray(uqr.qr(A).R)) <= tolerance("complex128", 5, 3, 10.0)


@pytest.mark.parametrize("method", ["auto", "householder"])
def test_the_last_pivot_of_a_square_matrix_is_exempt(method, autodiff_backend):
    A = random((4, 4), complex_=False, seed=3)
    A[:, 3] = A[:, 0] - 2 * A[:, 1]
    found = gradient(autodiff_backend, lambda X: uqr.qr(X, mode="r", method=method)[..., :3, :], A)
    truth = gradient(autodiff_backend, lambda X: uqr.qr(X, method=method).R[..., :3, :], A)
    assert np.all(np.isfinite(truth))
    assert relative_error(found, truth) <= tolerance("float64", 4, 4, 100.0)


def test_every_row_of_R_or_L_alone_has_one():
    assert {row.name for row in KEEPING_Q} == set(NAMES)
    for name in NAMES:
        row = DECOMPOSITIONS[name]()
        assert KEEPING_Q[row].outputs == (*row.outputs, "Q")
        assert KEEPING_Q[row].results == row.results
