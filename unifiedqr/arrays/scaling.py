"""Scaling by powers of two, which changes no digit (QR.7)."""

from unifiedqr._typing import Array, Namespace


def times(xp: Namespace, X: Array, powers: Array | None) -> Array:
    """Return X times powers of two, real numbers that broadcast against X; X itself for None."""
    return X if powers is None else X * xp.astype(powers, X.dtype)


def scaled(xp: Namespace, X: Array, exponents: Array) -> Array:
    """Return X times 2 to the power of integers, real numbers that broadcast against X."""
    return times(xp, X, xp.beyond.power_of_two(exponents))


def smallest_normal(xp: Namespace, X: Array) -> float:
    """Return the smallest normal number of the dtype of X, or of double precision if that is larger."""
    return max(float(xp.finfo(X.dtype).smallest_normal), 2.0**-1022)


def sizes_of_columns(xp: Namespace, X: Array, *, spread: bool = False) -> tuple[Array, Array]:
    """Return max|x| per column, shape (..., 1, n), and whether it is a normal number: to find exponents of.

    Of a matrix whose rows are apart, `spread`, it is the sum of what the holders find.
    """
    sizes = xp.max(xp.abs(xp.beyond.constant(X)), axis=-2, keepdims=True)
    sizes = xp.beyond.total(sizes) if spread else sizes
    return sizes, sizes >= smallest_normal(xp, X)


def exponents_of(xp: Namespace, sizes: Array) -> Array:
    """Return floor(log2 x) of normal numbers, 0 of others; of the largest ones so much less that 2^-e is normal too."""
    one, least = xp.ones_like(sizes), smallest_normal(xp, sizes)
    sizes = xp.where(sizes >= least, sizes, one)
    return xp.floor(xp.log2(xp.where(sizes < 1 / least, sizes, one / least)))
