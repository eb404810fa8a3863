"""Where no derivative exists the rules say NaN, per matrix of a batch; where one exists they are right."""

import numpy as np
import pytest

from unifiedqr.arrays.dependence import nan_where
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import get_backend
from unifiedqr.functional import lq, qr
from unifiedqr.rules import lq_jvp, lq_vjp, qr_jvp, qr_vjp
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

pytestmark = pytest.mark.usefixtures("unchecked")


def spoil(A, how):
    """Make the leading block of A singular in one of the ways that occur."""
    A = A.copy()
    if how == "zero column":
        A[:, 1] = 0
    elif how == "repeated column":
        A[:, 2] = A[:, 0]
    elif how == "combination":
        A[:, 2] = 2 * A[:, 0] - 3 * A[:, 1]
    elif how == "zero matrix":
        A[...] = 0
    elif how == "nan":
        A[0, 0] = np.nan
    return A


@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize("shape", [(6, 4), (4, 4), (4, 6)], ids=["deep", "square", "wide"])
@pytest.mark.parametrize("how", ["zero column", "repeated column", "combination", "zero matrix", "nan"])
def test_dependent_columns_give_nan_for_their_matrix_alone(how, shape, complex_):
    sound = random(shape, complex_=complex_, seed=1)
    A = np.stack([sound, spoil(sound, how), random(shape, complex_=complex_, seed=2)])
    Q, R = qr(A)
    Q_bar, R_bar = (random(X.shape, complex_=complex_, seed=3) for X in (Q, R))
    for bars in ((Q_bar, R_bar), (Q_bar, None), (None, R_bar)):
        A_bar = qr_vjp(Q, R, *bars)
        assert np.all(np.isnan(A_bar[1]))
        assert not np.any(qr_vjp(Q, R, *(None if X is None else 0 * X for X in bars))[1]) or how == "nan"
        alone = qr_vjp(Q[::2], R[::2], *(None if X is None else X[::2] for X in bars))
        assert np.array_equal(A_bar[::2], alone)
    Q_dot, R_dot = qr_jvp(Q, R, random(A.shape, complex_=complex_, seed=4))
    first = {"zero column": 1, "repeated column": 2, "combination": 2, "zero matrix": 0, "nan": 0}[how]
    assert np.all(np.isnan(Q_dot[1, :, first:]))
    assert np.all(np.isnan(np.diagonal(R_dot[1])[first:]))
    assert not np.any(np.isnan(Q_dot[1, :, :first]))
    assert not np.any(np.isnan(R_dot[1, :first]))
    assert np.all(np.isfinite(Q_dot[::2]))
    assert np.all(np.isfinite(R_dot[::2]))


@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
def test_dependent_rows_give_nan_in_lq(complex_):
    A = spoil(random((6, 4), complex_=complex_, seed=1), "combination").T
    L, Q = lq(A)
    bars = [random(X.shape, complex_=complex_, seed=3) for X in (L, Q)]
    assert np.all(np.isnan(lq_vjp(L, Q, *bars)))
    assert np.all(np.isnan(lq_jvp(L, Q, A)[1][2:]))


@pytest.mark.parametrize("shape", [(4, 4), (4, 6)], ids=["square", "wide"])
def test_the_last_pivot_of_a_real_matrix_may_vanish(shape):
    """Where R_kk alone is zero the factors other than the sign of q_k are smooth, and (QR.6) is right."""
    A = np.round(8 * random(shape, complex_=False, seed=5))
    A[:, 3] = A[:, 0] + A[:, 1] - A[:, 2]  # integers: exactly dependent
    backend, primitive = get_backend("mpmath"), DECOMPOSITIONS["qr"]()
    Q, R = np.linalg.qr(A)
    R = np.triu(R)
    R[3, 3] = 0.0
    Q, R = Q[:, :4] * (D := np.where(np.diagonal(R) < 0, -1.0, 1.0)), D[:, None] * R
    Q_bar, R_bar = (random(X.shape, complex_=False, seed=6) for X in (Q, R))
    Q_bar[:, 3], R_bar[3, :] = 0.0, 0.0  # what the sign of q_k touches has a kink
    _, pull = backend.vjp(backend.bind(primitive), (backend.from_numpy(A),))
    truth = backend.to_numpy(pull((backend.from_numpy(Q_bar), backend.from_numpy(R_bar)))[0])
    bound = tolerance("float64", *shape, leading_condition(A[:, :3]))
    assert relative_error(qr_vjp(Q, R, Q_bar, R_bar), truth) <= bound


@pytest.mark.parametrize("decomposition", ["qr", "lq"])
def test_a_complex_matrix_has_no_such_exemption(decomposition):
    A = random((4, 4), complex_=True, seed=5)
    A[:, 3] = A[:, 0] + A[:, 1]
    A = A if decomposition == "qr" else A.T
    primitive, backend = DECOMPOSITIONS[decomposition](), get_backend("numpy")
    factors = backend.bind(primitive)(A)
    (A_bar,) = primitive.vjp(backend.xp, factors, factors)
    assert np.all(np.isnan(A_bar))


@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
def test_marks_are_nan_in_every_part_and_change_no_other_digit(complex_):
    X = random((3, 4, 2), complex_=complex_, seed=4)
    X[2, 0, 0] = 1e300
    marked = X * nan_where(get_backend("numpy").xp, np.array([False, True, False])[:, None, None], X.dtype)
    assert np.array_equal(marked[[0, 2]], X[[0, 2]])
    assert np.isnan(marked[1].real).all()
    assert np.isnan(marked[1].imag).all() == complex_
