"""Two functions timed against each other, alternately, so that a disturbance of the machine affects both."""

import gc
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

FEWEST, MOST = 5, 200
"""Rounds that are measured, whatever the time."""

FAST = 200e-6
"""Seconds below which a function is repeated inside a timing."""

SLOW = 1.0
"""Seconds of a call from which a rest before it makes no difference."""

RESOLVED = 1e-3
"""The least time of repeated calls, in seconds: thousands of ticks of the clock."""

REST = float(os.environ.get("UNIFIEDQR_BENCH_REST", "0.15"))
"""Seconds before each function's turn, in which threads that the other one left waiting for work go to sleep: those of
OpenBLAS 0.3.30 keep a core busy for 0.1."""

AWAKE = 0.1 if REST > 0 else 0.01
"""Seconds of untimed calls after a rest, as programs run over and over: after one it takes most of this time until the
threads of a program run on cores of their own again, and calls of a millisecond take twice as long until then."""

Clock = Callable[[], float]
Pause = Callable[[], object]


class Elsewhere(NamedTuple):
    """A function in another process, which times it there.

    Attributes
    ----------
    seconds : callable
        Takes the numbers of untimed and of timed calls; returns the seconds of one timed call.
    """

    seconds: Callable[[int, int], float]


Timed = Callable[[], object] | Elsewhere


def rest() -> None:
    """Wait."""
    time.sleep(REST)


@dataclass(frozen=True)
class Timing:
    """Seconds of our function, and of the framework's where there is one.

    Attributes
    ----------
    ours, native : float or None
        Medians over the rounds, in seconds.
    ratio : float or None
        Median of the rounds' ratios native / ours: how many times as fast ours is.
    low, high : float or None
        First and third quartile of these ratios.
    rounds : int
        How many there were.
    previous : float or None
        Median of an earlier release of ours, in seconds.
    gain, gain_low, gain_high : float or None
        Median and quartiles of the ratios previous / ours: above 1 ours has become faster.
    """

    ours: float
    native: float | None
    ratio: float | None
    low: float | None
    high: float | None
    rounds: int
    previous: float | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None


def timing(
    ours: Callable[[], object],
    native: Callable[[], object] | None,
    seconds: float,
    clock: Clock = time.perf_counter,
    pause: Pause = rest,
    previous: Elsewhere | None = None,
) -> Timing:
    """Time two functions in rounds, or three, one of each in every round, in the order A B B A.

    Parameters
    ----------
    ours, native : callable
        Return when their work is done; they have run before, so that nothing remains to be compiled.
    seconds : float
        When to stop, after `FEWEST` rounds at the earliest and `MOST` at the latest.
    clock : callable
        Gives the time in seconds.
    pause : callable
        Waits before each turn.
    previous : Elsewhere, optional
        Our function in an earlier release.

    Returns
    -------
    Timing
    """
    functions: dict[str, Timed] = {"native": native} if native is not None else {}
    functions |= {"previous": previous} if previous is not None else {}
    measured = rounds((*functions.values(), ours), seconds, clock, pause)
    *others, of_ours = zip(*measured, strict=True)
    found = dict(zip(functions, others, strict=True))
    native_seconds, ratio, low, high = _against(of_ours, found.get("native"))
    median = statistics.median(of_ours)
    return Timing(median, native_seconds, ratio, low, high, len(measured), *_against(of_ours, found.get("previous")))


def _against(ours: Sequence[float], others: Sequence[float] | None) -> tuple[float | None, ...]:
    """Return the median of other times, and of their ratios to ours the median and the quartiles."""
    if others is None:
        return None, None, None, None
    ratios = [other / mine for other, mine in zip(others, ours, strict=True)]
    low, ratio, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return statistics.median(others), ratio, low, high


def rounds(functions: Sequence[Timed], seconds: float, clock: Clock, pause: Pause) -> list[tuple[float, ...]]:
    """Return for each round the seconds of one call of each function; every other round in reverse order."""
    gc.collect()
    start = clock()
    plans = [_plan(function, clock, pause) for function in functions]
    order = range(len(functions))
    measured: list[tuple[float, ...]] = []
    while len(measured) < FEWEST or (len(measured) < MOST and clock() - start < seconds):
        found = [0.0] * len(functions)
        for i in order:
            found[i] = _seconds(functions[i], plans[i], clock, pause)
        measured.append(tuple(found))
        order = order[::-1]
    return measured


class _Plan(NamedTuple):
    """Calls of a turn: first untimed ones, then timed ones."""

    untimed: int
    timed: int


def _plan(function: Timed, clock: Clock, pause: Pause) -> _Plan:
    once = _seconds(function, _Plan(0, 1), clock, pause)
    if once >= SLOW:
        return _Plan(0, 1)
    once = max(_seconds(function, _Plan(math.ceil(AWAKE / max(once, 1e-7)), 1), clock, pause), 1e-7)
    return _Plan(math.ceil(AWAKE / once), 1 if once >= FAST else math.ceil(RESOLVED / once))


def _seconds(function: Timed, plan: _Plan, clock: Clock, pause: Pause) -> float:
    pause()
    if isinstance(function, Elsewhere):
        return function.seconds(plan.untimed, plan.timed)
    for _ in range(plan.untimed):
        function()  # as it runs over and over, and not after a rest
    start = clock()
    for _ in range(plan.timed):
        function()
    return (clock() - start) / plan.timed
