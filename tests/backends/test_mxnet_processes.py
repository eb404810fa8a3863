"""MXNet over time: memory that comes back, threads, forks, fresh processes, the end of a process, its import."""

import gc
import multiprocessing
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import unifiedqr as uqr
from tests.memory import MEASURED, least_growth
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_mxnet import recording
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.namespace import xp


def gradient(A):
    """Return the gradient of a loss of both factors through MXNet's record, in NumPy."""
    A = xp.asarray(A)
    A.attach_grad()
    with mx.autograd.record():
        loss = xp.sum(xp.concat([xp.reshape(xp.abs(X) ** 2 * xp.real(X), (-1,)) for X in uqr.qr(A)]))
    loss.backward()
    return A.grad.asnumpy()


def live_arrays():
    """Count the arrays that Python holds, once the engine's threads have let go of theirs."""
    mx.nd.waitall()
    gc.collect()
    return sum(issubclass(type(x), mx.nd.NDArray) for x in gc.get_objects())


def settles(count, value):
    """Return whether a count comes to a value: a thread lets go of its arrays a moment after its work is done."""
    for _ in range(100):
        if count() == value:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
def test_the_record_is_freed_with_its_arrays(complex_):
    A = random((5, 3), complex_=complex_, seed=1)
    gradient(A)  # makes what is made once
    time.sleep(0.1)
    before, nodes = live_arrays(), len(recording._nodes)
    gradient(A)
    assert settles(live_arrays, before)
    assert settles(lambda: len(recording._nodes), nodes)


@MEASURED
@pytest.mark.parametrize("take", [gradient, lambda A: uqr.grad(lambda A: xp.sum(uqr.qr(A).R))(xp.asarray(A))])
def test_memory_does_not_grow(take):
    """By less than one matrix left behind in every second call."""
    A = random((256, 16), complex_=False, seed=1)

    def call():
        take(A)
        mx.nd.waitall()

    assert least_growth(call, 200) < 200 * A.nbytes / 2


def test_threads_have_records_of_their_own():
    matrices = [random((12, 7), complex_=bool(seed % 2), seed=seed) for seed in range(8)]
    serial = [gradient(A) for A in matrices]
    together = threading.Barrier(8)

    def agrees(A, expected):
        together.wait()
        return all(np.array_equal(gradient(A), expected) for _ in range(10))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(agrees, matrices, serial))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_another_process_answers_the_same(method, tmp_path):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    program = tmp_path / "program.py"  # a fresh process imports it again
    program.write_text(f"""
import multiprocessing
import numpy as np, unifiedqr as uqr
xp = uqr.namespace("mxnet")
import mxnet as mx

def gradient(A):
    return uqr.grad(lambda A: xp.sum(uqr.qr(A).R ** 3))(xp.asarray(A)).asnumpy()

def answer(A, queue):
    queue.put(gradient(A))

if __name__ == "__main__":
    A = np.random.default_rng(1).standard_normal((200, 100))
    expected = gradient(A)
    leaf = xp.asarray(A)
    leaf.attach_grad()
    with mx.autograd.record():
        R = uqr.qr(leaf).R
    R.backward()  # under way when the process forks
    context = multiprocessing.get_context({method!r})
    queue = context.Queue()
    child = context.Process(target=answer, args=(A, queue))
    child.start()
    assert np.array_equal(queue.get(timeout=60), expected)
    child.join(60)
    assert child.exitcode == 0
    assert np.array_equal(gradient(A), expected)
""")
    subprocess.run([sys.executable, str(program)], check=True, timeout=120)


@pytest.mark.parametrize("shape", [(3, 3), (300, 300), (0, 3)], ids=str)
def test_a_process_may_end_right_after_backward(shape):
    """MXNet by itself aborts, or waits for ever for a backward pass that its stopped thread will never run."""
    program = f"""
import unifiedqr as uqr
xp = uqr.namespace("mxnet")
import mxnet as mx
mx.npx.set_np()
A = xp.ones({shape})
A.attach_grad()
with mx.autograd.record():
    R = uqr.qr(A).R
R.backward()
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)


def test_an_error_nobody_waited_for_is_told_at_the_end():
    program = """
import unifiedqr as uqr
xp = uqr.namespace("mxnet")
import mxnet as mx
uqr.set_checks("raise")
A = xp.ones((3, 3))
A.attach_grad()
with mx.autograd.record():
    R = uqr.qr(A).R
R.backward()
"""
    ended = subprocess.run([sys.executable, "-c", program], check=True, timeout=60, capture_output=True, text=True)
    assert "SingularMatrixError" in ended.stderr


@pytest.mark.parametrize("switched_on", [False, True])
def test_importing_leaves_numpy_and_the_switches_as_found(switched_on):
    program = f"""
import numpy as np
before = dict(vars(np))
import unifiedqr as uqr
xp = uqr.namespace("mxnet")
assert set(before) <= set(vars(np))
submodules = {{name for name, value in vars(np).items() if isinstance(value, type(np))}}
assert {{name for name in vars(np) if vars(np)[name] is not before.get(name)}} <= submodules | {{"__warningregistry__"}}
import mxnet as mx
assert (mx.npx.is_np_shape(), mx.npx.is_np_array()) == (False, False)
if {switched_on}:
    mx.npx.set_np()
x = xp.asarray([[3.0, 1.0], [4.0, 2.0]])
uqr.grad(lambda x: xp.sum(uqr.qr(x).R))(x).wait_to_read()
x[x > 2] = 0.0
assert float(xp.max(x)) == 2.0
assert (mx.npx.is_np_shape(), mx.npx.is_np_array()) == ({switched_on}, {switched_on})
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)
