r"""Right division by the leading triangle U of R, and the guards that keep it honest.

U is k x k upper triangular with real diagonal, R = [U V] is k x n, A is m x n, u the unit roundoff.

    (11d)  S = diag(2^-e_j), g = 2^h: the columns of U S are of size 1, and g lies halfway, in orders of magnitude,
           between the largest and the smallest column of R. Multiplying by S and g is exact.

Columns that depend on those before them are the subject of `unifiedqr.rules.dependence`.
"""

from functools import cache
from typing import Any, NamedTuple

from unifiedqr._typing import Array, Namespace
from unifiedqr.checks import report_dependent
from unifiedqr.rules.dependence import (
    COLUMNS,
    ENTRIES,
    ROWS,
    anywhere,
    last_of,
    last_pivot_is_free,
    marked_columns,
    nan_where,
    reached,
    undefined,
    unless_empty,
)
from unifiedqr.rules.operators import Shape, adjoint, identity_like, is_complex, leading_columns


def solve_upper(xp: Namespace, U: Array, Y: Array) -> Array:
    """Return U^-1 Y for upper-triangular U.

    The Array API standard has no triangular solve: a namespace that has one offers it as
    ``linalg.solve_triangular(A, B, *, upper)``. Elsewhere ``linalg.solve`` serves, since LU with partial pivoting of an
    upper-triangular matrix swaps no rows and is back substitution.
    """
    native = getattr(xp.linalg, "solve_triangular", None)
    return xp.linalg.solve(U, Y) if native is None else native(U, Y, upper=True)


def solve_upper_adjoint(xp: Namespace, U: Array, Y: Array) -> Array:
    """Return U^-H Y for upper-triangular U."""
    native = getattr(xp.linalg, "solve_triangular", None)
    if native is not None:
        return native(adjoint(xp, U), Y, upper=False)
    # Reversing the rows and columns of the lower triangle U^H makes it upper: then no row is swapped.
    flipped = xp.flip(adjoint(xp, U), axis=(-2, -1))
    return xp.flip(xp.linalg.solve(flipped, xp.flip(Y, axis=-2)), axis=-2)


def inverse_upper(xp: Namespace, U: Array) -> Array:
    """Return U^-1 for upper-triangular U, exactly triangular; by a namespace's ``linalg.inverse_upper(U)``, if any."""
    native = getattr(xp.linalg, "inverse_upper", None)
    if native is not None:
        return native(U)
    return xp.triu(solve_upper(xp, U, identity_like(xp, U)))


def divide(xp: Namespace, Y: Array, U: Array) -> Array:
    """Return Y U^-1."""
    return adjoint(xp, solve_upper_adjoint(xp, U, adjoint(xp, Y)))


def divide_adjoint(xp: Namespace, Y: Array, U: Array) -> Array:
    """Return Y U^-H; by a namespace's ``linalg.divide_adjoint(Y, U)``, if any."""
    native = getattr(xp.linalg, "divide_adjoint", None)
    return adjoint(xp, solve_upper(xp, U, adjoint(xp, Y))) if native is None else native(Y, U)


def divide_both_adjoint(xp: Namespace, X: Array, Y: Array, U: Array) -> tuple[Array, Array]:
    """Return X U^-H and Y U^-H, for a U so small that each call of a solver costs more than what it solves.

    By one inverse, or by a namespace's ``linalg.divide_both_adjoint(X, Y, U)`` where products of small matrices cost as
    much.
    """
    native = getattr(xp.linalg, "divide_both_adjoint", None)
    if native is not None:
        return native(X, Y, U)
    E = adjoint(xp, inverse_upper(xp, U))
    return X @ E, Y @ E


def times(xp: Namespace, X: Array, powers: Array | None) -> Array:
    """Return X times powers of two, real numbers that broadcast against X; X itself for None."""
    return X if powers is None else X * xp.astype(powers, X.dtype)


def power_of_two(xp: Namespace, exponents: Array) -> Array:
    """Return 2 to the power of integers, which are real numbers; by a namespace's ``power_of_two(exponents)``."""
    native = getattr(xp, "power_of_two", None)
    return 2.0**exponents if native is None else native(exponents)


def scaled(xp: Namespace, X: Array, exponents: Array) -> Array:
    """Return X times 2 to the power of integers, real numbers that broadcast against X."""
    return times(xp, X, power_of_two(xp, exponents))


def smallest_normal(xp: Namespace, X: Array) -> float:
    """Return the smallest normal number of the dtype of X, or of double precision if that is larger."""
    return max(float(xp.finfo(X.dtype).smallest_normal), 2.0**-1022)


def sizes_of_columns(xp: Namespace, X: Array) -> tuple[Array, Array]:
    """Return max|x| per column, shape (..., 1, n), and whether it is a normal number."""
    if is_complex(xp, X):
        sizes = xp.max(xp.abs(X), axis=-2, keepdims=True)
    else:  # without moduli as large as X
        up, down = xp.max(X, axis=-2, keepdims=True), -xp.min(X, axis=-2, keepdims=True)
        sizes = xp.where(up > down, up, down)
    return sizes, sizes >= smallest_normal(xp, X)


def exponents_of(xp: Namespace, sizes: Array) -> Array:
    """Return floor(log2 x) of normal numbers, 0 of others; of the largest ones so much less that 2^-e is normal too."""
    one, least = xp.ones_like(sizes), smallest_normal(xp, sizes)
    sizes = xp.where(sizes >= least, sizes, one)
    return xp.floor(xp.log2(xp.where(sizes < 1 / least, sizes, one / least)))


class Equilibrated(NamedTuple):
    """The leading triangle with columns of one size, and what leads back from it (11d).

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
    """Return U S, the diagonal of S, and g (11d).

    A column of zeros or subnormal numbers has no say in g, and g is its own factor.
    """
    sizes, normal = sizes_of_columns(xp, R)
    e = exponents_of(xp, xp.where(normal, sizes, xp.max(sizes, axis=-1, keepdims=True)))
    h = xp.floor((xp.max(e, axis=-1, keepdims=True) + xp.min(e, axis=-1, keepdims=True)) / 2)
    S = power_of_two(xp, -leading_columns(xp.where(normal, e, h), shape))
    return Equilibrated(times(xp, leading_columns(R, shape), S), S, power_of_two(xp, h))


class Triangle(NamedTuple):
    """R as a rule multiplies with it, and its leading triangle as a rule divides by it.

    Attributes
    ----------
    R : array, shape (..., k, n)
        As it came.
    U : array, shape (..., k, k)
        The leading triangle with columns of size 1, and those of the identity where marked (29r) or never read (11k).
    S : array, shape (..., 1, k), or None
        What U was multiplied by (11d); None for ones.
    g : array, shape (..., 1, 1), or None
        Halfway between the sizes of the columns of R (11d); None for one.
    marked : array, shape (..., 1, k), or None
        Marked columns; None if it is known that there are none.
    """

    R: Array
    U: Array
    S: Array | None = None
    g: Array | None = None
    marked: Array | None = None

    @property
    def per_g(self) -> Array | None:
        """1 / g."""
        return None if self.g is None else 1 / self.g

    @property
    def D(self) -> Array | None:
        """The diagonal g S: what a quotient by U is multiplied by when its dividend was divided by g."""
        return None if self.S is None or self.g is None else self.S * self.g

    def inverse(self, xp: Namespace) -> Array:
        """Return U^-1, of the leading triangle of R."""
        return times(xp, inverse_upper(xp, self.U), None if self.S is None else xp.matrix_transpose(self.S))

    def undone(self, xp: Namespace) -> Array:
        """Return the leading triangle of R, as far as a rule reads it."""
        return times(xp, self.U, None if self.S is None else 1 / self.S)

    def read_of(self, xp: Namespace, R_bar: Array) -> Array:
        """Return a cotangent of R without what R never varies in, in the marked rows: all below the diagonal, phases.

        In the other rows that cancels in the rules, which divide by their own U there.
        """
        if self.marked is None:
            return R_bar
        read = xp.triu(R_bar)
        if is_complex(xp, R_bar):
            above = xp.triu(R_bar, k=1)
            read = above + xp.astype(xp.real(read - above), R_bar.dtype)
        return xp.where(xp.matrix_transpose(self.marked), read, R_bar)

    def undefined(
        self,
        xp: Namespace,
        *,
        W: Array | None,
        R_bar: Array | None,
        Q_bar: Array | None = None,
        Q_bar_H: Array | None = None,
        others: tuple[Array, ...] = (),
    ) -> Array | None:
        """Return NaN for the matrices of which a cotangent reaches what has no derivative, 0 for others, (..., 1, 1).

        `W` is Q^H Q_bar, and `R_bar` what `read_of` gave. Q_bar may come as its adjoint instead. `others` are
        cotangents of what depends on every column. None if nothing is marked.
        """
        marked = self.marked
        if marked is None:
            return None
        rows = xp.matrix_transpose(marked)
        entire = ((anywhere(xp, marked), X, ENTRIES) for X in others)
        struck = reached(xp, (marked, Q_bar, COLUMNS), (rows, Q_bar_H, ROWS), (rows, R_bar, ROWS), *entire)
        return undefined(xp, self.R, marked, struck, (marked, W), (rows, R_bar))

    def unless_marked(self, xp: Namespace, X: Array, *, rows: bool = False) -> Array:
        """Return X with NaN in its marked columns, or rows."""
        if self.marked is None:
            return X
        factors = nan_where(xp, self.marked, X.dtype)
        return X * (xp.matrix_transpose(factors) if rows else factors)

    def report(self, xp: Namespace) -> None:
        """Report the matrices that have marked columns: a tangent has no end there."""
        if self.marked is not None:
            report_dependent(xp, anywhere(xp, self.marked), self.R)


def has_marked(xp: Namespace, R: Array, shape: Shape, *, every: bool = False) -> Array:
    """Return per matrix, (..., 1, 1), whether one of the leading k columns is marked, and a part has no derivative."""
    if R.shape[-2] == 0:
        return anywhere(xp, xp.isnan(R))  # no column, none dependent
    return anywhere(xp, marked_columns(xp, equilibrated(xp, R, shape).U, shape, every=every))


def plus(X: Array, number: Array | None) -> Array:
    """Return X + number, X itself for None."""
    return X if number is None else X + number


def guarded(xp: Namespace, R: Array, shape: Shape, *, every: bool = False) -> Triangle:
    """Return R with its leading triangle scaled (11d), and with columns of the identity where marked (29r).

    `every` pivot counts for a rule to which (11k) does not apply. Where the values of R can be looked at for nothing,
    and need neither, the triangle comes back as it is: multiplying by powers of two would not change a digit of any
    result.
    """
    if _is_harmless(xp, R, shape):
        return Triangle(R, leading_columns(R, shape))
    U, S, g = equilibrated(xp, R, shape)
    marked = replaced = marked_columns(xp, U, shape, every=every)
    if not every and last_pivot_is_free(xp, R, shape):
        replaced = xp.logical_or(marked, last_of(xp, S) > 0)  # (11k)
    U = xp.where(replaced, identity_like(xp, U), U)  # (29r)
    return Triangle(R, U, S, g, unless_empty(xp, marked))


MODEST = {2.0**-23: 2.0**8, 2.0**-52: 2.0**64}
"""Up to which size of columns, and of its inverse, scaling serves nobody, by the eps of the dtype: without it products
overflow for cotangents alone that are within so much of overflow themselves."""


def _is_harmless(xp: Namespace, R: Array, shape: Shape) -> bool:
    """Return whether R is known to have pivots and columns of modest size, none of them dependent.

    A namespace whose values are often at hand, so that looking costs next to nothing, offers ``glance(R)``: the least
    modulus on the diagonals and the largest of all, as two numbers, or None.
    """
    glance = getattr(xp, "glance", None)
    extremes = None if glance is None else glance(R)
    if extremes is None:
        return False
    least, largest = extremes
    eps = _eps(xp, R.dtype)
    modest, length = MODEST[eps], largest * R.shape[-2] ** 0.5  # no column is longer
    return largest <= modest and least >= 1 / modest and least > 4 * shape.longer * eps * length


@cache
def _eps(xp: Namespace, dtype: Any) -> float:
    return float(xp.finfo(dtype).eps)  # some namespaces take their time
