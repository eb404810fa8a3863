"""A worker: a process of its own for one framework, which tells how far it is and cannot take another down."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

MARK = "@unifiedqr"
BAD_INPUT = 3
"""Exit status of a worker whose last line says what it could not use."""


@dataclass(frozen=True)
class Progress:
    """One step of one worker: ``done`` of ``total``; `state` is "running", "done" or a reason for failure."""

    worker: str
    state: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Failure:
    """A framework that gave no results, and why."""

    backend: str
    reason: str
    explicit: bool = True


Watcher = Callable[[Progress], None]


def unwatched(_: Progress) -> None:
    """Watch nothing."""


def tell(done: int, total: int) -> None:
    """Tell, in a worker, whoever runs it how far it is."""
    print(MARK, done, total, flush=True)


def paths_for(interpreter: str) -> list[str]:
    """Give the folders that a worker looks for modules in besides its own."""
    return [path for path in sys.path if path] if interpreter == sys.executable else []


def thread_limits(threads: int) -> dict[str, str]:
    """Give the variables that limit the threads of OpenMP and of the usual linear algebra."""
    return dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))


def run_worker(
    command: list[str],
    name: str,
    log_path: Path,
    *,
    timeout: float,
    watch: Watcher,
    environment: Mapping[str, str],
    running: set[subprocess.Popen[str]] | None = None,
) -> str:
    """Run a worker to its end.

    Parameters
    ----------
    command : list of str
        What to run; lines of standard output that `tell` wrote are progress.
    name : str
        Of the worker, for whoever watches.
    log_path : Path
        File that takes its standard error.
    timeout : float
        Seconds after which it is given up.
    watch : callable
        Told of every step.
    environment : mapping of str to str
        All of its environment.
    running : set, optional
        Holds the process while it runs, so that another thread can end it.

    Returns
    -------
    str
        The reason it failed, or "".
    """
    expired = threading.Event()
    running = set() if running is None else running
    with (
        log_path.open("w+", encoding="utf-8", errors="replace") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**environment, "PYTHONUNBUFFERED": "1"}
        ) as process,
    ):
        running.add(process)

        def give_up() -> None:
            expired.set()
            process.kill()

        timer = threading.Timer(timeout, give_up)
        timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                words = line.split()
                if len(words) == 3 and words[0] == MARK and words[1].isdigit() and words[2].isdigit():
                    watch(Progress(name, "running", int(words[1]), int(words[2])))
            code = process.wait()
        except BaseException:
            process.kill()  # interrupted: nobody waits for it any more
            raise
        finally:
            timer.cancel()
            running.discard(process)
        if expired.is_set():
            return f"gave no result within {timeout:g} s"
        return "" if code == 0 else _why(code, log)


def _why(code: int, log: IO[str]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().splitlines() if line.strip()]
    if code == BAD_INPUT and lines:  # the worker's own message
        return lines[-1]
    ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit status {code}"
    return f"{ended}: {lines[-1]}" if lines else ended


def cores() -> int:
    """Give the number of cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1
