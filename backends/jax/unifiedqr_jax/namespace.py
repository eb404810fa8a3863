"""`jax.numpy` as the namespace rules and kernels are written against, with a triangular solve and a look added."""

import jax
import jax.numpy as jnp

from unifiedqr.backend import extend_namespace
from unifiedqr_jax.values import seen


def solve_triangular(A: jax.Array, B: jax.Array, /, *, upper: bool) -> jax.Array:
    """Give A^-1 B for triangular A."""
    return jax.lax.linalg.triangular_solve(A, B, left_side=True, lower=not upper)


xp = extend_namespace("unifiedqr_jax.namespace.xp", jnp, linalg={"solve_triangular": solve_triangular}, seen=seen)
