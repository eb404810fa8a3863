"""Dask arrays: lazy decompositions of matrices that are larger than memory, with explicit derivatives."""

from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np

from unifiedqr.arrays.namespaces import extend_namespace
from unifiedqr.backend import Backend
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import CapabilityError, ForeignArrayError, ShapeError
from unifiedqr_dask import stacks
from unifiedqr_dask.namespace import plain
from unifiedqr_dask.tape import Arrays, Step, Tape, active, noted

SERVED = ("qr", "qr-r", "ql", "lq", "lq-l", "rq", "orth", "lstsq")
"""What blocks of rows, or of columns, give without the whole matrix in one place."""


def _shaped(x: Any, bar: Any) -> Any:
    return plain.reshape(bar, x.shape)


def _cast(x: Any, bar: Any) -> Any:
    bar = plain.real(bar) if bar.dtype.kind == "c" and x.dtype.kind == "f" else bar
    return plain.astype(bar, x.dtype)


xp = extend_namespace(
    "unifiedqr_dask.adapter.xp",
    plain,
    expand_dims=noted(plain.expand_dims, _shaped),
    squeeze=noted(plain.squeeze, _shaped),
    astype=noted(plain.astype, _cast),
    real=noted(plain.real, _cast),
)


class DaskBackend(Backend):
    """Dask arrays of NumPy blocks."""

    xp = xp
    array_types = (da.Array,)

    def from_numpy(self, x: np.ndarray) -> Any:
        return da.from_array(x)

    def to_numpy(self, x: Any) -> np.ndarray:
        return np.asarray(x)

    def dtype_name(self, x: Any) -> str:
        if type(x._meta) is not np.ndarray:
            raise ForeignArrayError(
                f"got a Dask array of {type(x._meta).__module__}.{type(x._meta).__qualname__}; expected blocks of "
                f"NumPy. Convert them by A.map_blocks."
            )
        if any(np.isnan(size) for size in x.shape):
            raise ShapeError(
                f"got a Dask array of shape {x.shape}; expected chunks of known sizes. Call A.compute_chunk_sizes()."
            )
        return x.dtype.name

    def is_spread(self, x: Any) -> bool:
        return x.npartitions > 1

    def bind(self, primitive: Primitive) -> Callable[..., Arrays]:
        if primitive.name not in SERVED:
            raise CapabilityError(
                f"{primitive.name} needs the whole matrix in one place, which Dask arrays are not for. Call it on "
                f"A.compute(), a NumPy array, or leave out what asks for it: pivoting, rank, mode='complete'."
            )
        if "cholesky" in primitive.options:
            raise CapabilityError("got method='cholesky'; expected 'auto' or 'householder': on Dask arrays QR is TSQR.")

        def call(*inputs: Any) -> Arrays:
            is_stack = inputs[0].ndim > 2
            given = tuple(
                X if is_stack else _in_blocks(primitive, name, X)
                for name, X in zip(primitive.inputs, inputs, strict=True)
            )
            tape, token = active.get(), active.set(None)
            try:
                outputs = stacks.forward(primitive, given) if is_stack else primitive.forward(plain, *given)
            finally:
                active.reset(token)
            if tape is not None:
                kept = primitive.kept(given, outputs)

                def vjp(bars: Any) -> Arrays:
                    found = (stacks.vjp if is_stack else _vjp)(primitive, kept, tuple(bars))
                    return tuple(X_bar.rechunk(X.chunks) for X_bar, X in zip(found, inputs, strict=True))

                def jvp(dots: Any) -> Arrays:
                    return (stacks.jvp if is_stack else _jvp)(primitive, kept, tuple(dots))

                tape.note(Step(inputs, outputs, vjp, jvp))
            return outputs

        return call

    def vjp(self, f: Callable[..., Arrays], primals: Arrays) -> tuple[Arrays, Callable[[Any], Arrays]]:
        tape, outputs = _run(f, primals)

        def pullback(bars: Any) -> Arrays:
            found = zip(tape.pullback(outputs, bars), primals, strict=True)
            return tuple(plain.zeros_like(X) if X_bar is None else X_bar for X_bar, X in found)

        return outputs, pullback

    def jvp(self, f: Callable[..., Arrays], primals: Arrays, tangents: Arrays) -> tuple[Arrays, Arrays]:
        tape, outputs = _run(f, primals)
        return outputs, tape.pushforward(outputs, tangents, plain.zeros_like)


def _vjp(primitive: Primitive, kept: Arrays, bars: Any) -> Arrays:
    return primitive.gradients(plain, kept, bars)


def _jvp(primitive: Primitive, kept: Arrays, dots: Any) -> Arrays:
    return primitive.jvp(plain, kept, dots)


def _run(f: Callable[..., Arrays], primals: Arrays) -> tuple[Tape, Arrays]:
    tape = Tape(primals)
    token = active.set(tape)
    try:
        outputs = f(*tape.primals)
    finally:
        active.reset(token)
    for Y in outputs:
        tape.depends(Y)
    return tape, outputs


def _in_blocks(primitive: Primitive, name: str, X: Any) -> Any:
    """Return X with its short side in one chunk; raise unless its chunks are blocks of the long side of a matrix."""
    if name == "b":
        return X.rechunk({1: -1})
    m, n = X.shape
    deep = m >= n if primitive.name == "lstsq" else not primitive.orientation.adjoint
    long, short = (0, 1) if deep else (1, 0)
    if X.shape[long] < X.shape[short] and len(X.chunks[short]) > 1:
        words = "its columns, or take lq" if deep else "its rows, or take qr"
        raise CapabilityError(
            f"{primitive.name} got a {m} x {n} matrix in chunks {X.chunks}, which it would have to bring together. "
            f"Rechunk {words}: A.rechunk({{{short}: -1}})."
        )
    return X if len(X.chunks[short]) == 1 else X.rechunk({short: -1})
