"""Rows of the table that work on the factors of a matrix: products with Q, what makes Q complete, solutions.

Their inputs are A, the array to multiply or solve for, and the factors, from the row of a decomposition. Q and R are
differentiable functions of A when a rule is itself differentiated. The derivative of a row goes to A directly: the
cotangents of the factors are None, since that of A includes them.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from unifiedqr._typing import Array, Arrays, Cotangents, Namespace
from unifiedqr.arrays.factored import Factored
from unifiedqr.arrays.operators import shape_of_product
from unifiedqr.arrays.triangle import has_marked
from unifiedqr.kernels import factored as kernels
from unifiedqr.primitive import SHAPES, Orientation, Primitive
from unifiedqr.rules import factored as rules
from unifiedqr.rules.least_squares import solution_pullback, solution_pushforward

Bars = tuple[Array | None, ...]


class _Operation(NamedTuple):
    """An operation on factors.

    `takes` are the inputs other than A and the factors, `keeps` the outputs that the rules read. `vjp` takes the
    factors, A, the arrays of `takes` and `keeps`, and cotangents; it returns those of A and of `takes`. `jvp` likewise.
    """

    takes: tuple[str, ...]
    outputs: tuple[str, ...]
    sides: dict[str, str]
    kernel: Callable[..., Arrays]
    vjp: Callable[..., Bars]
    jvp: Callable[..., Arrays]
    completes: bool = False
    results: int = 1
    discrete: tuple[str, ...] = ()
    keeps: tuple[str, ...] = ()
    every: bool = False


def _product_vjp(factors: Factored, A: Array, X: Array, Y_bar: Array | None) -> Bars:
    del A
    if Y_bar is None:
        return None, None
    return rules.turned_pullback(factors, Y_bar, X), factors.times_adjoint(Y_bar)  # (FA.1)


def _product_jvp(factors: Factored, A: Array, X: Array, A_dot: Array, X_dot: Array) -> Arrays:
    del A
    return (rules.product_pushforward(factors, X, A_dot, X_dot),)


def _adjoint_product_vjp(factors: Factored, A: Array, X: Array, Y_bar: Array | None) -> Bars:
    del A
    if Y_bar is None:
        return None, None
    return rules.turned_pullback(factors, X, Y_bar), factors.times(Y_bar)  # (FA.1)


def _adjoint_product_jvp(factors: Factored, A: Array, X: Array, A_dot: Array, X_dot: Array) -> Arrays:
    del A
    return (rules.adjoint_product_pushforward(factors, X, A_dot, X_dot),)


def _completion_vjp(factors: Factored, A: Array, G: Array, S: Array, G_bar: Array | None, S_bar: object) -> Bars:
    del A, S_bar
    return (None if G_bar is None else rules.completion_pullback(factors._replace(G=G, S=S), G_bar),)


def _completion_jvp(factors: Factored, A: Array, G: Array, S: Array, A_dot: Array) -> Arrays:
    del A
    return rules.completion_pushforward(factors._replace(G=G, S=S), A_dot), factors.xp.zeros_like(S)


def _solution_vjp(factors: Factored, A: Array, b: Array, x: Array, *bars: Array | None) -> Bars:
    G = rules.frame_of(factors)
    return solution_pullback(factors.xp, A, b, x, factors.Q, G, *bars[:2])


def _solution_jvp(factors: Factored, A: Array, b: Array, x: Array, A_dot: Array, b_dot: Array) -> Arrays:
    G = rules.frame_of(factors)
    dots = solution_pushforward(factors.xp, A, b, x, factors.Q, G, A_dot, b_dot)
    return *dots, _tangent_of_rank(factors)


def _shortest_vjp(factors: Factored, A: Array, b: Array, x: Array, *bars: Array | None) -> Bars:
    del b
    return rules.shortest_pullback(factors, A, x, bars[0])


def _shortest_jvp(factors: Factored, A: Array, b: Array, x: Array, A_dot: Array, b_dot: Array) -> Arrays:
    del b
    x_dot = rules.shortest_pushforward(factors, A, x, A_dot, b_dot)
    return x_dot, 0 * x_dot[..., :1, :], _tangent_of_rank(factors)


def _tangent_of_rank(factors: Factored) -> Array:
    return factors.xp.zeros_like(factors.R[..., :1, :1])


_SOLVED = {"residuals": "1s", "rank": "11"}

OPERATIONS = {
    "qr-apply": _Operation(("X",), ("Y",), {"X": "1s", "Y": "ms"}, kernels.product, _product_vjp, _product_jvp),
    "qr-apply-adjoint": _Operation(
        ("X",), ("C",), {"X": "ms", "C": "1s"}, kernels.adjoint_product, _adjoint_product_vjp, _adjoint_product_jvp
    ),
    "qr-apply-complete": _Operation(
        ("X",), ("Y",), {"X": "ms", "Y": "ms"}, kernels.product, _product_vjp, _product_jvp, completes=True
    ),
    "qr-apply-complete-adjoint": _Operation(
        ("X",),
        ("C",),
        {"X": "ms", "C": "ms"},
        kernels.adjoint_product,
        _adjoint_product_vjp,
        _adjoint_product_jvp,
        completes=True,
    ),
    "qr-completion": _Operation(
        (),
        ("G", "S"),
        {},
        kernels.completion,
        _completion_vjp,
        _completion_jvp,
        results=2,
        discrete=("S",),
        keeps=("G", "S"),
    ),
    "qr-solve": _Operation(
        ("b",),
        ("x", "residuals", "rank"),
        {"b": "ms", "x": "ns", **_SOLVED},
        kernels.solution,
        _solution_vjp,
        _solution_jvp,
        results=3,
        discrete=("rank",),
        keeps=("x",),
        every=True,
    ),
    "qr-solve-adjoint": _Operation(
        ("b",),
        ("x", "residuals", "rank"),
        {"b": "ns", "x": "ms", **_SOLVED},
        kernels.shortest_solution,
        _shortest_vjp,
        _shortest_jvp,
        results=3,
        discrete=("rank",),
        keeps=("x",),
        every=True,
    ),
}
"""The operations on the factors of A[:, P] = Q R, by the name of the row."""


def _row(name: str, operation: _Operation, *, pivoted: bool) -> Primitive:
    takes, keeps = operation.takes, operation.keeps
    names = ("Q", "R", *(("P",) if pivoted else ()), *(("G", "S") if operation.completes else ()))
    count = 1 + len(takes)

    def factored(xp: Namespace, arrays: Arrays) -> Factored:
        return Factored(xp, **dict(zip(names, arrays, strict=True)))

    def forward(xp: Namespace, *inputs: Array) -> Arrays:
        return operation.kernel(xp, factored(xp, inputs[count:]), *inputs[:count])

    def split(xp: Namespace, kept: Arrays) -> tuple[Factored, Arrays]:
        read = count + len(keeps)
        return factored(xp, kept[read:]), kept[:read]

    def vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
        factors, read = split(xp, kept)
        return *operation.vjp(factors, *read, *cotangents), *[None] * len(names)

    def jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
        factors, read = split(xp, kept)
        return operation.jvp(factors, *read, *tangents[:count])

    def singular(xp: Namespace, kept: Arrays) -> Array:
        factors, _ = split(xp, kept)
        return has_marked(xp, factors.R, shape_of_product(xp, factors.Q, factors.R), every=operation.every)

    arrays = ("A", *takes, *names, *operation.outputs)
    sides: dict[str, Any] = {"A": "mn", "Q": "m1", "R": "1n", "P": "1n", "G": "11", "S": "11", **operation.sides}
    return Primitive(
        name=f"{name}-pivoted" if pivoted else name,
        options=(),
        orientation=Orientation(),
        inputs=("A", *takes, *names),
        outputs=operation.outputs,
        sides={X: sides[X] for X in arrays},
        results=operation.results,
        discrete=operation.discrete,
        keeps=("A", *takes, *keeps, *names),
        forward=forward,
        vjp=vjp,
        jvp=jvp,
        singular=singular,
        shapes=_shapes(name),
        pivots=pivoted,
    )


def _shapes(name: str) -> tuple[str, ...]:
    """Return the shapes of the matrices that an operation is for."""
    if "complet" in name:
        return ("deep",)
    return ("deep", "square") if "solve" in name else SHAPES


ROWS = {
    row.name: row
    for pivoted in (False, True)
    for row in (_row(name, operation, pivoted=pivoted) for name, operation in OPERATIONS.items())
}
"""The rows by name: those of A = Q R, and those of A[:, P] = Q R, which are called pivoted."""


def row(name: str) -> Primitive:
    """Return a row."""
    return ROWS[name]
