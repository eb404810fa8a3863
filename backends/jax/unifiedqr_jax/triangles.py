"""Small triangles on CPUs by blocks, that LAPACK need not start threads for.

JAX multiplies on threads of its own, and calls SciPy's LAPACK for triangles, whose OpenBLAS has others. These wait for
more work by keeping a core busy, for tens of milliseconds, while the next product runs on what is left: a triangle of
64 x 64 could cost as much as two products of 100000 x 64. It starts none for the sizes here.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax.lax.linalg import triangular_solve

ALONE = {"inverse": 16, "cholesky": 48}
"""The largest n that OpenBLAS works on alone, in every dtype, as measured (0.3.30, two cores)."""

LARGEST = 256
"""The largest n that is taken apart, which makes the programs longer; the largest that `auto` takes, too."""


def inverse_upper(U: jax.Array, /) -> jax.Array:
    """Give U^-1 for upper-triangular U, exactly triangular."""
    n = U.shape[-1]
    if not ALONE["inverse"] < n <= LARGEST:
        identity = jnp.broadcast_to(jnp.eye(n, dtype=U.dtype), U.shape)
        return jnp.triu(triangular_solve(U, identity, left_side=True))
    A, X, B = _blocks(U)
    A, B = inverse_upper(A), inverse_upper(B)
    return _upper(A, -(A @ X) @ B, B)


def cholesky_or_nan(G: jax.Array, /) -> jax.Array:
    """Give the upper triangle R with R^H R = G, NaN for a matrix that is not positive definite."""
    if not ALONE["cholesky"] < G.shape[-1] <= LARGEST:
        return jnp.linalg.cholesky(G, upper=True)
    A, X, B = _blocks(G)
    A = cholesky_or_nan(A)
    X = inverse_upper(A).mT.conj() @ X
    B = cholesky_or_nan(B - X.mT.conj() @ X)  # NaN, too, where A is
    return jnp.where(jnp.isnan(B[..., -1:, -1:]), jnp.nan, _upper(A, X, B))


def _blocks(U: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    h = U.shape[-1] // 2
    return U[..., :h, :h], U[..., :h, h:], U[..., h:, h:]


def _upper(A: Any, X: Any, B: Any) -> jax.Array:
    top, bottom = jnp.concat([A, X], axis=-1), jnp.concat([jnp.zeros_like(X.mT), B], axis=-1)
    return jnp.concat([top, bottom], axis=-2)
