"""Spread matrices: every engine on problems whose truth is known, in processes of its own.

As in the table of capabilities, a wrong rule is planted, twice the right derivative, which must double what comes out.
"""

import json
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from unifiedqr._typing import Array, Arrays
from unifiedqr_lab.conformance.capabilities import BYPASS, OURS, PLANTED_SHOWS, RIGHT, TIMES, WRONG
from unifiedqr_lab.conformance.case_checks import doubled
from unifiedqr_lab.conformance.spread_problems import SpreadProblem, spread_problem
from unifiedqr_lab.engines import MEMBERS, Change, Engine, Place, Spreading
from unifiedqr_lab.files import write_whole
from unifiedqr_lab.instruments import Transform, instruments
from unifiedqr_lab.workers.processes import Workers, thread_limits
from unifiedqr_lab.workers.progress import Watcher, tell, unwatched

TASK = "unifiedqr_lab.conformance.sharded:run"

TIMEOUT = 3600.0
"""Seconds after which engines are abandoned."""

DTYPES = ("complex128",)
"""The dtypes in which engines are run by default."""

GATHERED = "right, but gathered"

LACKING = ("refused: CapabilityError", "refused: NotImplementedError")
"""What a missing feature of a framework raises: from us, or from itself."""


@dataclass(frozen=True)
class EngineFinding:
    """One decomposition under one transform on one engine.

    Attributes
    ----------
    backend, engine, transform, kind, member, dtype : str
        What was run.
    verdict : str
        As in the table of capabilities, or `GATHERED` where an array with the long side is not spread.
    error, bound : float or None
        The relative error, and the bound; None where there was no result.
    """

    backend: str
    engine: str
    transform: str
    kind: str
    member: str
    dtype: str
    verdict: str
    error: float | None = None
    bound: float | None = None

    @property
    def passed(self) -> bool:
        """Whether it is right, or refused because the framework lacks it."""
        return self.verdict in (OURS, RIGHT, *LACKING)


def run_engines(
    names: Sequence[str],
    *,
    decompositions: Sequence[str] = MEMBERS,
    dtypes: Sequence[str] = DTYPES,
    timeout: float = TIMEOUT,
    watch: Watcher = unwatched,
) -> tuple[EngineFinding, ...]:
    """Run every engine of some backends.

    Parameters
    ----------
    names : sequence of str
        Of installed backends.
    decompositions : sequence of str
        Names in the table of decompositions; those of `MEMBERS` among them are run.
    dtypes : sequence of str
        Some of `unifiedqr.backend.DTYPES`.
    timeout : float
        Seconds after which the engines that have not finished are abandoned.
    watch : callable
        Called at every step.

    Returns
    -------
    tuple of EngineFinding
        An engine with a failed process has one, which says why.
    """
    told = {"members": [member for member in MEMBERS if member in decompositions], "dtypes": list(dtypes)}
    pairs = [(name, engine) for name in names for engine in instruments(name).engines() if told["members"]]
    end, found = time.monotonic() + timeout, list[EngineFinding]()
    for name, engine in pairs:
        found += _run_engine(name, engine, told, max(0.0, end - time.monotonic()), watch)
    return tuple(found)


def _run_engine(
    name: str, engine: Engine, told: dict[str, list[str]], timeout: float, watch: Watcher
) -> tuple[EngineFinding, ...]:
    with Workers(timeout, slots=engine.processes, watch=watch) as workers:
        job, results = workers.folder / "job.json", [workers.folder / f"{i}.json" for i in range(engine.processes)]
        job.write_text(json.dumps({**told, "engine": engine.name, "size": engine.processes}), encoding="utf-8")
        environment = engine.variables({**os.environ, **thread_limits(1)})

        def work(rank: str) -> str:
            label = f"{name} {engine.name}" + (f", {rank}" if engine.processes > 1 else "")
            path = results[int(rank)]
            return workers.run(TASK, name, job, path, total=1, environment=environment, name=label)

        reasons = list(workers.map(work, map(str, range(engine.processes))))
        if any(reasons):
            reason = next(filter(None, reasons))
            return (EngineFinding(name, engine.name, "", "", "", "", f"failed: {reason}"),)
        return tuple(EngineFinding(**found) for found in json.loads(results[0].read_text(encoding="utf-8")))


def run(name: str, job_path: Path, result_path: Path) -> None:
    """Take part in an engine, as the process whose rank the result file is named after, and write the findings."""
    job = json.loads(job_path.read_text(encoding="utf-8"))
    engine = next(engine for engine in instruments(name).engines() if engine.name == job["engine"])
    place = Place(int(result_path.stem), job["size"], job_path.parent)
    found: list[EngineFinding] = []
    with engine.joined(place, instruments(name).backend) as spreading, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        total = len(spreading.transforms) * len(job["members"]) * len(job["dtypes"])
        for transform in spreading.transforms:
            for member in job["members"]:
                for dtype in job["dtypes"]:
                    verdict, error, bound = judged(spreading, transform, member, dtype)
                    named = (name, engine.name, transform.name, transform.kind, member, dtype)
                    found.append(EngineFinding(*named, verdict, error, bound))
                    tell(len(found), total)
            instruments(name).release()
    write_whole(result_path, json.dumps([asdict(each) for each in found]).encode())


def judged(
    spreading: Spreading, transform: Transform, member: str, dtype: str
) -> tuple[str, float | None, float | None]:
    """Return a verdict, the error and the bound of it."""
    given = spread_problem(member, dtype, transform.kind)
    try:
        return _judged(spreading, transform, member, given)
    except Exception as error:  # whatever a framework raises is its verdict
        return f"refused: {type(error).__name__}", None, None


def _judged(
    spreading: Spreading, transform: Transform, member: str, given: SpreadProblem
) -> tuple[str, float | None, float | None]:
    kind, bound = transform.kind, given.bound
    found, stay = _run(spreading, transform, member, given, lambda row: row)
    error = given.error(found)
    if not error <= bound:
        return WRONG, error, bound
    if not stay:
        return GATHERED, error, bound
    if kind == "value":
        return RIGHT, error, bound
    planted, _ = _run(spreading, transform, member, given, doubled)
    # Where a rule reads the matrix itself, a planted second derivative mixes twice and four times the true one.
    seen = given.error(planted, TIMES[kind]) <= bound or (kind == "hvp" and given.error(planted) > PLANTED_SHOWS)
    return OURS if seen else BYPASS, error, bound


def _run(
    spreading: Spreading, transform: Transform, member: str, given: SpreadProblem, change: Change
) -> tuple[list[Any], bool]:
    """Return what a transform gives, as NumPy arrays, and whether the arrays with the long side are spread."""
    function = spreading.function(member, change)
    if given.along is not None:
        function = _projecting(spreading, function, spreading.spread(given.along.X, given.along.axis))
    arrays = [tuple(spreading.spread(part.X, part.axis) for part in group) for group in given.given]
    found = transform.run(function, *arrays)
    pairs = list(zip(found, given.truth, strict=True))
    stay = all(spreading.is_spread(X) for X, true in pairs if true.axis is not None)
    return [spreading.whole(X, true.axis) for X, true in pairs], stay


def _projecting(spreading: Spreading, function: Callable[..., Arrays], B: Array) -> Callable[..., Arrays]:
    """Return the function that gives Q Q^H B of a basis Q."""

    def projection(A: Array) -> Arrays:
        Q = function(A)[0]
        return (Q @ spreading.xp.beyond.inner(Q, B),)

    return projection
