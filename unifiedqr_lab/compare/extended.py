"""The rules in extended precision: NumPy's long double, whose roundoff is 1e-19 where float64 has 1e-16.

Where the 100-digit truth would take too long this is the reference: the same formulas, so it shows rounding errors and
wrong frameworks but not a wrong formula. LAPACK has no long double, so the kernels are written out here.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn

import array_api_compat.numpy
import numpy as np

from unifiedqr._typing import Array, Arrays
from unifiedqr.arrays.namespaces import extend_namespace
from unifiedqr.arrays.operations import Operations
from unifiedqr.backend import Backend, Plugin
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import CapabilityError

EXTENDED = Plugin("extended", ("numpy",), (), "unifiedqr_lab.compare.extended:ExtendedBackend")


def has_extended_precision() -> bool:
    """Return whether long double is wider than double on this platform."""
    return bool(np.finfo(np.longdouble).eps < np.finfo(np.float64).eps / 100)


def qr(A: Array, /) -> tuple[Array, Array]:
    """Return reduced Householder QR factors in the dtype of A; diag(R) is complex for complex A."""
    m, n = A.shape[-2:]
    k = min(m, n)
    Q = np.zeros((*A.shape[:-1], k), dtype=A.dtype)
    R = np.zeros((*A.shape[:-2], k, n), dtype=A.dtype)
    for index in np.ndindex(A.shape[:-2]):
        Q[index], R[index] = _reflect(A[index], k)
    return Q, R


def _reflect(A: Array, k: int) -> tuple[Array, Array]:
    R = A.copy()
    reflectors: list[Array] = []
    for j in range(k):
        v = _reflector(R[j:, j])
        R[j:, j:] -= np.outer(2 * v, v.conj() @ R[j:, j:])
        reflectors.append(v)
    Q = np.eye(A.shape[0], k, dtype=A.dtype)
    for j in reversed(range(k)):
        v = reflectors[j]
        Q[j:, j:] -= np.outer(2 * v, v.conj() @ Q[j:, j:])
    return Q, np.triu(R[:k])


def _reflector(x: Array) -> Array:
    """Return the unit vector v whose reflection I - 2 v v^H takes x to a multiple of the first unit vector."""
    largest = np.max(np.abs(x))
    if not largest > 0:
        return np.zeros_like(x)
    v = x / largest
    modulus = np.abs(v[0])
    phase = v[0] / modulus if modulus > 0 else v.dtype.type(1)
    v[0] += phase * _norm(v)
    return v / _norm(v)


def _norm(x: Array) -> Any:
    return np.sqrt(np.sum(x.real**2 + x.imag**2))


def solve_triangular(A: Array, B: Array, /, *, upper: bool) -> Array:
    """Return A^-1 B for triangular A, by substitution."""
    k = A.shape[-1]
    X = np.array(np.broadcast_to(B, (*np.broadcast_shapes(A.shape[:-2], B.shape[:-2]), *B.shape[-2:])))
    for i in reversed(range(k)) if upper else range(k):
        X[..., i, :] /= A[..., i, i, None]
        rest = slice(0, i) if upper else slice(i + 1, k)
        X[..., rest, :] -= A[..., rest, i, None] * X[..., i, None, :]
    return X


class ExtendedOperations(Operations):
    """Substitution written out; determinants by reflectors, for NumPy's ``slogdet`` has no long double."""

    def solve_triangular(self, A: Array, B: Array, *, upper: bool) -> Array:
        return solve_triangular(A, B, upper=upper)

    def sign_of_det(self, Q: Array) -> None:
        del Q


class ExtendedBackend(Backend):
    """NumPy long doubles, with values and the explicit rules only."""

    xp = extend_namespace(
        "unifiedqr_lab.compare.extended.xp",
        array_api_compat.numpy,
        linalg={"qr": qr},
        operations=ExtendedOperations,
    )

    def from_numpy(self, x: Array) -> Array:
        return x.astype(np.clongdouble if np.iscomplexobj(x) else np.longdouble)

    def to_numpy(self, x: Array) -> Array:
        return x.astype(np.complex128 if np.iscomplexobj(x) else np.float64)

    def dtype_name(self, x: Array) -> str:
        return "complex128" if np.iscomplexobj(x) else "float64"

    def device(self, x: Array) -> str:  # noqa: ARG002
        return "cpu"

    def devices(self) -> tuple[str, ...]:
        return ("cpu",)

    def bind(self, primitive: Primitive) -> Callable[..., Arrays]:
        return partial(primitive.forward, self.xp)

    def vjp(self, f: Callable[..., Arrays], primals: Arrays) -> NoReturn:  # noqa: ARG002
        raise CapabilityError("long double arithmetic has no autodiff.")

    def jvp(self, f: Callable[..., Arrays], primals: Arrays, tangents: Arrays) -> NoReturn:  # noqa: ARG002
        raise CapabilityError("long double arithmetic has no autodiff.")
