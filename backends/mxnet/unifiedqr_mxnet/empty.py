"""Arrays without entries. MXNet reduces some of them with an error that surfaces much later, or not at all."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.creation import asarray
from unifiedqr_mxnet.pair import ComplexArray


def empty_by(numpy_function: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a NumPy function of like arguments serve arrays without entries; their gradient has no entries either."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def apply(x: Any, /, *args: Any, **kwargs: Any) -> Any:
            if x.size:
                return function(x, *args, **kwargs)
            on_host = (arg.asnumpy() if isinstance(arg, (mx.np.ndarray, ComplexArray)) else arg for arg in (x, *args))
            with np.errstate(all="ignore"):
                return asarray(np.asarray(numpy_function(*on_host, **kwargs)), device=x.ctx)

        return apply

    return decorate
