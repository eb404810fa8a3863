"""`jax.numpy` as the namespace of rules and kernels, and what JAX does better than the portable forms."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer

from unifiedqr.arrays.namespaces import extend_namespace
from unifiedqr.arrays.operations import ON_DEVICES, Limits, Operations, Term, is_product
from unifiedqr.arrays.operators import Shape
from unifiedqr.arrays.rows import Blocks
from unifiedqr.arrays.stacks import Tiny
from unifiedqr.host import PREFIXES
from unifiedqr_jax import triangles
from unifiedqr_jax.meshes import devices_of
from unifiedqr_jax.values import seen, value_at_hand


def argsort(x: jax.Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> jax.Array:
    """Return the indices that sort, which have no derivative: JAX would look for one, and fails on empty arrays."""
    return jnp.argsort(jax.lax.stop_gradient(x), axis=axis, descending=descending, stable=stable)


def sign(x: jax.Array, /) -> jax.Array:
    """Return the sign, x / |x| of complex numbers, whose derivative JAX's own takes for zero."""
    if not jnp.iscomplexobj(x):
        return jnp.sign(x)
    zero = x == 0
    safe = jnp.where(zero, 1, x)
    return jnp.where(zero, 0, safe / jnp.abs(safe))


def power_of_two(exponents: jax.Array, /) -> jax.Array:
    """Return 2 to the power of integers, real numbers whose powers are normal ones, by the bits of its exponent."""
    form = jnp.finfo(exponents.dtype)
    integer = jnp.dtype(f"int{form.bits}")
    return jax.lax.bitcast_convert_type((exponents.astype(integer) + (form.maxexp - 1)) << form.nmant, exponents.dtype)


def _is_on_cpu(A: jax.Array) -> bool:
    """Return whether A is in host memory, or would be by default where something traces."""
    traced = isinstance(A, Tracer)
    return value_at_hand(A) is not None or (traced and jax.default_backend() == "cpu")


THIN = 8
"""The largest number of columns that are multiplied one by one with as many rows."""


def _is_thin(Y: jax.Array) -> bool:
    s, n = Y.shape[-2:]
    return isinstance(s, int) and isinstance(n, int) and s <= THIN < n


class JaxOperations(Operations):
    """What JAX does better than the portable forms."""

    traces = True
    skips = True
    has_cholesky = True
    limits = Limits(slenderness=16, columns=256, rows=512)  # measured on two cores of a CPU
    tiny = Tiny(longest=8, shortest=4, matrices=256)  # the same; larger ones take seconds to compile
    fused = 16  # the same: at most a fourth of the time of a routine, where each product is a task of its own

    def solve_triangular(self, A: jax.Array, B: jax.Array, *, upper: bool) -> jax.Array:
        return jax.lax.linalg.triangular_solve(A, B, left_side=True, lower=not upper)

    def inverse_upper(self, U: jax.Array) -> jax.Array:
        return triangles.inverse_upper(U)

    def quotients(self, U: jax.Array, *dividends: jax.Array) -> tuple[jax.Array, ...]:
        return triangles.quotients(U, *dividends)

    def quotient_of_sum(self, U: jax.Array, Y: jax.Array, Q: jax.Array, K: jax.Array) -> jax.Array:
        # From the right: from the left XLA would copy the long result once more.
        total = Y + self.matrix_product(Q, K)
        return jax.lax.linalg.triangular_solve(U, total, left_side=False, transpose_a=True, conjugate_a=True)

    def combination(self, *terms: Term) -> jax.Array:
        # A product with few columns in the middle is added entry by entry, in place; XLA keeps that of a routine apart.
        thin = [is_product(term) and _is_thin(term[1]) for term in terms]
        if all(thin):
            return super().combination(*terms)
        total = super().combination(*(term for term, is_thin in zip(terms, thin, strict=True) if not is_thin))
        for X, Y in (term for term, is_thin in zip(terms, thin, strict=True) if is_thin):
            for j in range(Y.shape[-2]):
                total = total + X[..., j : j + 1] * Y[..., j : j + 1, :]
        return total

    def rows_apart(self, A: jax.Array) -> Blocks | None:
        # As many blocks as possible, so that each is on one device wherever rows are spread over all axes of the mesh.
        # Rows that these do not divide evenly XLA pads, and it cuts blocks out of padded rows wrong.
        m, n = A.shape[-2:]
        p = devices_of(A)
        if p == 1 or not isinstance(m, int) or not isinstance(n, int) or m % p != 0:
            return None
        counts = [count for count in range(2, p + 1) if p % count == 0 and m // count >= max(n, 1)]
        return Blocks(self.xp, counts[-1]) if counts else None

    def shape_of_product(self, X: jax.Array, Y: jax.Array) -> Shape:
        return super().shape_of_product(X, Y)._replace(spread=devices_of(X) > 1)

    def is_spread(self, X: jax.Array) -> bool:
        return devices_of(X) > 1

    def qr_r(self, A: jax.Array) -> jax.Array:
        return jnp.linalg.qr(A, mode="r")

    def pivoted_qr(self, A: jax.Array, rank: int) -> tuple[jax.Array, jax.Array, jax.Array] | None:
        # JAX only calls the whole driver, which on some GPUs needs a library that must be installed separately.
        if rank < min(A.shape[-2:]) or A.dtype.name not in PREFIXES or not _is_on_cpu(A):
            return None
        Q, R, P = jax.lax.linalg.qr(A, pivoting=True, full_matrices=False)
        return Q, R, jnp.expand_dims(P, -2).astype(A.dtype)

    def try_cholesky(self, G: jax.Array) -> tuple[jax.Array, jax.Array]:
        R = triangles.cholesky_or_nan(G)
        return R, ~jnp.any(jnp.isnan(R), axis=(-2, -1), keepdims=True)

    def limits_of(self, A: jax.Array) -> Limits | None:
        return self.limits if _is_on_cpu(A) else ON_DEVICES

    def repeat(self, count: Any, step: Callable[[Any, Any], Any], state: Any) -> Any:
        return jax.lax.fori_loop(0, count, step, state)

    def branch(self, predicate: jax.Array, then: Callable[[], Any], otherwise: Callable[[], Any]) -> Any:
        return jax.lax.cond(predicate, then, otherwise)

    def constant(self, X: jax.Array) -> jax.Array:
        return jax.lax.stop_gradient(X)

    def power_of_two(self, exponents: jax.Array) -> jax.Array:
        return power_of_two(exponents)

    def seen(self, x: jax.Array) -> np.ndarray | None:
        return seen(x)


xp = extend_namespace("unifiedqr_jax.namespace.xp", jnp, operations=JaxOperations, argsort=argsort, sign=sign)
