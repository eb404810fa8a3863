"""MLX as an Array API namespace: most names are its own, linear algebra runs on the CPU."""

from typing import Any

import mlx.core as mx
import numpy as np

from unifiedqr.arrays.namespaces import make_namespace
from unifiedqr.arrays.operations import Operations

OWN = """
abs all any argmax argsort asarray astype broadcast_to complex64 concat conj equal exp expand_dims eye flip float32
float64 floor full_like imag int32 isfinite isnan log log2 logical_and logical_not logical_or matmul max mean min ones
ones_like permute_dims real reshape sqrt square squeeze stack sum tril triu where zeros zeros_like
"""
KINDS = {
    "real floating": (mx.float32, mx.float64),
    "complex floating": (mx.complex64,),
    "integral": (mx.int8, mx.int16, mx.int32, mx.int64, mx.uint8, mx.uint16, mx.uint32, mx.uint64),
    "bool": (mx.bool_,),
}


def isdtype(dtype: Any, kind: str | tuple[str, ...], /) -> bool:
    """Return whether a dtype is of a kind, or one of several, of the standard's."""
    return any(dtype in KINDS.get(one, ()) for one in ((kind,) if isinstance(kind, str) else kind))


def finfo(dtype: Any, /) -> Any:
    """Return what NumPy knows of the dtype."""
    return np.finfo(str(dtype).rpartition(".")[2])


def diagonal(x: mx.array, /) -> mx.array:
    """Return the diagonals of a stack of matrices."""
    return mx.diagonal(x, 0, -2, -1)


def trace(x: mx.array, /) -> mx.array:
    """Return the traces of a stack of matrices."""
    return mx.sum(diagonal(x), axis=-1)


def take_along_axis(x: mx.array, indices: mx.array, /, *, axis: int = -1) -> mx.array:
    """Take entries along an axis; MLX would differentiate with respect to the indices too."""
    return mx.take_along_axis(x, mx.stop_gradient(indices), axis=axis)


def qr(A: mx.array, /) -> tuple[mx.array, mx.array]:
    """Return the reduced QR factors."""
    return mx.linalg.qr(A, stream=mx.cpu)


def solve_triangular(A: mx.array, B: mx.array, /, *, upper: bool) -> mx.array:
    """Solve A X = B; MLX has no derivative of its own solver."""

    @mx.custom_function
    def solve(A: mx.array, B: mx.array) -> mx.array:
        return mx.linalg.solve_triangular(mx.stop_gradient(A), mx.stop_gradient(B), upper=upper, stream=mx.cpu)

    @solve.vjp
    def pullback(primals: Any, X_bar: mx.array, X: mx.array) -> tuple[mx.array, mx.array]:
        B_bar = solve_triangular(mx.swapaxes(primals[0], -1, -2), X_bar, upper=not upper)
        A_bar = -B_bar @ mx.swapaxes(X, -1, -2)
        return mx.triu(A_bar) if upper else mx.tril(A_bar), B_bar

    @solve.jvp
    def pushforward(primals: Any, tangents: Any) -> mx.array:
        A, B = primals
        A_dot, B_dot = (mx.zeros_like(x) if dot is None else dot for x, dot in zip(primals, tangents, strict=True))
        A_dot = mx.triu(A_dot) if upper else mx.tril(A_dot)
        return solve_triangular(A, B_dot - A_dot @ solve_triangular(A, B, upper=upper), upper=upper)

    return solve(A, B)


class MLXOperations(Operations):
    """A triangular solve with a derivative."""

    def solve_triangular(self, A: mx.array, B: mx.array, *, upper: bool) -> mx.array:
        return solve_triangular(A, B, upper=upper)


xp = make_namespace(
    "unifiedqr_mlx.namespace.xp",
    {
        **{name: getattr(mx, name) for name in OWN.split()},
        "complex128": None,  # MLX has none
        "finfo": finfo,
        "isdtype": isdtype,
        "take_along_axis": take_along_axis,
        "matrix_transpose": lambda x, /: mx.swapaxes(x, -1, -2),
    },
    {
        "diagonal": diagonal,
        "matrix_norm": lambda x, /: mx.sqrt(mx.sum(mx.square(mx.abs(x)), axis=(-2, -1))),
        "qr": qr,
        "trace": trace,
        "vector_norm": lambda x, /, *, axis=None: mx.sqrt(mx.sum(mx.square(mx.abs(x)), axis=axis)),
    },
    MLXOperations,
)
