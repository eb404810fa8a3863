"""Streaming regression: recursive least squares that learns how fast to forget, by gradient through every update.

Measurements come three at a time, y = X x + noise, and x drifts. The stream keeps the triangle of the rows that came,
with y as the last column, and a step lets old rows fade and appends the new ones:

    R' = triangle of [ f^1/2 R ]        R = [ U  z ]       U x = z gives the x that minimizes the sum of
                     [  X   y  ]            [ 0  r ],      f^age |y - X x|^2 over all that came, and r^2 that sum.

No normal equations are formed and no past row is kept. If f is near 1 the estimate lags, if it is small the estimate is
noisy. The best f is the one whose predictions of the next rows, made before they come, err least: the gradient of
that error by f goes back through sixty updates (`qr_append_rows`) and as many solutions.

Data: simulated, three coefficients on random walks. Checked against the batch solution: for each step a least squares
problem of all rows before it, weighted by age, solved anew by NumPy, and its error minimized by SciPy without
derivatives. Checked also: drift costs three times as much where nothing is forgotten.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX computes in single precision otherwise

import numpy as np
from scipy.optimize import minimize, minimize_scalar

import unifiedqr as uqr

STEPS, ROWS, N = 60, 3, 3
DRIFT, NOISE, PRIOR = 0.1, 0.3, 1e-2
rng = np.random.default_rng(7)
truth = 1 + DRIFT * np.cumsum(rng.standard_normal((STEPS, N)), axis=0)
X_given = rng.standard_normal((STEPS, ROWS, N))
y_given = np.einsum("trn,tn->tr", X_given, truth) + NOISE * rng.standard_normal((STEPS, ROWS))
both_given = np.concatenate([X_given, y_given[..., None]], axis=-1)

xp = uqr.namespace()
both = xp.asarray(both_given)
start = PRIOR * xp.eye(N + 1, dtype=xp.float64)


def streamed(f):
    """Return the estimates before each step but the first, from one triangle."""
    R, estimates = start, []
    for rows in xp.unstack(both)[:-1]:
        R = uqr.qr_append_rows(xp.sqrt(f) * R, rows)
        estimates.append(uqr.lstsq(R[:N, :N], R[:N, N:]).x)
    return estimates


def error(logit):
    """Return the mean squared error of the predictions, at log f / (1 - f)."""
    f = 1 / (1 + xp.exp(-logit[0]))
    rows = xp.unstack(both)[1:]
    errors = [rows_t[:, N:] - rows_t[:, :N] @ x for rows_t, x in zip(rows, streamed(f), strict=True)]
    return xp.mean(xp.stack(errors) ** 2)


def batch(f):
    """Return the same estimates, each from all rows before it, weighted by age, and the error of its predictions."""
    estimates, errors = [], []
    for t in range(1, STEPS):
        weights = np.sqrt(f ** np.repeat(np.arange(t - 1, -1, -1), ROWS))[:, None]
        prior = PRIOR * np.sqrt(f**t) * np.eye(N)
        A = np.concatenate([weights * X_given[:t].reshape(-1, N), prior])
        b = np.concatenate([weights[:, 0] * y_given[:t].ravel(), np.zeros(N)])
        x = np.linalg.lstsq(A, b, rcond=None)[0]
        estimates.append(x)
        errors.append(y_given[t] - X_given[t] @ x)
    return np.array(estimates), np.mean(np.square(errors))


evaluate = uqr.value_and_grad(error)
found = minimize(lambda p: [*map(uqr.to_numpy, evaluate(xp.asarray(p)))], np.array([3.0]), jac=True, tol=1e-8)
f = float(1 / (1 + np.exp(-found.x[0])))
known = minimize_scalar(lambda f: batch(f)[1], bounds=(0.3, 0.999), method="bounded", options={"xatol": 1e-9})
estimates = np.stack([uqr.to_numpy(x)[:, 0] for x in streamed(xp.asarray(np.array(f)))])
print(f"forgetting factor   {f:.5f} after {found.nfev} gradients; {known.x:.5f} by SciPy from batch solutions")
print(f"error of prediction {found.fun:.5f}; {known.fun:.5f} by SciPy; {batch(1.0)[1]:.5f} if nothing is forgotten")
print(f"noise alone         {NOISE**2:.5f}")
assert np.abs(estimates - batch(f)[0]).max() < 1e-10
assert abs(found.fun - batch(f)[1]) < 1e-12
assert abs(f - known.x) < 1e-5
assert batch(1.0)[1] - NOISE**2 > 3 * (found.fun - NOISE**2)

if "--picture" in sys.argv:
    import matplotlib.pyplot as plt

    plt.style.use(Path(__file__).with_name("picture.mplstyle"))
    axes, steps = plt.figure().gca(), np.arange(2, STEPS)
    slow = axes.plot(steps, batch(1.0)[0][1:], color="#808080", linewidth=0.8)
    tracked = axes.plot(steps, estimates[1:])
    wandering = [axes.plot(steps, truth[2:, j], ":", color=tracked[j].get_color())[0] for j in range(N)]
    axes.legend([wandering[0], tracked[0], slow[0]], ["true", f"tracked, f = {f:.2f}", "tracked, f = 1"])
    axes.set(xlabel="step", ylabel="coefficients")
    plt.savefig(sys.argv[sys.argv.index("--picture") + 1])
