r"""What kernels and rules need of a framework beyond the Array API standard.

Each operation has one signature, one meaning and one portable body, which stands here. An adapter derives a class from
`Operations` and overrides those that its framework does better; everything else stays as it is. `complete_namespace`
and its siblings make one object of the class for each namespace ``xp``, where it is found as ``xp.beyond``.

    (PR.3)  D = diag(sign R_jj), sign x = x / |x|, and 1 for x = 0:   A = (Q D)(D^H R) has a real non-negative diagonal
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeGuard

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.arrays.operators import Shape, adjoint, identity_like, is_complex

Term = Array | tuple[Array, Array]
"""An array, or a pair (X, K) that stands for the product X K."""


def is_product(term: Term | None) -> TypeGuard[tuple[Array, Array]]:
    """Return whether a term is a pair."""
    return type(term) is tuple


class Limits(NamedTuple):
    """Matrices for which CholeskyQR is faster than Householder reflectors.

    Attributes
    ----------
    slenderness : int
        The least m / n.
    columns : int
        The largest n.
    rows : int
        The least m.
    narrowest : int
        The least n.
    entries : int
        The least number of entries of the whole stack: below, the calls cost more than the work.
    """

    slenderness: int
    columns: int
    rows: int
    narrowest: int = 1
    entries: int = 0

    def include(self, shape: tuple[int, ...]) -> bool:
        """Return whether matrices in a stack of this shape, (..., m, n), are among them."""
        m, n = shape[-2:]
        if not (m >= max(self.rows, self.slenderness * n) and self.narrowest <= n <= self.columns):
            return False
        return self.entries == 0 or math.prod(shape) >= self.entries


Mend = Callable[[Array, Arrays, Callable[[Array], Arrays]], Arrays]

ON_DEVICES = Limits(slenderness=2, columns=512, rows=16)
"""For GPUs and TPUs, which multiply matrices and factor stacks of triangles at once, but reflect column by column, and
many frameworks matrix by matrix: chosen by published figures, not measured."""


MANY = 64
"""The least number of matrices in a stack of many."""


def _are_many_of_at_most(size: int, X: Array, Y: Array) -> bool:
    """Return whether two stacks hold many matrices whose sizes are known to be at most `size`."""
    *batch, m, k = X.shape
    sizes = (m, k, Y.shape[-1])
    if not all(type(s) is int for s in (*batch, *sizes)):
        return False
    return math.prod(batch) >= MANY and max(sizes) <= size


class Operations:
    """The operations of one namespace, in their portable form.

    Attributes
    ----------
    xp : namespace
        The namespace of the Array API standard on which the portable bodies are written.
    rows_apart : callable or None
        Returns how the rows of a tall A are apart, a `unifiedqr.arrays.rows.Rows`, or None if they are together or
        nobody can tell; None itself where they never are.
    traces : bool
        Whether arrays may be symbols of a program that runs later, in which a NaN must be computed and not stand as a
        constant.
    skips : bool
        Whether a program that runs later can leave out what the value of a boolean in it makes needless, under every
        transform.
    has_cholesky : bool
        Whether `try_cholesky` is of any use.
    tiny : Tiny or None
        Of which matrices a stack is computed with itself as the last axis, a `unifiedqr.arrays.stacks.Tiny`.
    fused : int
        The largest size of the matrices of a stack that are multiplied entry by entry, since a compiler makes one loop
        of that, and calls a routine for each product of matrices.
    limits : Limits or None
        For which matrices in host memory CholeskyQR is the faster one; None: for none.
    """

    rows_apart: Any = None  # a method of those who have one
    traces = False
    skips = False
    has_cholesky = False
    limits: Limits | None = None
    tiny: Any = None
    fused: Any = 0

    def __init__(self, xp: Namespace) -> None:
        self.xp = xp

    # Triangles: U is upper triangular, of shape (..., k, k).

    def solve_triangular(self, A: Array, B: Array, *, upper: bool) -> Array:
        """Return A^-1 B for triangular A.

        LU with partial pivoting of an upper triangular matrix swaps no rows and is back substitution. Reversing the
        rows and columns of a lower triangular one makes it upper.
        """
        xp = self.xp
        if upper:
            return xp.linalg.solve(A, B)
        return xp.flip(xp.linalg.solve(xp.flip(A, axis=(-2, -1)), xp.flip(B, axis=-2)), axis=-2)

    def inverse_upper(self, U: Array) -> Array:
        """Return U^-1, exactly triangular."""
        return self.xp.triu(self.solve_triangular(U, identity_like(self.xp, U), upper=True))

    def quotients(self, U: Array, *dividends: Array) -> Arrays:
        """Return Y U^-H for each dividend Y: by one inverse where there are several and U is small."""
        xp = self.xp
        Y, *others = dividends
        if not others:
            return (adjoint(xp, self.solve_triangular(U, adjoint(xp, Y), upper=True)),)
        E = adjoint(xp, self.inverse_upper(U))
        return tuple(self.matrix_product(Y, E) for Y in dividends)

    def quotient_of_sum(self, U: Array, Y: Array, Q: Array, K: Array) -> Array:
        """Return (Y + Q K) U^-H."""
        return self.quotients(U, Y + self.matrix_product(Q, K))[0]

    # Products: most pass over the long side of tall matrices, which takes almost all the time of a derivative.

    def matrix_product(self, X: Array, Y: Array) -> Array:
        """Return X Y, none of whose sums is over the long side."""
        if not self.fused or not _are_many_of_at_most(self.fused, X, Y):
            return X @ Y
        xp = self.xp
        return xp.sum(xp.expand_dims(X, axis=-1) * xp.expand_dims(Y, axis=-3), axis=-2)

    def inner(self, X: Array, Y: Array) -> Array:
        """Return X^H Y, a sum over the long side."""
        return self.matrix_product(adjoint(self.xp, X), Y)

    def inner_of_rows(self, X: Array, Y: Array) -> Array:
        """Return X Y^H, a sum over the long side."""
        return self.matrix_product(X, adjoint(self.xp, Y))

    def combination(self, *terms: Term) -> Array:
        """Return the sum of the terms; an array that comes first is the caller's alone, and may be written over."""
        products: list[Array] = [self.matrix_product(*term) if type(term) is tuple else term for term in terms]
        return sum(products[1:], products[0])

    def by_rows(self, function: Callable[..., Array], X: Array, *others: Array) -> Array:
        """Return function(X, *others), of the shape of X, whose rows depend on the same rows of the arguments alone.

        So it can be computed block by block, and written over X.
        """
        return function(X, *others)

    # Rows of A in several places: on devices of one mesh, or in processes each of which has its own alone.

    def is_spread(self, X: Array) -> bool:
        """Return whether X is known to lie on several devices."""
        del X
        return False

    def total(self, X: Array) -> Array:
        """Return the sum of what every holder of rows of A computed from its own: here, X."""
        return X

    # Factorizations.

    def qr_r(self, A: Array) -> Array:
        """Return R of A = Q R, with any signs and anything below its diagonal; Q is not formed if possible."""
        return self.xp.linalg.qr(A)[1]

    def pivoted_qr(self, A: Array, rank: int) -> tuple[Array, Array, Array] | None:
        """Return Q, R and the pivots of LAPACK's geqp3, stopped after `rank` steps; None where there is no kernel.

        The pivots are numbers (..., 1, n) of the dtype of A.
        """
        del A, rank
        return None

    def try_cholesky(self, G: Array) -> tuple[Array, Array]:
        """Return the upper triangle R with R^H R = G, and whether there is one, (..., 1, 1)."""
        xp = self.xp
        return identity_like(xp, G), xp.zeros_like(xp.sum(xp.abs(G), axis=(-2, -1), keepdims=True)) > 0

    def limits_of(self, A: Array) -> Limits | None:
        """Return for which matrices CholeskyQR is the faster one where A lives, None for none."""
        del A
        return self.limits

    def mender(self, A: Array) -> Mend | None:
        """Return what asks a device once which matrices were rejected, if their number is known there alone, else None.

        mend(accepted, found, again) gives what was found for the matrices that are accepted, and again(B) for the
        others, B being a stack of these.
        """
        del A
        return None

    def sign_of_det(self, Q: Array) -> Array | None:
        """Return the determinant of a unitary Q, (...); None where there is no kernel."""
        slogdet = getattr(self.xp.linalg, "slogdet", None)  # which the standard leaves to an extension
        return None if slogdet is None else slogdet(Q)[0]

    # Signs of the factors.

    def phases(self, R: Array) -> Array:
        """Return the diagonal of D, shape (..., k) (PR.3)."""
        xp = self.xp
        diagonal = xp.linalg.diagonal(R)
        one = xp.ones_like(diagonal)
        if not is_complex(xp, R):
            return xp.where(diagonal < 0, -one, one)
        modulus = xp.abs(diagonal)
        modulus = xp.where(modulus > 0, modulus, xp.ones_like(modulus))
        # Part by part: exactly 1 or -1 where R_jj is real, and no square of the modulus that could overflow.
        real, imag = (xp.astype(part(diagonal) / modulus, R.dtype) for part in (xp.real, xp.imag))
        return xp.where(xp.equal(diagonal, xp.zeros_like(diagonal)), one, real + 1j * imag)

    def turn(self, Q: Array, R: Array) -> tuple[Array, Array]:
        """Return Q D and the upper triangle D^H R (PR.3); Q and R are a kernel's alone, and may be written over."""
        xp, D = self.xp, self.phases(R)
        D_H = xp.conj(D) if is_complex(xp, D) else D
        return Q * xp.expand_dims(D, axis=-2), xp.triu(xp.expand_dims(D_H, axis=-1) * R)

    # Loops, branches and values, for which a tracing framework has forms of its own.

    def repeat(self, count: Any, step: Callable[[Any, Arrays], Arrays], state: Arrays) -> Arrays:
        """Return the state after step(0, .), ..., step(count - 1, .); arrays keep their shapes and dtypes.

        The number of the step is a Python integer, or a scalar of a trace.
        """
        for j in range(count):
            state = step(j, state)
        return state

    def branch(self, predicate: Array, then: Callable[[], Arrays], otherwise: Callable[[], Arrays]) -> Arrays:
        """Return then() or otherwise(), of the same shapes and dtypes, by a boolean scalar.

        Where its value is not available both are computed.
        """
        value = self.seen(predicate)
        if value is not None:
            return then() if value else otherwise()
        return tuple(self.xp.where(predicate, X, Y) for X, Y in zip(then(), otherwise(), strict=True))

    def unless(self, done: Array, state: Arrays, again: Callable[..., Arrays]) -> Arrays:
        """Return the state or, where a boolean scalar is false, again(*state), which may be written over it."""
        return self.branch(done, lambda: state, lambda: again(*state))

    def seen(self, x: Array) -> Any:
        """Return x as a NumPy array if its values are available, in host memory and outside any trace, else None."""
        return x if type(x).__module__ == "numpy" else None

    def glance(self, R: Array) -> tuple[float, float] | None:
        """Return the least modulus on the diagonals and the largest of all; None unless that costs next to nothing."""
        del R
        return None

    def constant(self, X: Array) -> Array:
        """Return X without its derivative, for what is locally constant whatever X does; X itself where that costs."""
        return X

    def power_of_two(self, exponents: Array) -> Array:
        """Return 2 to the power of integers, which are real numbers."""
        return 2.0**exponents

    # Sizes, which may be unknown while a program is traced.

    def shape_of_product(self, X: Array, Y: Array) -> Shape:
        """Return the shape of A = X Y: the only place where m and n are compared."""
        m, n = X.shape[-2], Y.shape[-1]
        return Shape(n, m, True, False) if m > n else Shape(m, n, False, m < n)

    @property
    def of_adjoint(self) -> Namespace:
        """The namespace whose sizes are right for A^H, if those of this one are right for A."""
        return self.xp
