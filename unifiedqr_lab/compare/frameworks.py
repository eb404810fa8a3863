"""The frameworks of a comparison, each in a process of its own, and the truth in one more, a few at a time."""

import os
import sys
from collections.abc import Mapping, Sequence

from unifiedqr.errors import InputError
from unifiedqr_lab.compare.job import Job
from unifiedqr_lab.compare.record import TRUTH, Record
from unifiedqr_lab.workers.processes import Failure, Workers, thread_limits
from unifiedqr_lab.workers.progress import Watcher, unwatched

TASK = "unifiedqr_lab.compare.comparison_task:run"

TIMEOUT = 600.0
"""Seconds after which a comparison is given up."""


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
    with Workers(timeout, slots=_slots(), watch=watch) as workers:

        def work(name: str) -> Record | Failure:
            interpreter = (interpreters or {}).get(name, sys.executable)
            return _run(workers, job, name, interpreter, reference)

        for name, result in zip(names, workers.map(work, names), strict=True):
            if isinstance(result, Failure):
                failures.append(result)
            else:
                records[name] = result
    return records, failures


def _slots() -> int:
    return min(4, (os.cpu_count() or 1) + 1)  # a framework being imported waits for the disk about half of the time


def _run(workers: Workers, job: Job, name: str, interpreter: str, reference: str) -> Record | Failure:
    job_path, record_path = workers.folder / f"{name}.job.npz", workers.folder / f"{name}.record.npz"
    job.write(job_path, reference=reference)
    total = len(job.cases) * len(job.derivatives)
    reason = workers.run(
        TASK, name, job_path, record_path, total=total, environment=_environment(), interpreter=interpreter
    )
    try:
        return Failure(name, reason) if reason else Record.read(record_path)
    except InputError as error:
        return Failure(name, str(error))


def _environment() -> dict[str, str]:
    return {**thread_limits(max(1, (os.cpu_count() or 1) // 2)), **os.environ}
