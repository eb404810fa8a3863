"""Tools that stop a program at its first NaN or Inf do not stop at regular matrices: none is made and then thrown away.

NaN and Inf serve to tell that a result does not exist; where every result is finite, nothing on the way is not.
"""

from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.checks import checks
from unifiedqr.discovery import get_backend
from unifiedqr_lab.conformance.matrices import random

SHAPES = ((5, 3), (4, 4), (3, 5), (2, 4, 3), (40, 3), (0, 4, 3), (0, 3), (3, 0))
TALL = (600, 3)
SQUARE = ((4, 4), (2, 3, 3), (0, 3, 3), (0, 0))


@contextmanager
def check_numerics():
    tf = pytest.importorskip("tensorflow")
    tf.debugging.enable_check_numerics()
    try:
        yield
    finally:
        tf.debugging.disable_check_numerics()


@contextmanager
def debug_nans():
    jax = pytest.importorskip("jax")
    with jax.debug_nans(True), jax.debug_infs(True):
        yield


@contextmanager
def detect_anomaly():
    torch = pytest.importorskip("torch")
    with torch.autograd.set_detect_anomaly(True):
        yield


DEBUGGERS = {
    "tensorflow": check_numerics,
    "jax": debug_nans,
    "torch": detect_anomaly,
    "numpy": partial(np.errstate, divide="raise", over="raise", invalid="raise"),
}


def solved(A, **options):
    xp = uqr.namespace(A)
    mean = xp.sum(A, axis=-1, keepdims=True)
    b = xp.concat([mean, mean + 1], axis=-1)
    return uqr.lstsq(A, b, **options)[:2]


MEMBERS = {
    "qr": uqr.qr,
    "qr, cholesky": partial(uqr.qr, method="cholesky"),
    "qr, householder": partial(uqr.qr, method="householder"),
    "qr, r": partial(uqr.qr, mode="r"),
    "qr, complete": partial(uqr.qr, mode="complete"),
    "qr, pivoting": partial(uqr.qr, pivoting=True),
    "lq": uqr.lq,
    "lq, l": partial(uqr.lq, mode="l"),
    "rq": uqr.rq,
    "lstsq": solved,
    "lstsq, pivoting": partial(solved, pivoting=True),
    "orth": uqr.orth,
    "null_space": uqr.null_space,
    "slogdet": uqr.slogdet,
}


def differentiated(backend, f, A):
    """Return values and derivatives of first order, in both modes where the framework has them."""

    def outputs(A):
        found = f(A)
        found = tuple(found) if isinstance(found, tuple) else (found,)
        return tuple(X for X in found if "int" not in backend.dtype_name(X))

    if backend.name == "numpy":
        return outputs(A)
    results, pullback = backend.vjp(outputs, (A,))
    ones = tuple(map(backend.xp.ones_like, results))
    return (*results, *pullback(ones), *backend.jvp(outputs, (A,), (A,))[1])


def each(backend, member, complex_):
    for shape in SQUARE if member == "slogdet" else (*SHAPES, *([TALL] if member.startswith("qr") else [])):
        yield backend.from_numpy(random(shape, complex_=complex_, seed=1))


@pytest.fixture(scope="module")
def apart():
    """Return a process of its own: TensorFlow keeps the functions it traced while its debugger was on, for all."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield lambda f, *given: pool.submit(f, *given).result()


def examine(framework, member, complex_):
    backend = get_backend(framework)
    for A in each(backend, member, complex_):
        with DEBUGGERS[framework](), checks("off"):
            found = differentiated(backend, MEMBERS[member], A)
        assert all(np.isfinite(backend.to_numpy(X)).all() for X in found)


def examine_graph(member, known):
    import tensorflow as tf

    backend = get_backend("tensorflow")
    with check_numerics():
        shapes = SQUARE[:1] if member == "slogdet" else ((5, 3), (3, 5))
        size = {True: shapes[0], False: (None, None)}[known]
        run = tf.function(partial(differentiated, backend, MEMBERS[member]), autograph=False)
        run = run.get_concrete_function(tf.TensorSpec(size, tf.float64))
        for shape in shapes[:1] if known else shapes:
            found = run(tf.constant(random(shape, complex_=False, seed=1)))
            assert all(np.isfinite(X).all() for X in found)


@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize("member", list(MEMBERS))
@pytest.mark.parametrize("framework", [name for name in DEBUGGERS if name != "tensorflow"])
def test_regular_matrices_make_no_nan(framework, member, complex_):
    examine(framework, member, complex_)


@pytest.mark.parametrize("complex_", [False, pytest.param(True, marks=pytest.mark.exhaustive)], ids=["real", "complex"])
@pytest.mark.parametrize("member", list(MEMBERS))
def test_regular_matrices_make_no_nan_in_tensorflow(member, complex_, apart):
    pytest.importorskip("tensorflow")
    apart(examine, "tensorflow", member, complex_)


@pytest.mark.parametrize("member", ["qr", "qr, complete", "lq, l", "lstsq", "slogdet"])
@pytest.mark.parametrize(
    "known", [pytest.param(True, marks=pytest.mark.exhaustive), False], ids=["known sizes", "unknown sizes"]
)
def test_regular_matrices_make_no_nan_in_a_graph(member, known, apart):
    """Neither do the branches that a run does not take."""
    pytest.importorskip("tensorflow")
    apart(examine_graph, member, known)
