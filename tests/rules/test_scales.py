"""Columns (rows, for LQ) of any sizes have right factors and derivatives, wherever these can be represented (QR.7)."""

from functools import cache

import numpy as np
import pytest

from tests.truth import truth
from unifiedqr.backend import DTYPES
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr_lab.conformance.case_checks import routes
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

pytestmark = [
    pytest.mark.usefixtures("unchecked"),
    # A column of a derivative that no number of the dtype can express is infinite, and NumPy says so.
    pytest.mark.filterwarnings("ignore:(overflow|invalid value) encountered:RuntimeWarning"),
]

FAR = {"float32": 18, "float64": 150}
"""Orders of magnitude up and down whose squares are near the end of the range."""
FURTHEST = {"float32": 30, "float64": 290}
"""Those at which every digit of a column is still a normal number: TensorFlow and JAX flush the others to zero."""
LARGEST = {name: np.log10(float(np.finfo(name).max)) - 2 for name in FAR}
SUBNORMAL = {"float32": -42, "float64": -315}

PATTERNS = {
    "falling": lambda real: [FAR[real], 0, -FAR[real], -FAR[real]],
    "rising": lambda real: [-FAR[real], 0, FAR[real], FAR[real]],
    "alternating": lambda real: [-FURTHEST[real], FURTHEST[real]] * 2,
    "one is huge": lambda real: [FURTHEST[real]] + [-FURTHEST[real]] * 3,
    "near overflow": lambda real: [LARGEST[real]] * 4,
    "padded": lambda real: [FAR[real], FAR[real], FAR[real], -np.inf],
    "one is subnormal": lambda real: [0, SUBNORMAL[real], 0, 0],
}
"""Orders of magnitude of the columns."""

shapes = pytest.mark.parametrize("shape", [(4, 3), (3, 3), (3, 4)], ids=["deep", "square", "wide"])
dtypes = pytest.mark.parametrize("dtype", DTYPES)
decompositions = pytest.mark.parametrize("decomposition", ["qr", "lq"])


@cache
def problem(decomposition, dtype, shape, pattern):
    """Return matrix, tangent and cotangents in a dtype, and the condition of the matrix."""
    complex_ = dtype.startswith("complex")
    A, A_dot = (random(shape, complex_=complex_, seed=seed) for seed in (1, 2))
    condition = leading_condition(A)
    scales = 10.0 ** np.array(PATTERNS[pattern](np.finfo(dtype).dtype.name))[: shape[1]]
    k = min(shape)
    bars = [random(size, complex_=complex_, seed=3) for size in ((shape[0], k), (k, shape[1]))]
    A, A_dot = A * scales, A_dot * np.where(scales > 0, scales, 100.0)
    if decomposition == "lq":
        A, A_dot, *bars = (X.T for X in (A, A_dot, *reversed(bars)))
    return tuple(X.astype(dtype) for X in (A, A_dot, *bars)), condition


@cache
def true(decomposition, dtype, shape, pattern):
    if decomposition == "lq":  # the transpose of a QR decomposition, whose truth takes seconds
        (Q, R), A_bar, (Q_dot, R_dot) = true("qr", dtype, shape, pattern)
        return (R.T, Q.T), A_bar.T, (R_dot.T, Q_dot.T)
    (A, A_dot, *bars), _ = problem(decomposition, dtype, shape, pattern)
    return truth(decomposition, A, bars, A_dot, digits=2 * round(FURTHEST[np.finfo(dtype).dtype.name] * 2) + 40)


def error(decomposition, dtype, X, reference):
    """Return the largest relative error of a column (row, for LQ), of those that the dtype gives all their digits."""
    X, reference = (Y[..., None] if decomposition == "lq" else Y.T[..., None] for Y in (X, reference))
    sizes, numbers = np.max(np.abs(reference), axis=(-2, -1)), np.finfo(dtype)
    told = (sizes < numbers.max / 4) & ((sizes > numbers.smallest_normal / numbers.eps) | (sizes == 0))
    return relative_error(X[told], reference[told])


def gradient(backend, decomposition, A, bars):
    derivatives = routes(backend, DECOMPOSITIONS[decomposition]())
    factors, (A_bar,) = derivatives.vjp((backend.from_numpy(A),), tuple(map(backend.from_numpy, bars)))
    return [backend.to_numpy(X) for X in (*factors, A_bar)]


@pytest.mark.parametrize("pattern", [pattern for pattern in PATTERNS if "subnormal" not in pattern])
@shapes
@dtypes
@decompositions
def test_every_column_is_right(backend, decomposition, dtype, shape, pattern):
    (A, A_dot, *bars), condition = problem(decomposition, dtype, shape, pattern)
    factors, A_bar, dots = true(decomposition, dtype, shape, pattern)
    results, expected = gradient(backend, decomposition, A, bars), [*factors, A_bar]
    jvp = routes(backend, DECOMPOSITIONS[decomposition]()).jvp
    if jvp is not None:
        results += map(backend.to_numpy, jvp((backend.from_numpy(A),), (backend.from_numpy(A_dot),))[1])
        expected += dots
    bound = tolerance(dtype, *shape, condition)
    for X, reference in zip(results, expected, strict=True):
        assert error(decomposition, dtype, X, reference) <= bound


@dtypes
@decompositions
def test_subnormal_entries_count_as_zeros(backend, decomposition, dtype):
    """They are zeros to within the rounding of the other entries, flushed or not."""
    (A, _, *bars), condition = problem(decomposition, dtype, (4, 3), "rising")
    A = A / np.max(np.abs(A), axis=0 if decomposition == "qr" else 1, keepdims=True)
    gradients = []
    for entry in (0.0, 10.0 ** SUBNORMAL[np.finfo(dtype).dtype.name]):
        A[1, 1] = entry
        gradients.append(gradient(backend, decomposition, A, bars)[-1])
    assert error(decomposition, dtype, gradients[1], gradients[0]) <= tolerance(dtype, 4, 3, condition)


@shapes
@dtypes
@decompositions
def test_a_subnormal_column_counts_as_dependent(backend, decomposition, dtype, shape):
    """Its digits are lost: to zero where subnormal numbers are flushed, and to the triangle elsewhere."""
    (A, _, *bars), condition = problem(decomposition, dtype, shape, "one is subnormal")
    *factors, A_bar = gradient(backend, decomposition, A, bars)
    assert np.all(np.isnan(A_bar))
    Q = factors[0 if decomposition == "qr" else 1]
    columns = Q if decomposition == "qr" else Q.conj().T
    assert relative_error(columns.conj().T @ columns, np.eye(min(shape))) <= tolerance(dtype, *shape, condition)
