"""Two functions timed against each other: in turns, so that what disturbs the machine disturbs both."""

import gc
import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

FEWEST, MOST = 5, 200
"""Rounds that are measured, whatever the time."""

FAST = 200e-6
"""Seconds below which a function is repeated inside a timing."""

AWAKE = 0.01
"""Seconds of calls that are not timed after a rest, in which a core takes milliseconds to wake up."""

SLOW = 1.0
"""Seconds from which a rest before a call makes no difference to it."""

RESOLVED = 1e-3
"""Seconds that a timing of repetitions lasts at least: thousands of ticks of the clock."""

REST = 0.15
"""Seconds before each function's turn, in which threads that the other one left waiting for work go to sleep: those of
OpenBLAS 0.3.30 keep a core busy for 0.1."""

Clock = Callable[[], float]
Pause = Callable[[], object]


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
    """

    ours: float
    native: float | None
    ratio: float | None
    low: float | None
    high: float | None
    rounds: int


def timing(
    ours: Callable[[], object],
    native: Callable[[], object] | None,
    seconds: float,
    clock: Clock = time.perf_counter,
    pause: Pause = rest,
) -> Timing:
    """Time two functions in rounds, one of both in each, in the order A B B A.

    Parameters
    ----------
    ours, native : callable
        Return when their work is done; they have run before, so that nothing is compiled any more.
    seconds : float
        When to stop, after `FEWEST` rounds at the earliest and `MOST` at the latest.
    clock : callable
        Gives the time in seconds.
    pause : callable
        Waits before each turn.

    Returns
    -------
    Timing
    """
    functions = (ours,) if native is None else (native, ours)
    measured = rounds(functions, seconds, clock, pause)
    columns = list(zip(*measured, strict=True))
    of_ours = statistics.median(columns[-1])
    if native is None:
        return Timing(of_ours, None, None, None, None, len(measured))
    ratios = [a / b for a, b in measured]
    low, ratio, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Timing(of_ours, statistics.median(columns[0]), ratio, low, high, len(measured))


def rounds(
    functions: Sequence[Callable[[], object]], seconds: float, clock: Clock, pause: Pause
) -> list[tuple[float, ...]]:
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
    """Calls of a turn: first those that are not timed, then those that are."""

    untimed: int
    timed: int


def _plan(function: Callable[[], object], clock: Clock, pause: Pause) -> _Plan:
    once = _seconds(function, _Plan(0, 1), clock, pause)
    if once >= SLOW:
        return _Plan(0, 1)
    once = max(_seconds(function, _Plan(math.ceil(AWAKE / max(once, 1e-7)), 1), clock, pause), 1e-7)
    return _Plan(math.ceil(AWAKE / once), 1 if once >= FAST else math.ceil(RESOLVED / once))


def _seconds(function: Callable[[], object], plan: _Plan, clock: Clock, pause: Pause) -> float:
    pause()
    for _ in range(plan.untimed):
        function()  # as it runs over and over, and not after a rest
    start = clock()
    for _ in range(plan.timed):
        function()
    return (clock() - start) / plan.timed
