"""What the process of one framework does for a benchmark: time every case, or measure its peak of memory.

Memory is measured in a process of its own, since allocators must not keep anything there. The result is rewritten after
each case, so that what has been measured survives a crash.
"""

import json
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

import unifiedqr as uqr
from unifiedqr_lab.bench.cases import read_case
from unifiedqr_lab.bench.machine import gemm_rates, putting
from unifiedqr_lab.bench.measure import measure, measure_memory
from unifiedqr_lab.bench.release import Release
from unifiedqr_lab.bench.results import FrameworkResult
from unifiedqr_lab.files import write_whole
from unifiedqr_lab.instruments import instruments
from unifiedqr_lab.workers.progress import tell


def run(name: str, job_path: Path, result_path: Path) -> None:
    """Measure every case of the job in the backend of this name, and write the result."""
    job = json.loads(job_path.read_text(encoding="utf-8"))
    backend, device = uqr.get_backend(name), job["device"]
    putting(backend, device)  # raises before anything is measured if there is no such device
    cases = [read_case(text) for text in job["cases"]]

    def keep(found: dict[str, Any], done: int) -> None:
        write_whole(result_path, json.dumps(found).encode())
        instruments(backend.name).release()
        tell(done, len(cases))

    if job["memory"]:
        peaks: dict[str, Any] = {}
        for done, case in enumerate(cases, start=1):
            found = measure_memory(backend, case)
            peaks[case.id] = None if found is None else asdict(found)
            keep(peaks, done)
        return
    versions = {name: uqr.backends()[name].version or "unknown", "numpy": np.__version__}
    rates = gemm_rates(backend, sorted({case.dtype for case in cases}), device=device)
    timed = FrameworkResult(name, versions, rates, blas=instruments(backend.name).blas())
    with Release(name, Path(job["against"])) if job["against"] else nullcontext() as release:
        for done, case in enumerate(cases, start=1):
            timed = replace(timed, results=(*timed.results, measure(backend, case, job["seconds"], release, device)))
            keep(asdict(timed), done)
