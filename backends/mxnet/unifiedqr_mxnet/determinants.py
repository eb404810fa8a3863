"""Determinants, by the host, recorded with pullbacks of their own.

MXNet's own destroys what its gradient reads: a second backward pass over one record is wrong, or ends the process.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.creation import asarray
from unifiedqr_mxnet.pair import ComplexArray
from unifiedqr_mxnet.recording import record


class SlogdetResult(NamedTuple):
    """Sign and logarithm of the modulus of a determinant."""

    sign: Any
    logabsdet: Any


def det(x: Any, /) -> Any:
    """Return the determinant; its gradient is that of singular matrices too, by singular values."""
    values = x.asnumpy()
    found = asarray(np.asarray(np.linalg.det(values)), device=x.ctx)

    def pulled(det_bar: np.ndarray) -> np.ndarray:
        U, S, Vh = np.linalg.svd(values)
        others = np.prod(np.where(np.eye(S.shape[-1], dtype=bool), 1, S[..., None, :]), axis=-1)
        phase = np.conj(np.linalg.det(U) * np.linalg.det(Vh))
        return (det_bar * phase)[..., None, None] * ((U * others[..., None, :]) @ Vh)

    return _recorded(x, (found,), pulled)[0]


def slogdet(x: Any, /) -> SlogdetResult:
    """Return sign and logarithm of the modulus of the determinant."""
    values = x.asnumpy()
    sign, logarithm = (np.asarray(X) for X in np.linalg.slogdet(values))
    found = tuple(asarray(X, device=x.ctx) for X in (sign, logarithm))

    def pulled(sign_bar: np.ndarray, log_bar: np.ndarray) -> np.ndarray:
        U, S, Vh = np.linalg.svd(values)
        turned = 1j * np.imag(sign_bar * np.conj(sign)) if values.dtype.kind == "c" else 0.0
        with np.errstate(all="ignore"):  # singular matrices have no derivative
            return (log_bar + turned)[..., None, None] * ((U / S[..., None, :]) @ Vh)

    return SlogdetResult(*_recorded(x, found, pulled))


def _recorded(x: Any, outputs: tuple[Any, ...], pulled: Callable[..., np.ndarray]) -> tuple[Any, ...]:
    """Enter into a record, if one is made, that the outputs came from x; `pulled` is between cotangents of NumPy."""
    if not mx.autograd.is_recording():
        return outputs
    are_pairs = [isinstance(X, ComplexArray) for X in outputs]
    device, is_pair = x.ctx, isinstance(x, ComplexArray)

    def pullback(cotangents: Sequence[Any]) -> list[Any]:
        rest = iter(cotangents)
        bars = [ComplexArray(next(rest), next(rest)) if pair else next(rest) for pair in are_pairs]
        x_bar = asarray(pulled(*(bar.asnumpy() for bar in bars)), device=device)
        return _parts(x_bar) if is_pair else [x_bar]

    record(_parts(x), [part for X in outputs for part in _parts(X)], pullback)
    return outputs


def _parts(x: Any) -> list[Any]:
    return [x.real, x.imag] if isinstance(x, ComplexArray) else [x]
