"""QR in JAX: an ordinary differentiable function."""

import jax

jax.config.update("jax_enable_x64", True)  # JAX computes in single precision otherwise

import jax.numpy as jnp  # noqa: E402

import unifiedqr as uqr  # noqa: E402


def loss(A):
    """Return a scalar that depends on both factors."""
    Q, R = uqr.qr(A)
    return Q[0, 1] + R[0, 1] ** 2


A = jnp.array([[3.0, 1.0], [4.0, 2.0], [0.0, 2.0]])
print(jax.grad(loss)(A))
