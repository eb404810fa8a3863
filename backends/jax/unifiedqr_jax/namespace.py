"""`jax.numpy` as the namespace rules and kernels are written against, with two factorizations and a look added."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from unifiedqr.backend import extend_namespace
from unifiedqr.host import PREFIXES
from unifiedqr_jax.triangles import cholesky_or_nan, divide_both_adjoint, inverse_upper
from unifiedqr_jax.values import seen, value_at_hand


def solve_triangular(A: jax.Array, B: jax.Array, /, *, upper: bool) -> jax.Array:
    """Return A^-1 B for triangular A."""
    return jax.lax.linalg.triangular_solve(A, B, left_side=True, lower=not upper)


def argsort(x: jax.Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> jax.Array:
    """Return the indices that sort, which have no derivative: JAX would look for one, and fails on no entries."""
    return jnp.argsort(jax.lax.stop_gradient(x), axis=axis, descending=descending, stable=stable)


def fori_loop(count: int, step: Callable[[Any, Any], Any], state: Any) -> Any:
    """Return the state after step(0, .), ..., step(count - 1, .), as one operation of a trace."""
    return jax.lax.fori_loop(0, count, step, state)


def branch(predicate: jax.Array, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
    """Return then() or otherwise(), one of which alone is run, inside a trace too."""
    return jax.lax.cond(predicate, then, otherwise)


def sign(x: jax.Array, /) -> jax.Array:
    """Return the sign, x / |x| of complex numbers, whose derivative JAX's own takes for zero."""
    if not jnp.iscomplexobj(x):
        return jnp.sign(x)
    zero = x == 0
    safe = jnp.where(zero, 1, x)
    return jnp.where(zero, 0, safe / jnp.abs(safe))


def place(A: jax.Array) -> str:
    """Return the kind of device, as measurements are kept by; where something traces, that of the default device."""
    return f"jax {'cpu' if _is_on_cpu(A) else jax.default_backend()}"


def pivoted_qr(A: jax.Array, rank: int, /) -> tuple[jax.Array, jax.Array, jax.Array] | None:
    """Return Q, R and the permutation P (..., 1, n), as numbers of A's dtype, by LAPACK.

    None where A is not on a CPU, or would not be by default where something traces, and where fewer than all columns
    are wanted: JAX calls the whole driver only.
    """
    # JAX has it on some GPUs, by a library that must be installed besides.
    if rank < min(A.shape[-2:]) or A.dtype.name not in PREFIXES or not _is_on_cpu(A):
        return None
    Q, R, P = jax.lax.linalg.qr(A, pivoting=True, full_matrices=False)
    return Q, R, jnp.expand_dims(P, -2).astype(A.dtype)


def _is_on_cpu(A: jax.Array) -> bool:
    traced = isinstance(A, Tracer)
    return value_at_hand(A) is not None or (traced and jax.default_backend() == "cpu")


def try_cholesky(G: jax.Array, /) -> tuple[jax.Array, jax.Array]:
    """Return the upper triangle R with R^H R = G, and whether there is one, (..., 1, 1)."""
    R = cholesky_or_nan(G)
    return R, ~jnp.any(jnp.isnan(R), axis=(-2, -1), keepdims=True)


linalg = {
    "solve_triangular": solve_triangular,
    "inverse_upper": inverse_upper,
    "divide_both_adjoint": divide_both_adjoint,
    "pivoted_qr": pivoted_qr,
    "try_cholesky": try_cholesky,
    "qr_r": partial(jnp.linalg.qr, mode="r"),
}
beyond = {
    "seen": seen,
    "fori_loop": fori_loop,
    "branch": branch,
    "place": place,
    "argsort": argsort,
    "sign": sign,
}
xp = extend_namespace("unifiedqr_jax.namespace.xp", jnp, linalg=linalg, **beyond)
