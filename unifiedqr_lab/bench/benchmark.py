"""The frameworks one after another, since two would disturb each other: each in its own process, with equal threads."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import unifiedqr as uqr
from unifiedqr.errors import UnknownBackendError
from unifiedqr_lab.bench import memory
from unifiedqr_lab.bench.cases import BenchmarkCase
from unifiedqr_lab.bench.machine import Machine
from unifiedqr_lab.bench.release import unpacked, version_of
from unifiedqr_lab.bench.results import Benchmark, FrameworkResult, framework_from, with_peak
from unifiedqr_lab.compare.api import select_backends
from unifiedqr_lab.conformance.golden import TRUTH_BACKEND
from unifiedqr_lab.instruments import instruments
from unifiedqr_lab.workers.processes import Workers, cores, thread_limits
from unifiedqr_lab.workers.progress import Watcher, unwatched

TASK = "unifiedqr_lab.bench.benchmark_task:run"

TIMEOUT = 36000.0
"""Seconds after which a benchmark is abandoned."""

NOT_ASKED = "not asked for"

HOST_ALONE = "those of the host say nothing about another device"


def run_benchmark(
    cases: Sequence[BenchmarkCase],
    names: tuple[str, ...],
    *,
    seconds: float,
    with_memory: bool = True,
    against: Path | None = None,
    device: str = "",
    timeout: float = TIMEOUT,
    watch: Watcher = unwatched,
) -> Benchmark:
    """Measure cases in frameworks.

    Parameters
    ----------
    cases : sequence of BenchmarkCase
        What to run.
    names : tuple of str
        Backends, as `choose_backends` gives them.
    seconds : float
        For each case.
    with_memory : bool
        Whether to measure peaks of memory.
    against : Path, optional
        The wheel of an earlier release, which is timed in the same rounds.
    device : str
        Where to measure; by default each framework chooses.
    timeout : float
        Seconds after which the rest is abandoned.
    watch : callable
        Called at every step.

    Returns
    -------
    Benchmark
        A framework that failed has the cases measured before, and the reason.
    """
    threads, version = cores(), "" if against is None else version_of(against)
    every = tuple(case.id for case in cases)
    reason = HOST_ALONE if device else memory.why_not() if with_memory else NOT_ASKED
    large = () if reason else tuple(case.id for case in cases if case.size >= memory.SMALLEST)
    with Workers(timeout, watch=watch) as workers:
        folder = "" if against is None else str(unpacked(against, workers.folder / "previous"))
        timed_job = {"cases": every, "seconds": seconds, "memory": False, "against": folder, "device": device}

        def measured(name: str) -> FrameworkResult:
            told, failure = _run(workers, name, timed_job, threads)
            timed = replace(FrameworkResult(name) if told is None else framework_from(told), failure=failure)
            if failure or not large:
                return timed
            peaks, failure = _run(workers, name, {"cases": large, "memory": True, "device": ""}, threads)
            results = tuple(with_peak(result, peaks or {}) for result in timed.results)
            return replace(timed, results=results, failure=failure and f"memory: {failure}")

        found = tuple(workers.map(measured, names))
    machine = Machine.here(threads, uqr.__version__)
    return Benchmark(machine, seconds, every, found, reason, against=version, device=device)


def choose_backends(names: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return the backends to measure; by default all that are installed.

    Raises
    ------
    UnknownBackendError, BackendUnavailableError
        One is not registered, is not installed, or is the truth, whose speed is of no interest.
    """
    if names is not None and TRUTH_BACKEND in names:
        measured = ", ".join(name for name in uqr.backends() if name != TRUTH_BACKEND)
        raise UnknownBackendError(f"{TRUTH_BACKEND} is not measured; choose among {measured}.")
    return select_backends(names, {})[0]


def _run(workers: Workers, name: str, job: dict[str, Any], threads: int) -> tuple[dict[str, Any] | None, str]:
    """Run a worker; return what it wrote, if it got that far, and the reason it failed, or ""."""
    label = f"{name} memory" if job["memory"] else name
    job_path, result_path = workers.folder / f"{label}.job.json", workers.folder / f"{label}.result.json"
    job_path.write_text(json.dumps(job), encoding="utf-8")
    limits = {**thread_limits(threads), **dict.fromkeys(instruments(name).threads, str(threads))}
    unpooled = {**memory.UNPOOLED, **instruments(name).unpooled} if job["memory"] else {}
    environment = {**os.environ, **limits, **unpooled}
    reason = workers.run(
        TASK, name, job_path, result_path, total=len(job["cases"]), environment=environment, name=label
    )
    told = json.loads(result_path.read_text(encoding="utf-8")) if result_path.is_file() else None
    return told, reason
