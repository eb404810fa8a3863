"""Lyapunov exponents: a chain of QR decompositions, and how the exponents depend on a parameter.

A product of Jacobians J_T ... J_2 J_1 grows like exp(T lambda_i) in its i-th direction. Formed, it overflows; a chain
of decompositions never does (Benettin et al. 1980). It is run for a batch of trajectories, and differentiated as it is:

    J_t Q_{t-1} = Q_t R_t,     lambda_i = mean of log (R_t)_ii,     diag R_t > 0.

1. The Henon map x' = 1 - a x^2 + y, y' = b x at a = 1.4, b = 0.3. Checked against lambda_1 = 0.4192 (Sprott 2003) and
   log b, the sum of both, with its derivative 1 / b, of which chaos costs a digit every five or six steps.
2. A wave in a random lattice, psi_{t+1} = (E + i eta - W v_t) psi_t - psi_{t-1}, v of Cauchy's distribution, eta the
   absorption. Its exponent is the inverse of the length over which disorder localizes it (Lloyd 1969, Ishii 1973):

       4 cosh(lambda) = |2 + E + i (eta + W)| + |2 - E - i (eta + W)|.

   Checked against this, and the gradient by the complex energy, d lambda / dE + i d lambda / d eta, against differences
   of this, to four standard errors of the batch's mean.
"""

import os
import sys
from math import acosh, log, pi, sqrt
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX computes in single precision otherwise

import numpy as np

import unifiedqr as uqr

xp = uqr.namespace()
rng = np.random.default_rng(0)
COUNT, WARM = 500, 20  # trajectories, and steps after which their directions have forgotten the first


def exponents(step, state, length):
    """Return the exponents of each trajectory, (..., n), from `length` steps, of which step(state, t) gives J."""
    total, Q = 0.0, None
    for t in range(WARM + length):
        J, state = step(state, t)
        Q, R = uqr.qr(J if Q is None else J @ Q)
        if t >= WARM:
            total = total + xp.log(xp.linalg.diagonal(R))
    return total / length


def henon(b, length):
    """Return the mean of the sum of both exponents, and the means of each."""

    def step(state, _):
        x, y = state
        one = xp.ones_like(x)
        J = xp.reshape(xp.stack([-2.8 * x, one, b * one, 0 * one], axis=-1), (COUNT, 2, 2))
        return J, (1 - 1.4 * x**2 + y, b * x)

    means = xp.mean(exponents(step, attractor, length), axis=0)
    return xp.sum(means), means


def localization(energies):
    """Return the sum over trajectories of the first exponent, and the exponents, at complex energies."""
    one = xp.ones_like(energies)

    def step(noise, t):
        return xp.reshape(xp.stack([energies - noise[t], -one, one, 0 * one], axis=-1), (COUNT, 2, 2)), noise

    each = xp.real(exponents(step, potentials, 100))[:, 0]
    return xp.sum(each), each


def closed_form(energy):
    """Return the exponent of an endless lattice."""
    return acosh((abs(2 + energy + 1j * W) + abs(2 - energy - 1j * W)) / 4)


x, y = 0.63 + rng.uniform(-0.01, 0.01, (2, COUNT))  # near the fixed point
for _ in range(100):
    x, y = 1 - 1.4 * x**2 + y, 0.3 * x
attractor, b = (xp.asarray(x), xp.asarray(y)), xp.asarray(0.3, dtype=xp.float64)
total, (largest, smallest) = (uqr.to_numpy(x) for x in henon(b, 100))
print(f"Henon    lambda {largest:.4f} and {smallest:.4f}, known 0.4192 and -1.6232")
assert abs(largest - 0.4192) < 5e-3
assert abs(total - log(0.3)) < 1e-12
slope, _ = uqr.grad(henon, has_aux=True)(b, 20)
print(f"         sum {total:.12f}, log b {log(0.3):.12f}; derivative {float(slope):.9f}, 1 / b {1 / 0.3:.9f}")
assert abs(float(slope) - 1 / 0.3) < 1e-6

W, absorption, h = 0.5, 0.5, 1e-4
noise = W * np.tan(pi * (rng.uniform(size=(WARM + 100, COUNT)) - 0.5))
potentials = xp.asarray(noise + 0j)


def means(E):
    """Return the exponent, its derivatives by E and eta, and the standard errors of all three, at energy E."""
    energies = xp.full((COUNT,), E + 1j * absorption, dtype=xp.complex128)  # each trajectory has its own gradient
    (_, each), slopes = uqr.value_and_grad(localization, has_aux=True)(energies)
    samples = np.stack([uqr.to_numpy(x) for x in (each, xp.real(slopes), xp.imag(slopes))])
    return samples.mean(axis=1), samples.std(axis=1) / sqrt(COUNT)


energy = 1 + 1j * absorption
known = [closed_form(energy), *((closed_form(energy + d) - closed_form(energy - d)) / (2 * h) for d in (h, 1j * h))]
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
