"""Column-pivoted QR by LAPACK on the host: SciPy's pivots, to the last tie, also when it stops early."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from unifiedqr import host
from unifiedqr.errors import DtypeError
from unifiedqr_lab.conformance.tolerance import relative_error, tolerance

DTYPES = tuple(host.PREFIXES)
DTYPE = pytest.mark.parametrize("dtype", DTYPES)
SHAPES = ((7, 4), (5, 5), (4, 7), (1, 6), (6, 1), (1, 1), (150, 140))


@pytest.fixture(params=["whole", "stopping"])
def route(request, monkeypatch):
    """Take either route of a small matrix: geqp3 cut to its first columns, or its parts."""
    monkeypatch.setattr(host, "STEP", 2**60 if request.param == "whole" else 0)


def gaussian(shape, dtype="float64", seed=20):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        A = A + 1j * rng.standard_normal(shape)
    return A.astype(dtype)


def stopped(A, rank):
    """Return R and P of SciPy after `rank` of its exchanges, which are made one after the other."""
    R, pivots = scipy.linalg.qr(A, mode="r", pivoting=True)
    P = list(range(A.shape[1]))
    for j in range(rank):
        i = P.index(pivots[j])
        P[i], P[j] = P[j], P[i]
    place = {column: i for i, column in enumerate(pivots)}
    return R[:rank, [place[column] for column in P]], np.array(P)


def agrees(A, rank):
    """Return the factors, which are SciPy's, and factors of A."""
    before = A.copy()
    Q, R, P = host.pivoted_qr(A, rank)
    assert np.array_equal(A, before, equal_nan=True)
    m, n = A.shape
    R_expected, P_expected = stopped(A, rank)
    assert np.array_equal(P, P_expected)
    assert (Q.shape, R.shape, Q.dtype, R.dtype) == ((m, rank), (rank, n), A.dtype, A.dtype)
    bound = tolerance(A.dtype.name, m, n)
    assert relative_error(R, R_expected) <= bound
    assert np.all(R[np.tril_indices(rank, -1, n)] == 0)
    assert relative_error(Q.conj().T @ Q, np.eye(rank)) <= bound
    columns = A[:, P] if rank == min(m, n) else A[:, P[:rank]]
    assert relative_error(Q @ R[:, : columns.shape[1]], columns) <= bound
    return Q, R, P


@DTYPE
def test_all_columns(dtype):
    for shape in SHAPES:
        agrees(gaussian(shape, dtype), min(shape))


@DTYPE
def test_stopped(dtype, route):
    for shape in ((9, 6), (6, 9)):
        for rank in (1, 3, 5):
            agrees(gaussian(shape, dtype), rank)


@DTYPE
def test_stopped_in_blocks_and_behind_them(dtype):
    for rank in (20, 40, 72, 80):
        agrees(gaussian((210, 200), dtype), rank)


TIES = {
    "identity": np.eye(12, 9),
    "Hadamard": scipy.linalg.hadamard(16)[:, :11].astype(float),
    "columns of equal norm": np.sign(gaussian((12, 9))),
    "orthonormal columns": np.linalg.qr(gaussian((12, 12)))[0],
    "repeated columns": np.repeat(gaussian((12, 5)), 2, axis=1),
    "circulant": scipy.linalg.circulant(gaussian(12)),
    "one column many times": np.ones((12, 9)) * gaussian((12, 1)),
    "zero": np.zeros((12, 9)),
}


@pytest.mark.parametrize("name", TIES)
def test_ties_go_as_in_geqp3(name, route):
    for A in (TIES[name], TIES[name].astype(np.complex64)):
        for rank in (3, min(A.shape)):
            assert np.array_equal(host.pivoted_qr(A, rank)[2], stopped(A, rank)[1])


@DTYPE
def test_graded_columns_whose_norms_cancel(dtype, route):
    """Norms must be computed anew while these are factored."""
    A = gaussian((30, 30), dtype)
    A = (np.linalg.qr(A)[0] * 0.1 ** np.arange(30) @ gaussian((30, 30), dtype, 21)).astype(dtype)
    for rank in (6, 30):
        assert np.array_equal(host.pivoted_qr(A, rank)[2], stopped(A, rank)[1])


@DTYPE
def test_large_and_small_numbers(dtype, route):
    exponent = 18 if dtype in ("float32", "complex64") else 150
    for scale in (10.0**exponent, 10.0**-exponent):
        for rank in (4, 6):
            agrees((gaussian((8, 6), dtype) * scale).astype(dtype), rank)


@DTYPE
def test_batches(dtype):
    A = gaussian((2, 3, 6, 4), dtype)
    for rank in (2, 4):
        Q, R, P = host.pivoted_qr(A, rank)
        assert (Q.shape, R.shape, P.shape) == ((2, 3, 6, rank), (2, 3, rank, 4), (2, 3, 4))
        assert all(X.flags.c_contiguous for X in (Q.swapaxes(-1, -2), R, P))
        for index in np.ndindex(2, 3):
            for batched, alone in zip((Q, R, P), agrees(A[index], rank), strict=True):
                assert np.array_equal(batched[index], alone)


def test_an_empty_batch():
    assert [X.shape for X in host.pivoted_qr(np.ones((0, 4, 3)), 2)] == [(0, 4, 2), (0, 2, 3), (0, 3)]


@pytest.mark.parametrize("rank", [2, 5])
def test_input_in_any_order_of_memory(rank, route):
    A = gaussian((6, 5))
    read_only = A.copy()
    read_only.flags.writeable = False
    wide = np.zeros((12, 15))
    wide[::2, ::-3] = A
    expected = host.pivoted_qr(A, rank)
    for same in (read_only, np.asfortranarray(A), wide[::2, ::-3], A.astype(">f8")):
        for X, X_expected in zip(host.pivoted_qr(same, rank), expected, strict=True):
            assert np.array_equal(X, X_expected)


@pytest.mark.parametrize("rank", [3, 5])
def test_a_matrix_that_is_not_finite_spoils_itself_only(rank, route):
    for value in (np.nan, np.inf, -np.inf):
        A = gaussian((3, 6, 5))
        A[1, 2, 3] = value
        Q, R, P = host.pivoted_qr(A, rank)
        assert np.isnan(Q[1]).all()
        assert np.array_equal(np.isnan(R[1]), np.triu(np.ones((rank, 5), bool)))
        assert np.array_equal(np.sort(P[1]), np.arange(5))
        for i in (0, 2):
            assert np.array_equal(P[i], agrees(A[i], rank)[2])


def test_without_the_pointers_of_scipy(monkeypatch):
    A = gaussian((30, 160))
    expected = host.pivoted_qr(A, 4)
    monkeypatch.setattr(host, "_kernels", lambda dtype: None)
    for X, X_expected in zip(host.pivoted_qr(A, 4), expected, strict=True):
        assert relative_error(X, X_expected) <= tolerance("float64", 30, 160)


def test_a_dtype_lapack_has_not():
    with pytest.raises(DtypeError, match=r"float16.*float32"):
        host.pivoted_qr(np.ones((2, 2), np.float16), 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 24), st.integers(1, 24), st.integers(0, 2**32 - 1), st.data())
def test_small_integers_which_tie_often(m, n, seed, data):
    A = np.random.default_rng(seed).integers(-1, 2, (m, n)).astype(float)
    rank = data.draw(st.integers(1, min(m, n)))
    independent = np.linalg.matrix_rank(A)
    for step in (0, 2**60):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(host, "STEP", step)
            P = host.pivoted_qr(A, rank)[2]
        compared = min(rank, independent)
        assert np.array_equal(P[:compared], stopped(A, rank)[1][:compared])


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_glance_gives_the_least_pivot_and_the_largest_entry(dtype):
    R = gaussian((4, 3, 5), dtype)
    pivots = [R[i, j, j] for i in range(4) for j in range(3)]
    assert host.glance(R) == (np.abs(pivots).min(), np.abs(R).max())
    R[2, 1, 0] = np.nan
    assert np.isnan(host.glance(R)[1])


def test_a_glance_is_refused_where_it_takes_long(monkeypatch):
    R = gaussian((3, 3))
    assert host.glance(R[:0]) is None
    monkeypatch.setattr(host, "GLANCE", 8)
    assert host.glance(R) is None
