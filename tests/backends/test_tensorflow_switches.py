"""TensorFlow's switches and its graphs of old: whatever a user has set, results are right for every member."""

import subprocess
import sys
from functools import partial

import pytest
import tensorflow as tf

from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import get_backend
from unifiedqr_lab.conformance.members import member, member_problem
from unifiedqr_tensorflow.instruments import runs, wrappers

MEMBER = pytest.mark.parametrize("name", DECOMPOSITIONS)
# Operations on factors have no gradient by the factors: the matrix, which they belong to, carries it.
RUNS = {"value": runs.value, "vjp": partial(runs.tape, unconnected="zero"), "jvp": runs.accumulator}


def agrees(name, dtype, kind, wrapper=lambda f: f):
    """Take values or a derivative of a member, wrapped; raise unless they are right."""
    backend, given = get_backend("tensorflow"), member_problem(name, dtype, kind)
    f = member(backend, DECOMPOSITIONS[name](), kind, complex_="complex" in dtype)
    arrays = [tuple(map(tf.constant, part)) for part in given.given(kind)]
    results = [X.numpy() for X in wrapper(lambda *parts: RUNS[kind](f, *parts))(*arrays)]
    assert given.error(kind, results) <= given.bounds[kind], (name, dtype, kind)


@MEMBER
def test_graphs_and_sessions(name):
    given = member_problem(name, "complex128", "vjp")
    f = member(get_backend("tensorflow"), DECOMPOSITIONS[name](), "vjp", complex_=True)

    def values_and_gradients(primals, bars):
        outputs = f(*primals)
        return (*outputs, *tf.gradients(outputs, primals, grad_ys=bars, unconnected_gradients="zero"))

    results = wrappers.session(values_and_gradients)(*given.given("vjp"))
    count = len(given.bars)
    assert given.error("value", results[:count]) <= given.bounds["value"]
    assert given.error("vjp", results[count:]) <= given.bounds["vjp"]


@pytest.fixture
def identity_for_equality():
    """Let ``==`` of tensors tell whether they are one and the same, as in TensorFlow 1."""
    tf.compat.v1.disable_tensor_equality()
    yield
    tf.compat.v1.enable_tensor_equality()


@MEMBER
@pytest.mark.usefixtures("identity_for_equality")
def test_identity_for_equality(name):
    agrees(name, "complex128", "vjp")
    agrees(name, "float64", "value", tf.function)


PROGRAM = """
import sys
import tensorflow as tf
from tests.backends.test_tensorflow_switches import RUNS, agrees
from unifiedqr.decomposition import DECOMPOSITIONS

tf.experimental.numpy.experimental_enable_numpy_behavior({options})
for name in DECOMPOSITIONS:
    for kind in RUNS:
        agrees(name, "complex64", kind)
    agrees(name, "float32", "vjp")
"""


@pytest.mark.parametrize("options", [pytest.param("", marks=pytest.mark.exhaustive), "dtype_conversion_mode='safe'"])
def test_tensors_that_behave_as_numpy_arrays(options):
    """In a process of its own: TensorFlow has no way back."""
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM.format(options=options)]
    completed = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert completed.returncode == 0, completed.stderr
