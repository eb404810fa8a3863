"""Behind a dependent column: derivatives of what comes before it, against differences, and NaN for all else (DC.1)."""

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr import rules
from unifiedqr_lab.conformance.matrices import random

pytestmark = pytest.mark.usefixtures("unchecked")

SHAPES = [(7, 4), (40, 4), (4, 4), (4, 6), (3, 20)]
STENCIL = [(-1 / 60, -3), (3 / 20, -2), (-3 / 4, -1), (3 / 4, 1), (-3 / 20, 2), (1 / 60, 3)]


def slope(f, A, A_dot, step=1e-4):
    """Return the derivative of f at A along A_dot, by differences of sixth order."""
    return sum(weight * f(A + i * step * A_dot) for weight, i in STENCIL) / step


def spoiled(shape, r, how, *, complex_, seed):
    """Return a matrix whose column r is the first dependent one."""
    A = random(shape, complex_=complex_, seed=seed)
    weights = random((r,), complex_=complex_, seed=seed + 1)
    A[:, r] = 0 if how == "zero" or r == 0 else A[:, :r] @ weights
    return A


def pairing(X, Y):
    return np.sum((X.conj() * Y).real)


def upper(X):
    """Return what R varies in: an upper trapezoid with a real diagonal."""
    return np.triu(X, 1) + (np.triu(X) - np.triu(X, 1)).real


CASES = [
    pytest.param(shape, r, how, complex_, id=f"{shape[0]}x{shape[1]}-{r}-{how}-{'complex' if complex_ else 'real'}")
    for shape in SHAPES
    for r in range(min(shape))
    for how in ("zero", "combination")
    for complex_ in (False, True)
    if complex_ or shape[0] > shape[1] or r < min(shape) - 1  # (QR.6): the last pivot of the others is free
]


@pytest.mark.parametrize(("shape", "r", "how", "complex_"), CASES)
class TestBehindADependentColumn:
    def given(self, shape, r, how, complex_):
        """Return a matrix, a tangent, and cotangents that are zero from r on, with garbage below the diagonal."""
        A = spoiled(shape, r, how, complex_=complex_, seed=hash((shape, r)) % 1000)
        A_dot = random(shape, complex_=complex_, seed=3)
        Q_bar = random((shape[0], min(shape)), complex_=complex_, seed=4)
        R_bar = random((min(shape), shape[1]), complex_=complex_, seed=5)
        Q_bar[:, r:], R_bar[r:] = 0, np.tril(R_bar, -1)[r:]
        return A, A_dot, Q_bar, R_bar

    def test_gradients_of_what_comes_before(self, shape, r, how, complex_):
        A, A_dot, Q_bar, R_bar = self.given(shape, r, how, complex_)
        for bars in ((Q_bar, R_bar), (Q_bar, None), (None, R_bar)):
            read = [None if X is None else Y for X, Y in zip(bars, (Q_bar, upper(R_bar)), strict=True)]

            def loss(X, read=read):
                return sum(pairing(bar, factor) for bar, factor in zip(read, uqr.qr(X), strict=True) if bar is not None)

            A_bar = rules.qr_vjp(*uqr.qr(A), *bars)
            expected = slope(loss, A, A_dot)
            assert abs(pairing(A_bar, A_dot) - expected) <= 1e-8 * max(1, abs(expected))
        expected = slope(lambda X: pairing(upper(R_bar), uqr.qr(X, mode="r")), A, A_dot)
        A_bar = rules.qr_r_vjp(A, uqr.qr(A).R, R_bar)
        assert abs(pairing(A_bar, A_dot) - expected) <= 1e-8 * max(1, abs(expected))

    def test_tangents_of_what_comes_before_and_nan_beyond(self, shape, r, how, complex_):
        A, A_dot, *_ = self.given(shape, r, how, complex_)
        Q, R = uqr.qr(A)
        Q_dot, R_dot = rules.qr_jvp(Q, R, A_dot)
        expected_Q, expected_R = (slope(lambda X, i=i: uqr.qr(X)[i], A, A_dot) for i in (0, 1))
        np.testing.assert_allclose(Q_dot[:, :r], expected_Q[:, :r], rtol=1e-7, atol=1e-7)
        beyond = np.triu(np.ones(R.shape, dtype=bool))
        beyond[:r] = False
        assert np.all(np.isnan(Q_dot[:, r:]))
        for tangent in (R_dot, rules.qr_r_jvp(A, R, A_dot)):
            np.testing.assert_allclose(tangent[:r], expected_R[:r], rtol=1e-7, atol=1e-7)
            assert np.all(np.isnan(tangent[beyond]))
            assert not np.any(tangent[r:][~beyond[r:]])

    def test_the_smallest_cotangent_beyond_is_nan(self, shape, r, how, complex_):
        A, _, Q_bar, R_bar = self.given(shape, r, how, complex_)
        Q, R = uqr.qr(A)
        for j in range(r, min(shape)):
            reaching_Q, reaching_R = Q_bar.copy(), R_bar.copy()
            reaching_Q[-1, j], reaching_R[j, -1] = 1e-300, np.nan
            assert np.all(np.isnan(rules.qr_vjp(Q, R, reaching_Q, R_bar)))
            assert np.all(np.isnan(rules.qr_vjp(Q, R, Q_bar, reaching_R)))
            assert np.all(np.isnan(rules.qr_r_vjp(A, R, reaching_R)))

    def test_lq_is_its_mirror_image(self, shape, r, how, complex_):
        A, A_dot, Q_bar, R_bar = (X.conj().T for X in self.given(shape, r, how, complex_))
        L, Q = uqr.lq(A)
        A_bar = rules.qr_vjp(Q.conj().T, L.conj().T, Q_bar.conj().T, R_bar.conj().T).conj().T
        np.testing.assert_allclose(rules.lq_vjp(L, Q, R_bar, Q_bar), A_bar, rtol=1e-12, atol=1e-12)
        dots = rules.qr_jvp(Q.conj().T, L.conj().T, A_dot.conj().T)
        for found, expected in zip(rules.lq_jvp(L, Q, A_dot), dots[::-1], strict=True):
            np.testing.assert_allclose(found, expected.conj().T, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
def test_rank_deficient_truncation(complex_):
    """A pivoted decomposition stopped behind the rank of the matrix: its first columns are as smooth as ever."""
    A = random((6, 2), complex_=complex_, seed=1) @ random((2, 7), complex_=complex_, seed=2)
    A_dot = random((6, 7), complex_=complex_, seed=3)
    found = uqr.qr(A, pivoting=True, rank=4)
    Q_bar, R_bar = (random(X.shape, complex_=complex_, seed=4) for X in found[:2])
    Q_bar[:, 2:], R_bar[2:] = 0, 0
    R_bar = upper(R_bar)
    A_bar = rules.qr_pivoted_vjp(*found, Q_bar, R_bar, A=A)

    def loss(X):
        Q, R = uqr.qr(X[:, found.P])
        return pairing(Q_bar[:, :2], Q[:, :2]) + pairing(R_bar[:2], R[:2])

    expected = slope(loss, A, A_dot)
    assert abs(pairing(A_bar, A_dot) - expected) <= 1e-8 * max(1, abs(expected))
    assert np.all(np.isnan(rules.qr_pivoted_vjp(*found, random(Q_bar.shape, complex_=complex_, seed=5), None, A=A)))


@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
def test_complete_factors(complex_):
    """The last columns of a complete Q are a function of all the first ones."""
    A = spoiled((6, 4), 2, "zero", complex_=complex_, seed=8)
    A_dot = random((6, 4), complex_=complex_, seed=3)
    Q, R = uqr.qr(A, mode="complete")
    Q_bar, R_bar = np.zeros_like(Q), np.zeros_like(R)
    Q_bar[:, :2] = random((6, 2), complex_=complex_, seed=4)
    R_bar[:2] = upper(random((2, 4), complex_=complex_, seed=5))

    def loss(X):
        factors = uqr.qr(X, mode="complete")
        return pairing(Q_bar, factors.Q) + pairing(R_bar, factors.R)

    expected = slope(loss, A, A_dot)
    assert abs(pairing(rules.qr_complete_vjp(Q, R, Q_bar, R_bar), A_dot) - expected) <= 1e-8 * max(1, abs(expected))
    Q_bar[5, 5] = 1
    assert np.all(np.isnan(rules.qr_complete_vjp(Q, R, Q_bar, R_bar)))


@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
def test_orth_of_the_first_columns(complex_):
    A = spoiled((7, 4), 2, "combination", complex_=complex_, seed=9)
    A_dot = random((7, 4), complex_=complex_, seed=3)
    weights = random((7, 7), complex_=complex_, seed=4)
    weights = weights + weights.conj().T

    def loss(X):
        Q = uqr.qr(X[:, :2]).Q
        return pairing(weights, Q @ Q.conj().T)

    Q, R = uqr.qr(A)
    Q_bar = np.zeros_like(Q)
    Q_bar[:, :2] = 2 * weights @ Q[:, :2]
    expected = slope(loss, A, A_dot)
    assert abs(pairing(rules.orth_vjp(Q, R, Q_bar), A_dot) - expected) <= 1e-8 * max(1, abs(expected))
    Q_dot = rules.orth_jvp(Q, R, A_dot)
    tangent = Q_dot[:, :2] @ Q[:, :2].conj().T
    expected = slope(lambda X: (lambda Q: Q @ Q.conj().T)(uqr.qr(X[:, :2]).Q), A, A_dot)
    np.testing.assert_allclose(tangent + tangent.conj().T, expected, rtol=1e-7, atol=1e-7)
    assert np.all(np.isnan(Q_dot[:, 2:]))
    Q_bar[0, 2] = 1e-300
    assert np.all(np.isnan(rules.orth_vjp(Q, R, Q_bar)))


@pytest.mark.parametrize("shape", [(330, 300), (300, 300), (300, 330)], ids=str)
def test_what_comes_before_in_many_columns(backend, shape):
    r, k = 180, min(shape)
    A = spoiled(shape, r, "zero", complex_=False, seed=6)
    Q_bar, R_bar = (random(size, complex_=False, seed=7) for size in ((shape[0], k), (k, shape[1])))
    Q_bar[:, r:], R_bar[r:], R_bar[:, r:] = 0, 0, 0
    before = uqr.qr(A[:, :r])
    expected = rules.qr_vjp(*before, Q_bar[:, :r], R_bar[:r, :r])  # a decomposition without what follows
    Q, R = uqr.qr(backend.from_numpy(A))

    def pulled():
        bars = map(backend.from_numpy, (Q_bar, R_bar))
        return backend.to_numpy(rules.qr_vjp(Q, R, *bars, xp=uqr.namespace(Q)))

    found = pulled()
    np.testing.assert_allclose(found[:, :r], expected, rtol=0, atol=1e-11 * abs(expected).max())
    assert not np.any(found[:, r:])
    Q_bar[0, -1] = 1e-300
    assert np.all(np.isnan(pulled()))
