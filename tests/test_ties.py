"""Ties of pivots: the first of the longest columns is taken, by LAPACK and the portable kernel, in every framework."""

import jax
import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf

import unifiedqr as uqr
from unifiedqr.kernels.pivoting import greedy_pivots
from unifiedqr_lab.conformance.matrices import random

EXACT = {
    "identity": np.eye(6),
    "deep identity": np.eye(6, 4),
    "wide identity": np.eye(4, 6),
    "permutation": np.eye(5)[[3, 0, 4, 1, 2]],
    "Hadamard": scipy.linalg.hadamard(8).astype(float),
    "deep Hadamard": scipy.linalg.hadamard(16)[:, :5].astype(float),
    "zero": np.zeros((4, 3)),
    "wide zero": np.zeros((3, 5)),
    "zero columns": np.eye(5)[:, [0, 1, 0, 2, 3]] * [0, 2, 0, 1, 2],
    "ones": np.ones((4, 4)),
}
"""Matrices whose lengths are equal, and stay so, without a rounding."""

REPEATED = np.tile(random((6, 3), complex_=False, seed=1), 2)
"""Every column comes twice: what is left of the second, once the first is taken, is rounding."""

MATRICES = {**EXACT, "imaginary identity": 1j * np.eye(5, 4), "complex Hadamard": 1j * EXACT["Hadamard"]}
MATRIX = pytest.mark.parametrize("A", MATRICES.values(), ids=MATRICES)


def by_lapack(A):
    return scipy.linalg.qr(A, pivoting=True, mode="r")[1]


def traced(backend):
    """Return how a framework computes pivots where it sees no values."""
    return {"jax": jax.jit, "tensorflow": tf.function}.get(backend.name, lambda f: f)


@MATRIX
def test_exact_ties_in_every_framework(A, backend):
    given = backend.from_numpy(A)
    assert np.array_equal(backend.to_numpy(uqr.qr(given, pivoting=True).P), by_lapack(A))
    assert np.array_equal(backend.to_numpy(uqr.qr(given, pivoting=True, mode="r").P), by_lapack(A))
    adjoint = backend.from_numpy(A.conj().T.copy())
    assert np.array_equal(backend.to_numpy(uqr.lq(adjoint, pivoting=True).P), by_lapack(A))


@MATRIX
def test_exact_ties_of_the_portable_kernel(A, backend):
    """Alone and in a batch, whose matrices have pivots of their own."""
    stack = np.stack([A, A[:, ::-1]])
    find = traced(backend)(lambda A: greedy_pivots(backend.xp, A, min(A.shape[-2:])))
    order = backend.to_numpy(find(backend.from_numpy(stack.copy())))
    assert np.array_equal(order[:, 0, :], [by_lapack(X) for X in stack])


def test_repeated_columns_until_nothing_is_left(backend):
    rank, expected = 3, by_lapack(REPEATED)
    given = backend.from_numpy(REPEATED)
    find = traced(backend)(lambda A: greedy_pivots(backend.xp, A, rank))
    assert np.array_equal(backend.to_numpy(find(given))[0, :rank], expected[:rank])
    assert np.array_equal(backend.to_numpy(uqr.qr(given, pivoting=True, rank=rank).P)[:rank], expected[:rank])
