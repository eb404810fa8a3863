"""Signals and the end of the time allowed, sent to real commands: nothing is left of them, neither process nor file."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found through /proc")

SLOW = """
import subprocess, time, unifiedqr as uqr

def slow(A):
    child = subprocess.Popen(["sleep", "300"])
    with open("children", "a") as told:
        told.write(f"{child.pid}\\n")
    time.sleep(300)
    return uqr.namespace(A).sum(uqr.qr(A).R)
"""
COMPARE = ("compare", "m.csv", "--loss", "slow.py:slow", "--backends", "numpy", "--dtype", "float64")
BENCH = ("bench", "--backend", "numpy", "--shape", "qr:64x8:float64", "--seconds", "300", "--no-memory")


@pytest.fixture
def folder(tmp_path):
    """Return a folder with a matrix, a loss sleeping beside a process of its own, and a place for temporary files."""
    np.savetxt(tmp_path / "m.csv", np.random.default_rng(5).standard_normal((4, 3)), delimiter=",", fmt="%.17g")
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "temporary").mkdir()
    return tmp_path


def started(arguments, folder):
    """Start a command, and let its temporary files lie where they can be seen."""
    return subprocess.Popen(
        [sys.executable, "-m", "unifiedqr", *arguments],
        cwd=folder,
        env={**os.environ, "TMPDIR": str(folder / "temporary")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def stat(pid):
    """Return the state and the parent of a process, or None where there is none."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:2]
    return None


def workers_of(process):
    """Return the processes that a command has started."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if (found := stat(pid)) and found[1] == str(process.pid)]


def is_alive(pid):
    """Return whether a process runs; one that merely waits to be counted by its parent does not."""
    found = stat(pid)
    return found is not None and found[0] not in "ZX"


def until(condition, seconds=60.0):
    """Wait for something, and give it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.05)
    return found


def at_work(process, arguments, folder):
    """Wait until the workers are in the middle of it; give them and their children."""
    if arguments is BENCH:
        return until(lambda: workers_of(process))
    told = folder / "children"
    until(lambda: told.exists() and len(told.read_text().split()) == 2)  # of the framework and of the truth
    return [*workers_of(process), *map(int, told.read_text().split())]


@pytest.mark.parametrize(
    ("arguments", "number"),
    [(COMPARE, signal.SIGINT), (COMPARE, signal.SIGTERM), (COMPARE, signal.SIGHUP), (BENCH, signal.SIGTERM)],
    ids=["compare-SIGINT", "compare-SIGTERM", "compare-SIGHUP", "bench-SIGTERM"],
)
def test_a_signal_ends_every_worker_and_leaves_nothing(folder, arguments, number):
    process = started(arguments, folder)
    pids = at_work(process, arguments, folder)
    assert pids
    assert all(map(is_alive, pids))
    assert list((folder / "temporary").iterdir())
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert told.splitlines()[-1] == "unifiedqr: interrupted"
    assert "Traceback" not in told
    until(lambda: not any(map(is_alive, pids)), 10)
    assert list((folder / "temporary").iterdir()) == []


def test_workers_end_with_a_parent_that_could_not_end_them(folder):
    process = started(COMPARE, folder)
    pids = at_work(process, COMPARE, folder)
    process.kill()
    process.communicate(timeout=60)
    until(lambda: not any(map(is_alive, pids)), 20)


def test_the_timeout_bounds_the_whole_command(folder):
    start = time.monotonic()
    process = started((*COMPARE, "--timeout", "10", "--json", "c.json"), folder)
    pids = until(lambda: workers_of(process))
    told, errors = process.communicate(timeout=60)
    assert time.monotonic() - start < 40  # the rest is for starting Python on a busy machine
    assert process.returncode == 3, told + errors
    # On a busy machine the time may be over before the verdict is told.
    assert (
        "Not established: truth: gave no result within" in " ".join(told.split()) or "was established within" in errors
    )
    assert not any(map(is_alive, pids))
    assert list((folder / "temporary").iterdir()) == []


def test_a_matrix_that_takes_longer_is_refused_at_once(folder):
    np.save(folder / "large.npy", np.random.default_rng(0).standard_normal((1500, 1500)))
    process = started(("compare", "large.npy", "--backends", "numpy", "--json", "c.json"), folder)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "expected" in errors
    assert "exceeds the timeout of 600 s, so nothing was run. Give it more time" in errors
    assert not (folder / "c.json").exists()


def test_a_benchmark_whose_time_is_over_says_so(folder):
    process = started((*BENCH, "--timeout", "1"), folder)
    told, errors = process.communicate(timeout=60)
    assert process.returncode == 3, errors
    assert "gave no result within 1 s" in " ".join((told + errors).split())
    assert list((folder / "temporary").iterdir()) == []
