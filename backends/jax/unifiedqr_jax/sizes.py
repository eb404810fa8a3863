"""Sizes that are known only when a program runs: the symbolic dimensions of `jax.export`.

A kernel or a rule must know while it is traced whether A is deep, square or wide. Symbolic sizes are compared here
and nowhere else, under the constraints that came with them. What holds for wide matrices holds for square ones, too.
Where the constraints leave open whether a matrix is deep or square, kernels and rules are traced twice, for m > n and
for m = n, and the run chooses by `jax.lax.cond`: the shapes of all arrays are the same.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.core
import jax.errors
import jax.numpy as jnp

from unifiedqr._typing import Namespace
from unifiedqr.arrays.namespaces import extend_namespace
from unifiedqr.arrays.operators import Shape
from unifiedqr.decomposition import Orientation
from unifiedqr.errors import ShapeError
from unifiedqr_jax.namespace import JaxOperations, xp

T = TypeVar("T")

# Newer versions of JAX have it in jax.errors, older ones in jax.core alone.
Inconclusive: Any = (
    getattr(jax.errors, "InconclusiveDimensionOperation", None) or jax.core.InconclusiveDimensionOperation
)


def orders(m: Any, n: Any) -> tuple[int, ...]:
    """Return the signs that m - n may have, zero last; raise where both signs are possible.

    The equality of symbolic sizes means that they are known to be equal, and says nothing where it is false.
    """
    at_least, at_most = _is_known(lambda: m >= n), _is_known(lambda: m <= n)
    if at_least and at_most:
        return (0,)
    if at_least:
        return (1,) if _is_known(lambda: m > n) else (1, 0)
    if at_most:
        return (-1,) if _is_known(lambda: m < n) else (-1, 0)
    size, other = (n, m) if isinstance(m, int) else (m, n)
    raise ShapeError(
        f"got sizes {m} and {n}; expected to know which is at least as large as the other, since the "
        f"computation depends on it. Add the constraint '{size} >= {other}' or '{size} <= {other}' to "
        f"jax.export.symbolic_shape."
    )


def _is_known(comparison: Callable[[], Any]) -> bool:
    try:
        return bool(comparison())
    except Inconclusive:
        return False


def settled(run: Callable[[Namespace], T], orientation: Orientation, A: Any, *, xp: Namespace = xp) -> T:
    """Run a kernel or a rule, a function of the namespace, at matrices of the shape of A.

    The namespace is `xp`, or one for symbolic sizes.
    """
    m, n = reversed(A.shape[-2:]) if orientation.adjoint else A.shape[-2:]  # whose QR decomposition is taken
    if isinstance(m, int) and isinstance(n, int):
        return run(xp)
    if orders(m, n) != (1, 0):
        return run(xp_apart)
    return jax.lax.cond(jnp.asarray(m - n) == 0, lambda: run(xp_equal), lambda: run(xp_apart))


def _namespace(*, equal: bool) -> Namespace:
    """Return the namespace for symbolic sizes, those that may be equal being equal or not."""

    class SymbolicOperations(ExportedOperations):
        def qr_r(self, A: jax.Array) -> jax.Array:
            return _qr(A)[1]

        def shape_of_product(self, X: jax.Array, Y: jax.Array) -> Shape:
            m, n = X.shape[-2], Y.shape[-1]
            if isinstance(m, int) and isinstance(n, int):
                return super().shape_of_product(X, Y)
            found = orders(m, n)
            k, longer = (n, m) if found[0] > 0 else (m, n)
            order = 0 if equal and 0 in found else found[0]
            return Shape(k, _as_number(longer, X), order > 0, order < 0)

    name = f"{xp.__name__}.of_{'equal' if equal else 'different'}_sizes"
    return extend_namespace(name, xp, {"qr": _qr}, SymbolicOperations)


def _qr(A: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return Q and R; JAX decomposes a matrix only if it is known whether it is square or wide."""
    m, n = A.shape[-2:]
    if orders(m, n) != (-1, 0):
        Q, R = jnp.linalg.qr(A)
        return Q, R
    Q, U = jnp.linalg.qr(A[..., :m])
    return Q, jnp.concat([U, Q.mT.conj() @ A[..., m:]], axis=-1)


def _as_number(size: Any, X: jax.Array) -> Any:
    """Return a size to multiply by; a symbolic one as a number of the precision of X."""
    return size if isinstance(size, int) else jnp.asarray(size).astype(jnp.finfo(X.dtype).dtype)


class ExportedOperations(JaxOperations):
    """Without LAPACK's pivoted QR, of which JAX does not promise that exported programs will find it."""

    def pivoted_qr(self, A: jax.Array, rank: int) -> None:
        del A, rank


xp_exported = extend_namespace(f"{xp.__name__}.exported", xp, operations=ExportedOperations)
xp_equal, xp_apart = _namespace(equal=True), _namespace(equal=False)
