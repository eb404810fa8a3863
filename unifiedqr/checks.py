"""What happens where no derivative exists: nothing, a warning or an error, besides the NaN that always comes back.

The rules report here; a namespace says through ``seen`` whether the values of one of its arrays can be looked at
without waiting for another device or breaking a trace. Where they cannot, the report is silent.
"""

import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from unifiedqr._typing import Array, Namespace
from unifiedqr.errors import GaugeError, GaugeWarning, OptionError, SingularMatrixWarning

VARIABLE = "UNIFIEDQR_CHECKS"
MODES = ("off", "warn", "raise")
DEFAULT = "warn"

_process_wide: str | None = None


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
    or wide matrix is exempt (11k).

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
    """Give the mode in force."""
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


def report_dependent(xp: Namespace, nowhere: Array) -> None:
    """Warn or raise if a matrix of the batch, marked in a boolean array (..., 1, 1), has no derivative."""
    chosen = mode()
    if chosen == "off":
        return
    marks: Any = getattr(xp, "seen", _seen_by_numpy)(nowhere)
    if marks is None or b"\x01" not in marks.tobytes():  # half the time of marks.any() for few matrices
        return
    message = _message(marks[..., 0, 0])
    if chosen == "raise":
        from unifiedqr.singular import SingularMatrixError  # imports NumPy, which importing unifiedqr does not

        raise SingularMatrixError(message)
    warnings.warn(message, SingularMatrixWarning, stacklevel=3)


def report_gauge(xp: Namespace, violation: Array) -> None:
    """Warn or raise if a cotangent depends on an arbitrary choice of basis.

    `violation` is v of (21) divided by what is allowed, real, of shape (..., 1, 1).
    """
    chosen = mode()
    if chosen == "off":
        return
    values: Any = getattr(xp, "seen", _seen_by_numpy)(violation)
    if values is None or not (values > 1).any():
        return
    message = (
        f"the loss depends on which basis of the space was chosen, {values.max():.1e} times as much as rounding would "
        f"(21): the derivative is that of a loss of the space alone. Write the loss with the projector N N^H, or "
        f"accept it by unifiedqr.set_checks('off')."
    )
    if chosen == "raise":
        raise GaugeError(message)
    warnings.warn(message, GaugeWarning, stacklevel=3)


def report(xp: Namespace, seen: Any) -> None:
    """Report what a namespace was asked to look at, and looks at later: marks of singular matrices, or violations."""
    (report_dependent if seen.dtype == bool else report_gauge)(xp, seen)


def _seen_by_numpy(x: Array) -> Any:
    return x if type(x).__module__ == "numpy" else None


def _message(marks: Any) -> str:
    where = ""
    if marks.ndim:
        first = tuple(int(axis[0]) for axis in marks.nonzero())
        where = f" for {int(marks.sum())} of {marks.size} matrices of the batch, the first at index {first}"
    return (
        f"no derivative of the QR or LQ decomposition exists{where}: a leading column (row, for LQ) is numerically "
        f"dependent on those before it, |R_jj| <= 4 max(m, n) eps ||R[:, j]||. The derivative is NaN there. "
        f"unifiedqr.diagnose(A) tells the rank; remove or reorder dependent columns, or accept NaN by "
        f"unifiedqr.set_checks('off')."
    )


def _valid(mode: str, what: str) -> str:
    if mode not in MODES:
        raise OptionError(f"{what}={mode!r} is unknown; choose one of {', '.join(map(repr, MODES))}.")
    return mode
