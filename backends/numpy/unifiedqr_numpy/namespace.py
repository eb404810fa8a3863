"""NumPy as an Array API namespace, by array-api-compat, with LAPACK's column-pivoted QR beyond it."""

from typing import Any

import array_api_compat.numpy
import numpy as np

from unifiedqr import host
from unifiedqr.arrays.namespaces import extend_namespace
from unifiedqr.arrays.operations import Limits, Operations


class NumpyOperations(Operations):
    """What NumPy does better than the portable forms: R alone, signs, and LAPACK's pivots."""

    has_cholesky = True
    limits = Limits(slenderness=8, columns=512, rows=256, entries=2**15)  # measured on two cores of a CPU

    def qr_r(self, A: np.ndarray) -> Any:
        return np.linalg.qr(A, mode="r")

    def pivoted_qr(self, A: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        if A.dtype.name not in host.PREFIXES:
            return None
        Q, R, P = host.pivoted_qr(A, rank)
        return Q, R, P[..., None, :].astype(A.dtype)

    def try_cholesky(self, G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return try_cholesky(G)

    def turn(self, Q: np.ndarray, R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if R.dtype.kind == "c":
            return super().turn(Q, R)
        D = np.copysign(1.0, R.diagonal(0, -2, -1) + 0.0)  # which has no -0
        Q *= D[..., None, :]
        R *= D[..., None]
        R += 0.0  # zeros below the diagonal, which every kernel here has left, lose their signs
        return Q, R

    def glance(self, R: np.ndarray) -> tuple[float, float] | None:
        return host.glance(R)


def try_cholesky(G: np.ndarray, /) -> tuple[np.ndarray, np.ndarray]:
    """Return the upper triangle R with R^H R = G, and whether there is one, (..., 1, 1)."""
    try:
        return np.linalg.cholesky(G).conj().swapaxes(-1, -2), np.ones((*G.shape[:-2], 1, 1), bool)
    except np.linalg.LinAlgError:
        if G.ndim == 2:
            return np.zeros_like(G), np.zeros((1, 1), bool)
        R, definite = zip(*map(try_cholesky, G), strict=True)
        return np.stack(R), np.stack(definite)


of_the_standard = {
    name: vars(array_api_compat.numpy)[name]
    for name in ("__array_api_version__", "__array_namespace_info__")
    if name in vars(array_api_compat.numpy)
}
xp = extend_namespace(
    "unifiedqr_numpy.namespace.xp", array_api_compat.numpy, operations=NumpyOperations, **of_the_standard
)
