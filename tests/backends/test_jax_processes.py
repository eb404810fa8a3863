"""Memory, threads and processes in JAX; and that nothing given is written to."""

import gc
import multiprocessing
import subprocess
import sys
import threading
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import unifiedqr as uqr
from tests.memory import MEASURED, least_growth
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance


def loss_of(decompose):
    return lambda A: sum(jnp.sum(X.real**3) for X in decompose(A))


ROUTES = {
    "grad": lambda f, A: jax.grad(f)(A),
    "jit of grad": lambda f, A: jax.jit(jax.grad(f))(A),
    "jvp": lambda f, A: jax.jvp(f, (A,), (A,))[1],
    "vmap of grad": lambda f, A: jax.vmap(jax.grad(f))(A[None])[0],
    "jvp of grad": lambda f, A: jax.jvp(jax.grad(f), (A,), (A,))[1],
    "unifiedqr.grad": lambda f, A: uqr.grad(f)(A),
}
LOSS = loss_of(uqr.qr)
ROUTE = pytest.mark.parametrize("route", list(ROUTES))


@pytest.fixture
def no_collection():
    """Let nothing but counted references free an object."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@ROUTE
def test_nothing_is_kept_alive(route):
    A = jnp.asarray(random((5, 3), complex_=False, seed=1))
    for _ in range(2):
        ROUTES[route](LOSS, A)
    gc.collect()
    before = len(jax.live_arrays())
    found = ROUTES[route](LOSS, A)
    gc.collect()
    assert len(jax.live_arrays()) == before + 1
    kept = weakref.ref(found)
    del found
    gc.collect()
    assert kept() is None


def test_a_pullback_keeps_the_factors_and_no_more(no_collection):
    A = jnp.asarray(random((5, 3), complex_=False, seed=1))
    for _ in range(2):
        before = len(jax.live_arrays())
        factors, pull = jax.vjp(uqr.qr, A)
        assert len(jax.live_arrays()) - before <= 2 * len(factors)
        del factors, pull
        gc.collect()  # JAX's own pullback is a cycle
        assert len(jax.live_arrays()) <= before


@MEASURED
@pytest.mark.parametrize("route", ["grad", pytest.param("jvp", marks=pytest.mark.exhaustive), "jvp of grad"])
def test_memory_does_not_grow(route):
    """By less than what one matrix of each call would take."""
    A = jnp.asarray(random((64, 64), complex_=False, seed=3))
    assert least_growth(lambda: ROUTES[route](LOSS, A), 100) < 100 * A.nbytes


@ROUTE
def test_eight_threads_at_once(route):
    """Each with its own matrix; the first call of each shape is made by all of them at the same time."""
    matrices = [jnp.asarray(random((7 + seed % 2, 4), complex_=False, seed=seed)) for seed in range(8)]
    start, found = threading.Barrier(8), [None] * 8

    def work(i):
        start.wait()
        found[i] = [ROUTES[route](LOSS, matrices[i]) for _ in range(3)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for A, results in zip(matrices, found, strict=True):
        alone = ROUTES[route](LOSS, A)
        assert all(np.array_equal(result, alone) for result in results)


def test_threads_are_told_of_their_own_matrices():
    sound = random((5, 3), complex_=False, seed=1)
    spoiled = sound.copy()
    spoiled[:, 1] = spoiled[:, 0]
    expected = [i % 2 == 1 for i in range(8)]
    raised = [False] * 8

    def work(i):
        try:
            jax.grad(LOSS)(jnp.asarray(spoiled if expected[i] else sound))
        except uqr.SingularMatrixError:
            raised[i] = True

    uqr.set_checks("raise")
    try:
        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        uqr.set_checks("warn")
    assert raised == expected


def test_a_fork_before_the_first_use_is_sound():
    """After it JAX itself warns of a deadlock: it runs threads that a child does not have."""
    program = """
import os, numpy as np, jax, unifiedqr as uqr
A = np.random.default_rng(0).standard_normal((4, 3))
gradient = lambda: jax.grad(lambda A: (uqr.qr(A).R ** 3).sum())(jax.numpy.asarray(A))
child = os.fork()
if child == 0:
    os._exit(0 if np.all(np.isfinite(gradient())) else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
gradient()
import warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    if os.fork() == 0:
        os._exit(0)
assert "JAX is multithreaded" in str(caught[0].message)
"""
    subprocess.run([sys.executable, "-W", "error::RuntimeWarning", "-c", program], check=True, timeout=300)


def pulled_back(A, bars):
    with uqr.use_backend("jax"):
        _, pull = uqr.vjp(uqr.qr, A)
        return uqr.to_numpy(pull(tuple(map(uqr.namespace().asarray, bars)))[0])


def test_spawned():
    case = golden("qr")["qr-random-5x3-complex"]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        A_bar = pool.apply(pulled_back, (case.A, case.factor_bars))
    assert relative_error(A_bar, case.A_bars["both"]) <= tolerance("complex128", 5, 3, leading_condition(case.A))


STRIDES = {
    "read-only": lambda A: A,
    "reversed": lambda A: A[::-1, ::-1],
    "every second column": lambda A: A[:, ::2],
    "transposed": lambda A: A.T,
    "Fortran": np.asfortranarray,
    "broadcast": lambda A: np.broadcast_to(A, (2, *A.shape)),
}


@pytest.mark.parametrize("strides", list(STRIDES))
def test_numpy_arrays_of_any_strides_are_read_and_not_written(strides):
    base = random((6, 6), complex_=True, seed=4)
    base.setflags(write=False)
    A = STRIDES[strides](base)
    before = A.copy()
    with uqr.use_backend("jax"):
        found, expected = (uqr.to_numpy(uqr.grad(LOSS)(X)) for X in (A, np.ascontiguousarray(A)))
    assert np.array_equal(A, before)
    assert np.array_equal(found, expected)


def test_a_donated_matrix_may_be_overwritten():
    A = jnp.asarray(random((5, 3), complex_=False, seed=5))
    expected = jax.grad(LOSS)(A)
    given = jnp.copy(A)
    found = jax.jit(jax.grad(LOSS), donate_argnums=0)(given)
    assert given.is_deleted()
    assert relative_error(found, expected) <= tolerance("float64", 5, 3, leading_condition(A))
