r"""The positive gauge: the one choice of signs that every framework, device and algorithm agrees on.

    (30)  D = diag(R_jj / |R_jj|),   Q+ = Q D,   R+ = D^H R      (D_jj = 1 where R_jj = 0)

For full rank (Q+, R+) is unique. Its derivative is the ordinary rule evaluated at (Q+, R+): there is no phase term.
"""

from unifiedqr._typing import Array, Namespace
from unifiedqr.rules.operators import is_complex


def positive_gauge(xp: Namespace, Q: Array, R: Array) -> tuple[Array, Array]:
    """Return Q D and the upper triangle D^H R, whose diagonal is real and non-negative (30).

    Q and R are a kernel's, and nobody else's: a namespace that can write over them offers
    ``linalg.turn_in_place(Q, R, D)``.
    """
    D = phases(xp, R)
    native = getattr(xp.linalg, "turn_in_place", None)
    if native is not None:
        return native(Q, R, D)
    D_H = xp.conj(D) if is_complex(xp, D) else D
    return Q * xp.expand_dims(D, axis=-2), xp.triu(xp.expand_dims(D_H, axis=-1) * R)


def phases(xp: Namespace, R: Array) -> Array:
    """Return the diagonal of D, shape (..., k) (30)."""
    diagonal = xp.linalg.diagonal(R)
    if is_complex(xp, R):
        one = xp.ones_like(diagonal)
        modulus = xp.abs(diagonal)
        modulus = xp.where(modulus > 0, modulus, xp.ones_like(modulus))
        # Part by part: exactly 1 or -1 where R_jj is real, and no square of the modulus that could overflow.
        real, imag = (xp.astype(part(diagonal) / modulus, R.dtype) for part in (xp.real, xp.imag))
        return xp.where(xp.equal(diagonal, xp.zeros_like(diagonal)), one, real + 1j * imag)
    return _signs(xp, diagonal)


def _signs(xp: Namespace, x: Array) -> Array:
    """Return -1 for negative numbers, 1 for all others; by a namespace's ``signs(x)``, if any."""
    native = getattr(xp, "signs", None)
    if native is not None:
        return native(x)
    one = xp.ones_like(x)
    return xp.where(x < 0, -one, one)
