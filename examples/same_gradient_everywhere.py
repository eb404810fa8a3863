"""One function, written once, differentiated by two frameworks: the gradients agree to rounding."""

import os

os.environ["JAX_ENABLE_X64"] = "1"  # JAX computes in single precision otherwise

import numpy as np

import unifiedqr as uqr

data = np.random.default_rng(0).standard_normal((6, 3))


def loss(A):
    """Return a scalar that depends on both factors of A = L Q."""
    xp = uqr.namespace(A)
    L, Q = uqr.lq(A)
    return xp.sum(L**3) + xp.sum(Q[0, :])


gradients = {}
for name in ("torch", "jax"):
    with uqr.use_backend(name):
        gradients[name] = uqr.to_numpy(uqr.grad(loss)(data))

print(gradients["torch"].round(4))
print("largest difference:", np.max(np.abs(gradients["torch"] - gradients["jax"])))
