"""Signals and the time limit as exceptions, so that `with` and `finally` end what was started."""

import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType

from unifiedqr.errors import DurationError

ENDING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals that ask a program to end."""

ALARM = getattr(signal, "SIGALRM", None)  # not on every system


class Interrupted(BaseException):
    """A signal arrived; no `except Exception` can mistake it for an error of what it interrupted.

    Attributes
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _interrupt(number: int, _: FrameType | None) -> None:
    for other in ENDING:
        signal.signal(other, signal.SIG_IGN)  # let the clean-up finish undisturbed
    raise Interrupted(number)


def catch_signals() -> None:
    """Have this program's main thread raise `Interrupted` at the first signal that asks it to end."""
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _interrupt)


@contextmanager
def time_limit(seconds: float) -> Generator[Callable[[], float]]:
    """Bound the time of a block in a program's main thread; yield a function that returns the time elapsed.

    Raises
    ------
    DurationError
        After this many seconds.
    """
    start = time.monotonic()

    def elapsed() -> float:
        return time.monotonic() - start

    if ALARM is None:
        yield elapsed
        return

    def expire(number: int, _: FrameType | None) -> None:
        raise Interrupted(number)

    before = signal.signal(ALARM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield elapsed
    except Interrupted as interruption:
        if interruption.number != ALARM:
            raise
        raise DurationError(
            f"nothing was established within the {seconds:g} s of --timeout; give more time, smaller matrices, or "
            "fewer decompositions, derivatives and frameworks."
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(ALARM, before)
