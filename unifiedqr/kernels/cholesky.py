r"""Reduced QR of tall matrices from their Gram matrix: products over the long side, and factorizations of n x n alone.

G = A^H A for A of m x n, deep, u the unit roundoff; columns are scaled by powers of two (D) so that G has a diagonal of
size 1. chol(G) is the upper triangle R with R^H R = G. What is tried, one after the other until it is accepted, for
each matrix of a batch:

    (CH.1)  CholeskyQR    R = chol(G), E = R^-1, Q = A E        accepted iff ||E||_F^2 <= 2 n / g,  g the mean of diag G
    (CH.2)  CholeskyQR2   Q_1 = A E, W = Q_1^H Q_1, R_2 = chol(W), Q = Q_1 R_2^-1, R = R_2 R
                                                                 accepted iff ||W - I||_F <= 1/2
    (CH.3)  shifted CholeskyQR3   R = chol(G + s I) first, s = 11 (sqrt(m) n + n (n + 1)) u trace(G), then (CH.2) twice
            Householder           always

    (CH.4)  A R^-1 = Q_0 + (A - Q_0 R) E,  Q_0 = A E, wherever R may be ill-conditioned

(CH.1): rounding changes G by some dG, and Q^H Q - I = E^H dG E, which is at most ||E||_2^2 ||dG||. For orthogonal
columns ||E||_F^2 = n / g is the least there is; up to twice that, a second pass would gain less than the rounding of a
Householder factorization of the same matrix. (CH.2): then the condition number of Q_1 is at most sqrt(3), so that the
second pass gives an orthonormal Q. (CH.4): an explicit inverse works on rows that live in different places, which a
solve does not, but leaves a residual that grows with |E| |R|; one step of refinement takes that away. Where a Gram
matrix has no Cholesky factor the identity stands in for it, and nothing that follows is accepted: there is no NaN to be
found by tools that look for the first one.

References
----------
Y. Yamamoto, Y. Nakatsukasa, Y. Yanagisawa, T. Fukaya (2015), Roundoff error analysis of the CholeskyQR2 algorithm;
T. Fukaya, R. Kannan, Y. Nakatsukasa, Y. Yamamoto, Y. Yanagisawa (2020), Shifted Cholesky QR for computing the QR
factorization of ill-conditioned matrices; N. J. Higham, T. Mary (2019), A new approach to probabilistic rounding error
analysis (sqrt(m) in place of m).
"""

from collections.abc import Callable
from functools import partial

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.operators import identity_like, is_complex, shape_of_product
from unifiedqr.arrays.scaling import exponents_of, scaled, sizes_of_columns, smallest_normal

Fallback = Callable[[Namespace, Array], Arrays]


def cholesky_qr(xp: Namespace, A: Array, fallback: Fallback) -> tuple[Array, Array]:
    """Return Q (..., m, n) and R (..., n, n) of a deep A, diag(R) positive; by `fallback` where nothing is accepted."""
    G, e, in_range = _gram(xp, A)
    E, R, definite = _triangles(xp, G, e)
    in_range = xp.logical_and(in_range, definite)
    accepted = xp.logical_and(in_range, _is_well_conditioned(xp, G, scaled(xp, E, xp.matrix_transpose(e))))
    mend = xp.beyond.mender(A)
    if mend is not None:  # both passes of all matrices cost less than asking after each
        Q_1 = _divided(xp, A, R, E)
        Q_2, R_2, accepted_too = _again(xp, Q_1, R)
        found = xp.where(accepted, Q_1, Q_2), xp.where(accepted, R, R_2)
        accepted = xp.logical_or(accepted, xp.logical_and(in_range, accepted_too))
        Q, R = mend(accepted, found, partial(fallback, xp))
        return Q, R

    def third(*_: Array) -> Arrays:
        Q, R, accepted = _shifted(xp, A)
        return unless_accepted(xp, accepted, (Q, R), lambda *_: fallback(xp, A))

    def second(Q: Array, R_1: Array) -> Arrays:
        Q, R_2, accepted = _again(xp, _refined(xp, Q, A, R_1, E), R_1)
        return unless_accepted(xp, xp.logical_and(in_range, accepted), (Q, R_2), third)

    Q, R = unless_accepted(xp, accepted, (xp.beyond.combination((A, E)), R), second)
    return Q, R


def cholesky_r(xp: Namespace, A: Array, fallback: Fallback) -> Array:
    """Return R alone by (CH.1), by `fallback` where that is not accepted: Q is never formed."""
    G, e, in_range = _gram(xp, A)
    E, R, definite = _triangles(xp, G, e)
    in_range = xp.logical_and(in_range, definite)
    accepted = xp.logical_and(in_range, _is_well_conditioned(xp, G, scaled(xp, E, xp.matrix_transpose(e))))
    return unless_accepted(xp, accepted, (R,), lambda *_: fallback(xp, A))[0]


def _gram(xp: Namespace, A: Array) -> tuple[Array, Array, Array]:
    """Return D G D, the exponents e of D^-1, (..., 1, n), and whether no square has over- or underflowed."""
    G = xp.beyond.inner(A, A)
    squares = xp.expand_dims(_real(xp, xp.linalg.diagonal(G)), axis=-2)
    least, eps = smallest_normal(xp, G), float(xp.finfo(G.dtype).eps)
    in_range = xp.all(xp.logical_and(squares >= least / eps**2, squares <= 0.25 / least), axis=-1, keepdims=True)
    e = xp.floor(exponents_of(xp, squares) / 2)
    return scaled(xp, scaled(xp, G, -e), -xp.matrix_transpose(e)), e, in_range


def _triangles(xp: Namespace, G: Array, e: Array) -> tuple[Array, Array, Array]:
    """Return R^-1 and R of A from D G D, and whether there is an R."""
    R, definite = _factor(xp, G)
    return scaled(xp, xp.beyond.inverse_upper(R), -xp.matrix_transpose(e)), scaled(xp, R, e), definite


def _factor(xp: Namespace, G: Array) -> tuple[Array, Array]:
    """Return the Cholesky factor of G, and whether there is one, (..., 1, 1); the identity where there is none."""
    R, definite = xp.beyond.try_cholesky(G)
    definite = xp.logical_and(definite, xp.all(xp.isfinite(xp.abs(R)), axis=(-2, -1), keepdims=True))
    return xp.where(definite, R, identity_like(xp, R)), definite


def _is_well_conditioned(xp: Namespace, G: Array, E: Array) -> Array:
    """Return per matrix, (..., 1, 1), whether one pass is enough (CH.1)."""
    trace = xp.sum(_real(xp, xp.linalg.diagonal(G)), axis=-1, keepdims=True)
    return _squares(xp, E) * xp.expand_dims(trace, axis=-1) <= 2 * G.shape[-1] ** 2  # (CH.1)


def _again(xp: Namespace, Q_1: Array, R_1: Array) -> tuple[Array, Array, Array]:
    """Return the factors after a last pass, and whether they are accepted (CH.2)."""
    W = xp.beyond.inner(Q_1, Q_1)
    accepted = _squares(xp, W - identity_like(xp, W)) <= 0.25  # (CH.2)
    R_2, definite = _factor(xp, W)
    E_2 = xp.beyond.inverse_upper(R_2)

    def divided(X: Array) -> Array:
        return xp.beyond.combination((X, E_2))

    Q = xp.beyond.by_rows(divided, Q_1)
    return Q, xp.triu(R_2 @ R_1), xp.logical_and(accepted, definite)


def _divided(xp: Namespace, X: Array, R: Array, E: Array) -> Array:
    """Return X R^-1 from E = R^-1 with a residual as small as that of a triangular solve (CH.4)."""

    def divided(X: Array) -> Array:
        return _corrected(xp, xp.beyond.combination((X, E)), X, R, E)

    return xp.beyond.by_rows(divided, X)


def _refined(xp: Namespace, Q: Array, X: Array, R: Array, E: Array) -> Array:
    """Return X R^-1 from E = R^-1 and Q = X E, see `_divided`; Q may be written over."""

    def refined(Q: Array, X: Array) -> Array:
        return _corrected(xp, Q, X, R, E)

    return xp.beyond.by_rows(refined, Q, X)


def _corrected(xp: Namespace, Q: Array, X: Array, R: Array, E: Array) -> Array:
    return Q + xp.beyond.combination((X - xp.beyond.combination((Q, R)), E))  # (CH.4)


def _shifted(xp: Namespace, A: Array) -> tuple[Array, Array, Array]:
    """Return the factors after shifted CholeskyQR3, and whether they are accepted (CH.3), (CH.2)."""
    n, m, *_ = shape_of_product(xp, A, A)
    e = exponents_of(xp, sizes_of_columns(xp, A, spread=True)[0])
    X = scaled(xp, A, -e)
    G = xp.beyond.inner(X, X)
    u = float(xp.finfo(A.dtype).eps) / 2
    trace = xp.sum(_real(xp, xp.linalg.diagonal(G)), axis=-1, keepdims=True)
    shift = 11 * (m**0.5 * n + n * (n + 1)) * u * xp.expand_dims(trace, axis=-1)
    R, definite = _factor(xp, G + xp.astype(shift, G.dtype) * identity_like(xp, G))  # (CH.3)
    Q = _divided(xp, X, R, xp.beyond.inverse_upper(R))
    R_2, definite_too = _factor(xp, xp.beyond.inner(Q, Q))
    Q, R, accepted = _again(xp, _divided(xp, Q, R_2, xp.beyond.inverse_upper(R_2)), R_2 @ R)
    return Q, scaled(xp, R, e), xp.logical_and(accepted, xp.logical_and(definite, definite_too))


def unless_accepted(xp: Namespace, accepted: Array, found: Arrays, other: Callable[..., Arrays]) -> Arrays:
    """Return what was found for the matrices that are accepted, other(*found) for others, if there are any.

    What was found may be written over where there is one matrix alone.
    """

    def mixed(*found: Array) -> Arrays:
        others = other(*found)
        if accepted.ndim == 2:  # one matrix alone
            return others
        return tuple(xp.where(accepted, X, Y) for X, Y in zip(found, others, strict=True))

    return xp.beyond.unless(xp.all(accepted), found, mixed)


def _squares(xp: Namespace, X: Array) -> Array:
    """Return ||X||_F^2 per matrix, (..., 1, 1)."""
    return xp.sum(xp.abs(X) ** 2, axis=(-2, -1), keepdims=True)


def _real(xp: Namespace, X: Array) -> Array:
    return xp.real(X) if is_complex(xp, X) else X
