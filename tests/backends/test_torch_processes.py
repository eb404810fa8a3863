"""Memory, threads and processes in PyTorch; and that nothing given is written to."""

import gc
import multiprocessing
import subprocess
import sys
import threading
import warnings
import weakref

import numpy as np
import pytest
import torch

import unifiedqr as uqr
from tests.memory import MEASURED, least_growth
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

DECOMPOSE = pytest.mark.parametrize("decompose", [uqr.qr, uqr.lq], ids=["qr", "lq"])


def loss_of(decompose, watch=lambda X: None):
    def loss(A):
        X, Y = decompose(A)
        watch(X), watch(Y)
        return (X.real**3).sum() + (Y.abs() ** 3).sum()

    return loss


def gradient(f, A):
    A = A.detach().clone().requires_grad_()
    return torch.autograd.grad(f(A), A)[0]


def second(f, A):
    A = A.detach().clone().requires_grad_()
    (A_bar,) = torch.autograd.grad(f(A), A, create_graph=True)
    return torch.autograd.grad((A_bar.abs() ** 2).sum(), A)[0]


ROUTES = {
    "backward": gradient,
    "double backward": second,
    "func.grad": lambda f, A: torch.func.grad(f)(A),
    "vmap of grad": lambda f, A: torch.vmap(torch.func.grad(f))(A[None])[0],
    "func.jvp": lambda f, A: torch.func.jvp(f, (A,), (A,))[1],
    "unifiedqr.jvp": lambda f, A: uqr.jvp(f, [A], [A])[1],
}


@pytest.fixture
def no_collection():
    """Let nothing but counted references free an object."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@DECOMPOSE
@pytest.mark.parametrize("route", [name for name in ROUTES if "vmap" not in name])
def test_factors_die_with_the_derivative(decompose, route, no_collection):
    """Without a garbage collection, also where the backward pass is never run."""
    factors = []
    A = torch.asarray(random((5, 3), complex_=True, seed=1))
    ROUTES[route](loss_of(decompose), A)  # the first call imports what stays
    ROUTES[route](loss_of(decompose, lambda X: factors.append(weakref.ref(X))), A)
    decompose(A.requires_grad_())
    assert factors
    assert [factor() for factor in factors] == [None] * len(factors)


@DECOMPOSE
def test_a_backward_pass_leaves_no_object_behind(decompose, no_collection):
    A = torch.asarray(random((5, 3), complex_=True, seed=2))
    for repetitions in (3, 100):
        before = len(gc.get_objects())
        for _ in range(repetitions):
            gradient(loss_of(decompose), A)
    assert len(gc.get_objects()) <= before


@MEASURED
@pytest.mark.parametrize("route", list(ROUTES))
def test_memory_does_not_grow(route):
    """By less than what one matrix of each call would take."""
    A = torch.asarray(random((64, 16), complex_=True, seed=3))
    assert least_growth(lambda: ROUTES[route](loss_of(uqr.qr), A), 100) < 100 * A.nbytes


@pytest.mark.parametrize("route", [name for name in ROUTES if name != "func.jvp"])
def test_eight_threads_at_once(route):
    """`torch.func.jvp` itself is not among them: PyTorch counts its levels per process; `unifiedqr.jvp` takes turns."""
    matrices = [torch.asarray(random((12, 7), complex_=True, seed=seed)) for seed in range(8)]
    f, run = loss_of(uqr.lq), ROUTES[route]
    alone = [run(f, A) for A in matrices]
    start, same = threading.Barrier(8), [False] * 8

    def work(i):
        start.wait()
        same[i] = all(torch.equal(run(f, matrices[i]), alone[i]) for _ in range(10))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(same)


def test_forked():
    """With one thread: after a fork GNU OpenMP, and so any product of PyTorch's, waits for threads that are gone."""
    program = """
import os, torch, unifiedqr as uqr
torch.set_num_threads(1)
A = torch.randn(4, 3, dtype=torch.float64)
loss = lambda A: (uqr.qr(A).R ** 3).sum()
def derivatives():
    B = A.clone().requires_grad_()
    return *torch.autograd.grad(loss(B), B), torch.func.grad(loss)(A), torch.func.jvp(loss, (A,), (A,))[1]
before = derivatives()
child = os.fork()
if child == 0:
    os._exit(0 if all(map(torch.equal, derivatives(), before)) else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=120)


def test_spawned():
    case = golden("qr")["qr-random-5x3-complex"]
    A, *bars = map(torch.asarray, (case.A, *case.factor_bars))
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        _, A_bar = pool.apply(torch.autograd.functional.vjp, (uqr.qr, A, tuple(bars)))
    assert relative_error(A_bar.numpy(), case.A_bars["both"]) <= tolerance("float64", 5, 3, leading_condition(case.A))


@DECOMPOSE
def test_what_is_given_is_never_written_to(decompose):
    """The matrix, cotangents and tangents lie in memory that NumPy calls read-only, and stay as they are."""
    given = [random(shape, complex_=True, seed=seed) for seed, shape in enumerate([(6, 4), (6, 4)])]
    with torch.no_grad():
        given += [random(tuple(X.shape), complex_=True, seed=5) for X in decompose(torch.asarray(given[0]))]
    copies = [X.copy() for X in given]
    for X in given:
        X.flags.writeable = False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # PyTorch has no read-only tensors, and says so
        A, A_dot, *bars = map(torch.from_numpy, given)
    torch.func.jvp(decompose, (A,), (A_dot,))
    torch.func.vjp(lambda A: tuple(decompose(A)), A)[1](tuple(bars))
    torch.func.jvp(lambda A: torch.func.vjp(lambda A: tuple(decompose(A)), A)[1](tuple(bars)), (A,), (A_dot,))
    assert all(map(np.array_equal, given, copies))
