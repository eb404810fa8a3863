"""The process that runs one framework: ``python -m unifiedqr_lab.compare.worker JOB.npz RECORD.npz``.

Progress goes to standard output, one line ``@unifiedqr DONE TOTAL`` per case and derivative.
"""

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from unifiedqr_lab.compare.process import serve, tell
from unifiedqr_lab.instruments import instruments


def run(job_path: Path, record_path: Path) -> None:
    """Evaluate every case and derivative of the job in the backend it names, or for the truth in none."""
    from unifiedqr_lab.compare.job import Job

    job = Job.read(job_path)
    sys.path.extend(path for path in job.extra.get("paths", ()) if path not in sys.path)

    import numpy as np

    import unifiedqr as uqr
    from unifiedqr_lab.compare.evaluate import Outcome, outcome
    from unifiedqr_lab.compare.function import load
    from unifiedqr_lab.compare.record import TRUTH, Environment, Record
    from unifiedqr_lab.compare.reference import Reference

    name = job.extra["backend"]
    evaluate: Callable[[Any, str, Any], Outcome]
    if name == TRUTH:
        reference = Reference(job, job.extra["reference"])
        backend = reference.exact or uqr.get_backend("numpy")
        evaluate = reference.outcome
    else:
        if name in uqr.backends():
            os.environ.update(instruments(name).environment)  # before the framework is imported
        backend = uqr.get_backend(name)
        evaluate = partial(outcome, backend, job)

    version = uqr.backends()[backend.name].version or "unknown"
    device = backend.device(backend.from_numpy(np.zeros((1, 1))))
    f = None if job.function is None else load(job.function, job.arrays, backend.xp)
    outcomes: dict[tuple[str, str], Outcome] = {}
    pairs = [(case, derivative) for case in job.cases for derivative in job.derivatives]
    with uqr.use_backend(backend.name):
        for case, derivative in pairs:
            outcomes[case.id, derivative] = evaluate(case, derivative, f if case.target == "function" else None)
            tell(len(outcomes), len(pairs))
    Record(Environment.here(name, version, device, uqr.__version__), job, outcomes).write(record_path)


if __name__ == "__main__":
    sys.exit(serve(run, sys.argv[1:]))
