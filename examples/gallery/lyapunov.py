"""Lyapunov exponents: a chain of QR decompositions, and how the exponents depend on a parameter.

A product of Jacobians J_T ... J_2 J_1 grows like exp(T lambda_i) along its i-th direction. It overflows if it is formed;
a chain of decompositions, one a step, never does (Benettin et al. 1980):

    J_t Q_{t-1} = Q_t R_t,     lambda_i = mean of log (R_t)_ii,     diag R_t > 0.

Many trajectories go through the chain at once, as one batch. Their exponents are differentiated through all of it.

1. The Henon map x' = 1 - a x^2 + y, y' = b x at a = 1.4, b = 0.3. Known: lambda_1 = 0.419 (Sprott 2003), and the sum of
   both, which is log b, exactly and at every length; so the derivative of the sum by b is 1 / b.
2. A wave in a random lattice, psi_{t+1} = (E - v_t) psi_t - psi_{t-1}, where v is W times Cauchy's distribution. Its
   exponent is the inverse of the length over which disorder localizes it; at energy E in closed form (Ishii 1973)

       4 cosh(lambda) = sqrt((2 + E)^2 + W^2) + sqrt((2 - E)^2 + W^2),

   and d lambda / dE and d lambda / dW follow. Checked against both, to three standard errors of the batch.
"""

import os
import sys
from math import acosh, hypot, log, pi, sqrt
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX computes in single precision otherwise

import numpy as np

import unifiedqr as uqr

xp = uqr.namespace()
rng = np.random.default_rng(0)


def exponents(jacobian, state, length):
    """Return the exponents of each trajectory, (..., n), along `length` steps of jacobian(state, t) -> (J, state)."""
    total, Q = 0.0, None
    for t in range(length):
        J, state = jacobian(state, t)
        Q, R = uqr.qr(J if Q is None else J @ Q)
        total = total + xp.log(xp.linalg.diagonal(R))
    return total / length


def matrices(*entries):
    """Return the 2 x 2 matrices with these entries, of trajectories or numbers, row by row."""
    return xp.reshape(xp.stack(xp.broadcast_arrays(*entries), axis=-1), (-1, 2, 2))


def henon(a, b):
    """Return the step of the Henon map with its Jacobian."""

    def jacobian(state, t):
        x, y = state
        one, zero = xp.ones_like(x), xp.zeros_like(x)
        return matrices(-2 * a * x, one, b * one, zero), (1 - a * x**2 + y, b * x)

    return jacobian


def lattice(E, W):
    """Return the step along a lattice with the disorder that `noise` has for it."""

    def jacobian(noise, t):
        one = xp.ones_like(noise[t])
        return matrices(E - W * noise[t], -one, one, xp.zeros_like(one)), noise

    return jacobian


def number(value):
    """Return an array of shape () in double precision."""
    return xp.asarray(value, dtype=xp.float64)


# 1. The attractor, from points near its fixed point: a plain iteration of NumPy forgets where each began.
x, y = 0.63 + rng.uniform(-0.01, 0.01, (2, 500))
for _ in range(100):
    x, y = 1 - 1.4 * x**2 + y, 0.3 * x
attractor = (xp.asarray(x), xp.asarray(y))


def of_henon(b):
    """Return the sum of both exponents, averaged over the trajectories, and each of them."""
    found = exponents(henon(number(1.4), b), attractor, 100)
    return xp.sum(found) / 500, found


(total, found), slope = uqr.value_and_grad(of_henon, has_aux=True)(number(0.3))
largest, smallest = uqr.to_numpy(xp.mean(found, axis=0))
print(f"Henon    lambda_1 {largest:.4f}, known 0.4192; lambda_2 {smallest:.4f}, known -1.6232")
print(f"         sum {float(total):.12f}, log b {log(0.3):.12f}; its derivative {float(slope):.9f}, 1 / b {1 / 0.3:.9f}")
assert abs(largest - 0.4192) < 0.006
assert abs(float(total) - log(0.3)) < 1e-12
assert abs(float(slope) - 1 / 0.3) < 1e-6

# 2. Localization.
trajectories, length, E, W = 500, 100, 0.5, 1.0
noise = xp.asarray(np.tan(pi * (rng.uniform(size=(length, trajectories)) - 0.5)))


def localization(parameters):
    """Return the sum of all first exponents at (E, W) of each trajectory, and the exponents."""
    E, W = xp.unstack(parameters)
    found = exponents(lattice(E, W), noise, length)[:, 0]
    return xp.sum(found), found


def closed_form(E, W):
    """Return the exponent of an endless lattice."""
    return acosh((hypot(2 + E, W) + hypot(2 - E, W)) / 4)


each = xp.asarray(np.broadcast_to([[E], [W]], (2, trajectories)).copy())
(_, found), slopes = uqr.value_and_grad(localization, has_aux=True)(each)
h = 1e-4
known = [closed_form(E, W), (closed_form(E + h, W) - closed_form(E - h, W)) / (2 * h)]
known.append((closed_form(E, W + h) - closed_form(E, W - h)) / (2 * h))
samples = np.vstack([uqr.to_numpy(found), uqr.to_numpy(slopes)])
for name, sample, exact in zip(("lambda", "by E", "by W"), samples, known, strict=True):
    mean, error = sample.mean(), sample.std() / sqrt(trajectories)
    print(f"lattice  {name:6} {mean:8.5f} +- {error:.5f}, known {exact:8.5f}")
    assert abs(mean - exact) < 3 * error + 2e-2
