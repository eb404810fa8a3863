"""NumPy over time: memory that comes back, threads, forks and fresh processes."""

import gc
import multiprocessing
import subprocess
import sys
import threading
import tracemalloc
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.rules import lq_jvp, qr_vjp
from unifiedqr_lab.conformance.matrices import random


def derivatives(A):
    """Return a VJP of QR and a JVP of LQ at A."""
    Q, R = uqr.qr(A)
    return qr_vjp(Q, R, Q, R), lq_jvp(*uqr.lq(A), A)[1]


def test_nothing_is_kept_alive():
    A = random((5, 3), complex_=True, seed=1)
    Q, R = uqr.qr(A)
    A_bar = qr_vjp(Q, R, Q, None)
    references = [weakref.ref(X) for X in (A, Q, R, A_bar)]
    del A, Q, R, A_bar
    gc.collect()
    assert [reference() for reference in references] == [None] * 4


def traced_bytes():
    """Return the memory that Python has handed out since tracing began."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def test_memory_does_not_grow():
    A = random((8, 4), complex_=True, seed=1)
    tracemalloc.start()
    try:
        for _ in range(50):
            derivatives(A)
        before = traced_bytes()
        for _ in range(500):
            derivatives(A)
        assert traced_bytes() - before < 50 * A.nbytes  # one matrix left behind in every tenth call would be as much
    finally:
        tracemalloc.stop()


def test_threads_get_their_own_answers():
    matrices = [random((12, 7), complex_=bool(seed % 2), seed=seed) for seed in range(8)]
    serial = [derivatives(A) for A in matrices]
    together = threading.Barrier(8)

    def agrees(A, expected):
        together.wait()
        return all(np.array_equal(X, Y) for _ in range(20) for X, Y in zip(derivatives(A), expected, strict=True))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(agrees, matrices, serial))


PROGRAM = """
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import unifiedqr as uqr

if __name__ == "__main__":
    A = np.random.default_rng(1).standard_normal((30, 20))
    arguments = (*uqr.qr(A), *uqr.qr(A))
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("{method}")) as pool:
        computed = pool.submit(uqr.rules.qr_vjp, *arguments).result(timeout=60)
    np.testing.assert_array_equal(computed, uqr.rules.qr_vjp(*arguments))
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_another_process_answers_the_same(method, tmp_path):
    """From a process that has NumPy alone: the threads of other frameworks do not survive a fork."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    (tmp_path / "program.py").write_text(PROGRAM.format(method=method))
    subprocess.run([sys.executable, tmp_path / "program.py"], check=True, timeout=120)
