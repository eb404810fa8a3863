r"""Right division by the leading triangle U of R, and the guards that keep it honest.

U is k x k upper triangular with real diagonal, R = [U V] is k x n, A is m x n, u the unit roundoff.

    (11k)  X U^H = Y with the last column of Y zero: so is that of X, whatever the last pivot of U is, and 1 stands in
           its place. For a real square or wide A the last pivot never enters a derivative, so it may be zero.
    (11d)  S = diag(2^-e_j), g = 2^h: the columns of U S are of size 1, and g lies halfway, in orders of magnitude,
           between the largest and the smallest column of R. Multiplying by S and g is exact.

*Dependent columns.* Column j of A is numerically dependent on the columns before it when
|R_jj| <= 4 max(m, n) eps ||R[:, j]||; so is a column of subnormal numbers, which have lost their digits. Then no
derivative exists (the last pivot of a real square or wide matrix excepted), and `poison` puts NaN where a finite number
would be a lie.
"""

from functools import cache
from typing import Any, NamedTuple

from unifiedqr._typing import Array, Namespace
from unifiedqr.checks import report_dependent
from unifiedqr.rules.operators import Shape, adjoint, identity_like, is_complex, leading_columns


def solve_upper(xp: Namespace, U: Array, Y: Array) -> Array:
    """Give U^-1 Y for upper-triangular U.

    The Array API standard has no triangular solve: a namespace that has one offers it as
    ``linalg.solve_triangular(A, B, *, upper)``. Elsewhere ``linalg.solve`` serves, since LU with partial pivoting of an
    upper-triangular matrix swaps no rows and is back substitution.
    """
    native = getattr(xp.linalg, "solve_triangular", None)
    return xp.linalg.solve(U, Y) if native is None else native(U, Y, upper=True)


def solve_upper_adjoint(xp: Namespace, U: Array, Y: Array) -> Array:
    """Give U^-H Y for upper-triangular U."""
    native = getattr(xp.linalg, "solve_triangular", None)
    if native is not None:
        return native(adjoint(xp, U), Y, upper=False)
    # Reversing the rows and columns of the lower triangle U^H makes it upper: then no row is swapped.
    flipped = xp.flip(adjoint(xp, U), axis=(-2, -1))
    return xp.flip(xp.linalg.solve(flipped, xp.flip(Y, axis=-2)), axis=-2)


def inverse_upper(xp: Namespace, U: Array) -> Array:
    """Give U^-1 for upper-triangular U, exactly triangular; by a namespace's ``linalg.inverse_upper(U)``, if any."""
    native = getattr(xp.linalg, "inverse_upper", None)
    if native is not None:
        return native(U)
    return xp.triu(solve_upper(xp, U, identity_like(xp, U)))


def divide(xp: Namespace, Y: Array, U: Array) -> Array:
    """Give Y U^-1."""
    return adjoint(xp, solve_upper_adjoint(xp, U, adjoint(xp, Y)))


def divide_adjoint(xp: Namespace, Y: Array, U: Array) -> Array:
    """Give Y U^-H; by a namespace's ``linalg.divide_adjoint(Y, U)``, if any."""
    native = getattr(xp.linalg, "divide_adjoint", None)
    return adjoint(xp, solve_upper(xp, U, adjoint(xp, Y))) if native is None else native(Y, U)


def divide_both_adjoint(xp: Namespace, X: Array, Y: Array, U: Array) -> tuple[Array, Array]:
    """Give X U^-H and Y U^-H, for a U so small that each call of a solver costs more than what it solves.

    By one inverse, or by a namespace's ``linalg.divide_both_adjoint(X, Y, U)`` where products of small matrices cost as
    much.
    """
    native = getattr(xp.linalg, "divide_both_adjoint", None)
    if native is not None:
        return native(X, Y, U)
    E = adjoint(xp, inverse_upper(xp, U))
    return X @ E, Y @ E


def last_pivot_is_free(xp: Namespace, R: Array, shape: Shape) -> bool:
    """Tell whether the last pivot of R never enters a derivative: A is real, square or wide (11k)."""
    return not shape.deep and not is_complex(xp, R)


def times(xp: Namespace, X: Array, powers: Array | None) -> Array:
    """Give X times powers of two, real numbers that broadcast against X; X itself for None."""
    return X if powers is None else X * xp.astype(powers, X.dtype)


def power_of_two(xp: Namespace, exponents: Array) -> Array:
    """Give 2 to the power of integers, which are real numbers; by a namespace's ``power_of_two(exponents)``, if any."""
    native = getattr(xp, "power_of_two", None)
    return 2.0**exponents if native is None else native(exponents)


def scaled(xp: Namespace, X: Array, exponents: Array) -> Array:
    """Give X times 2 to the power of integers, real numbers that broadcast against X."""
    return times(xp, X, power_of_two(xp, exponents))


def smallest_normal(xp: Namespace, X: Array) -> float:
    """Give the smallest normal number of the dtype of X, or of double precision if that is larger."""
    return max(float(xp.finfo(X.dtype).smallest_normal), 2.0**-1022)


def sizes_of_columns(xp: Namespace, X: Array) -> tuple[Array, Array]:
    """Give max|x| per column, shape (..., 1, n), and whether it is a normal number."""
    if is_complex(xp, X):
        sizes = xp.max(xp.abs(X), axis=-2, keepdims=True)
    else:  # without moduli as large as X
        up, down = xp.max(X, axis=-2, keepdims=True), -xp.min(X, axis=-2, keepdims=True)
        sizes = xp.where(up > down, up, down)
    return sizes, sizes >= smallest_normal(xp, X)


def exponents_of(xp: Namespace, sizes: Array) -> Array:
    """Give floor(log2 x) of normal numbers, 0 of others; of the largest ones so much less that 2^-e is normal too."""
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
    """Give U S, the diagonal of S, and g (11d).

    A column of zeros or subnormal numbers has no say in g, and g is its own factor.
    """
    sizes, normal = sizes_of_columns(xp, R)
    e = exponents_of(xp, xp.where(normal, sizes, xp.max(sizes, axis=-1, keepdims=True)))
    h = xp.floor((xp.max(e, axis=-1, keepdims=True) + xp.min(e, axis=-1, keepdims=True)) / 2)
    S = power_of_two(xp, -leading_columns(xp.where(normal, e, h), shape))
    return Equilibrated(times(xp, leading_columns(R, shape), S), S, power_of_two(xp, h))


def dependent(xp: Namespace, U: Array, shape: Shape, *, every: bool = False) -> Array:
    """Tell per matrix whether its leading block has a dependent column, so that no derivative exists.

    U is equilibrated; `every` pivot counts for a rule to which (11k) does not apply. Gives a boolean array of shape
    (..., 1, 1). NaN in U counts as dependent.
    """
    last_is_free = not every and last_pivot_is_free(xp, U, shape)
    if U.shape[-2] == 1 and last_is_free:
        return xp.isnan(xp.abs(U))
    sound = independent(xp, U, shape)
    if last_is_free:
        sound = sound[..., :-1]
    nowhere = xp.expand_dims(~xp.all(sound, axis=-1, keepdims=True), axis=-1)
    if last_is_free and U.shape[-2] is None:  # traced for any size: there may be no other pivot
        nowhere = nowhere | xp.any(xp.isnan(U), axis=(-2, -1), keepdims=True)
    return nowhere


def independent(xp: Namespace, U: Array, shape: Shape) -> Array:
    """Tell which of the leading k columns are independent of those before them, (..., k); U is equilibrated."""
    length = xp.sqrt(xp.sum((xp.abs(U) if is_complex(xp, U) else U) ** 2, axis=-2))
    rounding = 4 * shape.longer * float(xp.finfo(U.dtype).eps) * length
    subnormal = length < 0.5  # other columns are of size 1, give or take the rounding of a logarithm
    return xp.abs(xp.linalg.diagonal(U)) > xp.where(subnormal, xp.ones_like(length), rounding)


def poison(xp: Namespace, X: Array, where: Array) -> Array:
    """Give X, NaN in every entry of the matrices that `where`, (..., 1, 1), marks: a sum, quicker than a selection."""
    nothing, nan = xp.zeros_like(where, dtype=X.dtype), xp.full_like(where, float("nan"), dtype=X.dtype)
    poisonous = xp.where(where, nan, nothing)
    return X + ((1 + 1j) * poisonous if is_complex(xp, X) else poisonous)  # NaN in both parts, not in a tracer's text


class Triangle(NamedTuple):
    """R as a rule multiplies with it, and its leading triangle as a rule divides by it.

    Attributes
    ----------
    R : array, shape (..., k, n)
        As it came.
    U : array, shape (..., k, k)
        The leading triangle with columns of size 1, NaN in the matrices that have dependent columns.
    S : array, shape (..., 1, k), or None
        What U was multiplied by (11d); None for ones.
    g : array, shape (..., 1, 1), or None
        Halfway between the sizes of the columns of R (11d); None for one.
    nowhere : array, shape (..., 1, 1), or None
        Which matrices have dependent columns; None if none has, and it is known that no pivot is zero, the last one
        of (11k) included.
    """

    R: Array
    U: Array
    S: Array | None = None
    g: Array | None = None
    nowhere: Array | None = None

    @property
    def per_g(self) -> Array | None:
        """1 / g."""
        return None if self.g is None else 1 / self.g

    @property
    def D(self) -> Array | None:
        """The diagonal g S: what a quotient by U is multiplied by when its dividend was divided by g."""
        return None if self.S is None or self.g is None else self.S * self.g

    def inverse(self, xp: Namespace) -> Array:
        """Give U^-1, of the leading triangle of R."""
        return times(xp, inverse_upper(xp, self.U), None if self.S is None else xp.matrix_transpose(self.S))

    def undone(self, xp: Namespace) -> Array:
        """Give the leading triangle of R, NaN where U is."""
        return times(xp, self.U, None if self.S is None else 1 / self.S)

    def poisoned(self, xp: Namespace, X: Array) -> Array:
        """Give X, NaN in the matrices that have dependent columns."""
        return X if self.nowhere is None else poison(xp, X, self.nowhere)


def guarded(xp: Namespace, R: Array, shape: Shape, *, every: bool = False) -> Triangle:
    """Give R with its leading triangle scaled (11d) and, where no derivative exists, poisoned; report those.

    `every` pivot counts for a rule to which (11k) does not apply. Where the values of R can be looked at for nothing,
    and need neither, the triangle comes back as it is: multiplying by powers of two would not change a digit of any
    result.
    """
    if not every and _is_harmless(xp, R, shape):
        return Triangle(R, leading_columns(R, shape))
    U, S, g = equilibrated(xp, R, shape)
    nowhere = dependent(xp, U, shape, every=every)
    report_dependent(xp, nowhere)
    if not every and last_pivot_is_free(xp, R, shape):
        U = _with_last_pivot_one(xp, U)  # (11k)
    return Triangle(R, poison(xp, U, nowhere), S, g, nowhere)


def _with_last_pivot_one(xp: Namespace, U: Array) -> Array:
    """Give U with 1 in place of its last pivot, the only entry of its last row that is not zero."""
    identity = identity_like(xp, U)
    return identity if U.shape[-1] == 1 else xp.concat([U[..., :-1, :], identity[..., -1:, :]], axis=-2)


MODEST = {2.0**-23: 2.0**8, 2.0**-52: 2.0**64}
"""Up to which size of columns, and of its inverse, scaling serves nobody, by the eps of the dtype: without it products
overflow for cotangents alone that are within so much of overflow themselves."""


def _is_harmless(xp: Namespace, R: Array, shape: Shape) -> bool:
    """Tell whether R is known to have pivots and columns of modest size, none of them dependent.

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
