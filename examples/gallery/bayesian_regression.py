"""Bayesian linear regression: the evidence, and the D-optimal design, maximized through determinants.

With weights w ~ N(0, I / a) and noise of precision c, the m responses y of an m x n design X have the evidence

    2 log p(y | a, c) = m log c + n log a - log det(c X^T X + a I) - min_w (c |y - X w|^2 + a |w|^2) - m log 2 pi.

The determinant comes from `slogdet`, the minimum is the residual of one least-squares problem, X stacked on the prior,
and the gradient with respect to (log a, log c) goes through both: no posterior covariance, no update rule.

The D-optimal design for a polynomial of degree d, the one with the largest det X^T X, measures it at d + 1 points of
[-1, 1]. They are found by the gradient of the logarithm of that determinant.

Data: scikit-learn's diabetes, 442 patients and ten predictors. Checked against the density of y as one Gaussian vector
with covariance I / c + X X^T / a (SciPy), against the precisions of scikit-learn's BayesianRidge, which iterates
MacKay's updates, and the design against the zeros of (1 - x^2) P_d'(x), P_d Legendre's polynomial (Hoel 1958).
"""

import os
import sys
from math import log, pi
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX computes in single precision otherwise

import numpy as np
from numpy.polynomial import Legendre
from scipy.optimize import minimize
from scipy.stats import multivariate_normal
from sklearn.datasets import load_diabetes
from sklearn.linear_model import BayesianRidge

import unifiedqr as uqr

patients = load_diabetes()
X_given = patients.data / patients.data.std(axis=0)
y_given = (patients.target - patients.target.mean()) / patients.target.std()
m, n = X_given.shape
xp = uqr.namespace()
X, y = xp.asarray(X_given), xp.asarray(y_given)
identity, zeros = xp.eye(n, dtype=xp.float64), xp.zeros(n, dtype=xp.float64)


def negative_log_evidence(logarithms):
    """Return -log p(y | a, c) at (log a, log c)."""
    root_a, root_c = xp.unstack(xp.exp(logarithms / 2))
    stacked = xp.concat([root_c * X, root_a * identity], axis=0)
    least = uqr.lstsq(stacked, xp.concat([root_c * y, zeros], axis=0)).residuals
    determinant = uqr.slogdet(xp.matrix_transpose(stacked) @ stacked).logabsdet
    log_a, log_c = xp.unstack(logarithms)
    return (determinant + least + m * log(2 * pi) - n * log_a - m * log_c) / 2


def maximized(negative, start):
    """Return where SciPy's BFGS takes a function of arrays by its gradient."""
    evaluate = uqr.value_and_grad(negative)
    return minimize(lambda p: [*map(uqr.to_numpy, evaluate(xp.asarray(p)))], start, jac=True, options={"gtol": 1e-5})


def density(logarithms):
    """Return log p(y | a, c) without regression, from the covariance of y."""
    a, c = np.exp(logarithms)
    return multivariate_normal.logpdf(y_given, cov=np.eye(m) / c + X_given @ X_given.T / a)


found = maximized(negative_log_evidence, np.zeros(2))
a, c = np.exp(found.x)
updates = BayesianRidge(alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0, fit_intercept=False, tol=1e-12, max_iter=2000)
updates.fit(X_given, y_given)
print(f"log evidence    {-found.fun:.6f} after {found.nfev} gradients, {density(found.x):.6f} by SciPy")
print(f"precisions      a {a:.5f}, c {c:.5f}; a {updates.lambda_:.5f}, c {updates.alpha_:.5f} by scikit-learn")
assert abs(-found.fun - density(found.x)) < 1e-9 * m
assert np.allclose([a, c], [updates.lambda_, updates.alpha_], rtol=1e-4)


def negative_log_determinant(angles):
    """Return -log det X^T X of the polynomial whose points are cosines, so that they stay in [-1, 1]."""
    x = xp.cos(angles)
    powers = [xp.ones_like(x)]
    for _ in range(x.shape[0] - 1):
        powers.append(powers[-1] * x)
    return -2 * uqr.slogdet(xp.stack(powers, axis=1)).logabsdet


def optimal(degree):
    """Return the design from the zeros of (1 - x^2) P'(x)."""
    return np.array([-1, *np.sort(Legendre.basis(degree).deriv().roots()), 1])


designs = {}
for degree in range(1, 7):
    start = np.linspace(3.0, 0.3, degree + 1)  # a design that favours one side
    designs[degree] = np.sort(np.cos(maximized(negative_log_determinant, start).x))
    assert np.allclose(designs[degree], optimal(degree), atol=1e-6)
print("design, degree 4 ", " ".join(f"{x:.6f}" for x in designs[4]))
print("closed form      ", " ".join(f"{x:.6f}" for x in (-1, -((3 / 7) ** 0.5), 0, (3 / 7) ** 0.5, 1)))

if "--picture" in sys.argv:
    import matplotlib.pyplot as plt

    plt.style.use(Path(__file__).with_name("picture.mplstyle"))
    axes = plt.figure().gca()
    for degree, points in designs.items():
        axes.plot(optimal(degree), [degree] * (degree + 1), "o", color="#808080", markersize=10, fillstyle="none")
        axes.plot(points, [degree] * (degree + 1), "o", color="C0")
    axes.plot([], [], "o", color="C0", label="found by gradient")
    axes.plot([], [], "o", color="#808080", markersize=10, fillstyle="none", label="closed form")
    axes.set(xlabel="where to measure", ylabel="degree of the polynomial", ylim=(0.5, 7.5))
    axes.set(xticks=[-1, -0.5, 0, 0.5, 1], yticks=list(designs))
    axes.legend(loc="upper center", ncols=2)
    plt.savefig(sys.argv[sys.argv.index("--picture") + 1])
