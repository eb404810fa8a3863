"""Decompositions as Gluon blocks, which behave alike before and after ``hybridize()``, export and import.

A graph that holds one is run by a process that has imported this package; a pair of symbols, `ComplexArray`, stands for
a complex input of a hybridized block.
"""

from collections.abc import Callable
from typing import Any

import unifiedqr
from unifiedqr.decomposition import Primitive, lq_primitive, qr_primitive
from unifiedqr_mxnet.autodiff import bind, is_symbolic
from unifiedqr_mxnet.compat import mx


class _Block(mx.gluon.HybridBlock):
    """A decomposition of arrays, or of the symbols that stand for them."""

    def __init__(
        self, function: Callable[..., Any], row: Callable[..., Primitive], positive: bool, method: str
    ) -> None:
        super().__init__()
        self._function = function
        self._options = {"positive": positive, "method": method}
        self._primitive = row(**self._options)

    def hybrid_forward(self, F: Any, A: Any) -> tuple[Any, ...]:
        if is_symbolic(A):
            return bind(self._primitive)(A)
        return tuple(self._function(A, **self._options))


class QR(_Block):
    """`unifiedqr.qr` as a block: A of shape (..., m, n) to (Q, R).

    Parameters
    ----------
    positive, method
        As of `unifiedqr.qr`.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> xp = uqr.namespace("mxnet")
    >>> from unifiedqr_mxnet.gluon import QR
    >>> block = QR()
    >>> block.hybridize()
    >>> block(xp.asarray([[3.0, 1.0], [4.0, 2.0]]))[1]
    array([[5. , 2.2],
           [0. , 0.4]])
    """

    def __init__(self, *, positive: bool = True, method: str = "auto") -> None:
        super().__init__(unifiedqr.qr, qr_primitive, positive, method)


class LQ(_Block):
    """`unifiedqr.lq` as a block: A of shape (..., m, n) to (L, Q).

    Parameters
    ----------
    positive, method
        As of `unifiedqr.lq`.
    """

    def __init__(self, *, positive: bool = True, method: str = "auto") -> None:
        super().__init__(unifiedqr.lq, lq_primitive, positive, method)
