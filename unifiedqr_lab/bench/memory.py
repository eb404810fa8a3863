"""How much memory a call takes at its peak, as the kernel of Linux counts it: pages in use, whoever allocated them.

An allocator that keeps what is freed would hide the next peak. So peaks are measured in a separate process, where
every large array is mapped and unmapped.
"""

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path

COUNTERS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")

PEAK = "5"
"""What resets the peak of memory in use (proc(5), clear_refs)."""

SMALLEST = 8_000_000
"""Bytes of input below which a peak is lost in what allocators keep."""

UNPOOLED = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""Makes glibc map arrays of at least this many bytes (mallopt(3))."""

MIB = 2**20


def why_not() -> str:
    """Return why peaks cannot be measured here; "" where they can."""
    try:
        RESET.write_text(PEAK)
        _counter("VmHWM")
    except (OSError, LookupError):
        return "peaks of memory are measured by Linux's /proc/self/clear_refs, which is not available here"
    return ""


def peak(run: Callable[[], object]) -> float:
    """Return the MiB in use at the peak of a call, above those in use before it.

    Parameters
    ----------
    run : callable
        Its result is held until the peak has been read.

    Returns
    -------
    float
    """
    gc.collect()
    _give_back()
    before = _counter("VmRSS")
    RESET.write_text(PEAK)
    held = run()
    highest = _counter("VmHWM")
    del held
    return max(0, highest - before) / MIB


def _give_back() -> None:
    """Return free memory to the system, or it would be reused without being counted."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
    if trim is not None:
        trim(0)


def _counter(name: str) -> int:
    for line in COUNTERS.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)
