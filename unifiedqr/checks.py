"""What happens where no derivative exists: nothing, a warning or an error, and NaN is returned in any case.

The rules report here; a namespace says through ``beyond.seen`` whether the values of one of its arrays can be inspected
without waiting for another device or breaking a trace. Where they cannot, the report is silent.
"""

import os
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from inspect import currentframe
from types import FrameType
from typing import Any

from unifiedqr._typing import Array, Namespace
from unifiedqr.errors import GaugeError, GaugeWarning, OptionError, SingularMatrixWarning

VARIABLE = "UNIFIEDQR_CHECKS"
MODES = ("off", "warn", "raise")
DEFAULT = "warn"

_process_wide: str | None = None

BETWEEN = {"unifiedqr", "contextlib", "functools", "threading"}
"""Top-level modules whose frames may stand between a user's line and a report; every backend adds its own."""


def set_checks(mode: str) -> None:
    """Choose, for this process, what happens when a derivative is taken where none exists.

    Parameters
    ----------
    mode : {"off", "warn", "raise"}
        "warn" issues a `SingularMatrixWarning`, "raise" raises a `SingularMatrixError`. In each mode the derivative of
        that matrix of the batch is NaN, and the others are right. Where a loss depends on an arbitrary basis of a null
        space they issue a `GaugeWarning` and raise a `GaugeError`.

    Raises
    ------
    OptionError
        `mode` is not among its choices.

    Notes
    -----
    The environment variable ``UNIFIEDQR_CHECKS`` gives the mode a process starts with, "warn" if it is not set.
    A check looks at values that are in host memory already: it is silent for arrays on another device, inside a
    compiled or traced function (``torch.compile``, ``tf.function``, ``jax.jit``, a hybridized block) and under a
    vectorizing map. Column j is dependent when |R_jj| <= 4 max(m, n) eps ||R[:, j]||; the last pivot of a real square
    or wide matrix is exempt (QR.6).

    Examples
    --------
    >>> import numpy as np
    >>> import unifiedqr as uqr
    >>> uqr.set_checks("raise")
    >>> Q, R = uqr.qr(np.ones((3, 2)))
    >>> uqr.rules.qr_vjp(Q, R, Q, None)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    unifiedqr.singular.SingularMatrixError: no derivative of the QR or LQ decomposition exists: ...
    >>> uqr.set_checks("warn")
    """
    global _process_wide
    _process_wide = _valid(mode, "mode")


def mode() -> str:
    """Return the mode in force."""
    if _process_wide is not None:
        return _process_wide
    return _valid(os.environ.get(VARIABLE) or DEFAULT, VARIABLE)


@contextmanager
def checks(mode: str) -> Generator[None]:
    """Choose a mode for a block of this process."""
    global _process_wide
    before, _process_wide = _process_wide, _valid(mode, "mode")
    try:
        yield
    finally:
        _process_wide = before


Report = Callable[[], None]

_later: ContextVar[list[Report] | None] = ContextVar("unifiedqr_reports", default=None)


@contextmanager
def reports_later() -> Generator[list[Report]]:
    """Collect the reports of a block whose values cannot be inspected yet; calling one inspects and reports."""
    collected: list[Report] = []
    token = _later.set(collected)
    try:
        yield collected
    finally:
        _later.reset(token)


def are_put_off() -> bool:
    """Return whether reports are collected for later."""
    return _later.get() is not None


def report_dependent(xp: Namespace, nowhere: Array, factor: Array) -> None:
    """Warn or raise if a matrix of the batch, marked in a boolean array (..., 1, 1), has no derivative.

    Whether a factor is finite says why: dependent columns, or NaN and Inf.
    """
    if mode() == "off":
        return
    marks = xp.beyond.seen(nowhere)
    if marks is None:
        _put_off(partial(report_dependent, xp, nowhere, factor))
        return
    if b"\x01" not in marks.tobytes():  # half the time of marks.any() for few matrices
        return
    message = _message(marks[..., 0, 0], xp.beyond.seen(factor))
    if mode() == "raise":
        from unifiedqr.singular import SingularMatrixError  # imports NumPy, which importing unifiedqr does not

        raise SingularMatrixError(message)
    warn(message, SingularMatrixWarning)


def report_gauge(xp: Namespace, violation: Array) -> None:
    """Warn or raise if a cotangent depends on an arbitrary choice of basis.

    `violation` is v of (CQ.6) divided by what is allowed, real, of shape (..., 1, 1).
    """
    if mode() == "off":
        return
    values = xp.beyond.seen(violation)
    if values is None:
        _put_off(partial(report_gauge, xp, violation))
        return
    if not (values > 1).any():
        return
    message = (
        f"the loss depends on which basis of the space was chosen, {values.max():.1e} times as much as rounding would "
        f"(CQ.6): the derivative is that of a loss of the space alone. Write the loss with the projector N N^H, or "
        f"accept it by unifiedqr.set_checks('off')."
    )
    if mode() == "raise":
        raise GaugeError(message)
    warn(message, GaugeWarning)


def _put_off(report: Report) -> None:
    collected = _later.get()
    if collected is not None:
        collected.append(report)


Line = tuple[str, int]
"""A file and the number of a line in it."""

_asked_at: ContextVar[Line | None] = ContextVar("unifiedqr_asked_at", default=None)


@contextmanager
def asked_at(line: Line | None) -> Generator[None]:
    """Have reports point at a line of the user's program, where a framework calls back from a thread of its own."""
    token = _asked_at.set(line)
    try:
        yield
    finally:
        _asked_at.reset(token)


def line_of_user() -> Line | None:
    """Return the line of the user's program that led here, past the frames of this package and of frameworks."""
    frame, _ = _frame_of_user()
    return None if frame is None else (frame.f_code.co_filename, frame.f_lineno)


def _frame_of_user() -> tuple[FrameType | None, int]:
    """Return the frame of the user's program, and its number of frames above this function's caller."""
    frame, level = currentframe(), -1
    while frame is not None and (level < 0 or _module_of(frame).partition(".")[0] in BETWEEN):
        frame, level = frame.f_back, level + 1
    return frame, level


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line of the user's program."""
    frame, level = _frame_of_user()
    line = _asked_at.get()
    if frame is None and line is not None:
        warnings.warn_explicit(message, category, *line)
    else:
        warnings.warn(message, category, stacklevel=level + 1)


def _module_of(frame: FrameType) -> str:
    return frame.f_globals.get("__name__") or ""


def _message(marks: Any, factor: Any) -> str:
    """Return what is wrong with the marked matrices, (...); `factor` is finite where A is, None if unseen."""
    infinite = marks & ~marks if factor is None else marks & ~(abs(factor) < float("inf")).all(axis=(-2, -1))
    where = ""
    if marks.ndim:
        first = tuple(int(axis[0]) for axis in marks.nonzero())
        where = f" for {int(marks.sum())} of {marks.size} matrices of the batch, the first at index {first}"
    causes: list[str] = []
    if infinite.any():
        causes.append(
            "the matrix contains NaN or Inf, or numbers so large that its factors overflow; find where they come from"
        )
    if (marks & ~infinite).any():
        causes.append(
            "a leading column (row, for LQ) is numerically dependent on those before it, "
            "|R_jj| <= 4 max(m, n) eps ||R[:, j]||, and a cotangent or tangent reaches what depends on it; "
            "unifiedqr.diagnose(A) shows the rank; remove or reorder dependent columns"
        )
    return (
        f"no derivative of the QR or LQ decomposition exists{where}: {'. Elsewhere '.join(causes)}. The derivative is "
        f"NaN there; to accept it, call unifiedqr.set_checks('off')."
    )


def _valid(mode: str, what: str) -> str:
    if mode not in MODES:
        raise OptionError(f"{what}={mode!r} is unknown; choose one of {', '.join(map(repr, MODES))}.")
    return mode
