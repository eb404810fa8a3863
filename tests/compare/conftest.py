"""Small comparisons made once and looked at by many tests."""

import numpy as np
import pytest

from unifiedqr_lab.compare.frameworks import run_workers
from unifiedqr_lab.compare.job import Matrix, matrix_job


@pytest.fixture(scope="session")
def small_job():
    """Return QR and LQ of a 4 x 3 matrix in float64 and complex128."""
    A = np.random.default_rng(3).standard_normal((4, 3))
    return matrix_job(
        (Matrix("A", A, "test"),), decompositions=("qr", "lq"), dtypes=None, derivatives=("value", "vjp", "jvp")
    )


@pytest.fixture(scope="session")
def small_records(small_job):
    """Return the records of numpy, torch and the truth for `small_job`."""
    records, failures = run_workers(small_job, ("numpy", "torch"), reference="exact")
    assert not failures
    return records
