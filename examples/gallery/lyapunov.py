"""Lyapunov exponents: a chain of QR decompositions in a scan, and how the exponents depend on a parameter.

A product of Jacobians J_T ... J_2 J_1 grows like exp(T lambda_i) in its i-th direction. Formed, it overflows; a chain
of decompositions never does (Benettin et al. 1980). The framework's scan runs it; it is differentiated as it stands:

    J_t Q_{t-1} = Q_t R_t,     lambda_i = mean of log (R_t)_ii,     diag R_t > 0.

1. The Henon map x_{t+1} = 1 - a x_t^2 + b x_{t-1}, a = 1.4, b = 0.3. Checked against lambda_1 = 0.4192 (Sprott 2003)
   and the sum of both, log b, with its derivative, 1 / b, which loses a digit to chaos every five or six steps.
2. A wave in a random lattice, psi_{t+1} = (E + i eta - W v_t) psi_t - psi_{t-1}, v of the Cauchy distribution, eta the
   absorption. Its exponent is the inverse of the length over which disorder localizes it (Lloyd 1969, Ishii 1973),

       4 cosh(lambda) = |2 + E + i (eta + W)| + |2 - E - i (eta + W)|.

   Checked against this, and the gradient, d lambda / dE + i d lambda / d eta, against its differences, to 4 deviations.
"""

import os
import sys
from itertools import accumulate
from math import acosh, log, pi, sqrt
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX computes in single precision otherwise

import numpy as np

import unifiedqr as uqr

xp, FRAMEWORK = uqr.namespace(), uqr.get_backend().name
rng = np.random.default_rng(0)
COUNT, WARM = 1000, 20  # trajectories, and steps after which they have forgotten where they began


def scan(step, state, xs):
    """Return all states after the first, state = step(state, x), stacked: by the framework's own scan if it has one."""
    if FRAMEWORK == "jax":
        from jax import lax

        return lax.scan(lambda state, x: (step(state, x),) * 2, state, xs)[1]
    if FRAMEWORK == "tensorflow":
        import tensorflow as tf

        return tf.function(tf.scan)(step, xs, state)
    return [xp.stack(part[1:]) for part in zip(*accumulate(xp.unstack(xs), step, initial=state), strict=True)]


def exponents(recurrence, state, xs):
    """Return each trajectory's exponents; recurrence(x, *state) gives p, q of J = [p q; 1 0], and the next state."""

    def step(carry, x):
        p, q, *state = recurrence(x, *carry[2:])
        J = xp.stack([p, q * xp.ones_like(p), xp.ones_like(p), xp.zeros_like(p)], axis=-1)
        Q, R = uqr.qr(xp.reshape(J, (COUNT, 2, 2)) @ carry[0])
        return Q, xp.real(xp.linalg.diagonal(R)), *state

    Q = xp.broadcast_to(xp.eye(2, dtype=xs.dtype), (COUNT, 2, 2))
    _, diagonals, *_ = scan(step, (Q, xp.ones((COUNT, 2), dtype=xp.float64), *state), xs)
    return xp.mean(xp.log(diagonals[WARM:]), axis=0)


def henon(b, length):
    """Return the mean of the sum of both exponents, and the means of each, from near the fixed point."""
    times = xp.zeros(WARM + length, dtype=xp.float64)
    means = xp.mean(exponents(lambda _, x, y: (-2.8 * x, b, 1 - 1.4 * x**2 + b * y, x), near, times), axis=0)
    return xp.sum(means), means


def localization(energies):
    """Return the sum over trajectories of the first exponent, and the exponents, at complex energies."""
    each = exponents(lambda v: (energies - W * v, -1), (), noise)[:, 0]
    return xp.sum(each), each


def closed_form(energy):
    """Return the exponent of an endless lattice."""
    return acosh((abs(2 + energy + 1j * W) + abs(2 - energy - 1j * W)) / 4)


near, b = xp.unstack(xp.asarray(0.63 + rng.uniform(-0.01, 0.01, (2, COUNT)))), xp.asarray(0.3, dtype=xp.float64)
total, (largest, smallest) = (uqr.to_numpy(x) for x in henon(b, 100))
print(f"Henon    lambda {largest:.4f} and {smallest:.4f}, known 0.4192 and -1.6232")
assert abs(largest - 0.4192) < 5e-3
assert abs(total - log(0.3)) < 1e-12
slope, _ = uqr.grad(henon, has_aux=True)(b, 20)
print(f"         sum {total:.12f}, log b {log(0.3):.12f}; derivative {float(slope):.9f}, 1 / b {1 / 0.3:.9f}")
assert abs(float(slope) - 1 / 0.3) < 1e-6

W, absorption, h = 0.5, 0.5, 1e-4
noise = xp.asarray(np.tan(pi * (rng.uniform(size=(WARM + 100, COUNT)) - 0.5)) + 0j)


def means(E):
    """Return the exponent, its derivatives by E and eta, and the standard errors of all three, at energy E."""
    energies = xp.full((COUNT,), E + 1j * absorption, dtype=xp.complex128)  # each trajectory has its own gradient
    (_, each), slopes = uqr.value_and_grad(localization, has_aux=True)(energies)
    samples = np.stack([uqr.to_numpy(x) for x in (each, xp.real(slopes), xp.imag(slopes))])
    return samples.mean(axis=1), samples.std(axis=1) / sqrt(COUNT)


E = 1 + 1j * absorption
known = [closed_form(E), *((closed_form(E + d) - closed_form(E - d)) / (2 * h) for d in (h, 1j * h))]
for name, mean, error, exact in zip(("lambda", "by E", "by eta"), *means(1.0), known, strict=True):
    print(f"lattice  {name:6} {mean:8.5f} +- {error:.5f}, known {exact:8.5f}")
    assert abs(mean - exact) < 4 * error < 0.02

if "--picture" in sys.argv:
    import matplotlib.pyplot as plt

    plt.style.use(Path(__file__).with_name("picture.mplstyle"))
    axes, energies = plt.figure().gca(), np.linspace(-3.5, 3.5, 141)
    axes.plot(energies, [closed_form(E + 1j * absorption) for E in energies], color="#808080")
    for E in np.linspace(-3, 3, 9):
        (mean, slope, _), _ = means(E)
        axes.plot([E - 0.25, E + 0.25], [mean - 0.25 * slope, mean + 0.25 * slope], "C1", linewidth=3)
        axes.plot(E, mean, "oC0", markersize=6)
    axes.set(xlabel="energy E", ylabel="inverse localization length")
    axes.legend(["closed form", "slope, from the chain", "chain of QR"], loc="upper center")
    plt.savefig(sys.argv[sys.argv.index("--picture") + 1])
