"""The comparison as a call: which frameworks run, and from jobs and records to a `Comparison`."""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import unifiedqr as uqr
from unifiedqr._typing import Array
from unifiedqr.backend import DTYPES
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.errors import BackendUnavailableError, DurationError, InputError, UnknownBackendError
from unifiedqr_lab.compare.comparison import Comparison
from unifiedqr_lab.compare.cost import duration, estimate
from unifiedqr_lab.compare.frameworks import TIMEOUT, run_workers
from unifiedqr_lab.compare.function import PICKLED
from unifiedqr_lab.compare.job import DERIVATIVES, FUNCTION, ComparisonCase, Function, Job, choose, why_not
from unifiedqr_lab.compare.matrices import as_floating
from unifiedqr_lab.compare.record import TRUTH, Record
from unifiedqr_lab.compare.reference import check_reference
from unifiedqr_lab.conformance.golden import TRUTH_BACKEND
from unifiedqr_lab.workers.display import in_notebook, watching
from unifiedqr_lab.workers.processes import Failure
from unifiedqr_lab.workers.progress import Watcher, unwatched

RESERVE = 5.0
"""Seconds reserved for the verdict and the report: at least these, or a tenth of the time allowed."""

LONG = 10.0
"""Expected seconds from which on a comparison announces its duration."""


def compare_function(
    f: Callable[..., Any],
    arrays: Sequence[Any],
    *,
    backends: Sequence[str] | None,
    derivatives: Sequence[str],
    reference: str,
    timeout: float = TIMEOUT,
    progress: bool | None = None,
) -> Comparison:
    """Do what `unifiedqr_lab.compare.compare` promises."""
    check_reference(reference)
    chosen = choose("derivative", tuple(derivatives), DERIVATIVES)
    inputs = {f"input_{position}": _as_input(x, position) for position, x in enumerate(arrays)}
    if not inputs:
        raise InputError("compare got a function and no array; pass the arguments of the function too.")
    target = next((name for name in DECOMPOSITIONS if f is getattr(uqr, name, None)), FUNCTION)
    if target != FUNCTION:
        inputs = _as_inputs_of(target, inputs)
    label = getattr(f, "__name__", "f").strip("<>")
    shapes = ", ".join(" x ".join(map(str, X.shape)) or "scalar" for X in inputs.values())
    dtype: str = np.result_type(*inputs.values()).name
    case = ComparisonCase(f"{label}({shapes}) {dtype}", target, dtype, tuple(inputs))
    sources = (
        {
            "label": label,
            "shape": list(inputs["input_0"].shape),
            "source": "arguments of unifiedqr_lab.compare",
            "notes": [],
        },
    )
    function = None
    if target == FUNCTION:
        pickled: bytes = import_module("cloudpickle").dumps(f)
        inputs[PICKLED] = np.frombuffer(pickled, dtype=np.uint8)
        function = Function(label, None, None, hashlib.sha256(pickled).hexdigest(), scalar=False)
    else:
        chosen = tuple(derivative for derivative in chosen if derivative != "hvp")
    job = Job((case,), chosen, inputs, sources, function)
    shown = in_notebook() if progress is None else progress
    names = None if backends is None else tuple(backends)
    with watching() if shown else nullcontext(unwatched) as watch:
        return run_comparison(job, names, reference=reference, timeout=timeout, watch=watch)


def _as_inputs_of(target: str, inputs: dict[str, Array]) -> dict[str, Array]:
    """Return the arguments of a decomposition as matrices of one dtype and batch: b may be a vector."""
    arrays, names = list(inputs.values()), DECOMPOSITIONS[target]().inputs
    A = arrays[0]
    if len(arrays) != len(names) or A.ndim < 2:
        raise InputError(f"{target} takes {' and '.join(names)}, the first a matrix or a stack of them.")
    if reason := why_not(target, A.shape):
        raise InputError(f"{reason}, and the argument is {' x '.join(map(str, A.shape))}.")
    dtype = np.result_type(*arrays)
    for i, b in enumerate(arrays[1:], start=1):
        if names[i] not in ("b", "w"):
            continue
        columns = b[..., None] if b.ndim in (1, A.ndim - 1) else b
        try:
            arrays[i] = np.broadcast_to(columns, (*A.shape[:-1], columns.shape[-1]))
        except (ValueError, IndexError) as error:
            raise InputError(
                f"{target} got A of shape {A.shape} and {names[i]} of shape {b.shape}: {error}."
            ) from error
    return {key: X.astype(dtype) for key, X in zip(inputs, arrays, strict=True)}


def _as_input(x: Any, position: int) -> Array:
    try:
        own = isinstance(x, (list, tuple, int, float, complex, np.ndarray))
        values: Array = np.asarray(x if own else uqr.to_numpy(x))  # pyright: ignore[reportUnknownArgumentType]
    except ValueError as error:
        raise InputError(f"argument {position} is not a rectangular array: {error}.") from error
    wide, _ = as_floating(values, f"argument {position}")
    return values if values.dtype.name in DTYPES else wide


def select_backends(
    names: tuple[str, ...] | None, interpreters: Mapping[str, str]
) -> tuple[tuple[str, ...], list[Failure]]:
    """Return the backends to run, and those that would by default but are not installed.

    Raises
    ------
    UnknownBackendError, BackendUnavailableError
        A name that was asked for is not registered, or its framework is not installed in this environment; where it
        has an interpreter of its own, that one decides.
    """
    known = uqr.backends()
    if names is None:
        present = [name for name, info in known.items() if name != TRUTH_BACKEND and info.available]
        missing = [
            Failure(name, info.reason, explicit=False)
            for name, info in known.items()
            if name != TRUTH_BACKEND and not info.available and name not in interpreters
        ]
        return (*present, *(name for name in interpreters if name not in present)), missing
    chosen = tuple(dict.fromkeys((*names, *interpreters)))
    for name in chosen:
        if name in interpreters:
            continue
        if name not in known:
            raise UnknownBackendError(f"no backend is named {name!r}; installed are {', '.join(known)}.")
        if not known[name].available:
            raise BackendUnavailableError(f"the backend {name!r} was requested, but {known[name].reason}.")
    return chosen, []


def run_comparison(
    job: Job,
    names: tuple[str, ...] | None = None,
    *,
    reference: str = "exact",
    interpreters: Mapping[str, str] | None = None,
    recorded: Sequence[Record] = (),
    timeout: float = TIMEOUT,
    elapsed: float = 0.0,
    watch: Watcher = unwatched,
    announce: Callable[[str], object] = len,
) -> Comparison:
    """Run a job in the backends named (all, if None and nothing is recorded), and compare with what is recorded.

    Of the `timeout`, `elapsed` seconds have already passed. `announce` is called before the work starts with the
    expected duration of a long comparison.

    Raises
    ------
    InputError
        The job's function raised in every framework.
    DurationError
        It is expected to take longer than `timeout`; nothing has been run.
    """
    interpreters = interpreters or {}
    backends, missing = ((), []) if names is None and recorded else select_backends(names, interpreters)
    if expected := _expected(job, reference, len(backends), timeout):
        announce(expected)
    ran, failures = run_workers(
        job,
        backends,
        reference=reference,
        interpreters=interpreters,
        timeout=max(0.0, timeout - min(timeout / 2, max(timeout / 10, RESERVE)) - elapsed),
        watch=watch,
    )
    truth = ran.pop(TRUTH, None)
    records: dict[str, Record] = {}
    for record in (*recorded, *ran.values()):
        records[_free_label(record.environment.backend, records)] = record
    _check_function(job, records)
    return Comparison(job, records, truth, [*missing, *failures])


def _expected(job: Job, reference: str, frameworks: int, timeout: float) -> str:
    """Say what a comparison is expected to take; empty if that is not long."""
    seconds, truth = estimate(job, reference, frameworks)
    told = f"about {duration(seconds)} expected, {duration(truth)} of it for the reference"
    if seconds > timeout:
        least = estimate(job, "none", frameworks)[0]
        raise DurationError(
            f"{told}, which exceeds the timeout of {timeout:g} s, so nothing was run. Give it more time (timeout "
            f"{math.ceil(1.5 * seconds)}), smaller matrices, or fewer decompositions, dtypes or derivatives"
            + (f"; without a truth (reference none) it takes about {duration(least)}." if least <= timeout else ".")
        )
    return told if seconds >= LONG else ""


def _free_label(name: str, taken: Mapping[str, Record]) -> str:
    label, count = name, 1
    while label in taken:
        count += 1
        label = f"{name} ({count})"
    return label


def _check_function(job: Job, records: Mapping[str, Record]) -> None:
    """Raise `InputError` for a function that raises everywhere: that is its author's mistake, not a disagreement."""
    cases = [case for case in job.cases if case.target == FUNCTION]
    if not cases or not records or "value" not in job.derivatives:
        return
    outcomes = [record.outcomes[case.id, "value"] for record in records.values() for case in cases]
    if all(outcome.status == "failed" for outcome in outcomes):
        label = job.function.label if job.function else "the function"
        raise InputError(f"{label} raised in every framework: {outcomes[0].reason}")


def read_records(paths: Sequence[Path], function: Function | None) -> tuple[Job, list[Record]]:
    """Read records and give the job they share, with the local copy of its function if there is one.

    Raises
    ------
    InputError
        A file is not a record, the records are of different inputs, or `function` is not the one they were made with.
    """
    records = [Record.read(path) for path in paths]
    job = records[0].job
    for path, record in zip(paths, records, strict=True):
        if record.job.digest() != job.digest():
            raise InputError(
                f"{path} and {paths[0]} were made from different inputs (matrices, cases, derivatives or loss); "
                f"record both from the same ones."
            )
    if function is not None:
        if job.function is None or job.function.digest != function.digest:
            raise InputError(f"--loss {function.label} is not the function the records were made with.")
        job = replace(job, function=function)
    return job, records
