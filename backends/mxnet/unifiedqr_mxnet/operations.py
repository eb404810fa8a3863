"""What the host's LAPACK and MXNet do better than the portable forms of the operations beyond the Array API standard.

They run with the switches of MXNet's array functions as NumPy has them, like the functions of the namespace.
"""

from typing import Any

import numpy as np
import scipy.linalg

from unifiedqr import host
from unifiedqr.arrays.operations import Operations
from unifiedqr_mxnet.host_memory import from_host, host_view, seen
from unifiedqr_mxnet.linalg import solve_triangular
from unifiedqr_mxnet.scalar import with_numpy_semantics
from unifiedqr_mxnet.solving import refuse_recording


class MXNetOperations(Operations):
    """Operations of real arrays and of complex pairs; what the host computes refuses to be recorded."""

    traces = True
    has_cholesky = True

    @with_numpy_semantics
    def solve_triangular(self, A: Any, B: Any, *, upper: bool) -> Any:
        return solve_triangular(A, B, upper=upper)

    @with_numpy_semantics
    def qr_r(self, A: Any) -> Any:
        refuse_recording("qr_r")
        R: Any = np.linalg.qr(host_view(A), mode="r")
        return from_host(R, A.ctx)

    @with_numpy_semantics
    def try_cholesky(self, G: Any) -> tuple[Any, Any]:
        refuse_recording("try_cholesky")
        values = host_view(G)
        R = np.empty(values.shape, values.dtype)
        definite = np.ones((*values.shape[:-2], 1, 1), bool)
        potrf: Any = scipy.linalg.get_lapack_funcs("potrf", (values,))
        for index in np.ndindex(values.shape[:-2]):
            R[index], info = potrf(values[index], lower=False, clean=True)
            definite[index] = info == 0
        return from_host(R, G.ctx), from_host(definite, G.ctx)

    @with_numpy_semantics
    def pivoted_qr(self, A: Any, rank: int) -> tuple[Any, Any, Any] | None:
        if np.dtype(A.dtype).name not in host.PREFIXES:
            return None
        refuse_recording("pivoted_qr")
        Q, R, P = host.pivoted_qr(host_view(A), rank)
        return tuple(from_host(X, A.ctx) for X in (Q, R, P[..., None, :].astype(Q.dtype)))

    @with_numpy_semantics
    def seen(self, x: Any) -> np.ndarray | None:
        return seen(x)
