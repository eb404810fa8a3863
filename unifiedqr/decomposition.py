"""The table of differentiable primitives: every decomposition, and what is built on them.

A backend turns a row of this table into a differentiable function of its framework and never looks inside.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from unifiedqr import built
from unifiedqr._typing import Array, Arrays, Cotangents, Namespace
from unifiedqr.errors import OptionError
from unifiedqr.kernels.householder import (
    householder_lq,
    householder_ql,
    householder_qr,
    householder_r,
    householder_rq,
)
from unifiedqr.kernels.pivoting import pivoted_complete_qr, pivoted_qr, pivoted_r
from unifiedqr.kernels.reflectors import complete_qr
from unifiedqr.primitive import SHAPES, Orientation, Primitive, made_later, mirrored, on_demand, shape_name
from unifiedqr.rules import complete, pivoted
from unifiedqr.rules.lq import lq_jvp, lq_singular, lq_vjp
from unifiedqr.rules.operators import columns_at
from unifiedqr.rules.ql import ql_jvp, ql_singular, ql_vjp
from unifiedqr.rules.qr import qr_jvp, qr_singular, qr_vjp
from unifiedqr.rules.rq import rq_jvp, rq_singular, rq_vjp
from unifiedqr.rules.triangle_only import qr_r_jvp, qr_r_vjp, r_singular

__all__ = [
    "DECOMPOSITIONS",
    "METHODS",
    "Orientation",
    "Primitive",
    "made_later",
    "primitive",
    "rows",
    "shape_name",
    "truncated",
]

METHODS = ("auto", "householder")
"""Algorithms of the forward; "auto" is "householder" for every shape and device so far."""


class _Family(NamedTuple):
    """The rows of one decomposition, which differ by the gauge and by how the factors are computed.

    `keeps` are all outputs where it is None. The rules take what is kept, then cotangents or the tangent, and ``xp``.
    """

    results: tuple[str, ...]
    kernel: Callable[..., Arrays | Array]
    vjp: Callable[..., Array]
    jvp: Callable[..., Arrays | Array]
    singular: Callable[..., Array]
    orientation: Orientation = Orientation()
    hidden: tuple[str, ...] = ()
    discrete: tuple[str, ...] = ()
    keeps: tuple[str, ...] | None = None


def _complete_vjp(Q: Array, R: Array, G: Array, S: Array, *bars: Array | None, xp: Namespace) -> Array:
    return complete.householder_vjp(Q, R, G, S, *bars[:3], xp=xp)


def _complete_jvp(Q: Array, R: Array, G: Array, S: Array, A_dot: Array, *, xp: Namespace) -> Arrays:
    return *complete.householder_jvp(Q, R, G, S, A_dot, xp=xp), xp.zeros_like(S)


def _pivoted_vjp(Q: Array, R: Array, P: Array, *bars: Array | None, xp: Namespace) -> Array:
    return pivoted.qr_pivoted_vjp(Q, R, P, *bars[:2], xp=xp)


def _pivoted_jvp(Q: Array, R: Array, P: Array, A_dot: Array, *, xp: Namespace) -> Arrays:
    return *pivoted.qr_pivoted_jvp(Q, R, P, A_dot, xp=xp), xp.zeros_like(P)


def _truncated_vjp(A: Array, Q: Array, R: Array, P: Array, *bars: Array | None, xp: Namespace) -> Array:
    return pivoted.qr_pivoted_vjp(Q, R, P, *bars[:2], A=A, xp=xp)


def _truncated_jvp(A: Array, Q: Array, R: Array, P: Array, A_dot: Array, *, xp: Namespace) -> Arrays:
    return *pivoted.qr_pivoted_jvp(Q, R, P, A_dot, A=A, xp=xp), xp.zeros_like(P)


def _pivoted_r_vjp(A: Array, R: Array, P: Array, *bars: Array | None, xp: Namespace) -> Array:
    inverse = pivoted.inverse_of(xp, P)
    A = columns_at(xp, A, xp.argsort(inverse, axis=-1))
    return columns_at(xp, qr_r_vjp(A, R, bars[0], xp=xp), inverse)  # (24)


def _pivoted_r_jvp(A: Array, R: Array, P: Array, A_dot: Array, *, xp: Namespace) -> Arrays:
    order = pivoted.order_of(xp, P)
    return qr_r_jvp(columns_at(xp, A, order), R, columns_at(xp, A_dot, order), xp=xp), xp.zeros_like(P)  # (24)


def _pivoted_complete_vjp(
    Q: Array, R: Array, P: Array, G: Array, S: Array, *bars: Array | None, xp: Namespace
) -> Array:
    A_bar = complete.householder_vjp(Q, R, G, S, bars[0], bars[1], bars[3], xp=xp)
    return columns_at(xp, A_bar, pivoted.inverse_of(xp, P))  # (24)


def _pivoted_complete_jvp(Q: Array, R: Array, P: Array, G: Array, S: Array, A_dot: Array, *, xp: Namespace) -> Arrays:
    A_dot = columns_at(xp, A_dot, pivoted.order_of(xp, P))  # (24)
    Q_dot, R_dot, G_dot = complete.householder_jvp(Q, R, G, S, A_dot, xp=xp)
    return Q_dot, R_dot, xp.zeros_like(P), G_dot, xp.zeros_like(S)


def _complete_singular(Q: Array, R: Array, *_: Array, xp: Namespace) -> Array:
    return complete.complete_singular(Q, R, xp=xp)


def _pivoted_singular(Q: Array, R: Array, *_: Array, xp: Namespace) -> Array:
    return pivoted.pivoted_singular(Q, R, xp=xp)


def _pivoted_r_singular(A: Array, R: Array, *_: Array, xp: Namespace) -> Array:
    return r_singular(A, R, xp=xp)


def _truncated_singular(A: Array, Q: Array, R: Array, *_: Array, xp: Namespace) -> Array:
    return pivoted.pivoted_singular(Q, R, A=A, xp=xp)


_FAMILIES = {
    "qr": _Family(("Q", "R"), householder_qr, qr_vjp, qr_jvp, qr_singular),
    "lq": _Family(("L", "Q"), householder_lq, lq_vjp, lq_jvp, lq_singular, Orientation(adjoint=True)),
    "rq": _Family(("R", "Q"), householder_rq, rq_vjp, rq_jvp, rq_singular, Orientation(adjoint=True, reversed=True)),
    "ql": _Family(("Q", "L"), householder_ql, ql_vjp, ql_jvp, ql_singular, Orientation(reversed=True)),
    "qr-r": _Family(("R",), householder_r, qr_r_vjp, qr_r_jvp, r_singular, keeps=("A", "R")),
    "qr-complete": _Family(
        ("Q", "R"),
        complete_qr,
        _complete_vjp,
        _complete_jvp,
        _complete_singular,
        hidden=("G", "S"),
        discrete=("S",),
    ),
    "qr-pivoted": _Family(
        ("Q", "R", "P"),
        partial(pivoted_qr, rank=None),
        _pivoted_vjp,
        _pivoted_jvp,
        _pivoted_singular,
        discrete=("P",),
    ),
    "qr-pivoted-r": _Family(
        ("R", "P"),
        pivoted_r,
        _pivoted_r_vjp,
        _pivoted_r_jvp,
        _pivoted_r_singular,
        discrete=("P",),
        keeps=("A", "R", "P"),
    ),
    "qr-pivoted-complete": _Family(
        ("Q", "R", "P"),
        pivoted_complete_qr,
        _pivoted_complete_vjp,
        _pivoted_complete_jvp,
        _complete_singular,
        hidden=("G", "S"),
        discrete=("P", "S"),
    ),
}


def _as_tuple(found: Array) -> Arrays:
    return found if type(found) is tuple else (found,)  # pyright: ignore[reportUnknownVariableType] an array is any type


def _row(name: str, family: _Family, options: tuple[str, ...], **of_the_kernel: object) -> Primitive:
    outputs = family.results + family.hidden

    def forward(xp: Namespace, A: Array) -> Arrays:
        return _as_tuple(family.kernel(xp, A, **of_the_kernel))

    def vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
        return (family.vjp(*kept, *cotangents, xp=xp),)

    def jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
        return _as_tuple(family.jvp(*kept, *tangents, xp=xp))

    return Primitive(
        name=name,
        options=options,
        orientation=family.orientation,
        inputs=("A",),
        outputs=outputs,
        results=len(family.results),
        discrete=family.discrete,
        keeps=outputs if family.keeps is None else family.keeps,
        forward=forward,
        vjp=vjp,
        jvp=jvp,
        singular=lambda xp, kept: family.singular(*kept, xp=xp),
        shapes=("deep",) if name.endswith("complete") else SHAPES,
    )


_LQ = {
    "lq-l": ("qr-r", {"L": "R"}, 1),
    "lq-complete": ("qr-complete", {"L": "R", "Q": "Q", "G": "G", "S": "S"}, 2),
    "lq-pivoted": ("qr-pivoted", {"L": "R", "Q": "Q", "P": "P"}, 3),
    "lq-pivoted-l": ("qr-pivoted-r", {"L": "R", "P": "P"}, 2),
    "lq-pivoted-complete": ("qr-pivoted-complete", {"L": "R", "Q": "Q", "P": "P", "G": "G", "S": "S"}, 3),
}
"""The LQ decompositions that are QR decompositions of A^H: of which, with its outputs by their new names."""


def _made(name: str, *, positive: bool, method: str) -> Primitive:
    options = ("positive" if positive else "raw", method)
    if name in _LQ:
        original, outputs, results = _LQ[name]
        return mirrored(_row(original, _FAMILIES[original], options, positive=positive), name, outputs, results)
    return _row(name, _FAMILIES[name], options, positive=positive)


# Made once and looked up: backends keep what they build from a row, and tracing compilers can follow a lookup.
_ROWS = {
    (name, positive, method): _made(name, positive=positive, method=method)
    for name in (*_FAMILIES, *_LQ)
    for positive in (True, False)
    for method in METHODS
}


def primitive(name: str, *, positive: bool = True, method: str = "auto") -> Primitive:
    """Give a row of the table."""
    if method not in METHODS:
        raise OptionError(f"method={method!r} is unknown; choose one of {', '.join(map(repr, METHODS))}.")
    return _ROWS[name, bool(positive), method]


@on_demand
def truncated(name: str, rank: int, positive: bool) -> Primitive:
    """Give the row of pivoted QR ("qr") or LQ ("lq") after `rank` steps."""
    family = _FAMILIES["qr-pivoted"]._replace(
        vjp=_truncated_vjp,
        jvp=_truncated_jvp,
        singular=_truncated_singular,
        kernel=pivoted_qr,
        keeps=("A", "Q", "R", "P"),
    )
    options = ("positive" if positive else "raw", f"rank {rank}")
    row = _row("qr-truncated", family, options, positive=positive, rank=rank)
    return row if name == "qr" else mirrored(row, "lq-truncated", {"L": "R", "Q": "Q", "P": "P"}, 3)


EXAMPLE_RANK = 2
"""Rank of the truncated decompositions in the conformance suite and the comparison."""

DECOMPOSITIONS: dict[str, Callable[..., Primitive]] = {
    **{name: partial(primitive, name) for name in (*_FAMILIES, *_LQ)},
    **{f"{name}-truncated": partial(truncated, name, EXAMPLE_RANK, True) for name in ("qr", "lq")},
    **{name: partial(built.row, name) for name in built.ROWS},
    "lstsq-pivoted": partial(built.least_squares_of_constant_rank, None),
}
"""Everything there is, by name; a call without options gives its default row."""


def rows() -> Iterator[Primitive]:
    """Give every row under every set of options, but for the numbers a rank or a tolerance may be."""
    yield from _ROWS.values()
    yield from built.ROWS.values()
    yield from (DECOMPOSITIONS[name]() for name in ("qr-truncated", "lq-truncated", "lstsq-pivoted"))
