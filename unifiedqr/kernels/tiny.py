r"""Householder's QR of a tiny matrix, for stacks along a hidden last axis, in few operations on whole arrays.

x is the first column of what remains of A, T the others, a = x_1, p = a / |a| (1 for 0) and t_1 the first row of T:

    (TI.1)  r = x^H T / ||x||,   R = [||x||, r] in this row,   T_i - x_i (conj(p) t_1 + r) / (|a| + ||x||),  i > 1

This is H = I - 2 u u^H / ||u||^2, u = x + p ||x|| e_1, applied to T, with the row turned so that R has a positive
diagonal. With Q' the factor of what remains after the step, in the same gauge, and h = x_2^H Q' / ||x||, x_2 being x
without a,

    (TI.2)  Q = [x / ||x||,  [-p h; Q' - x_2 h / (|a| + ||x||)]]

Nothing is scaled. A matrix is accepted if no square over- or underflows: others, and those that are not finite, are
decomposed by the framework's reflectors, and the identity takes their place here.

References
----------
G. H. Golub, C. F. Van Loan (2013), Matrix Computations, section 5.1.
"""

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.operators import adjoint, identity_like, is_complex
from unifiedqr.arrays.scaling import smallest_normal


def tiny_qr(xp: Namespace, A: Array) -> Arrays:
    """Return Q (m, k) and R (k, n) of A (m, n), diag(R) positive, and whether they are accepted, (1, 1)."""
    m, n = A.shape
    k = min(m, n)
    least = smallest_normal(xp, A)
    low, high = least / float(xp.finfo(A.dtype).eps) ** 2, 0.25 / least
    squares = xp.sum(xp.abs(A) ** 2, axis=-2, keepdims=True)
    accepted = xp.all(xp.logical_and(squares >= low, squares <= high), axis=-1, keepdims=True)
    T = xp.where(accepted, A, identity_like(xp, A))
    steps: list[tuple[Array, Array, Array, Array]] = []
    rows: list[Array] = []
    for j in range(k):
        x = T[:, :1]
        products = adjoint(xp, x) @ T
        square = xp.real(products[:, :1]) if is_complex(xp, A) else products[:, :1]
        is_normal = square >= low
        accepted = xp.logical_and(accepted, is_normal)
        length = xp.sqrt(xp.where(is_normal, square, xp.ones_like(square)))
        row = products / xp.astype(length, A.dtype)
        phase, longer = _phase_and_modulus(xp, x[:1], length)
        rows.append(xp.concat([xp.zeros_like(A[:1, :j]), xp.astype(length, A.dtype), row[:, 1:]], axis=-1))
        steps.append((x, phase, longer, xp.astype(length, A.dtype)))
        if j < k - 1:
            T = T[1:, 1:] - x[1:] * ((_conjugate(xp, phase) * T[:1, 1:] + row[:, 1:]) / longer)  # (TI.1)
    x, _, _, length = steps.pop()
    Q = x / length
    for x, phase, longer, length in reversed(steps):
        h = adjoint(xp, x[1:]) @ Q / length
        Q = xp.concat([x / length, xp.concat([-phase * h, Q - x[1:] * (h / longer)], axis=-2)], axis=-1)  # (TI.2)
    return Q, xp.concat(rows, axis=-2), accepted


def _phase_and_modulus(xp: Namespace, a: Array, length: Array) -> tuple[Array, Array]:
    """Return p and |a| + ||x||, in the dtype of a."""
    modulus = xp.abs(a)
    longer = xp.astype(modulus + length, a.dtype)
    one = xp.ones_like(a)
    if not is_complex(xp, a):
        return xp.where(a < 0, -one, one), longer
    safe = xp.where(modulus > 0, modulus, xp.ones_like(modulus))
    return xp.where(modulus > 0, a / xp.astype(safe, a.dtype), one), longer


def _conjugate(xp: Namespace, x: Array) -> Array:
    return xp.conj(x) if is_complex(xp, x) else x
