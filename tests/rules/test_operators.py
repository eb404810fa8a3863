"""The small maps, against the identities that define them."""

import array_api_strict as xp
import numpy as np
import pytest

from unifiedqr.arrays.operators import adjoint, lowskew, skew
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import tolerance

FIELDS = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
SIZES = pytest.mark.parametrize("k", [1, 2, 5])


def pairing(X, Y):
    return float(np.sum((np.conj(np.asarray(X)) * np.asarray(Y)).real))


@FIELDS
@SIZES
def test_skew_splits_into_skew_hermitian_and_triangle_with_real_diagonal(k, complex_):
    X = xp.asarray(random((3, k, k), complex_=complex_, seed=k))
    omega = np.asarray(skew(xp, X))
    T = np.asarray(X) - omega
    assert np.array_equal(omega, -np.conj(np.swapaxes(omega, -1, -2)))
    assert not np.any(np.tril(T, -1))
    assert not np.any(np.diagonal(T, axis1=-2, axis2=-1).imag)


@FIELDS
@SIZES
def test_lowskew_is_the_adjoint_of_skew(k, complex_):
    X, P = (xp.asarray(random((k, k), complex_=complex_, seed=seed)) for seed in (k, k + 1))
    size = np.linalg.norm(np.asarray(P)) * np.linalg.norm(np.asarray(X))
    assert abs(pairing(lowskew(xp, P), X) - pairing(P, skew(xp, X))) <= tolerance("float64", k, k) * size


@FIELDS
def test_lowskew_is_lower_triangular_with_imaginary_diagonal(complex_):
    F = np.asarray(lowskew(xp, xp.asarray(random((4, 4), complex_=complex_, seed=0))))
    assert not np.any(np.triu(F, 1))
    assert not np.any(np.diagonal(F).real)


@FIELDS
def test_adjoint_moves_across_the_pairing(complex_):
    X, Y, Z = (random(shape, complex_=complex_, seed=seed) for seed, shape in enumerate([(3, 4), (4, 2), (3, 2)]))
    moved = pairing(Y, adjoint(xp, xp.asarray(X)) @ xp.asarray(Z))
    assert abs(pairing(X @ Y, Z) - moved) <= tolerance("float64", 3, 4) * abs(moved)
