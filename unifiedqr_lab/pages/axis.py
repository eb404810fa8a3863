"""A logarithmic axis: where a number lies on it, in percent, and its ticks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

MARGIN = 0.04
"""Of the length, free at either end."""


@dataclass(frozen=True)
class LogAxis:
    """The axis between two powers of ten."""

    low: float
    high: float

    @classmethod
    def around(cls, values: Iterable[float]) -> "LogAxis":
        """Return the axis of some positive numbers, at least a factor of 2 long."""
        logs = [math.log10(x) for x in values if x > 0]
        low, high = min(logs, default=0.0), max(logs, default=0.0)
        short = max(0.0, math.log10(2) - (high - low)) / 2
        free = MARGIN * (high - low + 2 * short)
        return cls(low - short - free, high + short + free)

    def percent(self, x: float) -> float:
        """Return the position of a number, 0 at the lower end and 100 at the upper one."""
        at = self.low if x <= 0 else math.log10(x)
        return round(100 * (at - self.low) / (self.high - self.low), 2)

    def ticks(self, most: int = 7) -> list[float]:
        """Return round numbers on the axis, at most this many if possible: 1, 2, 5 or 1, 3 of a decade, or decades."""
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        for mantissas in ((1, 2, 5), (1, 3), (1,)):
            found = [m * 10.0**power for power in powers for m in mantissas]
            found = [x for x in found if self.low <= math.log10(x) <= self.high]
            if len(found) <= most:
                return found
        return found[:: math.ceil(len(found) / most)]
