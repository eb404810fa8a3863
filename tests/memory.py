"""Resident memory of this process, as Linux tells it."""

import gc
import resource
from pathlib import Path

import pytest

STATUS = Path("/proc/self/statm")

MEASURED = pytest.mark.skipif(not STATUS.exists(), reason="resident memory is read where Linux tells it")


def resident():
    return int(STATUS.read_text().split()[1]) * resource.getpagesize()


def least_growth(call, times, rounds=5):
    """Return the fewest bytes by which memory grew in a round of calls.

    Allocators, and whatever else lives in the process, take a few MiB now and then; what calls leave behind is more
    each round.
    """
    growths = []
    for _ in range(rounds):
        gc.collect()
        before = resident()
        for _ in range(times):
            call()
        gc.collect()
        growths.append(resident() - before)
    return min(growths)
