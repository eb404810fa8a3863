r"""Right division by the leading triangle U of R, and the two guards that keep it honest.

U is k x k upper triangular with real diagonal, R = [U V] is k x n, A is m x n, u the unit roundoff.

    (11k)  X U^H = Y with the last column of X zero: only the leading (k-1) x (k-1) block of U is inverted.
           For a real square or wide A the last pivot never enters a derivative, so it may be zero.
    (11s)  s = 2^floor(log2 max|U|): U/s and R/s have entries of moderate size, and multiplying by 1/s is exact.

*Dependent columns.* Column j of A is numerically dependent on the columns before it when
|R_jj| <= max(m, n) eps ||R[:, j]||. Then no derivative exists (the last pivot of a real square or wide matrix
excepted), and `poison` puts NaN where a finite number would be a lie.
"""

from collections.abc import Callable

from unifiedqr._typing import Array, Namespace
from unifiedqr.checks import report_dependent
from unifiedqr.rules.operators import adjoint, is_complex, leading_columns


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


def divide(xp: Namespace, Y: Array, U: Array) -> Array:
    """Give Y U^-1."""
    return adjoint(xp, solve_upper_adjoint(xp, U, adjoint(xp, Y)))


def divide_adjoint(xp: Namespace, Y: Array, U: Array) -> Array:
    """Give Y U^-H."""
    return adjoint(xp, solve_upper(xp, U, adjoint(xp, Y)))


def divide_but_last(xp: Namespace, Y: Array, U: Array) -> Array:
    """Give Y U^-1 with its last column replaced by zeros, without reading the last pivot (11k)."""
    return _but_last(xp, divide, Y, U)


def divide_adjoint_but_last(xp: Namespace, Y: Array, U: Array) -> Array:
    """Give X with X U^H = Y and a zero last column, for Y whose last column is zero (11k)."""
    return _but_last(xp, divide_adjoint, Y, U)


def _but_last(xp: Namespace, division: Callable[..., Array], Y: Array, U: Array) -> Array:
    k = U.shape[-1]
    zero = xp.zeros_like(Y[..., -1:])
    if k == 1:
        return zero
    return xp.concat([division(xp, Y[..., : k - 1], U[..., : k - 1, : k - 1]), zero], axis=-1)


def last_pivot_is_free(xp: Namespace, R: Array, m: int) -> bool:
    """Tell whether the last pivot of an m-row matrix never enters a derivative: real, square or wide (11k)."""
    return R.shape[-2] == m and not is_complex(xp, R)


def inverse_power_of_two(xp: Namespace, X: Array) -> Array:
    """Give 1/s = 2^-floor(log2 max|X|) per matrix, shape (..., 1, 1), in the dtype of X; 1 for a zero matrix (11s)."""
    largest = xp.max(xp.abs(X), axis=(-2, -1), keepdims=True)
    return xp.astype(2.0 ** -xp.floor(xp.log2(xp.where(largest > 0, largest, xp.ones_like(largest)))), X.dtype)


def dependent(xp: Namespace, R: Array, m: int) -> Array:
    """Tell per matrix whether its leading block has a dependent column, so that no derivative exists.

    Gives a boolean array of shape (..., 1, 1). NaN in R counts as dependent.
    """
    k, n = R.shape[-2], R.shape[-1]
    U_abs = xp.abs(leading_columns(R, k))
    largest = xp.max(U_abs, axis=-2)
    if k == 1 and last_pivot_is_free(xp, R, m):
        return xp.isnan(xp.expand_dims(largest, axis=-1))
    largest = xp.where(largest > 0, largest, xp.ones_like(largest))
    column_norm = largest * xp.sqrt(xp.sum((U_abs / xp.expand_dims(largest, axis=-2)) ** 2, axis=-2))
    threshold = max(m, n) * float(xp.finfo(R.dtype).eps) * column_norm
    sound = xp.linalg.diagonal(U_abs) > threshold
    if last_pivot_is_free(xp, R, m):
        sound = sound[..., : k - 1]
    return xp.expand_dims(~xp.all(sound, axis=-1, keepdims=True), axis=-1)


def poison(xp: Namespace, X: Array, where: Array) -> Array:
    """Give X with NaN in every entry of the matrices that `where` marks."""
    return xp.where(where, xp.full_like(X, float("nan")), X)


def poison_dependent(xp: Namespace, R: Array, m: int, R_bar: Array | None = None) -> tuple[Array, Array]:
    """Give R and its cotangent (zero for None), both NaN in the matrices that have dependent columns; report them."""
    nowhere = dependent(xp, R, m)
    report_dependent(xp, nowhere)
    R_bar = xp.zeros_like(R) if R_bar is None else R_bar
    return poison(xp, R, nowhere), poison(xp, R_bar, nowhere)
