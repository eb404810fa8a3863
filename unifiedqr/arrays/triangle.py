r"""Right division by the leading triangle U of R, and the guards that keep it honest.

U is k x k upper triangular with real diagonal, R = [U V] is k x n, A is m x n, u the unit roundoff.

    (QR.7)  S = diag(2^-e_j), g = 2^h: the columns of U S are of size 1, and g lies halfway, in orders of magnitude,
            between the largest and the smallest column of R. Multiplying by S and g is exact.

Columns that depend on those before them are the subject of `unifiedqr.arrays.dependence`.
"""

from functools import cache
from typing import Any, NamedTuple

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.dependence import (
    anywhere,
    either,
    last_of,
    last_pivot_is_free,
    marked_columns,
    met,
    met_by_holders,
    nan_where,
    sum_of,
    total,
    undefined,
    unless_empty,
)
from unifiedqr.arrays.factored import meetings
from unifiedqr.arrays.operations import Term, is_product
from unifiedqr.arrays.operators import (
    Shape,
    add_to_leading_columns,
    adjoint,
    identity_like,
    is_complex,
    leading_columns,
)
from unifiedqr.arrays.scaling import exponents_of, sizes_of_columns, times
from unifiedqr.checks import report_dependent


class Equilibrated(NamedTuple):
    """The leading triangle with columns of one size, and what leads back from it (QR.7).

    Attributes
    ----------
    U : array, shape (..., k, k)
        U S, with columns of size 1.
    S : array, shape (..., 1, k)
        The diagonal of S, real.
    g : array, shape (..., 1, 1)
        A power of two halfway between the sizes of the columns of R, real.
    """

    U: Array
    S: Array
    g: Array


def equilibrated(xp: Namespace, R: Array, shape: Shape) -> Equilibrated:
    """Return U S, the diagonal of S, and g (QR.7).

    A column of zeros or subnormal numbers does not influence g, and g is its own factor.
    """
    sizes, normal = sizes_of_columns(xp, R)
    e = exponents_of(xp, xp.where(normal, sizes, xp.max(sizes, axis=-1, keepdims=True)))
    h = xp.floor((xp.max(e, axis=-1, keepdims=True) + xp.min(e, axis=-1, keepdims=True)) / 2)
    S = xp.beyond.power_of_two(-leading_columns(xp.where(normal, e, h), shape))
    return Equilibrated(times(xp, leading_columns(R, shape), S), S, xp.beyond.power_of_two(h))


class Triangle(NamedTuple):
    """R as a rule multiplies with it, and its leading triangle as a rule divides by it.

    Attributes
    ----------
    xp : namespace
    shape : Shape
        That of A.
    R : array, shape (..., k, n)
        As it came.
    U : array, shape (..., k, k)
        The leading triangle with columns of size 1, and those of the identity where marked (DC.1) or never read (QR.6).
    S : array, shape (..., 1, k), or None
        What U was multiplied by (QR.7); None for ones.
    g : array, shape (..., 1, 1), or None
        Halfway between the sizes of the columns of R (QR.7); None for one.
    marked : array, shape (..., 1, k), or None
        Marked columns; None if it is known that there are none.
    """

    xp: Namespace
    shape: Shape
    R: Array
    U: Array
    S: Array | None = None
    g: Array | None = None
    marked: Array | None = None

    def per_g(self, X: Array) -> Array:
        """Return X / g."""
        return X if self.g is None else times(self.xp, X, 1 / self.g)

    def by_D(self, X: Array) -> Array:
        """Return X g S: what is left to do for a quotient by U when its dividend was divided by g."""
        return X if self.S is None or self.g is None else times(self.xp, X, self.S * self.g)

    def inverse(self) -> Array:
        """Return U^-1, of the leading triangle of R."""
        S = None if self.S is None else self.xp.matrix_transpose(self.S)
        return times(self.xp, self.xp.beyond.inverse_upper(self.U), S)

    def undone(self) -> Array:
        """Return the leading triangle of R, as far as a rule reads it."""
        return times(self.xp, self.U, None if self.S is None else 1 / self.S)

    def undone_per_g(self) -> Array:
        """Return the leading triangle of R / g, as far as a rule reads it."""
        return self.U if self.S is None or self.g is None else times(self.xp, self.U, 1 / (self.S * self.g))

    def divide(self, Y: Array) -> Array:
        """Return Y U^-1, of the leading triangle of R."""
        xp = self.xp
        return adjoint(xp, xp.beyond.solve_triangular(adjoint(xp, self.undone()), adjoint(xp, Y), upper=False))

    def divide_scaled(self, Y: Array) -> Array:
        """Return (Y S) U^-1, which is Y U^-1 of the leading triangle of R (QR.7)."""
        xp, Y_H = self.xp, adjoint(self.xp, times(self.xp, Y, self.S))
        return adjoint(xp, xp.beyond.solve_triangular(adjoint(xp, self.U), Y_H, upper=False))

    def divide_adjoint(self, Y: Array) -> Array:
        """Return Y U^-H, of the leading triangle of R."""
        return self.xp.beyond.quotients(self.undone(), Y)[0]

    def quotients(self, X: Array, Y: Term | None = None, *, Y_H: Array | None = None) -> tuple[Array, Term | None]:
        """Return g X U^-H for a k x k X, and Y U^-H, or its adjoint for the adjoint of Y, of the leading triangle of R.

        The second one is a product, a term of a sum: A is tall, or Y a product itself (FA.1).
        """
        xp, U, S = self.xp, self.U, self.S
        if is_product(Y):
            F, K = Y
            X, K = xp.beyond.quotients(U, X, K)
            return self.by_D(X), (F, times(xp, K, S))  # (FA.1)
        if not self.shape.tall:
            return self.by_D(xp.beyond.quotients(U, X)[0]), None
        inverse = xp.beyond.inverse_upper(U)
        X = xp.beyond.matrix_product(X, adjoint(xp, inverse))
        inverse = times(xp, inverse, None if S is None else xp.matrix_transpose(S))
        Y = (inverse, Y_H) if Y_H is not None else None if Y is None else (Y, adjoint(xp, inverse))  # (QR.5)
        return self.by_D(X), Y  # (QR.7)

    def unmarked_rows(self, X: Array) -> Array:
        """Return X with zeros in its marked rows: of a cotangent of R, all that a finite gradient reads."""
        if self.marked is None:
            return X
        return self.xp.where(self.xp.matrix_transpose(self.marked), self.xp.zeros_like(X), X)

    def plus_unmarked_rows(self, X: Array, R_bar: Array) -> Array:
        """Return [X, 0] + R_bar, of which the marked rows are left out.

        They are left out of the sum: an executor that runs what it can would keep R_bar without them all the time.
        """
        xp, shape = self.xp, self.shape
        if self.marked is None:
            return add_to_leading_columns(xp, R_bar, X, shape)
        rows = xp.matrix_transpose(self.marked)
        if not shape.wide:
            return xp.where(rows, X, R_bar + X)
        leading, others = R_bar[..., : shape.k], R_bar[..., shape.k :]
        others = xp.where(rows, xp.zeros_like(others), others)
        return xp.concat([xp.where(rows, X, leading + X), others], axis=-1)

    def undefined(
        self,
        *,
        W: Array | None,
        R_bar: Array | None,
        Q_bar: Term | None = None,
        Q_bar_H: Array | None = None,
        others: tuple[Array, ...] = (),
    ) -> Array | None:
        """Return NaN for the matrices of which a cotangent reaches what has no derivative, 0 for others, (..., 1, 1).

        `W` is Q^H Q_bar. Q_bar may come as its adjoint instead, or as a product. What R never varies in is not read of
        R_bar: all below the diagonal, phases on it. `others` are cotangents of what depends on every column.
        None if nothing is marked.
        """
        xp, marked = self.xp, self.marked
        if marked is None:
            return None

        def found() -> Array:
            terms = [met(xp, X) for X in others]
            varied = None if R_bar is None else _varied(xp, R_bar)
            terms += [met(xp, X, marked, rows=True) for X in (varied, Q_bar_H) if X is not None]
            if is_product(Q_bar):
                terms.append(met(xp, meetings(xp, *Q_bar), marked))
            elif Q_bar is not None:
                terms.append(met_by_holders(xp, Q_bar, marked))
            return either(xp, *terms)

        def summed() -> Array:
            # Of arrays of one size, the one that is there anyway.
            X = W if Q_bar is None or is_product(Q_bar) or self.shape.deep else Q_bar
            of_W = None if X is None else sum_of(xp, X, marked)
            return total(of_W, None if R_bar is None else sum_of(xp, _varied(xp, R_bar), marked, rows=True))

        return undefined(xp, self.R, marked, found, summed)

    def unless_marked(self, X: Array, *, rows: bool = False) -> Array:
        """Return X with NaN in its marked columns, or rows."""
        if self.marked is None:
            return X
        factors = nan_where(self.xp, self.marked, X.dtype)
        return X * (self.xp.matrix_transpose(factors) if rows else factors)

    def report(self) -> None:
        """Report the matrices that have marked columns, where tangents do not exist."""
        if self.marked is not None:
            report_dependent(self.xp, anywhere(self.xp, self.marked), self.R)


def _varied(xp: Namespace, R_bar: Array) -> Array:
    """Return the upper triangle of a cotangent of R, with the real part of its diagonal."""
    upper = xp.triu(R_bar)
    if not is_complex(xp, R_bar):
        return upper
    above = xp.triu(R_bar, k=1)
    return above + xp.astype(xp.real(upper - above), R_bar.dtype)


def has_marked(xp: Namespace, R: Array, shape: Shape, *, every: bool = False) -> Array:
    """Return per matrix, (..., 1, 1), whether one of the leading k columns is marked, and a part has no derivative."""
    if R.shape[-2] == 0:
        return anywhere(xp, xp.isnan(R))  # no column, none dependent
    return anywhere(xp, marked_columns(xp, equilibrated(xp, R, shape).U, shape, every=every))


def guarded(xp: Namespace, R: Array, shape: Shape, *, every: bool = False) -> Triangle:
    """Return R with its leading triangle scaled (QR.7), and with columns of the identity where marked (DC.1).

    `every` pivot counts for a rule to which (QR.6) does not apply. Where the values of R can be looked at for nothing,
    and need neither, the triangle comes back as it is: multiplying by powers of two would not change a digit of any
    result.
    """
    if _is_harmless(xp, R, shape):
        return Triangle(xp, shape, R, leading_columns(R, shape))
    U, S, g = equilibrated(xp, R, shape)
    marked = replaced = marked_columns(xp, U, shape, every=every)
    if not every and last_pivot_is_free(xp, R, shape):
        replaced = xp.logical_or(marked, last_of(xp, S) > 0)  # (QR.6)
    U = xp.where(replaced, identity_like(xp, U), U)  # (DC.1)
    return Triangle(xp, shape, R, U, S, g, unless_empty(xp, marked))


MODEST = {2.0**-23: 2.0**8, 2.0**-52: 2.0**64}
"""Up to which size of columns, and of its inverse, scaling serves nobody, by the eps of the dtype: without it products
overflow for cotangents alone that are within so much of overflow themselves."""


def _is_harmless(xp: Namespace, R: Array, shape: Shape) -> bool:
    """Return whether R is known to have pivots and columns of modest size, none of them dependent."""
    extremes = xp.beyond.glance(R)
    if extremes is None:
        return False
    least, largest = extremes
    eps = _eps(xp, R.dtype)
    modest, length = MODEST[eps], largest * R.shape[-2] ** 0.5  # no column is longer
    return largest <= modest and least >= 1 / modest and least > 4 * shape.longer * eps * length


@cache
def _eps(xp: Namespace, dtype: Any) -> float:
    return float(xp.finfo(dtype).eps)  # some namespaces are slow


def frame_inverse(xp: Namespace, R: Array, shape: Shape) -> Array:
    """Return G = U^-1 for the leading k columns U of R, NaN in marked columns (DC.1)."""
    U = leading_columns(R, shape)
    if R.shape[-2] == 0:
        return U
    marked = unless_empty(xp, marked_columns(xp, equilibrated(xp, R, shape).U, shape, every=True))
    if marked is None:
        return xp.beyond.inverse_upper(U)
    G = xp.beyond.inverse_upper(xp.where(marked, identity_like(xp, U), U))
    return G * nan_where(xp, marked, G.dtype)


def frame_singular(xp: Namespace, G: Array) -> Array:
    """Return per matrix, in a boolean array (..., 1, 1), whether it has marked columns."""
    return anywhere(xp, xp.isnan(G))
