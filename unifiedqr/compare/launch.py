"""Workers: one process per framework, a few at a time, none able to take another down."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from unifiedqr.compare.job import Job
from unifiedqr.compare.record import TRUTH, Record
from unifiedqr.compare.worker import MARK
from unifiedqr.errors import InputError

TIMEOUT = 600.0
"""Seconds after which a worker is given up."""


@dataclass(frozen=True)
class Progress:
    """One step of one worker: ``done`` of ``total``; `state` is "running", "done" or a reason for failure."""

    worker: str
    state: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True)
class Failure:
    """A framework that gave no record, and why."""

    backend: str
    reason: str
    explicit: bool = True


Watcher = Callable[[Progress], None]


def unwatched(_: Progress) -> None:
    """Watch nothing."""


def run_workers(
    job: Job,
    backends: Sequence[str],
    *,
    reference: str,
    interpreters: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
    watch: Watcher = unwatched,
) -> tuple[dict[str, Record], list[Failure]]:
    """Run the job in every backend, and for the truth unless `reference` is "none".

    Returns
    -------
    records : dict of str to Record
        By backend, the truth under `TRUTH`; only those that ran.
    failures : list of Failure
        The others.
    """
    names = [*(() if reference == "none" else (TRUTH,)), *backends]
    records: dict[str, Record] = {}
    failures: list[Failure] = []
    running: set[subprocess.Popen[str]] = set()
    with tempfile.TemporaryDirectory(prefix="unifiedqr-") as folder, ThreadPoolExecutor(_slots()) as pool:

        def work(name: str) -> Record | Failure:
            interpreter = (interpreters or {}).get(name, sys.executable)
            return _run(Path(folder), job, name, interpreter, reference, timeout, watch, running)

        try:
            for name, result in zip(names, pool.map(work, names), strict=True):
                if isinstance(result, Failure):
                    failures.append(result)
                else:
                    records[name] = result
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in list(running):
                process.kill()
    return records, failures


def _slots() -> int:
    return min(4, (os.cpu_count() or 1) + 1)  # a framework being imported waits for the disk about half of the time


def _run(
    folder: Path,
    job: Job,
    name: str,
    interpreter: str,
    reference: str,
    timeout: float,
    watch: Watcher,
    running: set[subprocess.Popen[str]],
) -> Record | Failure:
    job_path, record_path = folder / f"{name}.job.npz", folder / f"{name}.record.npz"
    paths = [path for path in sys.path if path] if interpreter == sys.executable else []
    job.write(job_path, backend=name, reference=reference, paths=paths)
    watch(Progress(name, "running", 0, len(job.cases) * len(job.derivatives)))
    command = [interpreter, "-P", "-m", "unifiedqr.compare.worker", str(job_path), str(record_path)]
    try:
        with (folder / f"{name}.log").open("w+", encoding="utf-8", errors="replace") as log:
            reason = _wait(command, name, log, timeout, watch, running)
        record = None if reason else Record.read(record_path)
    except (OSError, InputError) as error:
        reason, record = f"{interpreter} cannot be run: {error}" if isinstance(error, OSError) else str(error), None
    if record is None:
        watch(Progress(name, reason))
        return Failure(name, reason)
    watch(Progress(name, "done"))
    return record


def _wait(
    command: list[str],
    name: str,
    log: IO[str],
    timeout: float,
    watch: Watcher,
    running: set[subprocess.Popen[str]],
) -> str:
    """Run a worker to its end and give the reason it failed, or ""."""
    expired = threading.Event()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=_environment()) as process:
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
        finally:
            timer.cancel()
            running.discard(process)
    if expired.is_set():
        return f"gave no result within {timeout:g} s"
    return "" if code == 0 else _why(code, log)


def _why(code: int, log: IO[str]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().splitlines() if line.strip()]
    if code == 3 and lines:  # the worker's own message
        return lines[-1]
    ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit status {code}"
    return f"{ended}: {lines[-1]}" if lines else ended


def _environment() -> dict[str, str]:
    threads = str(max(1, (os.cpu_count() or 1) // 2))
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), threads)
    return {**limits, **os.environ, "PYTHONUNBUFFERED": "1"}
