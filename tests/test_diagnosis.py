"""`diagnose`: what it says beforehand is what happens afterwards."""

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import hilbert, random
from unifiedqr_lab.conformance.tolerance import FACTOR, relative_error, tolerance


def test_numbers_of_a_sound_matrix(backend):
    A = random((6, 4), complex_=False, seed=1)
    diagnosis = uqr.diagnose(backend.from_numpy(A))
    assert (diagnosis.rank, diagnosis.dependent, diagnosis.gauge_violation) == (4, -1, None)
    columns = A / np.linalg.norm(A, axis=0)
    assert diagnosis.condition == pytest.approx(np.linalg.cond(columns))
    assert diagnosis.expected_error == pytest.approx(1.5 * np.finfo(float).eps * np.linalg.cond(columns))
    assert len(str(diagnosis).splitlines()) == 4


@pytest.mark.parametrize("decomposition", ["qr", "lq"])
@pytest.mark.parametrize("name", ["hilbert-9x6", "vandermonde-9x6", "kahan-6x6", "random-5x3"])
def test_the_expected_error_is_not_exceeded(decomposition, name):
    """Golden gradients against those of the explicit rule."""
    kind, _, size = name.partition("-")
    m, _, n = size.partition("x")
    size = size if decomposition == "qr" or kind == "random" else f"{n}x{m}"
    case = golden(decomposition)[f"{decomposition}-{kind}-{size}-real"]
    factors = getattr(uqr, decomposition)(case.A)
    computed = getattr(uqr.rules, f"{decomposition}_vjp")(*factors, *case.factor_bars)
    expected = uqr.diagnose(case.A, decomposition=decomposition).expected_error
    assert relative_error(computed, case.A_bars["both"]) <= expected + tolerance("float64", *case.A.shape) / FACTOR


def test_scaling_columns_changes_nothing():
    A = random((5, 3), complex_=True, seed=2)
    plain, scaled = uqr.diagnose(A), uqr.diagnose(A * [1e150, 1.0, 1e-150])
    assert scaled.condition == pytest.approx(plain.condition)
    assert scaled.rank == plain.rank == 3


@pytest.mark.parametrize(
    ("spoil", "dependent", "rank"),
    [
        (lambda A: A[:, :3].__setitem__((slice(None), 1), 0), 1, 3),
        (lambda A: A.__setitem__((slice(None), 2), A[:, 0] - A[:, 1]), 2, 3),
        (lambda A: A.__setitem__(..., 0), 0, 0),
        (lambda A: A.__setitem__((slice(None), slice(1, None)), A[:, :1]), 1, 1),
    ],
    ids=["zero", "combination", "zero matrix", "rank one"],
)
def test_dependent_columns_are_found(spoil, dependent, rank):
    A = random((6, 4), complex_=False, seed=3)
    spoil(A)
    diagnosis = uqr.diagnose(A)
    assert (diagnosis.dependent, diagnosis.rank) == (dependent, rank)
    assert np.isnan(diagnosis.expected_error)
    assert f"Of the leading columns, number {dependent} (counted from 0" in str(diagnosis)


def test_the_last_pivot_of_a_real_square_matrix_is_exempt():
    A = random((4, 4), complex_=False, seed=4)
    A[:, 3] = A[:, 0]
    real, complex_ = uqr.diagnose(A), uqr.diagnose(A.astype(complex))
    assert (real.rank, real.dependent) == (3, -1)
    assert real.condition < 100
    assert (complex_.rank, complex_.dependent) == (3, 3)


def test_batches_give_arrays_and_speak_of_the_worst():
    A = random((2, 3, 5, 3), complex_=False, seed=5)
    A[1, 2, :, 1] = 0
    diagnosis = uqr.diagnose(A)
    assert diagnosis.rank.shape == diagnosis.condition.shape == diagnosis.expected_error.shape == (2, 3)
    assert diagnosis.rank.tolist() == [[3, 3, 3], [3, 3, 2]]
    assert np.isinf(diagnosis.condition[1, 2])
    assert "in the worst of 6 matrices" in str(diagnosis)
    assert "in 1 of 6 matrices" in str(diagnosis)


def test_gauge_violation_is_the_derivative_along_phases():
    """A loss of moduli is blind to phases; one of a real part is not."""
    A = random((5, 3), complex_=True, seed=6)
    xp = uqr.namespace("torch")
    given = uqr.get_backend("torch").from_numpy(A)

    def violation(loss):
        Q, R = uqr.qr(given)
        Q_bar, R_bar = uqr.grad(loss, argnums=(0, 1))(Q, R)
        return uqr.diagnose(given, Q_bar, R_bar)

    blind = violation(lambda Q, R: xp.sum(xp.abs(Q) ** 4) + xp.sum(xp.abs(R) ** 3))
    assert blind.gauge_violation <= tolerance("complex128", 5, 3)
    assert "the same in every gauge" in str(blind)
    seeing = violation(lambda Q, R: xp.sum(xp.real(Q) ** 3))
    assert seeing.gauge_violation > 1e-3
    assert "depends on the phases" in str(seeing)


def test_gauge_violation_of_lq_is_that_of_the_adjoint():
    A, L_bar, Q_bar = (random(s, complex_=True, seed=i) for i, s in enumerate([(3, 5), (3, 3), (3, 5)]))
    as_qr = uqr.diagnose(np.conj(A.T), np.conj(Q_bar.T), np.conj(L_bar.T))
    assert uqr.diagnose(A, Q_bar, L_bar=L_bar, decomposition="lq").gauge_violation == pytest.approx(
        as_qr.gauge_violation
    )


def test_half_precision_is_judged_by_what_it_is_computed_in():
    A = random((5, 3), complex_=False, seed=7)
    assert uqr.diagnose(A.astype(np.float16)).dtype == "float32"
    assert uqr.diagnose(hilbert(12, 12).astype(np.float32)).rank < uqr.diagnose(hilbert(12, 12)).rank


def test_what_does_not_fit_is_refused():
    A = random((5, 3), complex_=False, seed=8)
    with pytest.raises(uqr.OptionError, match=r"decomposition='svd' is unknown; choose one of 'qr', 'lq'"):
        uqr.diagnose(A, decomposition="svd")
    with pytest.raises(uqr.OptionError, match="L_bar was given, but qr has the factors Q and R"):
        uqr.diagnose(A, L_bar=A)
    with pytest.raises(uqr.ShapeError, match=r"Q_bar has shape \(3, 5\); expected shape \(5, 3\)"):
        uqr.diagnose(A, A.T)
    with pytest.raises(uqr.ShapeError, match=r"diagnose got a numpy array of shape \(3,\)"):
        uqr.diagnose(A[0])
    with pytest.raises(uqr.DtypeError, match="dtype int64"):
        uqr.diagnose(np.ones((2, 2), dtype=int))


@pytest.mark.parametrize("shape", [(0, 0), (0, 3), (3, 0), (2, 0, 3), (0, 3, 2), (1, 1)], ids=str)
def test_matrices_without_entries(shape):
    diagnosis = uqr.diagnose(np.ones(shape))
    assert np.all(np.asarray(diagnosis.dependent) == -1)
    assert isinstance(str(diagnosis), str)
