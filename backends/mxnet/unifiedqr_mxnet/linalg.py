"""Linear algebra of the namespace: products and norms by MXNet, factorizations by the host's LAPACK.

What the host computes MXNet does not record by itself: a triangular solve is recorded with a pullback of its own, and
`qr` refuses while a computation is recorded, instead of giving a gradient of zero.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

from unifiedqr.errors import OptionError
from unifiedqr_mxnet import arithmetic
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.elementwise import conj
from unifiedqr_mxnet.host_memory import from_host, host_view
from unifiedqr_mxnet.manipulation import (
    Axes,
    broadcast_to,
    matrix_transpose,
    nonnegative,
    on_parts,
    promoted,
    tril,
    triu,
)
from unifiedqr_mxnet.pair import ComplexArray, RealArray, modulus
from unifiedqr_mxnet.recording import record
from unifiedqr_mxnet.solving import LINALG as SOLVING
from unifiedqr_mxnet.solving import refuse_recording, tensordot
from unifiedqr_mxnet.statistics import total

mnp: Any = mx.np

_complex_matmul = arithmetic.bilinear(arithmetic.matmul)


def matmul(x1: Any, x2: Any, /) -> Any:
    """Return the matrix product, batched and broadcast."""
    complex_ = isinstance(x1, ComplexArray) or isinstance(x2, ComplexArray)
    return _complex_matmul(x1, x2) if complex_ else arithmetic.matmul(x1, x2)


def qr(x: Any, /, *, mode: str = "reduced") -> tuple[Any, Any]:
    """Return Q and R with LAPACK's signs; `unifiedqr.qr` is the one with a derivative.

    Parameters
    ----------
    x : array, shape (..., m, n)
        Real or complex.
    mode : {"reduced", "complete"}
        Shape of the factors.

    Returns
    -------
    Q : array, shape (..., m, k) or (..., m, m)
    R : array, shape (..., k, n) or (..., m, n)

    Raises
    ------
    OptionError
        `mode` is not among its choices.
    CapabilityError
        A computation is being recorded.
    """
    if mode not in ("reduced", "complete"):
        raise OptionError(f"mode={mode!r} is unknown; choose 'reduced' or 'complete'.")
    refuse_recording("qr")
    Q, R = np.linalg.qr(host_view(x), mode=mode)
    return from_host(Q, x.ctx), from_host(R, x.ctx)


def solve_triangular(A: Any, B: Any, /, *, upper: bool) -> Any:
    """Return A^-1 B for triangular A, batched and broadcast."""
    A, B = promoted(A, B)
    batch = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    A, B = (x if x.shape[:-2] == batch else broadcast_to(x, (*batch, *x.shape[-2:])) for x in (A, B))
    if isinstance(A, ComplexArray):
        return _solve_complex_recorded(A, B, upper)
    if B.size == 0:
        return mnp.zeros_like(B)
    return mx.nd.linalg.trsm(A.as_nd_ndarray(), B.as_nd_ndarray(), lower=not upper).as_np_ndarray()


def _solve_complex_recorded(A: ComplexArray, B: ComplexArray, upper: bool) -> Any:
    X = _solve_complex(A, B, upper)
    if mx.autograd.is_recording():
        # What the host computes MXNet does not record, and what is recorded must not be held.
        A_kept, X_kept = A.detach(), X.detach()

        def pullback(cotangents: Any) -> list[Any]:
            B_bar = _solve_complex(matrix_transpose(A_kept.conj()), ComplexArray(*cotangents), not upper)
            A_bar = (triu if upper else tril)(-matmul(B_bar, matrix_transpose(X_kept.conj())))
            return [A_bar.real, A_bar.imag, B_bar.real, B_bar.imag]

        record([A.real, A.imag, B.real, B.imag], [X.real, X.imag], pullback)
    return X


def _solve_complex(A: ComplexArray, B: ComplexArray, upper: bool) -> Any:
    values, solution = A.asnumpy(), B.asnumpy()
    trtrs: Any = scipy.linalg.get_lapack_funcs("trtrs", (values, solution))
    for index in np.ndindex(solution.shape[:-2]):
        if solution.size:
            solution[index], info = trtrs(values[index], solution[index], lower=not upper)
            if info > 0:  # a zero on the diagonal: LAPACK leaves B as it is
                solution[index] = np.nan
    return from_host(solution, A.ctx)


@on_parts
def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """Return the diagonals of the last two axes."""
    return mnp.diagonal(x, offset=offset, axis1=-2, axis2=-1)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """Sum the diagonals of the last two axes."""
    return total(diagonal(x, offset=offset), axis=-1, dtype=dtype)


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Return the sum of conj(x1) x2 along an axis."""
    return total(conj(x1) * x2, axis=axis)


def vector_norm(x: Any, /, *, axis: Axes = None, keepdims: bool = False, ord: float = 2) -> RealArray:  # noqa: A002
    """Return p-norms over axes, with gradient zero at zero."""
    size = modulus(x) if isinstance(x, ComplexArray) else mnp.abs(x)
    axes = nonnegative(axis, x.ndim)
    if ord == float("inf"):
        return mnp.max(size, axis=axes, keepdims=keepdims)
    if ord == float("-inf"):
        return mnp.min(size, axis=axes, keepdims=keepdims)
    if ord == 0:
        return mnp.sum((size != 0).astype(size.dtype), axis=axes, keepdims=keepdims)
    if ord == 1:
        return mnp.sum(size, axis=axes, keepdims=keepdims)
    if size.size == 0:
        return mnp.sum(size, axis=axes, keepdims=keepdims)
    # The norm does not depend on the scale: it is left out of the record, and no square overflows.
    scale = mnp.max(size, axis=axes, keepdims=True).detach()
    nonzero = scale > 0
    scale = mnp.where(nonzero, scale, mnp.ones_like(scale))
    powers = mnp.sum((size / scale) ** ord, axis=axes, keepdims=True)
    safe = mnp.where(nonzero, powers, mnp.ones_like(powers))
    norm = mnp.where(nonzero, scale * safe ** (1 / ord), mnp.zeros_like(scale))
    return norm if keepdims else mnp.reshape(norm, tuple(n for i, n in enumerate(x.shape) if i not in axes))


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> RealArray:  # noqa: A002
    """Return matrix norms of the last two axes; those of singular values refuse while a computation is recorded."""
    if ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in (2, -2, "nuc"):
        values = SOLVING["svdvals"](x)
        reduced = {2: mnp.max, -2: mnp.min, "nuc": mnp.sum}[ord](values, axis=-1)
        return mnp.reshape(reduced, (*reduced.shape, 1, 1)) if keepdims else reduced
    sums = {1: -2, -1: -2, float("inf"): -1, float("-inf"): -1}
    if ord not in sums:
        raise OptionError(f"ord={ord!r} is unknown; choose 'fro', 'nuc', 1, -1, 2, -2, inf or -inf.")
    summed = vector_norm(x, axis=sums[ord], keepdims=True, ord=1)
    return (mnp.max if ord > 0 else mnp.min)(summed, axis=(-2, -1), keepdims=keepdims)


LINALG: dict[str, Callable[..., Any]] = {
    **SOLVING,
    "matmul": matmul,
    "matrix_transpose": matrix_transpose,
    "vecdot": vecdot,
    "qr": qr,
    "solve_triangular": solve_triangular,
    "diagonal": diagonal,
    "trace": trace,
    "vector_norm": vector_norm,
    "matrix_norm": matrix_norm,
}
"""The names of the namespace's ``linalg``."""

FUNCTIONS: dict[str, Callable[..., Any]] = {"matmul": matmul, "tensordot": tensordot, "vecdot": vecdot}
"""Those of them that the namespace has too."""
