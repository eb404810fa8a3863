"""Programs for one device, where tall matrices are decomposed in place.

While a program is traced it is not known on how many devices it will run, but when it is lowered. Blocks of rows and
loops, which save memory where all rows are in one place, would gather rows that are spread over several devices.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from unifiedqr.arrays.namespaces import extend_namespace
from unifiedqr_jax.namespace import JaxOperations, xp

BLOCKS = 16
"""Into how many blocks of rows tall matrices are divided to be computed in place: temporaries are as much smaller."""

LEAST_ROWS = 512
"""The least number of rows of such a block."""


class OperationsOfOneDevice(JaxOperations):
    """Operations whose results are written over what they take, wherever XLA can."""

    def turn(self, Q: jax.Array, R: jax.Array) -> tuple[jax.Array, jax.Array]:
        # The branches are a boundary. Without one XLA makes Q and R anew from LAPACK's arrays wherever they are read,
        # and keeps these as long.
        if not self.shape_of_product(Q, R).tall:
            return super().turn(Q, R)
        negative = jnp.any(self.phases(R) != 1)
        turn = super().turn
        return self.branch(negative, lambda: turn(Q, R), lambda: (Q, jnp.triu(R)))

    def unless(self, done: jax.Array, state: Any, again: Callable[..., Any]) -> Any:
        # A loop runs in place, while a branch keeps what it is given beside what it returns.
        def step(carried: Any) -> Any:
            return *again(*carried[:-1]), done | True

        return jax.lax.while_loop(lambda carried: ~carried[-1], step, (*state, done))[:-1]

    def by_rows(self, function: Callable[..., jax.Array], X: jax.Array, *others: jax.Array) -> jax.Array:
        m = X.shape[-2]
        rows = m // BLOCKS if isinstance(m, int) else 0
        if rows < LEAST_ROWS:
            return function(X, *others)

        def block(start: Any, rows: int, Y: jax.Array) -> jax.Array:
            return function(*(jax.lax.dynamic_slice_in_dim(Z, start, rows, -2) for Z in (Y, *others)))

        def step(j: Any, Y: jax.Array) -> jax.Array:
            return jax.lax.dynamic_update_slice_in_dim(Y, block(j * rows, rows, Y), j * rows, -2)

        Y = jax.lax.fori_loop(0, BLOCKS, step, X)
        rest = m - BLOCKS * rows
        if rest == 0:
            return Y
        return jax.lax.dynamic_update_slice_in_dim(Y, block(m - rest, rest, Y), m - rest, -2)


xp_alone = extend_namespace(f"{xp.__name__}.alone", xp, operations=OperationsOfOneDevice)
