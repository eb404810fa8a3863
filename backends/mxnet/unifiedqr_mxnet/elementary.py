"""Elementary functions of complex pairs, with gradients that are finite wherever the function is smooth."""

import math
from typing import Any

from unifiedqr_mxnet.arithmetic import divide, install, multiply
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.pair import ComplexArray, lifted, modulus

mnp: Any = mx.np


def phase(z: ComplexArray) -> ComplexArray:
    """Return z / |z|, and 0 at 0: the sign of a complex number."""
    size = modulus(z)
    return divide(z, mnp.where(size > 0, size, mnp.ones_like(size)))


def square(z: ComplexArray) -> ComplexArray:
    """Return z^2."""
    return multiply(z, z)


def exp(z: ComplexArray) -> ComplexArray:
    """Return the exponential."""
    size = mnp.exp(z.real)
    return ComplexArray(size * mnp.cos(z.imag), size * mnp.sin(z.imag))


def log(z: ComplexArray) -> ComplexArray:
    """Return the principal logarithm."""
    return ComplexArray(mnp.log(modulus(z)), mnp.arctan2(z.imag, z.real))


def log2(z: ComplexArray) -> ComplexArray:
    """Return the principal logarithm to base 2."""
    return multiply(log(z), 1 / math.log(2))


def log10(z: ComplexArray) -> ComplexArray:
    """Return the principal logarithm to base 10."""
    return multiply(log(z), 1 / math.log(10))


def log1p(z: ComplexArray) -> ComplexArray:
    """Return log(1 + z), accurate for small z."""
    square_less_one = z.real * (2 + z.real) + z.imag * z.imag  # |1 + z|^2 - 1
    return ComplexArray(mnp.log1p(square_less_one) / 2, mnp.arctan2(z.imag, 1 + z.real))


def expm1(z: ComplexArray) -> ComplexArray:
    """Return exp(z) - 1, accurate for small z."""
    half = mnp.sin(z.imag / 2)
    real = mnp.expm1(z.real) * mnp.cos(z.imag) - 2 * half * half
    return ComplexArray(real, mnp.exp(z.real) * mnp.sin(z.imag))


def sqrt(z: ComplexArray) -> ComplexArray:
    """Return the principal square root; no difference of nearly equal numbers is formed."""
    larger = mnp.sqrt((mnp.abs(z.real) + modulus(z)) / 2)
    nonzero = larger > 0
    smaller = mnp.abs(z.imag) / (2 * mnp.where(nonzero, larger, mnp.ones_like(larger)))
    right = z.real >= 0
    upward = mnp.where(z.imag < 0, -mnp.ones_like(larger), mnp.ones_like(larger))
    return ComplexArray(mnp.where(right, larger, smaller), upward * mnp.where(right, smaller, larger))


def sin(z: ComplexArray) -> ComplexArray:
    """Return the sine."""
    return ComplexArray(mnp.sin(z.real) * mnp.cosh(z.imag), mnp.cos(z.real) * mnp.sinh(z.imag))


def cos(z: ComplexArray) -> ComplexArray:
    """Return the cosine."""
    return ComplexArray(mnp.cos(z.real) * mnp.cosh(z.imag), -mnp.sin(z.real) * mnp.sinh(z.imag))


def sinh(z: ComplexArray) -> ComplexArray:
    """Return the hyperbolic sine."""
    return ComplexArray(mnp.sinh(z.real) * mnp.cos(z.imag), mnp.cosh(z.real) * mnp.sin(z.imag))


def cosh(z: ComplexArray) -> ComplexArray:
    """Return the hyperbolic cosine."""
    return ComplexArray(mnp.cosh(z.real) * mnp.cos(z.imag), mnp.sinh(z.real) * mnp.sin(z.imag))


def tanh(z: ComplexArray) -> ComplexArray:
    """Return the hyperbolic tangent, from the real tanh and tan so that nothing overflows."""
    a, b = mnp.tanh(z.real), mnp.tan(z.imag)
    return divide(ComplexArray(a, b), ComplexArray(mnp.ones_like(a), a * b))


def tan(z: ComplexArray) -> ComplexArray:
    """Return the tangent."""
    a, b = mnp.tan(z.real), mnp.tanh(z.imag)
    return divide(ComplexArray(a, b), ComplexArray(mnp.ones_like(a), -a * b))


def power(x: Any, y: Any) -> ComplexArray:
    """Return x^y, at least one of them complex: by products where y is a whole number, else exp(y log x)."""
    if isinstance(y, (int, float)) and float(y).is_integer():
        return _whole_power(x, int(y))
    if isinstance(x, (int, float, complex)):
        number = mnp.full_like(y.real, complex(x).real)
        return exp(multiply(y, log(ComplexArray(number, mnp.full_like(y.real, complex(x).imag)))))
    return exp(multiply(y, log(lifted(x))))


def _whole_power(z: ComplexArray, n: int) -> ComplexArray:
    if n < 0:
        return divide(1.0, _whole_power(z, -n))
    if n == 0:
        return ComplexArray(mnp.ones_like(z.real), mnp.zeros_like(z.imag))
    half = _whole_power(z, n // 2) if n > 1 else None
    if half is None:
        return z
    return multiply(square(half), z) if n % 2 else square(half)


install({"pow": power})
