"""Two functions in turns: the order, the number of rounds, and what is made of the times. No test asserts a speed."""

import math

import pytest

from unifiedqr_lab.bench.rounds import AWAKE, FEWEST, MOST, RESOLVED, SLOW, rounds, timing


class FakeClock:
    """A clock that functions wind on, and that keeps the order in which they did."""

    def __init__(self):
        self.now = 0.0
        self.called = []

    def __call__(self):
        return self.now

    def function(self, name, *seconds):
        """Return a function that takes these seconds, one after another, and then the last of them for ever."""
        left = list(seconds)

        def run():
            self.called.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return run


UNTIMED = 1
"""Calls of a turn that come before those that are timed, unless they are slow."""

WARM_UP = 3
"""Calls that tell how long a function takes, unless it is slow: a cold one, one that is not timed, a warm one."""


def no_rest():
    pass


def test_functions_take_turns_in_the_order_a_b_b_a():
    clock = FakeClock()
    rounds((clock.function("A", 0.5), clock.function("B", 0.5)), 0.0, clock, no_rest)
    assert "".join(clock.called[2 * WARM_UP :]) == "AABBBBAAAABBBBAAAABB"


def test_a_slow_function_is_not_called_untimed():
    clock = FakeClock()
    rounds((clock.function("A", SLOW),), 0.0, clock, no_rest)
    assert len(clock.called) == 1 + FEWEST


def test_a_rest_comes_before_each_turn():
    clock = FakeClock()
    rounds((clock.function("A", 0.5),), 0.0, clock, clock.function("rest", 0.0))
    assert clock.called == ["rest", "A"] + ["rest", "A", "A"] * (1 + FEWEST)


def turns(*seconds):
    """Return the seconds of all calls of some turns, those that are not timed being long."""
    return [called for timed in seconds for called in (*[100.0] * UNTIMED, timed)]


def test_the_ratio_is_the_median_of_the_rounds_ratios_not_the_ratio_of_medians():
    clock = FakeClock()
    native = clock.function("native", *[0.5] * WARM_UP, *turns(1.0, 2.0, 9.0, 4.0, 5.0))
    ours = clock.function("ours", *[0.5] * WARM_UP, *turns(2.0, 1.0, 3.0, 8.0, 1.0))
    found = timing(ours, native, 0.0, clock, no_rest)
    assert (found.native, found.ours, found.rounds) == (4.0, 2.0, FEWEST)
    assert found.ratio == 2.0  # of 0.5, 2, 3, 0.5, 5
    assert (found.low, found.high) == (0.5, 3.0)


@pytest.mark.parametrize(("seconds", "count"), [(0.0, FEWEST), (22.0, 10), (1e9, MOST)])
def test_rounds_go_on_until_the_time_is_spent_within_bounds(seconds, count):
    clock = FakeClock()
    found = timing(clock.function("ours", 1.0), clock.function("native", 1.0), seconds, clock, no_rest)
    assert found.rounds == count


def test_a_fast_function_is_repeated_until_the_clock_resolves_it():
    clock, fast = FakeClock(), 2.0**-17
    found = timing(clock.function("ours", fast), clock.function("native", 1.0), 0.0, clock, no_rest)
    assert found.ours == pytest.approx(fast)
    awake, timed = math.ceil(AWAKE / fast), math.ceil(RESOLVED / fast)
    assert clock.called.count("ours") == 1 + (awake + 1) + (awake + timed) * FEWEST
    assert clock.called.count("native") == 1 + FEWEST


def test_ours_alone_has_a_time_and_no_ratio():
    clock = FakeClock()
    found = timing(clock.function("ours", 3.0), None, 0.0, clock, no_rest)
    assert (found.ours, found.native, found.ratio, found.low, found.high) == (3.0, None, None, None, None)
