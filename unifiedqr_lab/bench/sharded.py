"""One matrix on several workers: CPU time of each, and bytes it receives, against what users do without unifiedqr."""

import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rich.markup import escape
from rich.table import Table

from unifiedqr.errors import InputError
from unifiedqr_lab.bench.cases import BenchmarkCase, read_case
from unifiedqr_lab.bench.subjects import inputs_of
from unifiedqr_lab.engines import Place, Scaling
from unifiedqr_lab.files import write_whole
from unifiedqr_lab.instruments import instruments
from unifiedqr_lab.workers.processes import Workers, thread_limits
from unifiedqr_lab.workers.progress import Watcher, tell, unwatched

TASK = "unifiedqr_lab.bench.sharded:run"

CASE = "qr:262144x32:float64"
"""The default case."""

TIMED, COUNTED = (1, 2), (1, 2, 8)
"""Numbers of workers: those whose time is measured, and those whose bytes are counted."""

ROUNDS = 5
"""Of which medians are taken."""

HEADINGS = (
    "framework",
    "on",
    "what",
    *(f"CPU ms each,\n{count}" for count in TIMED),
    "ratio",
    *(f"bytes received,\n{count}" for count in COUNTED[1:]),
)
TEXTS = 3

EXPLANATION = (
    "CPU time of the busiest process (per thread, where there is one process), with one thread of linear algebra each; "
    "ratio: that of one alone to that of each of two. Bytes are what a worker receives from the others: all that is "
    "gathered, and one array for each sum."
)


@dataclass(frozen=True)
class Scaled:
    """The cost of one quantity, computed in one of two ways, on some workers.

    Attributes
    ----------
    backend, engine, way, quantity : str
        What was run: `way` is "ours", or what users do otherwise; "forward" or "both".
    workers : int
        How many.
    cpu, wall : float or None
        Seconds, medians of rounds: CPU time of the busiest worker, and elapsed time; None where not asked for.
    received : int
        Bytes that a worker receives.
    """

    backend: str
    engine: str
    way: str
    quantity: str
    workers: int
    cpu: float | None
    wall: float | None
    received: int


@dataclass(frozen=True)
class ScalingResult:
    """All measurements of one case, and the reasons for those that are missing."""

    case: str
    found: tuple[Scaled, ...]
    failures: tuple[str, ...] = ()

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Self:
        """Return it from what `asdict` made of it."""
        return cls(told["case"], tuple(Scaled(**each) for each in told["found"]), tuple(told["failures"]))


def run_scaling(
    case: BenchmarkCase, names: Sequence[str], *, timeout: float, watch: Watcher = unwatched
) -> ScalingResult:
    """Measure a case on the engines of some backends.

    Parameters
    ----------
    case : BenchmarkCase
        QR of one deep matrix.
    names : sequence of str
        Of installed backends.
    timeout : float
        Seconds after which what has not finished is abandoned.
    watch : callable
        Called at every step.

    Raises
    ------
    InputError
        The case is of another kind.
    """
    if case.name != "qr" or case.batch > 1 or case.m % COUNTED[-1] or case.m // COUNTED[-1] < case.n:
        raise InputError(
            f"{case.id}: --sharded measures qr of one matrix, whose number of rows is a multiple of "
            f"{COUNTED[-1]} and at least {COUNTED[-1]} times that of columns."
        )
    found: list[Scaled] = []
    failures: list[str] = []
    end = time.monotonic() + timeout
    for name in names:
        for count in COUNTED:
            of_one, reason = _run(case, name, count, max(0.0, end - time.monotonic()), watch)
            found += of_one
            failures += [f"{name}, {count}: {reason}"] if reason else []
    return ScalingResult(case.id, tuple(found), tuple(failures))


def _run(case: BenchmarkCase, name: str, count: int, timeout: float, watch: Watcher) -> tuple[list[Scaled], str]:
    engine = instruments(name).scaled(count)
    if engine is None:
        return [], ""
    with Workers(timeout, slots=engine.processes, watch=watch) as workers:
        job = workers.folder / "job.json"
        told = {"case": case.id, "size": engine.processes, "workers": count, "timed": count in TIMED}
        job.write_text(json.dumps(told), encoding="utf-8")
        limits = {**thread_limits(1), **dict.fromkeys(instruments(name).threads, "1")}
        environment = engine.variables({**os.environ, **limits})
        paths = [workers.folder / f"{rank}.json" for rank in range(engine.processes)]

        def work(rank: str) -> str:
            label = f"{name}, {count} {engine.name}, {rank}"
            return workers.run(TASK, name, job, paths[int(rank)], total=1, environment=environment, name=label)

        if reason := next(filter(None, workers.map(work, map(str, range(engine.processes)))), ""):
            return [], reason
        each = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return [
        Scaled(name, engine.name, way, quantity, count, *(_largest(of_all, key) for key in ("cpu", "wall", "received")))
        for way, quantity in ((each_way, q) for each_way, of_way in each[0].items() for q in of_way)
        if (of_all := [found[way][quantity] for found in each])
    ], ""


def _largest(found: list[dict[str, Any]], key: str) -> Any:
    values = [each[key] for each in found if each[key] is not None]
    return max(values, default=None)


def run(name: str, job_path: Path, result_path: Path) -> None:
    """Take part as the process whose rank the result file is named after, and write the measurements."""
    job = json.loads(job_path.read_text(encoding="utf-8"))
    engine = instruments(name).scaled(job["workers"])
    assert engine is not None
    place = Place(int(result_path.stem), job["size"], job_path.parent, job["workers"])
    (A,) = inputs_of(read_case(job["case"]))
    found: dict[str, dict[str, Any]] = {}
    with engine.joined(place, instruments(name).backend) as scaling:
        threads = job["workers"] if job["size"] == 1 else 1
        for way, runs in scaling.runs(A).items():
            of_way = found.setdefault("ours" if way == "ours" else scaling.otherwise, {})
            for quantity, each in runs.items():
                of_way[quantity] = _taken(scaling, each, threads, timed=job["timed"])
                tell(1, 1)
    write_whole(result_path, json.dumps(found).encode())


def _taken(scaling: Scaling, each: Callable[[], object], threads: int, *, timed: bool) -> dict[str, Any]:
    received = scaling.received(each)
    if not timed:
        return {"cpu": None, "wall": None, "received": received}
    each()
    cpu, wall = list[float](), list[float]()
    for _ in range(ROUNDS):
        before, start = time.process_time(), time.perf_counter()
        each()
        cpu.append((time.process_time() - before) / threads)
        wall.append(time.perf_counter() - start)
    return {"cpu": statistics.median(cpu), "wall": statistics.median(wall), "received": received}


def rows(result: ScalingResult) -> list[tuple[str, ...]]:
    """Return the texts of one row for each way and quantity, under `HEADINGS`."""
    groups: dict[tuple[str, ...], dict[int, Scaled]] = {}
    for each in result.found:
        key = each.backend, each.engine, f"{each.way}: {'forward + backward' if each.quantity == 'both' else 'forward'}"
        groups.setdefault(key, {})[each.workers] = each
    return [(*key, *_cells(of_counts)) for key, of_counts in groups.items()]


def _cells(found: dict[int, Scaled]) -> tuple[str, ...]:
    cpu = [found[count].cpu if count in found else None for count in TIMED]
    one, two = cpu
    return (
        *("-" if seconds is None else f"{1e3 * seconds:.0f}" for seconds in cpu),
        f"{one / two:.2f}" if one and two else "-",
        *(f"{found[count].received}" if count in found else "-" for count in COUNTED[1:]),
    )


def table(result: ScalingResult) -> Table:
    """Return the table for a terminal."""
    shown = Table(title=f"Spread over 1, 2 and 8: {escape(result.case)}", title_justify="left", title_style="bold")
    for number, heading in enumerate(HEADINGS):
        shown.add_column(heading, justify="left" if number < TEXTS else "right")
    for texts in rows(result):
        shown.add_row(*map(escape, texts))
    return shown
