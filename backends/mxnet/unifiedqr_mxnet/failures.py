"""MXNet's errors, in the class of what caused them.

MXNet carries no Python exception out of its threads: it raises an error of its own at the next wait, which says that a
callback failed. Nor does it distinguish missing second order from other errors. It does look up the class of an error
by the name at the head of its message, in a registry that is open to everybody. What is registered here returns the
kept exception of the callback, raised from MXNet's error, or a `NoSecondOrderError`, or else what MXNet would raise.
"""

from collections import defaultdict, deque
from collections.abc import Callable
from functools import partial, wraps
from traceback import clear_frames
from typing import Any

from unifiedqr.errors import CapabilityError
from unifiedqr_mxnet.compat import mx

INSTEAD = (
    "Record an explicit rule, such as unifiedqr.rules.qr_vjp(*factors, *cotangents, xp=unifiedqr.namespace(A)), "
    "differentiate unifiedqr.grad by finite differences, or use another backend."
)
"""What to do where MXNet has no second order."""

WITHOUT_SECOND_ORDER = (
    "_backward_CustomFunction is non-differentiable",
    "_backward_Custom is non-differentiable",
    "CachedOp does not support higher order gradients",
)
"""How MXNet says that it cannot differentiate a gradient which passed through a primitive, or through a graph."""

WITHOUT_INPUTS = "no inputs in computation graph that require gradients"
"""How it says that a gradient is a constant, for which it takes that of whatever is linear in the factors."""

_kept: defaultdict[str, deque[BaseException]] = defaultdict(partial(deque, maxlen=16))
_plain: Any = mx.base.error_types.get("MXNetError", mx.MXNetError)


class NoSecondOrderError(CapabilityError, mx.MXNetError):
    """MXNet was asked to differentiate a gradient again."""


def keep(callback: str, error: BaseException) -> None:
    """Keep what a callback, by the name MXNet has for it, raised, until MXNet reports that the callback failed."""
    _kept[callback].append(error)


def keeping(callback: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a function that MXNet calls back keep what it raises."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def called_back(*args: Any, **kwargs: Any) -> Any:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                keep(callback, error)
                raise

        return called_back

    return decorate


def translate_errors(is_recorded: Callable[[], bool]) -> None:
    """Have MXNet's errors raised in the class of their cause; `is_recorded` tells whether a primitive is recorded."""

    def translated(message: str) -> BaseException:
        reported = _plain(message)
        error = _cause(message, is_recorded)
        if error is None:
            return reported
        error.__cause__ = reported
        return error

    mx.base.register_error("MXNetError", translated)


def _cause(message: str, is_recorded: Callable[[], bool]) -> BaseException | None:
    for callback, errors in _kept.items():
        if errors and f"[{callback}]" in message:
            error = errors.pop()
            clear_frames(error.__traceback__)  # their arrays are MXNet's, which has taken back the memory
            return error
    if any(words in message for words in WITHOUT_SECOND_ORDER):
        return NoSecondOrderError(f"mxnet cannot do second order. {INSTEAD}")
    if WITHOUT_INPUTS in message and is_recorded():
        return NoSecondOrderError(
            f"mxnet cannot do second order: a gradient through unifiedqr is a constant to it. {INSTEAD} If no gradient "
            f"is differentiated here, call attach_grad() on what the loss depends on."
        )
    return None
