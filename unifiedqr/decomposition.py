"""The table of differentiable primitives: every decomposition, and what is built on them.

A backend turns a row of this table into a differentiable function of its framework and never looks inside.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from unifiedqr import applications, factors, lowrank, updates
from unifiedqr._typing import Array, Arrays, Cotangents, Namespace
from unifiedqr.arrays.reflections import ADJOINT, REVERSED_COLUMNS, REVERSED_ROWS
from unifiedqr.arrays.stacks import run
from unifiedqr.errors import OptionError
from unifiedqr.kernels.pivoting import pivoted_complete_qr, pivoted_qr, pivoted_r
from unifiedqr.kernels.reduced import METHODS, r_alone, reduced_lq, reduced_qr
from unifiedqr.kernels.reflectors import complete_qr
from unifiedqr.primitive import SHAPES, Orientation, Primitive, mirrored, on_demand, permuted, shape_name, watchers
from unifiedqr.rules import complete, pivoted
from unifiedqr.rules.lq import lq_jvp, lq_singular, lq_vjp
from unifiedqr.rules.qr import qr_jvp, qr_singular, qr_vjp
from unifiedqr.rules.triangle_only import qr_r_jvp, qr_r_vjp, r_singular

__all__ = [
    "DECOMPOSITIONS",
    "KEEPING_Q",
    "METHODS",
    "REDUCED",
    "TRUNCATED",
    "UNPIVOTED",
    "Orientation",
    "Primitive",
    "primitive",
    "rows",
    "shape_name",
    "truncated",
    "watchers",
]


class _Family(NamedTuple):
    """The rows of one decomposition, which differ by the gauge and by how the factors are computed.

    `sides` are those of the outputs. `keeps` are all outputs where it is None. The rules take what is kept, then
    cotangents or the tangent, and ``xp``; those `of_stacks` may be run with the stack as the last axis.
    """

    results: tuple[str, ...]
    sides: tuple[str, ...]
    kernel: Callable[..., Arrays]
    vjp: Callable[..., Array]
    jvp: Callable[..., Arrays | Array]
    singular: Callable[..., Array]
    orientation: Orientation = Orientation()
    hidden: tuple[str, ...] = ()
    discrete: tuple[str, ...] = ()
    keeps: tuple[str, ...] | None = None
    pivots: bool = False
    of_stacks: bool = False


def _r_alone(xp: Namespace, A: Array, **options: Any) -> Arrays:
    return (r_alone(xp, A, **options),)


def _r_first(xp: Namespace, A: Array, **options: Any) -> Arrays:
    return reduced_qr(xp, A, **options)[::-1]


def _r_first_vjp(R: Array, Q: Array, R_bar: Array | None, Q_bar: Array | None, *, xp: Namespace) -> Array:
    return qr_vjp(Q, R, Q_bar, R_bar, xp=xp)


def _r_first_jvp(R: Array, Q: Array, A_dot: Array, *, xp: Namespace) -> Arrays:
    return qr_jvp(Q, R, A_dot, xp=xp)[::-1]


def _r_first_singular(R: Array, Q: Array, *, xp: Namespace) -> Array:
    return qr_singular(Q, R, xp=xp)


def _complete_vjp(Q: Array, R: Array, G: Array, S: Array, *bars: Array | None, xp: Namespace) -> Array:
    return complete.householder_vjp(Q, R, G, S, *bars[:3], xp=xp)


def _complete_jvp(Q: Array, R: Array, G: Array, S: Array, A_dot: Array, *, xp: Namespace) -> Arrays:
    return *complete.householder_jvp(Q, R, G, S, A_dot, xp=xp), xp.zeros_like(S)


def _truncated_vjp(A: Array, Q: Array, R: Array, P: Array, *bars: Array | None, xp: Namespace) -> Array:
    return pivoted.qr_pivoted_vjp(Q, R, P, *bars[:2], A=A, xp=xp)


def _truncated_jvp(A: Array, Q: Array, R: Array, P: Array, A_dot: Array, *, xp: Namespace) -> Arrays:
    return *pivoted.qr_pivoted_jvp(Q, R, P, A_dot, A=A, xp=xp), xp.zeros_like(P)


def _complete_singular(Q: Array, R: Array, *_: Array, xp: Namespace) -> Array:
    return complete.complete_singular(Q, R, xp=xp)


def _truncated_singular(A: Array, Q: Array, R: Array, *_: Array, xp: Namespace) -> Array:
    return pivoted.pivoted_singular(Q, R, A=A, xp=xp)


_FAMILIES = {
    "qr": _Family(("Q", "R"), ("m1", "1n"), reduced_qr, qr_vjp, qr_jvp, qr_singular, of_stacks=True),
    "lq": _Family(
        ("L", "Q"), ("m1", "1n"), reduced_lq, lq_vjp, lq_jvp, lq_singular, Orientation(adjoint=True), of_stacks=True
    ),
    "qr-r": _Family(("R",), ("1n",), _r_alone, qr_r_vjp, qr_r_jvp, r_singular, keeps=("A", "R")),
    "qr-complete": _Family(
        ("Q", "R"),
        ("m1", "mn", "11", "11"),
        complete_qr,
        _complete_vjp,
        _complete_jvp,
        _complete_singular,
        hidden=("G", "S"),
        discrete=("S",),
    ),
}


_R_FIRST = _Family(
    ("R",), ("1n", "m1"), _r_first, _r_first_vjp, _r_first_jvp, _r_first_singular, hidden=("Q",), of_stacks=True
)
"""R alone, with Q kept for derivatives."""


def _as_tuple(found: Array) -> Arrays:
    return found if type(found) is tuple else (found,)  # pyright: ignore[reportUnknownVariableType] an array is any type


def _row(name: str, family: _Family, options: tuple[str, ...], **of_the_kernel: object) -> Primitive:
    outputs = family.results + family.hidden

    def vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
        if family.of_stacks:
            return (run(family.vjp, xp, *kept, *cotangents),)
        return (family.vjp(*kept, *cotangents, xp=xp),)

    def jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
        if family.of_stacks:
            return run(family.jvp, xp, *kept, *tangents)
        return _as_tuple(family.jvp(*kept, *tangents, xp=xp))

    return Primitive(
        name=name,
        options=options,
        orientation=family.orientation,
        inputs=("A",),
        outputs=outputs,
        sides={"A": "mn", **dict(zip(outputs, family.sides, strict=True))},
        results=len(family.results),
        discrete=family.discrete,
        keeps=outputs if family.keeps is None else family.keeps,
        forward=partial(family.kernel, **of_the_kernel),
        vjp=vjp,
        jvp=jvp,
        singular=lambda xp, kept: family.singular(*kept, xp=xp),
        shapes=("deep",) if name.endswith("complete") else SHAPES,
        pivots=family.pivots,
    )


_PIVOTED = {
    "qr-pivoted": ("qr", partial(pivoted_qr, rank=None)),
    "qr-pivoted-r": ("qr-r", pivoted_r),
    "qr-pivoted-complete": ("qr-complete", pivoted_complete_qr),
}
"""The decompositions of A[:, p]: of which row, and the kernel that also finds p."""

_MIRRORS = {
    "rq": ("lq", {"R": "L", "Q": "Q"}, 2, REVERSED_ROWS),
    "ql": ("qr", {"Q": "Q", "L": "R"}, 2, REVERSED_COLUMNS),
    "lq-l": ("qr-r", {"L": "R"}, 1, ADJOINT),
    "lq-complete": ("qr-complete", {"L": "R", "Q": "Q", "G": "G", "S": "S"}, 2, ADJOINT),
    "lq-pivoted": ("qr-pivoted", {"L": "R", "Q": "Q", "P": "P"}, 3, ADJOINT),
    "lq-pivoted-l": ("qr-pivoted-r", {"L": "R", "P": "P"}, 2, ADJOINT),
    "lq-pivoted-complete": ("qr-pivoted-complete", {"L": "R", "Q": "Q", "P": "P", "G": "G", "S": "S"}, 3, ADJOINT),
}
"""The mirror images: of which row, its outputs by their new names, the number of results, and the reflection."""


def _made(name: str, *, positive: bool, method: str) -> Primitive:
    if name in _MIRRORS:
        original, outputs, results, reflection = _MIRRORS[name]
        return mirrored(_made(original, positive=positive, method=method), name, outputs, results, reflection)
    if name in _PIVOTED:
        original, kernel = _PIVOTED[name]
        row = _made(original, positive=positive, method=method)
        return permuted(row, name, partial(kernel, positive=positive))
    options = ("positive" if positive else "raw", method)
    return _row(name, _FAMILIES[name], options, positive=positive, method=method)


# Made once and looked up: backends keep what they build from a row, and tracing compilers can follow a lookup.
_ROWS = {
    (name, positive, method): _made(name, positive=positive, method=method)
    for name in (*_FAMILIES, *_PIVOTED, *_MIRRORS)
    for positive in (True, False)
    for method in METHODS
    if "pivoted" not in name or method != "cholesky"
}

UNPIVOTED = {
    (decomposition, mode, positive, method): row
    for decomposition, mode, name in (
        ("qr", "reduced", "qr"),
        ("qr", "r", "qr-r"),
        ("lq", "reduced", "lq"),
        ("lq", "l", "lq-l"),
        ("rq", "reduced", "rq"),
        ("ql", "reduced", "ql"),
    )
    for (row_name, positive, method), row in _ROWS.items()
    if row_name == name
}
"""The rows determined by the options alone, whatever the shape: by decomposition, mode, positive and method."""


def _keeping_Q(name: str, *, positive: bool, method: str) -> Primitive:
    options = ("positive" if positive else "raw", method, "with Q")
    row = _row("qr-r", _R_FIRST, options, positive=positive, method=method)
    return row if name == "qr-r" else mirrored(row, name, {"L": "R", "Q": "Q"}, 1)


KEEPING_Q = {
    row: _keeping_Q(name, positive=positive, method=method)
    for (name, positive, method), row in _ROWS.items()
    if name in ("qr-r", "lq-l") and method != "cholesky"
} | updates.KEEPING_Q
"""The rows of R or L alone that keep Q, which a derivative then need not find anew by (R.2): by those that do not."""


def primitive(name: str, *, positive: bool = True, method: str = "auto") -> Primitive:
    """Return a row of the table."""
    return _ROWS[name, bool(positive), check_method(method, pivoting="pivoted" in name)]


def check_method(method: str, *, pivoting: bool) -> str:
    """Return the algorithm; raise unless one of that name exists and can do what is asked."""
    if method not in METHODS:
        raise OptionError(f"method={method!r} is unknown; choose one of {', '.join(map(repr, METHODS))}.")
    if pivoting and method == "cholesky":
        raise OptionError("got method='cholesky' with pivoting=True; expected one of them: CholeskyQR cannot pivot.")
    return method


@on_demand
def truncated(name: str, rank: int, positive: bool) -> Primitive:
    """Return the row of pivoted QR ("qr") or LQ ("lq") after `rank` steps."""
    family = _Family(
        ("Q", "R", "P"),
        ("m1", "1n", "1n"),
        pivoted_qr,
        _truncated_vjp,
        _truncated_jvp,
        _truncated_singular,
        discrete=("P",),
        keeps=("A", "Q", "R", "P"),
        pivots=True,
    )
    options = ("positive" if positive else "raw", f"rank {rank}")
    row = _row("qr-truncated", family, options, positive=positive, rank=rank)
    return row if name == "qr" else mirrored(row, "lq-truncated", {"L": "R", "Q": "Q", "P": "P"}, 3)


REDUCED = ("qr", "lq", "rq", "ql")
"""The reduced decompositions, from which the others follow."""

EXAMPLE_RANK = 2
"""Rank of the truncated decompositions in the conformance suite and the comparison."""

TRUNCATED = ("qr-truncated", "lq-truncated", "interpolative", "range_finder")
"""Those of which the default row stops after `EXAMPLE_RANK` steps."""

DECOMPOSITIONS: dict[str, Callable[..., Primitive]] = {
    **{name: partial(primitive, name) for name in (*_FAMILIES, *_PIVOTED, *_MIRRORS)},
    **{f"{name}-truncated": partial(truncated, name, EXAMPLE_RANK, True) for name in ("qr", "lq")},
    **{name: partial(applications.row, name) for name in applications.ROWS},
    "lstsq-pivoted": partial(applications.least_squares_of_constant_rank, None),
    **{name: partial(updates.row, name) for name in updates.NAMES},
    **{name: partial(factors.row, name) for name in factors.ROWS},
    "interpolative": partial(lowrank.interpolative, EXAMPLE_RANK),
    "range_finder": partial(lowrank.range_finder, 1),
}
"""Everything there is, by name; a call without options gives its default row."""


def rows() -> Iterator[Primitive]:
    """Return every row under every set of options, except for values of a rank or a tolerance."""
    yield from _ROWS.values()
    yield from KEEPING_Q.values()
    yield from applications.ROWS.values()
    yield from updates.ROWS.values()
    yield from factors.ROWS.values()
    yield from (DECOMPOSITIONS[name]() for name in (*TRUNCATED, "lstsq-pivoted"))
