"""The frameworks one after another, each in its own process with as many threads: two at once would disturb each other."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import unifiedqr as uqr
from unifiedqr.bench import memory
from unifiedqr.bench.cases import Case
from unifiedqr.bench.machine import Machine
from unifiedqr.bench.results import Benchmark, FrameworkResult, framework_from
from unifiedqr.compare.api import TRUTH_BACKEND, select_backends
from unifiedqr.compare.process import Progress, Watcher, cores, paths_for, run_worker, thread_limits, unwatched
from unifiedqr.discovery import plugin
from unifiedqr.errors import UnknownBackendError

TIMEOUT = 7200.0
"""Seconds after which a framework is given up."""

NOT_ASKED = "not asked for"


def run_benchmark(
    cases: Sequence[Case],
    names: tuple[str, ...],
    *,
    seconds: float,
    with_memory: bool = True,
    timeout: float = TIMEOUT,
    watch: Watcher = unwatched,
) -> Benchmark:
    """Measure cases in frameworks.

    Parameters
    ----------
    cases : sequence of Case
        What to run.
    names : tuple of str
        Backends, as `choose_backends` gives them.
    seconds : float
        For each case.
    with_memory : bool
        Whether to measure peaks of memory.
    timeout : float
        Seconds after which a framework is given up.
    watch : callable
        Told of every step.

    Returns
    -------
    Benchmark
        With a failure in place of what a framework did not give.
    """
    threads = cores()
    reason = memory.why_not() if with_memory else NOT_ASKED
    job = {"cases": [case.id for case in cases], "seconds": seconds, "memory": not reason}
    found: list[FrameworkResult] = []
    with tempfile.TemporaryDirectory(prefix="unifiedqr-") as folder:
        for name in names:
            found.append(_run(Path(folder), {**job, "backend": name}, name, threads, timeout, watch))
    machine = Machine.here(threads, uqr.__version__)
    return Benchmark(machine, seconds, tuple(case.id for case in cases), tuple(found), reason)


def choose_backends(names: tuple[str, ...] | None) -> tuple[str, ...]:
    """Give the backends to measure; by default all that are installed.

    Raises
    ------
    UnknownBackendError, BackendUnavailableError
        One is not registered, is not installed, or is the truth, whose speed nobody asks for.
    """
    if names is not None and TRUTH_BACKEND in names:
        measured = ", ".join(name for name in uqr.backends() if name != TRUTH_BACKEND)
        raise UnknownBackendError(f"{TRUTH_BACKEND} is not measured; choose among {measured}.")
    return select_backends(names, {})[0]


def _run(
    folder: Path, job: dict[str, object], name: str, threads: int, timeout: float, watch: Watcher
) -> FrameworkResult:
    job_path, result_path = folder / f"{name}.job.json", folder / f"{name}.result.json"
    job_path.write_text(json.dumps({**job, "paths": paths_for(sys.executable)}), encoding="utf-8")
    watch(Progress(name, "running"))
    running: set[subprocess.Popen[str]] = set()
    reason = run_worker(
        [sys.executable, "-P", "-m", "unifiedqr.bench.worker", str(job_path), str(result_path)],
        name,
        folder / f"{name}.log",
        timeout=timeout,
        watch=watch,
        environment=_environment(name, threads),
        running=running,
    )
    found = FrameworkResult(name)
    if result_path.is_file():
        found = framework_from(json.loads(result_path.read_text(encoding="utf-8")))
    watch(Progress(name, reason or "done"))
    return replace(found, failure=reason)


def _environment(name: str, threads: int) -> dict[str, str]:
    of_framework = dict.fromkeys(plugin(name).threads, str(threads))
    return {**os.environ, **thread_limits(threads), **of_framework}
