"""Products that pass over the long side of tall matrices, on which almost all time of a derivative is spent.

A namespace that can do better than one operation after the other, by working in blocks or adding in place, offers
``linalg.inner(X, Y)``, ``linalg.combination(*terms)`` and ``linalg.add_product(Y, X, K)``.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.rules.operators import adjoint


def inner(xp: Namespace, X: Array, Y: Array) -> Array:
    """Return X^H Y, a sum over the long side."""
    native = getattr(xp.linalg, "inner", None)
    return adjoint(xp, X) @ Y if native is None else native(X, Y)


def combination(xp: Namespace, *terms: tuple[Array, Array]) -> Array:
    """Return the sum of X K over the terms (X, K)."""
    native = getattr(xp.linalg, "combination", None)
    if native is not None:
        return native(*terms)
    products = [X @ K for X, K in terms]
    return sum(products[1:], products[0])


def add_product(xp: Namespace, Y: Array, X: Array, K: Array) -> Array:
    """Return Y + X K; Y is the caller's alone, and may be written over."""
    native = getattr(xp.linalg, "add_product", None)
    return Y + X @ K if native is None else native(Y, X, K)
