r"""The linear regression sets of NIST's Statistical Reference Datasets, to as many digits as their condition allows.

With the columns of A scaled to unit length, which changes no solution by QR, κ its condition, and

    tan θ = |r| / |A x|,   η = |A| |x| / |A x|,

a backward stable solution has a relative error of order u (κ + κ² tan θ / η), and residuals an error of order
u (η |A x| + κ |r|). L. N. Trefethen, D. Bau (1997), Numerical Linear Algebra, lectures 18 and 19.
"""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import mpmath
import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr import rules
from unifiedqr_lab.conformance.tolerance import tolerance

FOLDER = Path(__file__).parent / "data/nist"
CERTIFIED = json.loads((FOLDER / "certified.json").read_text())
DEGREES = {"Norris": 1, "Pontius": 2, "Filip": 10, **{f"Wampler{i}": 5 for i in range(1, 6)}}
SET = pytest.mark.parametrize("name", CERTIFIED)


class Problem(NamedTuple):
    """A set, its exact solution, and what is to be allowed for.

    Attributes
    ----------
    A, b : numpy.ndarray, shapes (m, n) and (m,)
    x, r : numpy.ndarray
        Solution and residuals, found in 100-digit arithmetic from the decimal numbers and rounded.
    residual_sum_of_squares : mpmath.mpf
    lengths : numpy.ndarray, shape (n,)
        Of the columns of A.
    solution_error : float
        Allowed error of x, columns scaled, relative to |x|.
    residual_error : float
        Allowed error of the residuals.
    """

    A: np.ndarray
    b: np.ndarray
    x: np.ndarray
    r: np.ndarray
    residual_sum_of_squares: mpmath.mpf
    lengths: np.ndarray
    solution_error: float
    residual_error: float


def _table(name):
    path = files("unifiedqr_lab.compare").joinpath("data/longley.csv") if name == "Longley" else FOLDER / f"{name}.csv"
    lines = path.read_text(encoding="utf-8").splitlines()
    return [[mpmath.mpf(word) for word in line.split(",")] for line in lines if not line.startswith("#")]


def _row(name, x):
    if name == "Longley":
        return [mpmath.mpf(1), *x]
    return [x[0] ** i for i in range(DEGREES[name] + 1)] if name in DEGREES else x


@cache
def problem(name):
    with mpmath.workdps(100):
        table = _table(name)
        A = mpmath.matrix([_row(name, x) for _, *x in table])
        b = mpmath.matrix([y for y, *_ in table])
        x = mpmath.lu_solve(A.T * A, A.T * b)
        r = b - A * x
        squares = mpmath.fsum(entry**2 for entry in r)
        A, b, x, r = (np.array(X.tolist(), dtype=np.float64) for X in (A, b, x, r))
    lengths = np.linalg.norm(A, axis=0)
    values = np.linalg.svd(A / lengths, compute_uv=False)
    condition, fitted = values[0] / values[-1], np.linalg.norm(A @ x)
    eta = values[0] * np.linalg.norm(lengths * x[:, 0]) / fitted
    slope = float(mpmath.sqrt(squares)) / fitted
    return Problem(
        A,
        b[:, 0],
        x[:, 0],
        r[:, 0],
        squares,
        lengths,
        tolerance("float64", *A.shape, condition + condition**2 * slope / eta),
        tolerance("float64", *A.shape, eta) * fitted + tolerance("float64", *A.shape, condition) * fitted * slope,
    )


def check(name, x, residuals):
    """Check a solution and its residual sum of squares against the certified values."""
    given, certified = problem(name), CERTIFIED[name]
    coefficients = np.array(list(map(float, certified["coefficients"])))
    scaled = given.lengths * coefficients
    assert np.linalg.norm(given.lengths * x - scaled) <= given.solution_error * np.linalg.norm(scaled)
    freedom = given.A.shape[0] - given.A.shape[1]
    size = float(certified["residual_sum_of_squares"]) ** 0.5
    assert abs(float(residuals) ** 0.5 - size) <= given.residual_error
    deviation = float(certified["residual_standard_deviation"])
    assert abs((float(residuals) / freedom) ** 0.5 - deviation) <= given.residual_error / freedom**0.5


@SET
def test_certified_values_follow_from_the_data(name):
    given, certified = problem(name), CERTIFIED[name]
    freedom = given.A.shape[0] - given.A.shape[1]
    exact = {
        "residual_sum_of_squares": [given.residual_sum_of_squares],
        "residual_standard_deviation": [mpmath.sqrt(given.residual_sum_of_squares / freedom)],
        "coefficients": given.x,
    }
    for key, values in exact.items():
        said = certified[key] if key == "coefficients" else [certified[key]]
        assert [float(value) for value in values] == pytest.approx(list(map(float, said)), rel=1e-14, abs=1e-60)


@SET
def test_lstsq(name):
    given = problem(name)
    found = uqr.lstsq(given.A, given.b)
    assert int(found.rank) == given.A.shape[1]
    check(name, found.x, found.residuals)


@SET
def test_lstsq_with_pivots(name):
    given = problem(name)
    found = uqr.lstsq(given.A, given.b, pivoting=True, rcond=0.0)
    assert int(found.rank) == given.A.shape[1]
    check(name, found.x, found.residuals)


def test_filip_is_rank_deficient_to_the_default_tolerance_until_its_columns_are_scaled():
    given = problem("Filip")
    assert int(uqr.lstsq(given.A, given.b, pivoting=True).rank) == 10
    found = uqr.lstsq(given.A / given.lengths, given.b, pivoting=True)
    assert int(found.rank) == 11
    check("Filip", found.x / given.lengths, found.residuals)


def test_longley_in_every_framework(backend):
    given = problem("Longley")
    x, residuals, _ = map(backend.to_numpy, uqr.lstsq(backend.from_numpy(given.A), backend.from_numpy(given.b)))
    check("Longley", x, residuals)


@pytest.mark.parametrize("name", ["Longley", "Filip"])
def test_gradient_of_the_residual_sum_of_squares(name):
    given = problem(name)
    b = given.b[:, None]
    _, b_bar = rules.lstsq_vjp(given.A, b, *uqr.qr(given.A), None, np.ones(1))
    assert np.linalg.norm(b_bar[:, 0] - 2 * given.r) <= 2 * given.residual_error


@pytest.mark.parametrize("name", ["Longley", "Filip"])
def test_gradient_of_the_residual_sum_of_squares_by_autodiff(autodiff_backend, name):
    given = problem(name)
    A, b = map(autodiff_backend.from_numpy, (given.A, given.b))
    b_bar = autodiff_backend.to_numpy(uqr.grad(lambda b: uqr.lstsq(A, b).residuals)(b))
    assert np.linalg.norm(b_bar - 2 * given.r) <= 2 * given.residual_error
