"""Small triangles on CPUs by blocks, for which LAPACK need not start threads.

JAX multiplies on threads of its own, and calls SciPy's LAPACK for triangles, whose OpenBLAS has others. These wait for
more work by keeping a core busy, for tens of milliseconds, while the next product runs on what is left: a triangle of
64 x 64 could cost as much as two products of 100000 x 64. It starts none for the sizes here.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax.linalg import triangular_solve

ALONE = {"inverse": 16, "cholesky": 48}
"""The largest n that OpenBLAS works on alone, in every dtype, as measured (0.3.30, two cores)."""

LARGEST = 256
"""The largest n that is taken apart, which makes the programs longer; the largest that `auto` takes, too."""


def inverse_upper(U: jax.Array, /) -> jax.Array:
    """Return U^-1 for upper-triangular U, exactly triangular."""
    n = U.shape[-1]
    if not _is_taken_apart(n, "inverse"):
        return _inverse(U)
    # 2^p blocks of s x s on the diagonal, all of them inverted at once, then joined in pairs until one is left.
    p = math.ceil(math.log2(n / ALONE["inverse"]))
    s = math.ceil(n / 2**p)
    U = _padded(U, s * 2**p)
    E = _inverse(_blocks_of(U, s, 0, 1))
    for level in range(p):
        A, B, X = E[..., ::2, :, :], E[..., 1::2, :, :], _blocks_of(U, s * 2**level, 1, 2)
        E = _upper(A, -(A @ X) @ B, B)
    return E[..., 0, :n, :n]


def _is_taken_apart(n: Any, how: str) -> bool:
    """Return whether an n x n triangle is worked on by blocks; one of a symbolic size is not."""
    return isinstance(n, int) and ALONE[how] < n <= LARGEST


def _inverse(U: jax.Array) -> jax.Array:
    identity = jnp.broadcast_to(jnp.eye(U.shape[-1], dtype=U.dtype), U.shape)
    return jnp.triu(triangular_solve(U, identity, left_side=True))


def _padded(U: jax.Array, n: int) -> jax.Array:
    """Return U with ones on the diagonal where it is made longer."""
    more = n - U.shape[-1]
    if more == 0:
        return U
    ones = jnp.diag(jnp.concat([jnp.zeros(n - more, U.dtype), jnp.ones(more, U.dtype)]))
    return jnp.pad(U, [(0, 0)] * (U.ndim - 2) + [(0, more)] * 2) + ones


def _blocks_of(U: jax.Array, s: int, above: int, every: int) -> jax.Array:
    """Return the s x s blocks that stand `above` the diagonal ones, `every` second of them for 2, in a stack."""
    starts = range(0, U.shape[-1], s * every)
    return jnp.stack([U[..., i : i + s, i + above * s : i + above * s + s] for i in starts], axis=-3)


def quotients(U: jax.Array, /, *dividends: jax.Array) -> tuple[jax.Array, ...]:
    """Return Y U^-H for each dividend Y by one solve: XLA's products of many small matrices take longer."""
    if len(dividends) == 1:
        Z = triangular_solve(U, dividends[0].mT.conj(), left_side=True)
        return (Z.mT.conj(),)
    X, Y = dividends
    Z = triangular_solve(U, jnp.concat([X, Y], axis=-2), left_side=False, transpose_a=True, conjugate_a=True)
    return Z[..., : X.shape[-2], :], Z[..., X.shape[-2] :, :]


def cholesky_or_nan(G: jax.Array, /) -> jax.Array:
    """Return the upper triangle R with R^H R = G, NaN for a matrix that is not positive definite."""
    if not _is_taken_apart(G.shape[-1], "cholesky"):
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
