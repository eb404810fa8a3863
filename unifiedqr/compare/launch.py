"""Workers: one process per framework, a few at a time, none able to take another down."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from unifiedqr.compare.job import Job
from unifiedqr.compare.process import Failure, Progress, Watcher, paths_for, run_worker, thread_limits, unwatched
from unifiedqr.compare.record import TRUTH, Record
from unifiedqr.errors import InputError

TIMEOUT = 600.0
"""Seconds after which a worker is given up."""


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
    job.write(job_path, backend=name, reference=reference, paths=paths_for(interpreter))
    watch(Progress(name, "running", 0, len(job.cases) * len(job.derivatives)))
    command = [interpreter, "-P", "-m", "unifiedqr.compare.worker", str(job_path), str(record_path)]
    try:
        reason = run_worker(
            command,
            name,
            folder / f"{name}.log",
            timeout=timeout,
            watch=watch,
            environment=_environment(),
            running=running,
        )
        record = None if reason else Record.read(record_path)
    except (OSError, InputError) as error:
        reason, record = f"{interpreter} cannot be run: {error}" if isinstance(error, OSError) else str(error), None
    if record is None:
        watch(Progress(name, reason))
        return Failure(name, reason)
    watch(Progress(name, "done"))
    return record


def _environment() -> dict[str, str]:
    return {**thread_limits(max(1, (os.cpu_count() or 1) // 2)), **os.environ}
