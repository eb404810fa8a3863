"""Values against SciPy and NumPy, whose LAPACK the kernels may not even use."""

import numpy as np
import pytest
import scipy.linalg

import unifiedqr as uqr
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, tolerance

SHAPE = pytest.mark.parametrize("shape", [(6, 4), (4, 4), (4, 6)], ids=str)
DTYPE = pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])


def adjoint(X):
    return np.conj(X.T)


def matrix(shape, dtype, seed=1):
    """Return a random matrix and what is allowed of an error, relative to the largest entry."""
    A = random(shape, complex_="complex" in dtype, seed=seed).astype(dtype)
    return A, tolerance(dtype, *shape, leading_condition(A, rows=shape[0] < shape[1]) ** 2)


def deficient(shape, dtype):
    """Return a matrix of rank 2."""
    (X, _), (Y, _) = matrix((shape[0], 2), dtype, 1), matrix((2, shape[1]), dtype, 2)
    return X @ Y, tolerance(dtype, *shape, leading_condition(X) ** 2 * leading_condition(Y, rows=True) ** 2)


def assert_close(X, Y, bound):
    assert (X.shape, X.dtype) == (Y.shape, Y.dtype)
    assert np.max(np.abs(X - Y), initial=0) <= bound * max(1, np.max(np.abs(Y), initial=0))


def signs(diagonal):
    """Return what makes a diagonal non-negative."""
    diagonal = np.asarray(diagonal)
    return np.conj(diagonal) / np.abs(diagonal)


@SHAPE
@DTYPE
def test_qr_of_either_gauge(shape, dtype):
    A, bound = matrix(shape, dtype)
    Q, R = scipy.linalg.qr(A, mode="economic")
    D = signs(np.diagonal(R))
    for X, Y in zip(uqr.qr(A), (Q * np.conj(D), D[:, None] * R), strict=True):
        assert_close(X, Y, bound)
    raw = uqr.qr(A, positive=False)
    # Both are LAPACK's: real R_jj, of the signs of the reflectors.
    for X, Y in zip(raw, (Q, R), strict=True):
        assert_close(X, Y, bound)


@SHAPE
@DTYPE
def test_qr_without_q(shape, dtype):
    A, bound = matrix(shape, dtype)
    (R,) = scipy.linalg.qr(A, mode="r")
    R = R[: min(shape)]
    assert_close(uqr.qr(A, mode="r"), signs(np.diagonal(R))[:, None] * R, bound)
    assert_close(uqr.lq(A, mode="l"), adjoint(uqr.qr(adjoint(A), mode="r")), bound)


@SHAPE
@DTYPE
def test_complete_qr(shape, dtype):
    A, bound = matrix(shape, dtype)
    Q, R = scipy.linalg.qr(A)
    m, k = shape[0], min(shape)
    D = signs(np.diagonal(R))
    found = uqr.qr(A, mode="complete")
    assert_close(found.R[:k], D[:, None] * R[:k], bound)
    assert not found.R[k:].any()
    assert_close(found.Q[:, :k], Q[:, :k] * np.conj(D), bound)
    assert_close(found.Q @ adjoint(found.Q), np.eye(m, dtype=dtype), bound)
    assert_close(found.Q[:, k:] @ adjoint(found.Q[:, k:]), Q[:, k:] @ adjoint(Q[:, k:]), bound)


@SHAPE
@DTYPE
def test_pivoted_qr(shape, dtype):
    A, _ = matrix(shape, dtype)
    Q, R, P = scipy.linalg.qr(A, mode="economic", pivoting=True)
    bound = tolerance(dtype, *shape, leading_condition(A[:, P]) ** 2)
    D = signs(np.diagonal(R))
    found = uqr.qr(A, pivoting=True)
    assert found.P.tolist() == P.tolist()
    assert_close(found.Q, Q * np.conj(D), bound)
    assert_close(found.R, D[:, None] * R, bound)
    complete = uqr.qr(A, mode="complete", pivoting=True)
    assert complete.P.tolist() == uqr.qr(A, mode="r", pivoting=True).P.tolist() == P.tolist()
    truncated = uqr.qr(A, pivoting=True, rank=2)
    assert_close(truncated.R[:, :2], found.R[:2, :2], bound)
    rows = uqr.lq(adjoint(A), pivoting=True)
    assert rows.P.tolist() == P.tolist()
    assert_close(rows.L, adjoint(found.R), bound)


@SHAPE
@DTYPE
def test_rq(shape, dtype):
    A, _ = matrix(shape, dtype)
    bound = tolerance(dtype, *shape, leading_condition(A[::-1], rows=True) ** 2)
    R, Q = scipy.linalg.rq(A, mode="economic")
    k = min(shape)
    D = signs(np.diagonal(R[-k:]))
    found = uqr.rq(A)
    assert_close(found.R, R * D, bound)
    assert_close(found.Q, np.conj(D)[:, None] * Q, bound)


@SHAPE
@DTYPE
def test_lq_and_ql_through_rq(shape, dtype):
    A, _ = matrix(shape, dtype)
    bound = tolerance(dtype, *shape, max(leading_condition(A, rows=True), leading_condition(A[:, ::-1])) ** 2)
    R, Q = scipy.linalg.rq(A[::-1], mode="economic")
    D = signs(np.diagonal(R[-min(shape) :]))
    assert_close(uqr.lq(A).L, (R * D)[::-1, ::-1], bound)
    R, Q = scipy.linalg.rq(adjoint(A), mode="economic")
    D = signs(np.diagonal(R[-min(shape) :]))
    found = uqr.ql(A)
    assert_close(found.L, adjoint(R * D), bound)
    assert_close(found.Q, adjoint(np.conj(D)[:, None] * Q), bound)


@SHAPE
@DTYPE
def test_lstsq(shape, dtype):
    A, bound = matrix(shape, dtype)
    b, _ = matrix((shape[0], 3), dtype, 2)
    x, residuals, rank, _ = scipy.linalg.lstsq(A, b)
    for pivoting in (False, True):
        found = uqr.lstsq(A, b, pivoting=pivoting)
        assert_close(found.x, x, bound)
        assert found.rank == rank
        if shape[0] > shape[1]:
            assert_close(found.residuals, np.abs(residuals), bound)
        else:
            assert np.max(found.residuals) <= bound**2 * np.max(np.abs(b)) ** 2


@pytest.mark.parametrize("shape", [(6, 4), (4, 4), (4, 6)], ids=str)
@DTYPE
def test_lstsq_of_a_deficient_matrix(shape, dtype):
    A, bound = deficient(shape, dtype)
    b, _ = matrix((shape[0], 3), dtype, 3)
    rcond = 100 * np.finfo(dtype).eps
    x, _, rank, _ = scipy.linalg.lstsq(A, b, cond=rcond)
    found = uqr.lstsq(A, b, pivoting=True, rcond=rcond)
    assert found.rank == rank == 2
    assert_close(found.x, x, bound)
    assert_close(found.residuals, np.sum(np.abs(b - A @ x) ** 2, axis=0), bound)
    assert np.isnan(uqr.lstsq(A, b).x).all()


@pytest.mark.parametrize("shape", [(6, 4), (4, 6)], ids=str)
@DTYPE
def test_spaces_through_projectors(shape, dtype):
    A, bound = matrix(shape, dtype)
    pairs = [
        (uqr.orth(A), scipy.linalg.orth(A)),
        (uqr.null_space(A), scipy.linalg.null_space(A)),
        (uqr.left_null_space(A), scipy.linalg.null_space(adjoint(A))),
    ]
    for X, Y in pairs:
        assert X.shape == Y.shape
        assert_close(X @ adjoint(X), Y @ adjoint(Y), bound)


@pytest.mark.parametrize("n", [1, 4, 5])
@DTYPE
def test_slogdet(n, dtype):
    A, bound = matrix((n, n), dtype)
    A = A.copy()
    for scale in (1, 1e-12):
        A *= A.real.dtype.type(scale)
        for found, expected in zip(uqr.slogdet(A), np.linalg.slogdet(A), strict=True):
            assert_close(found, np.asarray(expected), bound)


@DTYPE
def test_slogdet_of_a_singular_matrix(dtype):
    A = np.zeros((3, 3), dtype)
    assert uqr.slogdet(A) == tuple(np.linalg.slogdet(A)) == (0, -np.inf)
