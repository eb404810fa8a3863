"""Rows of the table that are built on a QR decomposition: least squares, bases of spaces, determinants."""

from functools import partial

from unifiedqr._typing import Array, Arrays, Cotangents, Namespace
from unifiedqr.arrays.operators import leading_columns, shape_of_product
from unifiedqr.arrays.triangle import frame_singular
from unifiedqr.kernels import applications as kernels
from unifiedqr.primitive import Orientation, Primitive, mirrored, on_demand
from unifiedqr.rules.determinant import determinant_pullback, determinant_pushforward, inverse_pullback
from unifiedqr.rules.frame import frame_pushforward, report_frame
from unifiedqr.rules.least_squares import (
    PseudoInverse,
    constant_rank_pullback,
    constant_rank_pushforward,
    pseudo_inverse_pullback,
    pseudo_inverse_pushforward,
    solution_frame_pullback,
    solution_frame_pushforward,
    solution_pullback,
    solution_pushforward,
)
from unifiedqr.rules.spaces import complement_pullback, complement_pushforward, range_pullback
from unifiedqr.rules.weighted import weighted_pullback, weighted_pushforward


def _sum(*terms: Array | None) -> Array | None:
    given = [X for X in terms if X is not None]
    return sum(given[1:], given[0]) if given else None


def _has_no_frame(xp: Namespace, kept: Arrays) -> Array:
    return frame_singular(xp, kept[-1])


def _is_not_finite(xp: Namespace, kept: Arrays) -> Array:
    return frame_singular(xp, kept[3])


def _lstsq_vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
    A, b, x, Q, G = kept
    x_bar, residuals_bar, _, Q_bar, G_bar = cotangents
    A_bar, b_bar = solution_pullback(xp, A, b, x, Q, G, x_bar, residuals_bar)
    return _sum(A_bar, solution_frame_pullback(xp, A, Q, G, Q_bar, G_bar)), b_bar


def _tangent_of_rank(xp: Namespace, G: Array) -> Array:
    """Return zero, (..., 1, 1), even without a right-hand side from which to take the shape."""
    return xp.zeros_like(xp.sum(G, axis=(-2, -1), keepdims=True))


def _lstsq_jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
    A, b, x, Q, G = kept
    A_dot, b_dot = tangents
    dots = solution_pushforward(xp, A, b, x, Q, G, A_dot, b_dot)
    return (
        *dots,
        _tangent_of_rank(xp, G),
        *solution_frame_pushforward(xp, A, Q, G, A_dot),
    )


def _constant_rank_vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
    A, b, x, *frame = kept
    x_bar, residuals_bar, _, *frame_bars = cotangents
    inverse = PseudoInverse(*frame)
    A_bar, b_bar = constant_rank_pullback(xp, inverse, A, b, x, x_bar, residuals_bar)
    return _sum(A_bar, pseudo_inverse_pullback(xp, inverse, *frame_bars)), b_bar


def _constant_rank_jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
    A, b, x, *frame = kept
    A_dot, b_dot = tangents
    inverse = PseudoInverse(*frame)
    dots = constant_rank_pushforward(xp, inverse, A, b, x, A_dot, b_dot)
    return *dots, _tangent_of_rank(xp, inverse.G), *pseudo_inverse_pushforward(xp, inverse, A_dot)


def _weighted_vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
    A, b, w, x, G = kept
    x_bar, residuals_bar, _, G_bar = cotangents
    return weighted_pullback(xp, A, b, w, x, G, x_bar, residuals_bar, G_bar)


def _weighted_jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
    x_dot, residuals_dot, G_dot = weighted_pushforward(xp, *kept, *tangents)
    return x_dot, residuals_dot, _tangent_of_rank(xp, G_dot), G_dot


def _orth_vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
    A, Q, G = kept
    Q_bar, G_bar = cotangents
    return (range_pullback(xp, Q, G, Q_bar, G_bar, shape_of_product(xp, A, A), A),)


def _orth_jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
    A, Q, G = kept
    shape = shape_of_product(xp, A, A)
    report_frame(xp, Q, G)
    return frame_pushforward(xp, Q, G, leading_columns(tangents[0], shape), shape)


def _complement_vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
    A, N, Q, G = kept
    N_bar, Q_bar, G_bar = cotangents
    shape = shape_of_product(xp, A, A)
    if not shape.deep:  # the complement is empty, whatever the rank
        return (xp.zeros_like(A),)
    Q_bar = _sum(Q_bar, None if N_bar is None else complement_pullback(xp, N, Q, N_bar))
    return (range_pullback(xp, Q, G, Q_bar, G_bar, shape, A, N_bar),)


def _complement_jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
    A, N, Q, G = kept
    shape = shape_of_product(xp, A, A)
    if not shape.deep:
        return xp.zeros_like(N), xp.zeros_like(Q), xp.zeros_like(G)
    report_frame(xp, Q, G)
    Q_dot, G_dot = frame_pushforward(xp, Q, G, tangents[0], shape)
    return complement_pushforward(xp, N, Q, Q_dot), Q_dot, G_dot


def _slogdet_vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
    sign, inverse = kept
    sign_bar, logabsdet_bar, inverse_bar = cotangents
    A_bar = determinant_pullback(xp, sign, inverse, sign_bar, logabsdet_bar)
    return (_sum(A_bar, None if inverse_bar is None else inverse_pullback(xp, sign, inverse, inverse_bar)),)


def _slogdet_jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
    sign, inverse = kept
    (A_dot,) = tangents
    return *determinant_pushforward(xp, sign, inverse, A_dot), -inverse @ A_dot @ inverse


_SOLVED = {"A": "mn", "b": "ms", "x": "ns", "residuals": "1s", "rank": "11"}

_LEFT_NULL_SPACE = Primitive(
    name="left_null_space",
    options=(),
    orientation=Orientation(),
    inputs=("A",),
    outputs=("N", "Q", "G"),
    sides={"A": "mn", "N": "m1", "Q": "m1", "G": "11"},
    results=1,
    discrete=(),
    keeps=("A", "N", "Q", "G"),
    forward=kernels.complement_basis,
    vjp=_complement_vjp,
    jvp=_complement_jvp,
    singular=_has_no_frame,
    shapes=("deep",),
    spans=True,
)

ROWS = {
    "lstsq": Primitive(
        name="lstsq",
        options=(),
        orientation=Orientation(),
        inputs=("A", "b"),
        outputs=("x", "residuals", "rank", "Q", "G"),
        sides=_SOLVED | {"Q": "l1", "G": "11"},
        results=3,
        discrete=("rank",),
        keeps=("A", "b", "x", "Q", "G"),
        forward=kernels.least_squares,
        vjp=_lstsq_vjp,
        jvp=_lstsq_jvp,
        singular=_has_no_frame,
    ),
    "lstsq-weighted": Primitive(
        name="lstsq-weighted",
        options=(),
        orientation=Orientation(),
        inputs=("A", "b", "w"),
        outputs=("x", "residuals", "rank", "G"),
        sides=_SOLVED | {"w": "m1", "G": "11"},
        results=3,
        discrete=("rank",),
        keeps=("A", "b", "w", "x", "G"),
        forward=kernels.weighted_least_squares,
        vjp=_weighted_vjp,
        jvp=_weighted_jvp,
        singular=_has_no_frame,
        shapes=("deep",),
    ),
    "orth": Primitive(
        name="orth",
        options=(),
        orientation=Orientation(),
        inputs=("A",),
        outputs=("Q", "G"),
        sides={"A": "mn", "Q": "m1", "G": "11"},
        results=1,
        discrete=(),
        keeps=("A", "Q", "G"),
        forward=kernels.range_basis,
        vjp=_orth_vjp,
        jvp=_orth_jvp,
        singular=_has_no_frame,
        spans=True,
    ),
    "left_null_space": _LEFT_NULL_SPACE,
    "null_space": mirrored(_LEFT_NULL_SPACE, "null_space", {"N": "N", "Q": "Q", "G": "G"}, 1),
    "slogdet": Primitive(
        name="slogdet",
        options=(),
        orientation=Orientation(),
        inputs=("A",),
        outputs=("sign", "logabsdet", "inverse"),
        sides={"A": "mn", "sign": "11", "logabsdet": "11", "inverse": "nm"},
        results=2,
        discrete=(),
        keeps=("sign", "inverse"),
        forward=kernels.signed_log_determinant,
        vjp=_slogdet_vjp,
        jvp=_slogdet_jvp,
        singular=_has_no_frame,
        shapes=("square",),
    ),
}
"""Rows without options, by name."""


def row(name: str) -> Primitive:
    """Return a row without options."""
    return ROWS[name]


@on_demand
def least_squares_of_constant_rank(rcond: float | None) -> Primitive:
    """Return the row of least squares with pivoting, for a relative tolerance below which a pivot counts as zero."""
    return Primitive(
        name="lstsq-pivoted",
        options=(f"rcond {rcond}",),
        orientation=Orientation(),
        inputs=("A", "b"),
        outputs=("x", "residuals", "rank", "G", "Q", "V"),
        sides=_SOLVED | {"G": "nm", "Q": "m1", "V": "n1"},
        results=3,
        discrete=("rank",),
        keeps=("A", "b", "x", "G", "Q", "V"),
        forward=partial(kernels.least_squares_of_constant_rank, rcond=rcond),
        vjp=_constant_rank_vjp,
        jvp=_constant_rank_jvp,
        singular=_is_not_finite,
        pivots=True,
    )
