"""NumPy as an Array API namespace, by array-api-compat, with LAPACK's column-pivoted QR added."""

from functools import partial

import array_api_compat.numpy
import numpy as np

from unifiedqr import host
from unifiedqr.backend import extend_namespace


def pivoted_qr(A: np.ndarray, rank: int, /) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return Q, R and the permutation P (..., 1, n), as numbers of A's dtype; None if LAPACK has not the dtype."""
    if A.dtype.name not in host.PREFIXES:
        return None
    Q, R, P = host.pivoted_qr(A, rank)
    return Q, R, P[..., None, :].astype(A.dtype)


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
linalg = {"pivoted_qr": pivoted_qr, "qr_r": partial(np.linalg.qr, mode="r"), "try_cholesky": try_cholesky}
beyond = {"glance": host.glance, "place": lambda _: "numpy cpu"}
xp = extend_namespace("unifiedqr_numpy.namespace.xp", array_api_compat.numpy, linalg, **of_the_standard, **beyond)
