"""Least squares with rows that weigh far more than others, and with residuals that are zero, against the truth."""

import mpmath
import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr_lab.conformance.matrices import random

ROWS = {"first": [0, 1], "last": [-2, -1], "scattered": [3, 11, 17], "many": [1, 4, 6, 9, 12, 15, 20]}


def exact(A, b):
    """Return x and the gradients of its sum, by the normal equations in 80 digits."""
    with mpmath.workdps(80):
        A, b = mpmath.matrix(A.tolist()), mpmath.matrix(b.tolist())
        inverse = (A.T * A) ** -1
        x = inverse * (A.T * b)
        y = inverse * mpmath.ones(A.cols, 1)
        w = A * y
        found = x, (b - A * x) * y.T - w * x.T, w
        return tuple(np.array(X.tolist(), dtype=float) for X in found)


@pytest.mark.parametrize("pivoting", [False, True], ids=["leading", "pivoting"])
@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("weight", [1e4, 1e8, 1e12])
def test_heavy_rows_cost_no_digits(backend, weight, rows, pivoting):
    if not backend.plugin.capabilities:
        pytest.skip(f"{backend.name} has no autodiff; its rules are those of the others")
    A, b = random((24, 4), complex_=False, seed=1), random((24,), complex_=False, seed=2)
    A[ROWS[rows]] *= weight
    b[ROWS[rows]] *= weight
    x, A_bar, b_bar = exact(A, b)
    given = backend.from_numpy(A), backend.from_numpy(b)

    def solved(A, b):
        return uqr.lstsq(A, b, pivoting=pivoting).x

    gradients = uqr.grad(lambda A, b: backend.xp.sum(solved(A, b)), argnums=(0, 1))(*given)
    found = map(backend.to_numpy, (solved(*given), *gradients))
    for X, truth in zip(found, (x.ravel(), A_bar, b_bar.ravel()), strict=True):
        assert np.max(np.abs(X - truth)) <= 2e-12 * np.max(np.abs(truth))


@pytest.mark.parametrize("pivoting", [False, True], ids=["leading", "pivoting"])
def test_a_residual_that_is_zero_adds_nothing(backend, pivoting):
    """A homography of four points in single precision: (LS.6) has the square of the condition, times a zero."""
    if not backend.plugin.capabilities:
        pytest.skip(f"{backend.name} has no autodiff; its rules are those of the others")
    source = np.array([[0.0, 0], [640, 0], [640, 480], [0, 480]])
    target = source + 20 * random((4, 2), complex_=False, seed=3)
    rows = [
        row
        for (a, b), (u, v) in zip(source, target, strict=True)
        for row in ([a, b, 1, 0, 0, 0, -u * a, -u * b], [0, 0, 0, a, b, 1, -v * a, -v * b])
    ]
    A, b = np.array(rows, dtype=np.float32), target.ravel().astype(np.float32)
    _, A_bar, _ = exact(A.astype(float), b.astype(float))
    gradient = uqr.grad(lambda A: backend.xp.sum(uqr.lstsq(A, backend.from_numpy(b), pivoting=pivoting).x))
    error = np.max(np.abs(backend.to_numpy(gradient(backend.from_numpy(A))) - A_bar)) / np.max(np.abs(A_bar))
    assert error <= np.finfo(np.float32).eps * np.linalg.cond(A.astype(float)) / 100
