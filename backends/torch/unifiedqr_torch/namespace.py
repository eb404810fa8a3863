"""PyTorch as an Array API namespace, by array-api-compat, and what it does better than the portable forms.

Column-pivoted QR, which PyTorch lacks, is LAPACK's, of tensors in host memory. Where something traces, it is an
operation of PyTorch, which compilers write into their graphs as it stands.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import array_api_compat.torch
import numpy as np
import torch
from torch._C import _functorch  # pyright: ignore[reportAttributeAccessIssue]
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack

from unifiedqr import host
from unifiedqr.arrays.namespaces import extend_namespace
from unifiedqr.arrays.operations import ON_DEVICES, Limits, Mend, Operations
from unifiedqr_torch import products
from unifiedqr_torch.tensors import conj, is_traced


def matrix_transpose(x: torch.Tensor, /) -> torch.Tensor:
    """Transpose the last two axes, by the one spelling that every vmap of PyTorch has a rule for."""
    return x.mT


def concat(arrays: Sequence[torch.Tensor], /, *, axis: int | None = 0) -> torch.Tensor:
    """Join tensors along an axis, flattened for None, by the one spelling that every vmap of PyTorch has a rule for."""
    if axis is None:
        return torch.cat([x.reshape(-1) for x in arrays])
    return torch.cat(tuple(arrays), dim=axis)


def qr(x: torch.Tensor, /, *, mode: str = "reduced") -> tuple[torch.Tensor, torch.Tensor]:
    """Return Q (..., m, k) and R (..., k, n) of A = Q R; (..., m, m) and (..., m, n) with ``mode="complete"``."""
    Q, R = torch.linalg.qr(x, mode=mode)
    *batch, m, n = x.shape
    if mode == "complete" or _are_known(m, n):
        return Q, R
    k = n if m >= n else m
    return _of_shape(Q, (*batch, m, k)), _of_shape(R, (*batch, k, n))


def _are_known(m: Any, n: Any) -> bool:
    """Return whether sizes are those of this call, and not of a trace that serves many."""
    return not isinstance(m, torch.SymInt) and not isinstance(n, torch.SymInt)


def _of_shape(x: torch.Tensor, shape: tuple[Any, ...]) -> torch.Tensor:
    """Return x in the shape that it has in another form.

    PyTorch leaves k = min(m, n) a minimum where it traces, whichever is known to be the smaller one, cannot simplify
    what is computed from it, and then refuses to export. Slices would compare the two forms.
    """
    strides = [1]
    for size in reversed(shape[1:]):
        strides.insert(0, strides[0] * size)
    return x.clone(memory_format=torch.contiguous_format).as_strided(shape, strides)


def to_numpy(x: torch.Tensor) -> np.ndarray[Any, Any]:
    """Return a tensor as a NumPy array, which knows no gradient, no lazy conjugate or sign, no device, no bfloat16."""
    if _functorch.is_gradtrackingtensor(x):  # of a transform of torch.func, below which it has its value
        with temporarily_clear_interpreter_stack():
            return to_numpy(_functorch.get_unwrapped(x))
    return (x.float() if x.dtype == torch.bfloat16 else x).numpy(force=True)


T = TypeVar("T")


def _if_on_host(x: torch.Tensor, look: Callable[[torch.Tensor], T]) -> T | None:
    """Return the values of x if they are in host memory and nothing is traced or mapped, else None."""
    if is_traced():
        return None
    if _functorch.is_functorch_wrapped_tensor(x):
        return _if_inside(x, look)
    on_host = type(x) is torch.Tensor and x.is_cpu and x.layout is torch.strided
    return look(x) if on_host and not _functorch.is_legacy_batchedtensor(x) else None


def _if_inside(x: torch.Tensor, look: Callable[[torch.Tensor], T]) -> T | None:
    """Look at what `torch.func.grad`, `vjp`, `jvp` wrap, unless `torch.vmap` or another transform has a part in it."""
    while _functorch.is_gradtrackingtensor(x):
        x = _functorch.get_unwrapped(x)
    if _functorch.is_functorch_wrapped_tensor(x):
        return None
    with torch._C._DisableFuncTorch():  # or what is done to x would be wrapped again
        return _if_on_host(x, look)


def seen(x: torch.Tensor) -> np.ndarray[Any, Any] | None:
    """Return x as a NumPy array if its values are in host memory and nothing is traced or mapped, else None."""
    return _if_on_host(x, to_numpy)


def glance(R: torch.Tensor) -> tuple[float, float] | None:
    """Return the least modulus on the diagonals and the largest of all, if `seen` would give R, else None."""
    return _if_on_host(R, _extremes)


def _extremes(R: torch.Tensor) -> tuple[float, float] | None:
    return host.glance(R.numpy(force=True))


Tensors = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def pivoted_qr(A: torch.Tensor, rank: int, /) -> Tensors | None:
    """Return Q, R and the permutation P (..., 1, n), as numbers of A's dtype; None if A is not LAPACK's to factor."""
    if A.device.type != "cpu" or A.layout is not torch.strided or A.dtype not in DTYPES:
        return None
    return _on_host(A, rank) if seen(A) is None else _by_lapack(A, rank)


DTYPES = tuple(getattr(torch, name) for name in host.PREFIXES)


def _by_lapack(A: torch.Tensor, rank: int) -> Tensors:
    Q, R, P = host.pivoted_qr(to_numpy(A), rank)
    return torch.from_numpy(Q), torch.from_numpy(R), torch.from_numpy(P[..., None, :]).to(A.dtype)


def _shapes(A: torch.Tensor, rank: int) -> Tensors:
    """Return tensors without values, of the shapes and in the order of memory of the factors."""
    *batch, m, n = A.shape
    Q = A.new_empty((*batch, rank, m))
    strides = (*Q.stride()[:-2], Q.stride(-1), Q.stride(-2))
    return A.new_empty_strided((*batch, m, rank), strides), A.new_empty((*batch, rank, n)), A.new_empty((*batch, 1, n))


_on_host: Any = torch.library.custom_op(
    "unifiedqr::pivoted_qr",
    _by_lapack,
    mutates_args=(),
    device_types="cpu",
    schema="(Tensor A, int rank) -> (Tensor, Tensor, Tensor)",
)
_on_host.register_fake(_shapes)


IN_MEMORY = Limits(slenderness=16, columns=128, rows=512, narrowest=8, entries=2**17)
"""For matrices in host memory, as measured on two cores of a CPU."""

DEVICES = ("cuda", "xpu")
"""The types of devices that are GPUs: those of ROCm are called CUDA's."""


def is_on_host(A: torch.Tensor) -> bool:
    """Return whether looking at a tensor waits for no device."""
    return A.is_cpu


def _mended(
    A: torch.Tensor, accepted: torch.Tensor, found: Sequence[torch.Tensor], again: Callable[..., Any]
) -> tuple[torch.Tensor, ...]:
    places = torch.nonzero(~accepted.reshape(-1))[:, 0]  # waits for the device
    if places.numel() == 0:
        return tuple(found)
    *batch, _, _ = A.shape
    others = again(A.reshape(-1, *A.shape[-2:])[places])
    pairs = zip(found, others, strict=True)
    return tuple(X.reshape(-1, *X.shape[-2:]).index_copy(0, places, Y).reshape(*batch, *X.shape[-2:]) for X, Y in pairs)


class TorchOperations(Operations):
    """What PyTorch does better than the portable forms."""

    traces = True
    has_cholesky = True
    limits = IN_MEMORY

    def solve_triangular(self, A: torch.Tensor, B: torch.Tensor, *, upper: bool) -> torch.Tensor:
        return torch.linalg.solve_triangular(A, B, upper=upper)

    def inverse_upper(self, U: torch.Tensor) -> torch.Tensor:
        return torch.linalg.solve_triangular(U, torch.eye(U.shape[-1], dtype=U.dtype, device=U.device), upper=True)

    def quotient_of_sum(self, U: torch.Tensor, Y: torch.Tensor, Q: torch.Tensor, K: torch.Tensor) -> torch.Tensor:
        return products.quotient_of_sum(U, Y, Q, K)

    def inner(self, X: torch.Tensor, Y: torch.Tensor) -> torch.Tensor:
        return products.inner(X, Y)

    def combination(self, *terms: Any) -> torch.Tensor:
        return products.combination(*terms)

    def qr_r(self, A: torch.Tensor) -> torch.Tensor:
        R = torch.linalg.qr(A, mode="r").R
        *batch, m, n = A.shape
        return R if _are_known(m, n) else _of_shape(R, (*batch, n if m >= n else m, n))

    def pivoted_qr(self, A: torch.Tensor, rank: int) -> Tensors | None:
        return pivoted_qr(A, rank)

    def try_cholesky(self, G: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        R, info = torch.linalg.cholesky_ex(G, upper=True)
        return R, info[..., None, None] == 0

    def limits_of(self, A: torch.Tensor) -> Limits | None:
        if is_traced():
            return None
        return self.limits if is_on_host(A) else ON_DEVICES if A.device.type in DEVICES else None

    def mender(self, A: torch.Tensor) -> Mend | None:
        if is_on_host(A) or is_traced() or type(A) is not torch.Tensor:
            return None
        return partial(_mended, A)

    def phases(self, R: torch.Tensor) -> torch.Tensor:
        if R.is_complex():
            return super().phases(R)
        return (R.diagonal(0, -2, -1).sgn() + 0.5).sgn()  # of NaN 0, and then 1

    def turn(self, Q: torch.Tensor, R: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return products.turned(Q, R, self.phases(R))

    def branch(
        self, predicate: torch.Tensor, then: Callable[[], Any], otherwise: Callable[[], Any]
    ) -> tuple[torch.Tensor, ...]:
        if is_traced():
            return super().branch(predicate, then, otherwise)
        return then() if predicate else otherwise()

    def constant(self, X: torch.Tensor) -> torch.Tensor:
        return X.detach()

    def seen(self, x: torch.Tensor) -> np.ndarray[Any, Any] | None:
        return seen(x)

    def glance(self, R: torch.Tensor) -> tuple[float, float] | None:
        return glance(R)


xp = extend_namespace(
    "unifiedqr_torch.namespace.xp",
    array_api_compat.torch,
    linalg={"qr": qr},
    operations=TorchOperations,
    matrix_transpose=matrix_transpose,
    conj=conj,
    concat=concat,
)
