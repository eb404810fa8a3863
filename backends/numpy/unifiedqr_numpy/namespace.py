"""NumPy as an Array API namespace, by array-api-compat, with LAPACK's column-pivoted QR added."""

from functools import partial

import array_api_compat.numpy
import numpy as np

from unifiedqr import host
from unifiedqr.backend import extend_namespace


def pivoted_qr(A: np.ndarray, rank: int, /) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Give Q, R and the permutation P (..., 1, n), as numbers of A's dtype; None if LAPACK has not the dtype."""
    if A.dtype.name not in host.PREFIXES:
        return None
    Q, R, P = host.pivoted_qr(A, rank)
    return Q, R, P[..., None, :].astype(A.dtype)


def cholesky_or_nan(G: np.ndarray, /) -> np.ndarray:
    """Give the upper triangle R with R^H R = G, NaN for a matrix that is not positive definite."""
    try:
        return np.linalg.cholesky(G).conj().swapaxes(-1, -2)
    except np.linalg.LinAlgError:
        if G.ndim == 2:
            return np.full_like(G, np.nan)
        return np.stack([cholesky_or_nan(matrix) for matrix in G])


of_the_standard = {
    name: vars(array_api_compat.numpy)[name]
    for name in ("__array_api_version__", "__array_namespace_info__")
    if name in vars(array_api_compat.numpy)
}
linalg = {"pivoted_qr": pivoted_qr, "qr_r": partial(np.linalg.qr, mode="r"), "cholesky_or_nan": cholesky_or_nan}
beyond = {"glance": host.glance, "place": lambda _: "numpy cpu"}
xp = extend_namespace("unifiedqr_numpy.namespace.xp", array_api_compat.numpy, linalg, **of_the_standard, **beyond)
