"""What a differentiable primitive is: a forward, its two derivative rules, and what these need.

Every function of a primitive takes the array namespace ``xp`` first:

    forward(xp, *inputs)          -> outputs
    vjp(xp, kept, cotangents)     -> one cotangent per input        (a cotangent that is None is zero, given or found)
    jvp(xp, kept, tangents)       -> one tangent per output
    singular(xp, kept)            -> boolean, per matrix: no derivative exists

All arrays of a primitive are stacks of matrices of one dtype, that of the inputs. Pivots and ranks are numbers of that
dtype too, and lengths (..., 1, s) or scalars (..., 1, 1): what makes them integers, reals and vectors comes after.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from unifiedqr._typing import Array, Arrays, Cotangents, Namespace
from unifiedqr.arrays.holders import Holders, namespace_of_holders
from unifiedqr.arrays.operators import adjoint, columns_at, inverse_of, order_of, reverse, reverse_columns
from unifiedqr.arrays.reflections import ADJOINT, Reflection
from unifiedqr.tracing import untraced

SHAPES = ("deep", "square", "wide")


def shape_name(m: int, n: int) -> str:
    """Return which of `SHAPES` m x n is."""
    return SHAPES[1 + (m < n) - (m > n)]


@dataclass(frozen=True)
class Orientation:
    """How a decomposition of A is the QR decomposition of A, of A^H, of A J or of A^H J (J reverses the columns).

    Attributes
    ----------
    adjoint, reversed : bool
        Whether the adjoint is taken, and whether its columns are reversed.
    """

    adjoint: bool = False
    reversed: bool = False

    def matrix(self, xp: Namespace, X: Array) -> Array:
        """Return the matrix whose QR decomposition it is, from A, or its orthonormal factor, from Q."""
        X = adjoint(xp, X) if self.adjoint else X
        return reverse_columns(xp, X) if self.reversed else X

    def triangle(self, xp: Namespace, X: Array) -> Array:
        """Return the triangular factor of that QR decomposition, from R or L."""
        X = adjoint(xp, X) if self.adjoint else X
        return reverse(xp, X) if self.reversed else X

    @property
    def lines(self) -> str:
        """What must be independent, in words."""
        return f"{'last' if self.reversed else 'leading'} {'rows' if self.adjoint else 'columns'}"


@dataclass(eq=False)  # not frozen: Dynamo would hash its fields, some of which are dictionaries
class Primitive:
    """One row of the table.

    Attributes
    ----------
    name : str
        The decomposition's name.
    options : tuple of str
        A word for each option; name and options together identify the row, in every process.
    orientation : Orientation
        Which QR decomposition it is.
    inputs, outputs : tuple of str
        Names of the arrays taken and given, in order.
    sides : mapping of str to str
        What runs along the rows and the columns of each input and output: "m" and "n" along those of A, "l" along the
        longer of both, "s" along the right-hand sides, "1" along none that could be spread over devices.
    results : int
        How many of the outputs users get; those after them serve the derivatives.
    discrete : tuple of str
        The outputs that are locally constant: pivots, ranks.
    keeps : tuple of str
        The inputs and outputs, by name, that both derivative rules read.
    shapes : tuple of str
        What A may be, of `SHAPES`.
    spans : bool
        Whether the first result is a basis that matters through the space it spans alone.
    pivots : bool
        Whether it looks for independent columns (rows) itself; otherwise the leading ones must be.
    communicates : bool
        Whether its functions exchange sums with others that run the same: see `of_holders`.
    forward, vjp, jvp, singular : callable
        As described at the head of the module.
    """

    name: str
    options: tuple[str, ...]
    orientation: Orientation
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sides: Mapping[str, str]
    results: int
    discrete: tuple[str, ...]
    keeps: tuple[str, ...]
    forward: Callable[..., Arrays]
    vjp: Callable[[Namespace, Arrays, Cotangents], Arrays]
    jvp: Callable[[Namespace, Arrays, Arrays], Arrays]
    singular: Callable[[Namespace, Arrays], Array]
    shapes: tuple[str, ...] = SHAPES
    spans: bool = False
    pivots: bool = False
    communicates: bool = False

    @property
    def triangle(self) -> str | None:
        """The name of the triangular factor, if users get one."""
        return next((name for name in self.outputs[: self.results] if name in ("R", "L")), None)

    def kept(self, inputs: Arrays, outputs: Arrays) -> Arrays:
        """Select from the inputs and outputs what the derivative rules read."""
        if self.keeps == self.outputs:
            return outputs
        named = dict(zip(self.inputs + self.outputs, inputs + outputs, strict=True))
        return tuple(named[name] for name in self.keeps)

    def gradients(self, xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
        """Return what `vjp` gives, with zeros in place of None, which stands for inputs that are kept."""
        found = self.vjp(xp, kept, cotangents)
        if all(bar is not None for bar in found):
            return found
        named = dict(zip(self.keeps, kept, strict=True))
        pairs = zip(self.inputs, found, strict=True)
        return tuple(xp.zeros_like(named[name]) if bar is None else bar for name, bar in pairs)


watchers: list[Callable[[Primitive], object]] = []
"""Adapters that must know each primitive before it is used, as tracing compilers do; notified of any made on demand."""


def on_demand(make: Callable[..., Primitive]) -> Callable[..., Primitive]:
    """Keep what makes a primitive for options that are numbers: one for each, made outside any trace."""
    kept: dict[tuple[Any, ...], Primitive] = {}

    @untraced
    def see_to(*options: Any) -> bool:
        if options not in kept:
            row = kept[options] = make(*options)
            for told in watchers:
                told(row)
        return True

    def made(*options: Any) -> Primitive:
        see_to(*options)  # what it made is found by an ordinary look-up, which a compiler can follow
        return kept[options]

    return made


def _sides(reflection: Reflection, name: str, sides: str) -> str:
    """Return the sides of an array on the other side of a reflection, by its name on this one."""
    if reflection is not ADJOINT:
        return sides
    sides = sides.translate(str.maketrans("mn", "nm"))
    return sides[::-1] if name in reflection.turns else sides


def mirrored(
    row: Primitive, name: str, outputs: Mapping[str, str], results: int, reflection: Reflection = ADJOINT
) -> Primitive:
    """Return the decomposition of A that is another one of its reflection: (LQ.1), (LQ.4), (LQ.5).

    `outputs` has the names of the new row's outputs in their order, each with the name it has in `row`.
    """
    names = {"A": "A", **{old: new for new, old in outputs.items()}}
    places = [row.outputs.index(old) for old in outputs.values()]
    turned, is_adjoint = reflection.turned, reflection is ADJOINT

    def inside(xp: Namespace) -> Namespace:
        return xp.beyond.of_adjoint if is_adjoint else xp

    def forward(xp: Namespace, A: Array) -> Arrays:
        found = turned(xp, row.outputs, row.forward(inside(xp), *turned(xp, row.inputs, (A,))))
        # The conjugate of a zero is 0 - 0i: the triangle is selected last.
        return tuple(xp.tril(found[i]) if is_adjoint and row.outputs[i] == "R" else found[i] for i in places)

    def vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
        given = dict(zip(outputs.values(), cotangents, strict=True))
        bars = turned(xp, row.outputs, [given[old] for old in row.outputs])
        return turned(xp, row.inputs, row.vjp(inside(xp), _inner(xp, kept), bars))

    def jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
        dots = row.jvp(inside(xp), _inner(xp, kept), turned(xp, row.inputs, tangents))
        found = turned(xp, row.outputs, dots)
        return tuple(found[i] for i in places)

    def _inner(xp: Namespace, kept: Arrays) -> Arrays:
        given = dict(zip(keeps, kept, strict=True))
        return turned(xp, row.keeps, [given[names[old]] for old in row.keeps])

    order = tuple(outputs)
    keeps = order if row.keeps == row.outputs else tuple(names[old] for old in row.keeps)
    before = row.orientation
    return Primitive(
        name=name,
        options=row.options,
        orientation=replace(before, adjoint=not before.adjoint) if is_adjoint else replace(before, reversed=True),
        inputs=row.inputs,
        outputs=order,
        sides={names[old]: _sides(reflection, old, row.sides[old]) for old in names},
        results=results,
        discrete=tuple(names[old] for old in row.discrete),
        keeps=keeps,
        forward=forward,
        vjp=vjp,
        jvp=jvp,
        singular=lambda xp, kept: row.singular(inside(xp), _inner(xp, kept)),
        shapes=tuple(SHAPES[2 - SHAPES.index(shape)] for shape in row.shapes) if is_adjoint else row.shapes,
        spans=row.spans,
        pivots=row.pivots,
        communicates=row.communicates,
    )


def permuted(row: Primitive, name: str, forward: Callable[..., Arrays]) -> Primitive:
    """Return the decomposition of A[:, p] that is another one of A, p locally constant (PV.1).

    `forward` gives the outputs of `row` with the pivots P, numbers (..., 1, n), after the results.
    """

    def inner(xp: Namespace, kept: Arrays) -> Arrays:
        *others, P = kept
        pairs = zip(row.keeps, others, strict=True)
        return tuple(columns_at(xp, X, order_of(xp, P)) if name == "A" else X for name, X in pairs)

    def vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
        bars = (*cotangents[: row.results], *cotangents[row.results + 1 :])
        (A_bar,) = row.vjp(xp, inner(xp, kept), bars)
        return (columns_at(xp, A_bar, inverse_of(xp, kept[-1])),)  # (PV.1)

    def jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
        P = kept[-1]
        dots = row.jvp(xp, inner(xp, kept), (columns_at(xp, tangents[0], order_of(xp, P)),))  # (PV.1)
        return *dots[: row.results], xp.zeros_like(P), *dots[row.results :]

    def singular(xp: Namespace, kept: Arrays) -> Array:
        return row.singular(xp, inner(xp, kept))

    return replace(
        row,
        name=name,
        outputs=(*row.outputs[: row.results], "P", *row.outputs[row.results :]),
        sides={**row.sides, "P": "1n"},
        results=row.results + 1,
        discrete=("P", *row.discrete),
        keeps=(*row.keeps, "P"),
        forward=forward,
        vjp=vjp,
        jvp=jvp,
        singular=singular,
        pivots=True,
    )


def of_holders(row: Primitive, holders: Holders, m: int | None, *, columns: bool = False) -> Primitive:
    """Return a decomposition of matrices whose m rows (None: equally many each) are spread over several holders.

    With `columns` the row is QR, and the result is LQ of matrices whose columns are spread.
    """

    def over(xp: Namespace) -> Namespace:
        return namespace_of_holders(xp, holders, m)

    def is_apart(name: str) -> bool:
        return "m" in row.sides[name] or "l" in row.sides[name]

    def checked(arrays: Arrays, names: tuple[str, ...], *, differentiated: bool) -> None:
        apart = next(X for name, X in zip(names, arrays, strict=True) if is_apart(name))
        holders.check(apart, differentiated=differentiated)

    def forward(xp: Namespace, *inputs: Array) -> Arrays:
        checked(inputs, row.inputs, differentiated=False)
        return row.forward(over(xp), *inputs)

    def vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
        checked(kept, row.keeps, differentiated=True)
        bars = [
            X if X is None or is_apart(name) or holders.are_typed else holders.total(X)
            for name, X in zip(row.outputs, cotangents, strict=True)
        ]
        return row.vjp(over(xp), kept, bars)

    def jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
        checked(kept, row.keeps, differentiated=True)
        return row.jvp(over(xp), kept, tangents)

    def singular(xp: Namespace, kept: Arrays) -> Array:
        return row.singular(over(xp), kept)

    made = replace(
        row,
        options=(*row.options, f"of {holders.count} holders"),
        communicates=True,
        forward=forward,
        vjp=vjp,
        jvp=jvp,
        singular=singular,
    )
    if not columns:
        return made
    outputs = {"L" if name == "R" else name: name for name in sorted(made.outputs, reverse=True)}
    return mirrored(made, {"qr": "lq", "qr-r": "lq-l"}[row.name], outputs, made.results)
