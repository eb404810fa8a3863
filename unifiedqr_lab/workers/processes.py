"""Workers: frameworks in processes of their own, which report their progress and cannot take another down.

Every worker leads a process group, so that what it started ends with it. `Workers` ends all of them when its block is
left, by an exception or a signal too; and a worker ends by itself once its parent is gone, whatever became of that.
"""

import contextlib
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Self, TypeVar

from unifiedqr_lab.workers.progress import Progress, Watcher, told_by, unwatched
from unifiedqr_lab.workers.worker import BAD_INPUT

T = TypeVar("T")


@dataclass(frozen=True)
class Failure:
    """A framework that gave no results, and why; `explicit` unless it is merely not installed."""

    backend: str
    reason: str
    explicit: bool = True


def thread_limits(threads: int) -> dict[str, str]:
    """Return the variables that limit the threads of OpenMP and of the usual linear algebra."""
    return dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads))


def cores() -> int:
    """Return the number of cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def threads() -> int:
    """Return the number of threads this process was told to use, by `thread_limits`, or else of cores."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() else cores()


def processor() -> str:
    """Return the processor's name for itself."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


class Workers:
    """Worker processes with one temporary folder and one deadline, all ended when the block is left.

    Parameters
    ----------
    timeout : float
        Seconds from now after which every worker is abandoned.
    slots : int
        How many run at a time.
    watch : callable
        Called at every step.

    Attributes
    ----------
    folder : Path
        For their files; removed at the end.
    """

    def __init__(self, timeout: float, *, slots: int = 1, watch: Watcher = unwatched) -> None:
        self._timeout, self._deadline = timeout, time.monotonic() + timeout
        self._watch = watch
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[str]] = set()
        self._ended = False
        # Threads start the processes: a signal is handled in the main thread and cannot come between the start of a
        # process and the note that it runs.
        self._pool = ThreadPoolExecutor(slots)
        self._temporary = tempfile.TemporaryDirectory(prefix="unifiedqr-", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._end()
        finally:  # even if a signal arrives now
            self._end()
            self._temporary.cleanup()

    def _end(self) -> None:
        with self._lock:
            self._ended = True
            for process in self._running:
                _kill(process)
        self._pool.shutdown(wait=True, cancel_futures=True)

    def map(self, work: Callable[[str], T], names: Iterable[str]) -> Iterator[T]:
        """Call `work`, which may call `run`, for every name, as many at a time as there are slots."""
        return self._pool.map(work, names)

    def run(
        self,
        task: str,
        backend: str,
        job: Path,
        result: Path,
        *,
        total: int,
        environment: Mapping[str, str],
        name: str = "",
        interpreter: str = sys.executable,
    ) -> str:
        """Run a task in a worker to its end.

        Parameters
        ----------
        task : str
            ``module:function``, as `unifiedqr_lab.workers.worker` calls it.
        backend : str
            Name of the backend it runs.
        job, result : Path
            The file it reads and the one it writes.
        total : int
            Steps it has.
        environment : mapping of str to str
            All of its environment, but for what the backend's instruments add.
        name : str
            Of the worker, for whoever watches; by default that of the backend.
        interpreter : str
            The Python that runs it. Any but this one looks for modules in its own folders alone.

        Returns
        -------
        str
            The reason it failed, or "".
        """
        name = name or backend
        folders = [path for path in sys.path if path] if interpreter == sys.executable else []
        command = [interpreter, "-P", "-m", "unifiedqr_lab.workers.worker", task, backend, str(job), str(result)]
        self._watch(Progress(name, "running", 0, total))
        with (self.folder / f"{name}.log").open("w+", encoding="utf-8", errors="replace") as log:
            reason = self._follow([*command, *folders], name, environment, log)
        self._watch(Progress(name, reason or "done"))
        return reason

    def _follow(self, command: list[str], name: str, environment: Mapping[str, str], log: IO[str]) -> str:
        with self._lock:
            if self._ended:
                return "was not started"
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                    env={**environment, "PYTHONUNBUFFERED": "1"},
                    start_new_session=True,
                )
            except OSError as error:
                return f"{command[0]} cannot be run: {error}"
            self._running.add(process)
        expired = threading.Event()

        def end() -> None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, self._deadline - time.monotonic()))
            if process.poll() is None:
                expired.set()
            _kill(process)  # or what it started, which may hold its output open

        ending = threading.Thread(target=end, daemon=True)
        ending.start()
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                step = told_by(line)
                if step is not None:
                    self._watch(Progress(name, "running", *step))
            ending.join()
        with self._lock:
            self._running.discard(process)
        if expired.is_set():
            return f"gave no result within {self._timeout:.3g} s"
        return "" if process.returncode == 0 else _why(process.returncode, log)


def _kill(process: "subprocess.Popen[str]") -> None:
    """Kill a worker and everything in its process group."""
    if not hasattr(os, "killpg"):
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _why(code: int, log: IO[str]) -> str:
    log.seek(0)
    lines = [line.strip() for line in log.read().splitlines() if line.strip()]
    if code == BAD_INPUT and lines:  # the worker's own message
        return lines[-1]
    ended = f"was ended by signal {-code}" if code < 0 else f"ended with exit status {code}"
    return f"{ended}: {lines[-1]}" if lines else ended
