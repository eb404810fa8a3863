"""Orthonormal bases of the spaces of a matrix, and its determinant."""

from typing import Any, overload

from unifiedqr._typing import Array, ArrayOf, ArrayT
from unifiedqr.applications import row
from unifiedqr.arguments import resolve
from unifiedqr.arrays.operators import identity_like
from unifiedqr.decomposition import truncated
from unifiedqr.errors import ShapeError
from unifiedqr.functional.inputs import computed_dtype, run_resolved, sizes_of
from unifiedqr.results import SlogdetResult


@overload
def orth(A: ArrayOf[ArrayT], /) -> ArrayT: ...
@overload
def orth(A: object, /) -> Any: ...
def orth(A: Any, /) -> Array:
    """Return an orthonormal basis of the range of A, differentiable for losses of the range alone.

    Parameters
    ----------
    A : array, shape (..., m, n)
        As in `qr`, with independent leading k = min(m, n) columns.

    Returns
    -------
    array, shape (..., m, k)
        Orthonormal columns that span the range; those of `qr`.

    Raises
    ------
    ShapeError
        A has fewer than two dimensions.
    DtypeError
        A is neither real nor complex floating.
    ForeignArrayError
        A is not an array of any backend.

    Notes
    -----
    Derivative (LS.2), which is cheaper than that of `qr` and differs from it for losses that depend on the basis. The
    range of a wide matrix of full rank is the whole space, and the gradient is zero.

    References
    ----------
    G. H. Golub, V. Pereyra (1973), The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> uqr.orth([[3.0], [4.0]])
    array([[0.6],
           [0.8]])
    """
    backend, (A,) = resolve(A)
    sizes_of(backend, A, "orth")
    return run_resolved(backend, A, row("orth"))[0]


@overload
def left_null_space(A: ArrayOf[ArrayT], /) -> ArrayT: ...
@overload
def left_null_space(A: object, /) -> Any: ...
def left_null_space(A: Any, /) -> Array:
    """Return an orthonormal basis of the complement of the range of A, differentiable for losses of the space alone.

    Parameters
    ----------
    A : array, shape (..., m, n)
        As in `qr`, with independent columns.

    Returns
    -------
    array, shape (..., m, max(m - n, 0))
        Orthonormal columns N with N^H A = 0: the identity if A has no columns.

    Raises
    ------
    ShapeError
        A has fewer than two dimensions.
    DtypeError
        A is neither real nor complex floating.
    ForeignArrayError
        A is not an array of any backend.
    GaugeError
        From the derivative, after ``set_checks("raise")``: the loss depends on the choice of basis (CQ.6).

    Warns
    -----
    GaugeWarning
        From the derivative: the loss depends on the choice of basis (CQ.6).

    Notes
    -----
    Only the space is determined; the basis is that of (CQ.1), the derivative (CQ.5) with (LS.2).

    References
    ----------
    G. H. Golub, V. Pereyra (1973), The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> uqr.left_null_space([[3.0], [4.0]]).round(3)
    array([[-0.8],
           [ 0.6]])
    """
    return _complement("left_null_space", A)


@overload
def null_space(A: ArrayOf[ArrayT], /) -> ArrayT: ...
@overload
def null_space(A: object, /) -> Any: ...
def null_space(A: Any, /) -> Array:
    """Return an orthonormal basis of the kernel of A, differentiable for losses of the kernel alone.

    Parameters
    ----------
    A : array, shape (..., m, n)
        As in `qr`, with independent rows.

    Returns
    -------
    array, shape (..., n, max(n - m, 0))
        Orthonormal columns N with A N = 0: the identity if A has no rows.

    Raises
    ------
    ShapeError
        A has fewer than two dimensions.
    DtypeError
        A is neither real nor complex floating.
    ForeignArrayError
        A is not an array of any backend.
    GaugeError
        From the derivative, after ``set_checks("raise")``: the loss depends on the choice of basis (CQ.6).

    Warns
    -----
    GaugeWarning
        From the derivative: the loss depends on the choice of basis (CQ.6).

    Notes
    -----
    `left_null_space` of A^H (LQ.1).

    References
    ----------
    G. H. Golub, V. Pereyra (1973), The differentiation of pseudo-inverses and nonlinear least squares problems whose
    variables separate.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> uqr.null_space([[3.0, 4.0]]).round(3)
    array([[-0.8],
           [ 0.6]])
    """
    return _complement("null_space", A)


def _complement(name: str, A: Any) -> Array:
    backend, (A,) = resolve(A)
    m, n = sizes_of(backend, A, name)
    longer, shorter = (m, n) if name == "left_null_space" else (n, m)
    upright = A if name == "left_null_space" else backend.xp.matrix_transpose(A)
    if backend.orders(longer, shorter)[0] <= 0:
        return run_resolved(backend, upright, truncated("qr", 0, True))[0]  # no column of Q
    if shorter == 0:
        nothing = backend.xp.matmul(upright, backend.xp.matrix_transpose(upright))
        return nothing + identity_like(backend.xp, nothing)
    return run_resolved(backend, A, row(name))[0]


@overload
def slogdet(A: ArrayOf[ArrayT], /) -> SlogdetResult[ArrayT]: ...
@overload
def slogdet(A: object, /) -> SlogdetResult[Any]: ...
def slogdet(A: Any, /) -> SlogdetResult[Any]:
    """Return the sign of the determinant and the logarithm of its modulus, neither of which overflows or underflows.

    Parameters
    ----------
    A : array, shape (..., n, n)
        Square; dtypes as in `qr`.

    Returns
    -------
    SlogdetResult
        ``sign`` (...), of modulus one and the dtype of A, and ``logabsdet`` (...), real: det A is
        ``sign * exp(logabsdet)``. For an exactly singular matrix they are 0 and -inf.

    Raises
    ------
    ShapeError
        A is not square.
    DtypeError
        A is neither real nor complex floating.
    ForeignArrayError
        A is not an array of any backend.

    Notes
    -----
    Derivative (LS.11). The gradient of a numerically singular matrix is NaN.

    References
    ----------
    M. Giles (2008), An extended collection of matrix derivative results for forward and reverse mode algorithmic
    differentiation.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> sign, logabsdet = uqr.slogdet([[0.0, 2.0], [3.0, 0.0]])
    >>> float(sign), round(float(logabsdet), 4)
    (-1.0, 1.7918)
    """
    backend, (A,) = resolve(A)
    m, n = sizes_of(backend, A, "slogdet")
    error = ShapeError(
        f"slogdet got a {backend.name} array of shape {tuple(A.shape)}; expected square matrices (..., n, n)."
    )
    A = backend.assured(A, lambda m, n: m == n, error)
    n = m if n is None else n
    A, xp = backend.sized(A, (*A.shape[:-2], n, n)), backend.xp
    if n == 0:
        ones = xp.sum(A, axis=(-2, -1)) + 1
        return SlogdetResult(ones, 0 * (xp.real(ones) if "complex" in computed_dtype(backend, A, "slogdet") else ones))
    sign, logabsdet = (xp.squeeze(X, axis=(-2, -1)) for X in run_resolved(backend, A, row("slogdet")))
    complex_ = backend.dtype_name(logabsdet).startswith("complex")
    return SlogdetResult(sign, xp.real(logabsdet) if complex_ else logabsdet)
