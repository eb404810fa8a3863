"""The matrices of the suite: every shape at random, and the ill-conditioned ones of the literature.

Entries are rounded to single precision wherever they fit, so that one golden vector serves float32 and float64.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Matrix = Any  # numpy.ndarray, whose type parameters say nothing here

SHAPES: tuple[tuple[int, ...], ...] = (
    *((1, 1), (4, 1), (1, 4), (5, 3), (4, 4), (3, 5), (12, 5), (7, 7), (5, 12)),
    *((2, 4, 3), (2, 1, 3, 3), (3, 2, 4)),
)
"""Shapes of the random matrices: square, deep, wide, alone and in batches."""

ZERO_SIZE: tuple[tuple[int, ...], ...] = ((0, 0), (3, 0), (0, 3), (2, 3, 0), (2, 0, 3), (0, 3, 2))
"""Shapes without entries."""


def random(shape: tuple[int, ...], *, complex_: bool, seed: int) -> Matrix:
    """Return independent standard normal entries, imaginary parts included."""
    generator = np.random.default_rng(seed)
    X = generator.standard_normal(shape)
    if complex_:
        X = X + 1j * generator.standard_normal(shape)
    return rounded(X)


def exact_product(shape: tuple[int, ...], *, complex_: bool, seed: int) -> Matrix:
    """Return matrices A = Q R with at least four rows whose factors, in the positive gauge, have few bits each.

    Q is a product of reflections I - v v^H / 2, v having four entries of modulus 1, so that factors rounded to any
    dtype are orthonormal to the last bit. For rows of the table that work on factors.
    """
    *batch, m, n = shape
    generator = np.random.default_rng(seed)
    A = np.zeros(shape, dtype=np.complex128 if complex_ else np.float64)
    for index in np.ndindex(*batch):
        Q = np.eye(m, dtype=A.dtype)
        for _ in range(3):
            v = np.zeros(m, dtype=A.dtype)
            signs = generator.choice([1, -1, 1j, -1j] if complex_ else [1, -1], 4)
            v[generator.choice(m, 4, replace=False)] = signs
            Q -= np.outer(Q @ v, v.conj()) / 2
        k = min(m, n)
        eighths = generator.integers(-12, 13, (2, k, n)) / 8
        R = np.triu(eighths[0] + 1j * eighths[1] if complex_ else eighths[0], 1)
        R[:, :k] += np.diag(generator.integers(8, 17, k) / 8)
        A[index] = Q[:, :k] @ R
    return A


def rounded(X: Matrix) -> Matrix:
    """Round to single precision where every nonzero entry is a normal single-precision number."""
    X = np.asarray(X, dtype=np.complex128 if np.iscomplexobj(X) else np.float64)
    parts = np.abs(np.concatenate([X.real.ravel(), X.imag.ravel()]))
    parts = parts[parts > 0]
    single = np.finfo(np.float32)
    if parts.size and (parts.max() > single.max or parts.min() < single.tiny):
        return X
    return X.astype(np.complex64 if np.iscomplexobj(X) else np.float32).astype(X.dtype)


def graded(m: int, n: int) -> Matrix:
    """Return columns falling from 1 to 1e-8: harmless, since column scaling is."""
    return random((m, n), complex_=False, seed=1) * 10.0 ** -np.linspace(0, 8, n)


def vandermonde(m: int, n: int) -> Matrix:
    """Return powers of equidistant points in [0, 1] (N. J. Higham 2002, chapter 22)."""
    return np.vander(np.linspace(0, 1, m), n, increasing=True)


def hilbert(m: int, n: int) -> Matrix:
    """Return 1 / (i + j - 1) (N. J. Higham 2002, chapter 28)."""
    return 1.0 / (np.arange(m)[:, None] + np.arange(n)[None, :] + 1.0)


def kahan(m: int, n: int) -> Matrix:
    """Return the upper triangle whose small singular value no diagonal entry shows (Kahan 1966), with a full foot."""
    k = min(m, n)
    sine, cosine = np.sin(1.2), np.cos(1.2)
    triangle = np.diag(sine ** np.arange(k)) @ (np.eye(k) - cosine * np.triu(np.ones((k, k)), 1))
    A = 1e-3 * random((m, n), complex_=False, seed=2)
    A[:k, :k] += triangle
    return A


def laeuchli(m: int, n: int) -> Matrix:
    """Return a row of ones over 1e-5 times the identity (P. Laeuchli 1961): the Gram matrix loses all of it."""
    return np.ones((m, n)) * (np.arange(m) == 0)[:, None] + 1e-5 * np.eye(m, n, k=-1 if m > n else 0)


def huge(m: int, n: int) -> Matrix:
    """Return entries near 1e+150, whose squares are near the overflow threshold of float64."""
    return 1e150 * random((m, n), complex_=False, seed=3)


def tiny(m: int, n: int) -> Matrix:
    """Return entries near 1e-150."""
    return 1e-150 * random((m, n), complex_=False, seed=4)


def single_huge(m: int, n: int) -> Matrix:
    """Return entries near 1e+18, whose squares are near the overflow threshold of float32."""
    return 1e18 * random((m, n), complex_=False, seed=5)


def single_tiny(m: int, n: int) -> Matrix:
    """Return entries near 1e-18."""
    return 1e-18 * random((m, n), complex_=False, seed=6)


ADVERSARIAL: dict[str, Callable[[int, int], Matrix]] = {
    function.__name__: function
    for function in (graded, vandermonde, hilbert, kahan, laeuchli, huge, tiny, single_huge, single_tiny)
}
ADVERSARIAL_SHAPES = ((9, 6), (6, 6), (6, 9))


def adversarial(name: str, m: int, n: int, *, complex_: bool) -> Matrix:
    """Return an ill-conditioned matrix; the complex one has its rows and columns turned by phases."""
    A = ADVERSARIAL[name](m, n)
    if complex_:
        generator: Any = np.random.default_rng(7)
        phases = generator.uniform(-0.5, 0.5, A.shape)
        # Diagonal unitary factors on both sides leave the conditioning as it is.
        A = np.exp(1j * phases[:, :1]) * A * np.exp(1j * phases[:1, :])
    return rounded(A)
