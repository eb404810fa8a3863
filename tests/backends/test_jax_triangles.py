"""Triangles that JAX takes apart: as good as LAPACK's on either side of each limit, in batches, with NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr_jax.triangles import ALONE, LARGEST, cholesky_or_nan, inverse_upper
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

LIMITS = (*ALONE.values(), LARGEST)
SIZES = pytest.mark.parametrize("n", sorted({1, 2, 100, *(limit + step for limit in LIMITS for step in (0, 1))}))
COMPLEX = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
UNIT = np.finfo(np.float64).eps / 2


def gram(n, complex_):
    A = random((2, 2 * n, n), complex_=complex_, seed=n)
    return A.conj().swapaxes(-1, -2) @ A


@SIZES
@COMPLEX
def test_cholesky_factors_multiply_to_the_matrix(n, complex_):
    G = gram(n, complex_)
    R = np.asarray(cholesky_or_nan(jnp.asarray(G)))
    assert np.array_equal(R, np.triu(R))
    assert (np.diagonal(R, 0, -2, -1).real > 0).all()
    assert relative_error(R.conj().swapaxes(-1, -2) @ R, G) <= 4 * n * UNIT


@SIZES
@COMPLEX
def test_inverses_are_as_good_as_substitution(n, complex_):
    R = np.linalg.cholesky(gram(n, complex_)).conj().swapaxes(-1, -2)
    E = np.asarray(inverse_upper(jnp.asarray(R)))
    assert np.array_equal(E, np.triu(E))
    for U, X in zip(R, E, strict=True):
        assert np.linalg.norm(X @ U - np.eye(n)) <= 4 * n * UNIT * np.linalg.norm(X) * np.linalg.norm(U)


@SIZES
def test_only_the_matrix_that_is_not_positive_definite_is_nan(n):
    for spoiled in {0, n // 2, n - 1}:
        G = gram(n, False)
        G[0, spoiled, spoiled] = -1
        found = np.asarray(cholesky_or_nan(jnp.asarray(G)))
        assert np.isnan(np.diagonal(found[0])).any()
        assert np.isfinite(found[1]).all()


@COMPLEX
@pytest.mark.parametrize("n", [20, 60, 150])
def test_derivatives_through_them_are_those_of_householder(n, complex_):
    A = random((16 * n, n), complex_=complex_, seed=n)
    weights = random((16 * n, n), complex_=complex_, seed=n + 1)

    def gradient(method):
        def loss(A):
            Q, R = uqr.qr(A, method=method)
            return jnp.sum(jnp.real(Q * weights)) + jnp.sum(jnp.abs(R) ** 2) / n

        return np.asarray(jax.jit(uqr.grad(loss))(jnp.asarray(A)))

    error = relative_error(gradient("cholesky"), gradient("householder"))
    assert error <= tolerance("float64", 16 * n, n, leading_condition(A))
