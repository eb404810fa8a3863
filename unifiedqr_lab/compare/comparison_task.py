"""What the process of one framework does for a comparison: evaluate every case and derivative of a job."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import unifiedqr as uqr
from unifiedqr_lab.compare.evaluate import Evaluation, outcome
from unifiedqr_lab.compare.function import load
from unifiedqr_lab.compare.job import Job
from unifiedqr_lab.compare.record import TRUTH, Environment, Record
from unifiedqr_lab.compare.reference import Reference
from unifiedqr_lab.instruments import instruments
from unifiedqr_lab.workers.progress import tell


def run(name: str, job_path: Path, record_path: Path) -> None:
    """Evaluate the job in the backend of this name, or for the truth in none, and write the record."""
    job = Job.read(job_path)
    evaluate: Callable[[Any, str, Any], Evaluation]
    if name == TRUTH:
        reference = Reference(job, job.extra["reference"])
        backend = reference.exact or uqr.get_backend("numpy")
        evaluate = reference.outcome
    else:
        backend = uqr.get_backend(name)
        evaluate = partial(outcome, backend, job)

    version = uqr.backends()[backend.name].version or "unknown"
    device = backend.device(backend.from_numpy(np.zeros((1, 1))))
    f = None if job.function is None else load(job.function, job.arrays, backend.xp)
    outcomes: dict[tuple[str, str], Evaluation] = {}
    pairs = [(case, derivative) for case in job.cases for derivative in job.derivatives]
    with uqr.use_backend(backend.name):
        for case, derivative in pairs:
            outcomes[case.id, derivative] = evaluate(case, derivative, f if case.target == "function" else None)
            tell(len(outcomes), len(pairs))
    blas = "" if name == TRUTH else instruments(backend.name).blas()
    Record(Environment.here(name, version, device, uqr.__version__, blas), job, outcomes).write(record_path)
