"""Low rank: interpolative decompositions and the randomized range finder."""

from collections.abc import Sequence
from typing import Any, overload

from unifiedqr._typing import Array, ArrayOf, ArrayT
from unifiedqr.arguments import resolve
from unifiedqr.arrays.operators import is_complex
from unifiedqr.backend import Backend
from unifiedqr.decomposition import primitive
from unifiedqr.errors import CapabilityError, OptionError, ShapeError
from unifiedqr.functional.inputs import check_pivots, computed_dtype, floating_dtype, run_resolved, sizes_of
from unifiedqr.functional.lines import integer_of
from unifiedqr.lowrank import interpolative as row_of_interpolative
from unifiedqr.lowrank import range_finder as row_of_range_finder
from unifiedqr.results import InterpolativeResult
from unifiedqr.tracing import untraced


@overload
def interpolative(
    A: ArrayOf[ArrayT], /, rank: int | None = ..., *, rtol: float | None = ...
) -> InterpolativeResult[ArrayT]: ...
@overload
def interpolative(
    A: Sequence[Any], /, rank: int | None = ..., *, rtol: float | None = ...
) -> InterpolativeResult[Any]: ...
def interpolative(A: Any, /, rank: int | None = None, *, rtol: float | None = None) -> InterpolativeResult[Any]:
    """Approximate A by some of its own columns, A ~ A[..., :, P] T, differentiably.

    Parameters
    ----------
    A : array, shape (..., m, n)
        As in `qr`, of any shape.
    rank : int, optional
        How many columns, r, from 0 to min(m, n).
    rtol : float, optional
        Instead of `rank`: take columns while the pivots |R_jj| exceed rtol |R_11|; for a batch, as many as any of its
        matrices needs. This requires values: in a compiled program give `rank`.

    Returns
    -------
    InterpolativeResult
        ``P`` (..., r), integers: the first r pivots of `qr` with pivoting, and ``T`` (..., r, n), with which
        A[..., :, P] T is as near to A as any combination of these columns; T[..., :, P] is exactly the identity.

    Raises
    ------
    ShapeError
        A has fewer than two dimensions.
    DtypeError
        A is neither real nor complex floating.
    OptionError
        `rank` is out of range, `rtol` is negative or not a number, or both or neither of them were given.
    CapabilityError
        `rtol` was given where values are not available, or A has unknown sizes while a graph is traced.
    ForeignArrayError
        A is not an array of a backend.

    Notes
    -----
    Derivative (LR.1), with P constant, as in (PV.1): where pivots tie, T is discontinuous. The entries of T are at most
    2^r in modulus, in practice a few units. If the columns P are numerically dependent, because r exceeds the rank of
    A, T is zero in the superfluous rows except for their unit entries: A[..., :, P] T is still A, but T has no
    derivative: a cotangent of it gives NaN. Since P is constant, A[..., :, P] T is differentiable too.

    References
    ----------
    H. Cheng, Z. Gimbutas, P.-G. Martinsson, V. Rokhlin (2005), On the compression of low rank matrices.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> P, T = uqr.interpolative([[1.0, 2.0, 3.0], [1.0, 4.0, 5.0]], 1)
    >>> P, T.round(3)
    (array([2]), array([[0.235, 0.765, 1.   ]]))
    >>> uqr.interpolative([[1.0, 2.0, 3.0], [1.0, 4.0, 5.0]], rtol=1e-12).T.round(3)
    array([[ 0.,  1.,  1.],
           [ 1., -1.,  0.]])
    """
    backend, (A,) = resolve(A)
    m, n = _known_sizes(backend, A, "interpolative")
    check_pivots(backend, A, "interpolative", n)
    if (rank is None) == (rtol is None):
        raise OptionError(f"got rank={rank!r} and rtol={rtol!r}; expected one of them.")
    r = _rank_by_pivots(backend, A, rtol) if rank is None else _rank(rank, m, n)
    T, P = run_resolved(backend, A, row_of_interpolative(r))
    if 0 in P.shape:  # an index finds nothing in an empty batch
        return InterpolativeResult(backend.xp.zeros((*P.shape[:-1], r), dtype=P.dtype), T)
    return InterpolativeResult(P[..., :r], T)


@overload
def range_finder(A: ArrayOf[ArrayT], /, rank: int, *, sketch: Any, power_iterations: int = ...) -> ArrayT: ...
@overload
def range_finder(A: object, /, rank: int, *, sketch: Any, power_iterations: int = ...) -> Any: ...
def range_finder(A: Any, /, rank: int, *, sketch: Any, power_iterations: int = 0) -> Array:
    """Return orthonormal columns that span nearly all of the range of A, by a random sketch, differentiably.

    Parameters
    ----------
    A : array, shape (..., m, n)
        As in `qr`, of any shape.
    rank : int
        How many columns, r, from 0 to min(m, n): 5 or 10 more than are needed make a good result likely.
    sketch : int or array, shape (n, r) or (..., n, r)
        Omega of Y = A Omega. An integer is the seed of standard normal numbers (complex ones if A is complex) that
        NumPy draws, the same in every framework, dtype and batch member; in a compiled program they are constants,
        drawn once per shape. An array is used as it is, is differentiated too, and may vary from call to call: in JAX,
        draw it from a key.
    power_iterations : int
        How often to multiply by A A^H, orthonormalizing in between: each iteration suppresses the small singular values
        further, which helps where they decay slowly, at the cost of two more products with A.

    Returns
    -------
    array, shape (..., m, r)
        Q with Q^H Q = I and A ~ Q Q^H A, in the gauge of `qr`: that of (A A^H)^q A Omega for q power iterations.

    Raises
    ------
    ShapeError
        A has fewer than two dimensions, or the sketch does not fit it.
    DtypeError
        A or the sketch is neither real nor complex floating.
    OptionError
        `rank`, `power_iterations` or the seed is out of range, or the sketch is complex and A real.
    CapabilityError
        A has unknown sizes while a graph is traced.
    ForeignArrayError
        A is not an array of a backend, or the sketch belongs to another one.

    Notes
    -----
    Derivative (LR.3) with the sketch as an input. If column j of A Omega is the first that is numerically dependent on
    those before it, because r exceeds the rank of A, Q[:, :j] alone has a derivative (DC.1).

    References
    ----------
    N. Halko, P.-G. Martinsson, J. A. Tropp (2011), Finding structure with randomness: probabilistic algorithms for
    constructing approximate matrix decompositions, algorithms 4.1 and 4.4.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> A = [[3.0, 6.0, 0.0], [4.0, 8.0, 0.0]]
    >>> uqr.range_finder(A, 1, sketch=[[1.0], [0.0], [1.0]])
    array([[0.6],
           [0.8]])
    >>> abs(uqr.range_finder(A, 1, sketch=2011, power_iterations=1)).round(3)
    array([[0.6],
           [0.8]])
    """
    seed = None if getattr(sketch, "shape", ()) else integer_of(sketch)
    if seed is not None and seed < 0:
        raise OptionError(f"got the seed {seed}; expected an integer from 0 on, or a sketch.")
    backend, arrays = resolve(A, sketch) if seed is None else resolve(A)
    A = arrays[0]
    m, n = _known_sizes(backend, A, "range_finder")
    r = _rank(rank, m, n)
    if isinstance(power_iterations, bool) or not hasattr(power_iterations, "__index__") or power_iterations < 0:
        raise OptionError(f"got power_iterations={power_iterations!r}; expected a nonnegative integer.")
    xp, given, dtype = backend.xp, A.dtype, computed_dtype(backend, A, "range_finder")
    A = A if backend.dtype_name(A) == dtype else xp.astype(A, getattr(xp, dtype))
    if seed is None:
        Omega = _checked_sketch(backend, arrays[1], A, n, r)
    else:
        Omega = backend.beside(backend.from_numpy(_drawn(seed, n, r, dtype)), A)
    Omega = _for_each(backend, Omega, A)
    Q = backend.bind(row_of_range_finder(power_iterations.__index__()))(A, Omega)[0]
    return Q if Q.dtype == given else xp.astype(Q, given)


def _known_sizes(backend: Backend, A: Array, name: str) -> tuple[int, int]:
    m, n = sizes_of(backend, A, name)
    if m is None or n is None:
        raise CapabilityError(
            f"{name} got a {backend.name} array of sizes {m} x {n}; expected known ones. Give both in the signature of "
            f"the graph."
        )
    return m, n


def _rank(rank: Any, m: int, n: int) -> int:
    """Return a rank as an integer; raise unless a matrix of m x n can have it."""
    is_integer = not isinstance(rank, bool) and hasattr(rank, "__index__")
    if not is_integer or not 0 <= rank.__index__() <= m or not rank.__index__() <= n:
        raise OptionError(f"got rank={rank!r}; expected an integer from 0 to min(m, n), of a matrix of {m} x {n}.")
    return rank.__index__()


def _rank_by_pivots(backend: Backend, A: Array, rtol: Any) -> int:
    """Return how many pivots of A exceed a fraction of the first, the most in a batch; a NaN counts."""
    try:
        fraction = float(rtol)
    except (TypeError, ValueError) as error:
        raise OptionError(f"got rtol={rtol!r}; expected a nonnegative number.") from error
    if not fraction >= 0:
        raise OptionError(f"got rtol={rtol!r}; expected a nonnegative number.")
    xp = backend.xp
    R, _ = run_resolved(backend, A, primitive("qr-pivoted-r"))
    if 0 in R.shape:
        return 0
    pivots = xp.abs(xp.linalg.diagonal(R))
    seen = xp.beyond.seen(pivots)
    try:
        values = backend.to_numpy(pivots) if seen is None else seen
        small = values <= fraction * values[..., :1]
        return int((~small).sum(-1).max())
    except Exception as error:  # whatever a framework raises for symbols
        raise CapabilityError(
            f"interpolative got rtol={rtol!r} for a {backend.name} array whose values are not available, because a "
            f"program is traced. Give the rank, which must not depend on values there."
        ) from error


@untraced
def _drawn(seed: int, n: int, r: int, dtype: str) -> Any:
    import numpy as np  # not before numbers are drawn: importing unifiedqr imports no array library

    numbers = np.random.default_rng(seed)
    Omega = numbers.standard_normal((n, r))
    if dtype.startswith("complex"):
        Omega = Omega + 1j * numbers.standard_normal((n, r))
    return Omega.astype(dtype)


def _checked_sketch(backend: Backend, Omega: Array, A: Array, n: int, r: int) -> Array:
    """Return the sketch given by the user, in the dtype of A; raise unless it fits."""
    floating_dtype(backend, Omega, "range_finder's sketch")
    if tuple(Omega.shape[-2:]) != (n, r) or tuple(Omega.shape[:-2]) not in ((), tuple(A.shape[:-2])):
        raise ShapeError(
            f"range_finder got A of shape {tuple(A.shape)}, rank {r} and a sketch of shape {tuple(Omega.shape)}; "
            f"expected a sketch of shape ({n}, {r}), or one for each matrix, (..., {n}, {r})."
        )
    if is_complex(backend.xp, Omega) and not is_complex(backend.xp, A):
        raise OptionError(f"got a sketch of {Omega.dtype} for a matrix of {A.dtype}; expected a real one.")
    return Omega if Omega.dtype == A.dtype else backend.xp.astype(Omega, A.dtype)


def _for_each(backend: Backend, Omega: Array, A: Array) -> Array:
    """Return the sketch for each matrix of a batch."""
    if len(Omega.shape) == len(A.shape):
        return Omega
    if None in A.shape[:-2]:
        # A sum of no entries, and zero whatever they are: it has the batch dimensions, whatever they will be.
        return Omega + backend.xp.zeros_like(backend.xp.sum(A, axis=(-2, -1), keepdims=True))
    return backend.xp.broadcast_to(Omega, (*A.shape[:-2], *Omega.shape))
