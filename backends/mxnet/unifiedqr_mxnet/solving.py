"""Linear systems and what comes of singular values and eigenvalues, by MXNet's own functions.

A complex matrix X + i Y stands as the real one [[X, -Y], [Y, X]], whose inverse and powers are of that form too.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from unifiedqr.errors import CapabilityError
from unifiedqr_mxnet import arithmetic
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.creation import asarray, eye, identity
from unifiedqr_mxnet.determinants import det, slogdet
from unifiedqr_mxnet.host_memory import from_host, host_view
from unifiedqr_mxnet.manipulation import (
    broadcast_arrays,
    broadcast_to,
    matrix_transpose,
    moveaxis,
    on_parts,
    promoted,
)
from unifiedqr_mxnet.pair import ComplexArray

mnp: Any = mx.np

roll = on_parts(mnp.roll)


class SVDResult(NamedTuple):
    """Factors of A = U diag(S) Vh."""

    U: Any
    S: Any
    Vh: Any


class EighResult(NamedTuple):
    """Eigenvalues, in rising order, and eigenvectors of Hermitian matrices."""

    eigenvalues: Any
    eigenvectors: Any


def refuse_recording(name: str) -> None:
    """Raise while a computation is recorded, instead of giving a gradient of zero."""
    if mx.autograd.is_recording():
        raise CapabilityError(
            f"linalg.{name} is computed by the host and would have no gradient in autograd.record(). Use a "
            f"function of unifiedqr, such as unifiedqr.qr, lstsq or slogdet, which is differentiable, or compute it "
            f"outside, or under mxnet.autograd.pause()."
        )


def _by_host(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return NumPy's function of matrices, which refuses while a computation is recorded."""

    def apply(x: Any, /, **options: Any) -> Any:
        refuse_recording(name)
        found = function(host_view(x), **options)
        if isinstance(found, tuple):
            return tuple(_given(X, x.ctx) for X in found)
        return _given(found, x.ctx)

    return apply


def _given(values: Any, ctx: Any) -> Any:
    values = np.asarray(values)
    return from_host(values, ctx) if values.dtype.kind in "fc" and values.ndim else asarray(values, device=ctx)


def solve(x1: Any, x2: Any, /) -> Any:
    """Return x1^-1 x2 for square x1; a vector x2 counts as a column."""
    A, B = promoted(x1, x2)
    if x2.ndim == 1:
        return solve(A, B[:, None])[..., 0]
    batch = np.broadcast_shapes(A.shape[:-2], B.shape[:-2])
    A, B = (x if x.shape[:-2] == batch else broadcast_to(x, (*batch, *x.shape[-2:])) for x in (A, B))
    if not isinstance(A, ComplexArray):
        return mnp.linalg.solve(identity(A), identity(B))
    return _halves(mnp.linalg.solve(_real_form(A), mnp.concatenate([B.real, B.imag], axis=-2)))


def inv(x: Any, /) -> Any:
    """Return the inverse."""
    if not isinstance(x, ComplexArray):
        return mnp.linalg.inv(x)
    return _halves(mnp.linalg.inv(_real_form(x))[..., : x.shape[-1]])


def _real_form(A: ComplexArray) -> Any:
    upper, lower = ([A.real, -A.imag], [A.imag, A.real])
    return mnp.concatenate([mnp.concatenate(half, axis=-1) for half in (upper, lower)], axis=-2)


def _halves(X: Any) -> ComplexArray:
    n = X.shape[-2] // 2
    return ComplexArray(X[..., :n, :], X[..., n:, :])


def cholesky(x: Any, /, *, upper: bool = False) -> Any:
    """Return the triangular L with L L^H = x, or with `upper` its adjoint."""
    L = _by_host("cholesky", np.linalg.cholesky)(x) if isinstance(x, ComplexArray) else mnp.linalg.cholesky(x)
    if not upper:
        return L
    return matrix_transpose(L.conj() if isinstance(L, ComplexArray) else L)


def matrix_power(x: Any, n: int, /) -> Any:
    """Return the n-th power of square matrices, by repeated squaring; that of the inverse for n < 0."""
    if n < 0:
        return matrix_power(inv(x), -n)
    if n == 0:
        return broadcast_to(eye(x.shape[-1], dtype=x.dtype, device=x.ctx), x.shape)
    half = matrix_power(x, n // 2)
    square = half @ half if n > 1 else x
    return square @ x if n > 1 and n % 2 else square


def outer(x1: Any, x2: Any, /) -> Any:
    """Return the products of the entries of two vectors."""
    x1, x2 = promoted(x1, x2)
    return x1[:, None] * x2[None, :]


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """Return the vector product along an axis, the others broadcast."""
    a, b = (moveaxis(x, axis, -1) for x in broadcast_arrays(*promoted(x1, x2)))
    (a1, a2), (b1, b2) = (tuple(roll(x, -shift, axis=-1) for shift in (1, 2)) for x in (a, b))
    return moveaxis(a1 * b2 - a2 * b1, -1, axis)


def tensordot(x1: Any, x2: Any, /, *, axes: Any = 2) -> Any:
    """Contract axes of two arrays."""
    x1, x2 = promoted(x1, x2)
    product = lambda X, Y: mnp.tensordot(X, Y, axes)  # noqa: E731
    return arithmetic.bilinear(product)(x1, x2) if isinstance(x1, ComplexArray) else product(x1, x2)


def _pseudo_inverse(x: np.ndarray, *, rtol: Any = None) -> np.ndarray:
    return np.linalg.pinv(x, max(x.shape[-2:]) * np.finfo(x.dtype).eps if rtol is None else rtol)


def _rank(x: np.ndarray, *, rtol: Any = None) -> Any:
    values = np.linalg.svd(x, compute_uv=False)
    relative = max(x.shape[-2:]) * np.finfo(x.dtype).eps if rtol is None else rtol
    return np.count_nonzero(values > values.max(-1, keepdims=True) * np.asarray(relative)[..., None], axis=-1)


def svd(x: Any, /, *, full_matrices: bool = True) -> SVDResult:
    """Return the singular value decomposition, computed by the host."""
    return SVDResult(*_by_host("svd", lambda X: tuple(np.linalg.svd(X, full_matrices=full_matrices)))(x))


def eigh(x: Any, /) -> EighResult:
    """Return eigenvalues and eigenvectors of Hermitian matrices, computed by the host."""
    return EighResult(*_by_host("eigh", lambda X: tuple(np.linalg.eigh(X)))(x))


LINALG: dict[str, Callable[..., Any]] = {
    "solve": solve,
    "inv": inv,
    "det": det,
    "slogdet": slogdet,
    "cholesky": cholesky,
    "matrix_power": matrix_power,
    "outer": outer,
    "cross": cross,
    "tensordot": tensordot,
    "svd": svd,
    "eigh": eigh,
    "svdvals": _by_host("svdvals", lambda X: np.linalg.svd(X, compute_uv=False)),
    "eigvalsh": _by_host("eigvalsh", np.linalg.eigvalsh),
    "pinv": _by_host("pinv", _pseudo_inverse),
    "matrix_rank": _by_host("matrix_rank", _rank),
}
"""The names of the namespace's ``linalg`` that are supplied here."""
