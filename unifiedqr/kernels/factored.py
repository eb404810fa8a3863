"""Operations on stored factors of A = Q R: products with Q, solutions, the completion of Q.

Every forward takes A first: its value is in the factors, but the derivative goes to it (FA.1).
"""

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.factored import Factored
from unifiedqr.arrays.operators import shape_of_product
from unifiedqr.kernels.applications import solved
from unifiedqr.kernels.reflectors import reflectors


def product(xp: Namespace, factors: Factored, A: Array, X: Array) -> Arrays:
    """Return Q X (FA.3)."""
    del xp, A
    return (factors.times(X),)


def adjoint_product(xp: Namespace, factors: Factored, A: Array, X: Array) -> Arrays:
    """Return Q^H X (FA.3)."""
    del xp, A
    return (factors.times_adjoint(X),)


def completion(xp: Namespace, factors: Factored, A: Array) -> Arrays:
    """Return G and S of (CQ.1)."""
    del A
    return reflectors(xp, factors.Q)


def solution(xp: Namespace, factors: Factored, A: Array, b: Array) -> Arrays:
    """Return x of least |b - A x|, the squared residuals (..., 1, s) and the rank (..., 1, 1), A deep or square."""
    shape = shape_of_product(xp, A, A)
    return solved(xp, A, b, factors.Q, factors.R, shape, is_adjoint=False, P=factors.P)


def shortest_solution(xp: Namespace, factors: Factored, A: Array, b: Array) -> Arrays:
    """Return the shortest x with A^H x = b, zeros (..., 1, s) and the rank (..., 1, 1), A deep or square."""
    shape = shape_of_product(xp, A, A)
    return solved(xp, A, b, factors.Q, factors.R, shape, is_adjoint=True, P=factors.P)
