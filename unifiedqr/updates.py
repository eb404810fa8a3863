"""Rows of the table that compute the factors of a modified matrix from those of the original.

`qr-update` factors F T + U V^H, F with orthonormal columns: every update of both factors except deleted rows.
`qr-downdate` factors F_1 T, [F_1; F_2] with orthonormal columns: what is left of F T without its last rows.
`qr-append` gives R alone of [T; B]; a second row of that name keeps Q, from which a derivative is had sooner.
"""

from functools import partial

from unifiedqr._typing import Array, Arrays, Cotangents, Namespace
from unifiedqr.arrays.stacks import run
from unifiedqr.kernels import updated as kernels
from unifiedqr.kernels.reduced import reduced_qr
from unifiedqr.primitive import Orientation, Primitive
from unifiedqr.rules.qr import qr_jvp, qr_pullback, qr_singular, qr_vjp
from unifiedqr.rules.triangle_only import r_singular
from unifiedqr.rules.updated import (
    product_pullback,
    product_pushforward,
    qr_append_jvp,
    qr_append_vjp,
    qr_update_jvp,
    qr_update_vjp,
)


def _update_vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
    F, T, U, V, Q, R = kept
    return qr_update_vjp(F, T, U, V, Q, R, *cotangents, xp=xp)


def _update_jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
    F, T, U, V, Q, R = kept
    return qr_update_jvp(F, T, U, V, Q, R, *tangents, xp=xp)


def _downdate_vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
    F_1, F_2, T, Q, R = kept
    Q_bar, R_bar = cotangents
    F_bar, T_bar = product_pullback(xp, F_1, T, qr_pullback(xp, Q, R, Q_bar, R_bar))
    return F_bar, 0 * F_2, T_bar  # zero, but a function of the inputs for those who differentiate again


def _downdate_jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
    F_1, _, T, Q, R = kept
    F_dot, _, T_dot = tangents
    return qr_jvp(Q, R, product_pushforward(xp, F_1, T, F_dot, T_dot), xp=xp)


def _r_first(xp: Namespace, T: Array, B: Array, *, positive: bool) -> Arrays:
    return reduced_qr(xp, xp.concat([T, B], axis=-2), positive=positive)[::-1]


def _r_first_vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
    T, Q, R = kept
    R_bar, Q_bar = cotangents
    A_bar, count = run(qr_vjp, xp, Q, R, Q_bar, R_bar), T.shape[-2]
    return A_bar[..., :count, :], A_bar[..., count:, :]  # (UP.5)


def _r_first_jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
    _, Q, R = kept
    return run(qr_jvp, xp, Q, R, xp.concat([*tangents], axis=-2))[::-1]


def _append_vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
    return qr_append_vjp(*kept, *cotangents, xp=xp)


def _append_jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
    return (qr_append_jvp(*kept, *tangents, xp=xp),)


def _has_dependent_columns(xp: Namespace, kept: Arrays) -> Array:
    *_, Q, R = kept
    return qr_singular(Q, R, xp=xp)


def _triangle_is_singular(xp: Namespace, kept: Arrays) -> Array:
    T, B, R = kept
    return r_singular(xp.concat([T, B], axis=-2), R, xp=xp)


def _appended(*, positive: bool, keeping_Q: bool) -> Primitive:
    return Primitive(
        name="qr-append",
        options=("positive" if positive else "raw", *(("with Q",) if keeping_Q else ())),
        orientation=Orientation(),
        inputs=("T", "B"),
        outputs=("R", "Q") if keeping_Q else ("R",),
        sides={"T": "1n", "B": "1n", "R": "1n", "Q": "11"},
        results=1,
        discrete=(),
        keeps=("T", "Q", "R") if keeping_Q else ("T", "B", "R"),
        forward=partial(_r_first if keeping_Q else kernels.appended_r, positive=positive),
        vjp=_r_first_vjp if keeping_Q else _append_vjp,
        jvp=_r_first_jvp if keeping_Q else _append_jvp,
        singular=_has_dependent_columns if keeping_Q else _triangle_is_singular,
    )


def _made(name: str, *, positive: bool) -> Primitive:
    if name == "qr-append":
        return _appended(positive=positive, keeping_Q=False)
    is_update = name == "qr-update"
    inputs = {"F": "m1", "T": "1n", "U": "m1", "V": "n1"} if is_update else {"F_1": "m1", "F_2": "11", "T": "1n"}
    return Primitive(
        name=name,
        options=("positive" if positive else "raw",),
        orientation=Orientation(),
        inputs=tuple(inputs),
        outputs=("Q", "R"),
        sides={**inputs, "Q": "m1", "R": "1n"},
        results=2,
        discrete=(),
        keeps=(*inputs, "Q", "R"),
        forward=partial(kernels.updated_qr if is_update else kernels.downdated_qr, positive=positive),
        vjp=_update_vjp if is_update else _downdate_vjp,
        jvp=_update_jvp if is_update else _downdate_jvp,
        singular=_has_dependent_columns,
    )


NAMES = ("qr-update", "qr-downdate", "qr-append")

ROWS = {(name, positive): _made(name, positive=positive) for name in NAMES for positive in (True, False)}
"""The rows, by name and gauge."""

KEEPING_Q = {ROWS["qr-append", positive]: _appended(positive=positive, keeping_Q=True) for positive in (True, False)}
"""The rows of R alone that keep Q, by those that do not."""


def row(name: str, *, positive: bool = True) -> Primitive:
    """Return a row by its gauge."""
    return ROWS[name, bool(positive)]
