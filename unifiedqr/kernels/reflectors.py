r"""What a product of Householder reflectors is, found from its first columns alone.

Q_1 has n orthonormal columns, S is a diagonal of signs, E_1 and E_2 are the first n and the last m - n columns of I.
With Y = Q_1 S - E_1, B = Y[:n], C = Y[n:], the unitary matrix [Q_1 S, Q_2] is a product of n reflectors for

    (CQ.1)  Q_2 = E_2 + Y Z,   Z = G^H C^H,   G = B^-1
    (CQ.2)  s_j = -1 if Re p_j >= 0 else 1, p_j the pivot of step j of Gaussian elimination on Q_1[:n] - S, whose pivots
            u_j = p_j - s_j then have |u_j| >= 1: B is as far from singular as partial pivoting makes it

and for square Q_1, det(Q_1 S) is the product of all -u_j / conj(u_j). These are the signs of LAPACK, but for columns
that are triangular already, which LAPACK leaves alone: there B would be singular.
"""

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.operators import adjoint, identity_like, is_complex, reflected, shape_of_product
from unifiedqr.arrays.positions import is_position, positions, row_of
from unifiedqr.kernels.reduced import reduced_qr


def reflector_signs(xp: Namespace, M: Array) -> tuple[Array, Array]:
    """Return S and the pivots u of (CQ.2), each (..., 1, n), for the first n rows M of Q_1."""
    places = positions(xp, M)
    zero = xp.zeros_like(row_of(xp, M))
    one = xp.ones_like(zero)

    def step(j: Array, state: Arrays) -> Arrays:
        M, S = state
        here = xp.where(is_position(xp, places, j), one, zero)
        below = xp.matrix_transpose(places) > j
        row, column = here @ M, M @ xp.matrix_transpose(here)
        pivot = row @ xp.matrix_transpose(here)
        unit = xp.ones_like(pivot)
        sign = xp.where((xp.real(pivot) if is_complex(xp, pivot) else pivot) >= 0, -unit, unit)
        row = row - sign * here
        pivot = pivot - sign
        pivot = xp.where(xp.abs(pivot) > 0.5, pivot, unit)  # it is, unless there was a NaN
        factors = xp.where(below, column / pivot, xp.zeros_like(column))
        M = M - xp.matrix_transpose(here) @ (sign * here) - factors @ row
        return M, S + sign * here

    M, S = xp.beyond.repeat(shape_of_product(xp, M, M).k, step, (M, zero))
    return S, xp.expand_dims(xp.linalg.diagonal(M), axis=-2)


def reflectors(xp: Namespace, Q_1: Array) -> tuple[Array, Array]:
    """Return G (..., n, n) and S (..., 1, n) of (CQ.1), for m >= n > 0."""
    above = Q_1[..., : shape_of_product(xp, Q_1, Q_1).k, :]
    S, _ = reflector_signs(xp, above)
    Q, R = xp.linalg.qr(reflected(xp, above, S)[1])
    return xp.beyond.inverse_upper(xp.triu(R)) @ adjoint(xp, Q), S


def complement(xp: Namespace, Q_1: Array) -> tuple[Array, Array, Array]:
    """Return Q_2 (..., m, m - n), G (..., n, n) and S (..., 1, n) of (CQ.1), for m >= n."""
    if Q_1.shape[-1] == 0:  # nothing is reflected
        return identity_like(xp, Q_1 @ adjoint(xp, Q_1)), Q_1[..., :0, :], Q_1[..., :1, :]
    G, S = reflectors(xp, Q_1)
    Y, _, C = reflected(xp, Q_1, S)
    below = identity_like(xp, C @ adjoint(xp, C))
    E_2 = xp.concat([xp.zeros_like(adjoint(xp, C)), below], axis=-2)
    return E_2 + Y @ adjoint(xp, C @ G), G, S  # (CQ.1)


def complete_qr(xp: Namespace, A: Array, *, positive: bool, method: str = "auto") -> tuple[Array, Array, Array, Array]:
    """Return Q (..., m, m), R (..., m, n) of A = Q R, and G, S of (CQ.1)."""
    return completed(xp, *reduced_qr(xp, A, positive=positive, method=method))


def completed(xp: Namespace, Q_1: Array, R_1: Array) -> tuple[Array, Array, Array, Array]:
    """Return complete factors for the reduced ones, and G, S of (CQ.1)."""
    Q_2, G, S = complement(xp, Q_1)
    below = xp.zeros_like(adjoint(xp, Q_2)[..., : shape_of_product(xp, Q_1, Q_1).k] @ R_1)
    return xp.concat([Q_1, Q_2], axis=-1), xp.concat([R_1, below], axis=-2), G, S
