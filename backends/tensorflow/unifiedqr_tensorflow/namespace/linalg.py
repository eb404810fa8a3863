"""Linear algebra of the Array API standard, on TensorFlow, with a triangular solve added."""

# ruff: noqa: A002 (names and parameters are the standard's)

from functools import partial
from typing import Any, NamedTuple

import tensorflow as tf

from unifiedqr_tensorflow.namespace import statistics
from unifiedqr_tensorflow.namespace.bits import leading_power_of_two
from unifiedqr_tensorflow.namespace.dtypes import converted, finfo, promoted
from unifiedqr_tensorflow.vectorization import vectorized


class QRResult(NamedTuple):
    """Factors of A = Q R."""

    Q: tf.Tensor
    R: tf.Tensor


class SVDResult(NamedTuple):
    """Factors of A = U diag(S) Vh."""

    U: tf.Tensor
    S: tf.Tensor
    Vh: tf.Tensor


class EighResult(NamedTuple):
    """Eigenvalues, in rising order, and eigenvectors of Hermitian matrices."""

    eigenvalues: tf.Tensor
    eigenvectors: tf.Tensor


class SlogdetResult(NamedTuple):
    """Sign and logarithm of the modulus of a determinant."""

    sign: tf.Tensor
    logabsdet: tf.Tensor


def qr(x: tf.Tensor, /, *, mode: str = "reduced") -> QRResult:
    """Return Q and R by TensorFlow's Householder kernel, whose squares neither overflow nor underflow here.

    Q does not see the scale of a column, so each is brought to size one by an exact power of two: Eigen's reflectors
    square the entries as they come, and lose a column of 1e-18 in float32.
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f"mode={mode!r} is unknown; choose one of 'reduced', 'complete'.")
    scale = converted(leading_power_of_two(statistics.max(_largest_part(x), axis=-2, keepdims=True)), x.dtype)
    Q, R = _householder(x * (1 / scale), full_matrices=mode == "complete")
    return QRResult(Q, R * scale)


def solve(x1: tf.Tensor, x2: tf.Tensor, /) -> tf.Tensor:
    """Return x1^-1 x2 for square x1; a vector x2 counts as a column."""
    A, B = promoted(x1, x2)
    if x2.shape.rank == 1:
        return tf.squeeze(solve(A, B[:, None]), -1)
    return tf.linalg.solve(*_batched_alike(A, B))


def solve_triangular(A: tf.Tensor, B: tf.Tensor, /, *, upper: bool) -> tf.Tensor:
    """Return A^-1 B for triangular A, without reading its other triangle."""
    A, B = promoted(A, B)
    return tf.linalg.triangular_solve(A, B, lower=not upper)


def diagonal(x: tf.Tensor, /, *, offset: int = 0) -> tf.Tensor:
    """Return the diagonal of the last two axes."""
    return tf.linalg.diag_part(x, k=offset)


def trace(x: tf.Tensor, /, *, offset: int = 0, dtype: tf.DType | None = None) -> tf.Tensor:
    """Return the sum of the diagonal of the last two axes."""
    entries = tf.linalg.diag_part(x, k=offset)
    return tf.reduce_sum(entries if dtype is None else tf.cast(entries, dtype), axis=-1)


def vector_norm(
    x: tf.Tensor, /, *, axis: int | tuple[int, ...] | None = None, keepdims: bool = False, ord: float = 2
) -> tf.Tensor:
    """Return the ord-norm along axes, of all entries for None."""
    size = tf.abs(x)
    if ord == float("inf"):
        return tf.reduce_max(size, axis, keepdims)
    if ord == float("-inf"):
        return tf.reduce_min(size, axis, keepdims)
    if ord == 0:
        return tf.reduce_sum(tf.cast(size > 0, size.dtype), axis, keepdims)
    if ord == 2:
        return tf.sqrt(tf.reduce_sum(tf.square(size), axis, keepdims))
    return tf.reduce_sum(size**ord, axis, keepdims) ** (1 / ord)


def matrix_norm(x: tf.Tensor, /, *, keepdims: bool = False, ord: Any = "fro") -> tf.Tensor:
    """Return the Frobenius, nuclear, spectral, 1- or inf-norm of the last two axes."""
    if ord == "fro":
        return vector_norm(x, axis=(-2, -1), keepdims=keepdims)
    if ord in ("nuc", 2, -2):
        values = svdvals(x)
        reduce = {"nuc": tf.reduce_sum, 2: tf.reduce_max, -2: tf.reduce_min}[ord]
        reduced = reduce(values, -1)
        return tf.reshape(reduced, [*reduced.shape, 1, 1]) if keepdims else reduced
    along, across = (-2, -1) if abs(ord) == 1 else (-1, -2)
    reduce = tf.reduce_max if ord > 0 else tf.reduce_min
    norms = reduce(tf.reduce_sum(tf.abs(x), along, True), across, True)
    return norms if keepdims else tf.squeeze(norms, [-2, -1])


def cholesky(x: tf.Tensor, /, *, upper: bool = False) -> tf.Tensor:
    """Return the triangular L with L L^H = x, or with `upper` its adjoint."""
    L = tf.linalg.cholesky(x)
    return tf.linalg.adjoint(L) if upper else L


def inv(x: tf.Tensor, /) -> tf.Tensor:
    """Return the inverse."""
    return tf.linalg.inv(x)


def det(x: tf.Tensor, /) -> tf.Tensor:
    """Return the determinant; TensorFlow's own gradient of a complex one lacks a conjugate."""
    return _complex_det(x) if x.dtype.is_complex else tf.linalg.det(x)


def slogdet(x: tf.Tensor, /) -> SlogdetResult:
    """Return sign and logarithm of the modulus of the determinant."""
    return SlogdetResult(*(_complex_slogdet if x.dtype.is_complex else tf.linalg.slogdet)(x))


@tf.custom_gradient
def _complex_det(x: tf.Tensor) -> Any:
    pivots, parity = _lu_pivots(x)

    def pullback(bar: tf.Tensor) -> tf.Tensor:
        return (bar * tf.math.conj(det(x)))[..., None, None] * tf.linalg.inv(x, adjoint=True)

    return parity * tf.reduce_prod(pivots, -1), pullback


@tf.custom_gradient
def _complex_slogdet(x: tf.Tensor) -> Any:
    pivots, parity = _lu_pivots(x)
    sizes = tf.abs(pivots)
    signs = pivots / converted(tf.where(sizes > 0, sizes, tf.ones_like(sizes)), x.dtype)

    def pullback(sign_bar: tf.Tensor, log_bar: tf.Tensor) -> tf.Tensor:
        turned = tf.math.imag(sign_bar * tf.math.conj(slogdet(x).sign))
        return tf.complex(log_bar, turned)[..., None, None] * tf.linalg.inv(x, adjoint=True)

    return (parity * tf.reduce_prod(signs, -1), tf.reduce_sum(tf.math.log(sizes), -1)), pullback


def _lu_pivots(x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the pivots of LU decompositions and the sign of their permutations.

    TensorFlow has no derivative of them: what goes past a custom gradient is refused, not wrong.
    """
    factors, permutation = tf.linalg.lu(x)
    parity = tf.linalg.det(tf.one_hot(permutation, tf.shape(x)[-1], dtype=x.dtype.real_dtype))
    return tf.linalg.diag_part(factors), converted(tf.round(parity), x.dtype)


def svdvals(x: tf.Tensor, /) -> tf.Tensor:
    """Return the singular values, largest first."""
    return tf.linalg.svd(x, compute_uv=False)


def svd(x: tf.Tensor, /, *, full_matrices: bool = True) -> SVDResult:
    """Return the singular value decomposition."""
    S, U, V = tf.linalg.svd(x, full_matrices=full_matrices)
    return SVDResult(U, S, tf.linalg.adjoint(V))


def eigh(x: tf.Tensor, /) -> EighResult:
    """Return eigenvalues and eigenvectors of Hermitian matrices."""
    values, vectors = tf.linalg.eigh(x)
    return EighResult(tf.math.real(values), vectors)


def eigvalsh(x: tf.Tensor, /) -> tf.Tensor:
    """Return the eigenvalues of Hermitian matrices, which are real, in rising order."""
    return tf.math.real(tf.linalg.eigvalsh(x))


def matrix_rank(x: tf.Tensor, /, *, rtol: Any = None) -> tf.Tensor:
    """Return the number of singular values above rtol times the largest, by default max(m, n) eps."""
    return tf.math.count_nonzero(_above(svdvals(x), x, rtol), -1)


def pinv(x: tf.Tensor, /, *, rtol: Any = None) -> tf.Tensor:
    """Return the pseudo-inverse, singular values below rtol times the largest taken for zero."""
    U, S, Vh = svd(x, full_matrices=False)
    kept = _above(S, x, rtol)
    inverse = tf.where(kept, 1 / tf.where(kept, S, tf.ones_like(S)), tf.zeros_like(S))
    return tf.matmul(Vh, U * tf.expand_dims(converted(inverse, U.dtype), -2), adjoint_a=True, adjoint_b=True)


def _above(values: tf.Tensor, x: tf.Tensor, rtol: Any) -> tf.Tensor:
    """Return which singular values of x are above rtol times the largest, by default max(m, n) eps."""
    longest = tf.cast(tf.reduce_max(tf.shape(x)[-2:]), values.dtype)
    relative = longest * finfo(x.dtype).eps if rtol is None else converted(rtol, values.dtype)
    return values > tf.reduce_max(values, -1, keepdims=True) * tf.expand_dims(relative, -1)


def _householder(x: tf.Tensor, *, full_matrices: bool) -> tuple[tf.Tensor, tf.Tensor]:
    factors = tf.linalg.qr(x, full_matrices=full_matrices)
    vectorized(factors, partial(_householder, full_matrices=full_matrices))
    return factors


def _batched_alike(A: tf.Tensor, B: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    if A.shape[:-2] == B.shape[:-2] and A.shape[:-2].is_fully_defined():
        return A, B
    batch = tf.broadcast_dynamic_shape(tf.shape(A)[:-2], tf.shape(B)[:-2])
    A, B = (tf.broadcast_to(X, tf.concat([batch, tf.shape(X)[-2:]], 0)) for X in (A, B))
    return A, B


def _largest_part(x: tf.Tensor) -> tf.Tensor:
    return tf.maximum(tf.abs(tf.math.real(x)), tf.abs(tf.math.imag(x))) if x.dtype.is_complex else tf.abs(x)
