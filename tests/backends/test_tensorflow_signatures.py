"""Functions of the library in graphs whose signature leaves sizes open: what users call, beside the primitives."""

from functools import partial
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import tensorflow as tf

import unifiedqr as uqr
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import relative_error, tolerance

SHAPES = ((5, 3), (3, 5), (4, 4), (1, 3))
SQUARE = ((4, 4), (1, 1), (2, 2))


def solved(A, **options):
    b = tf.cast(tf.range(tf.shape(A)[-2]), A.dtype.real_dtype)[:, None] ** 2 + tf.ones((1, 2), A.dtype.real_dtype)
    return uqr.lstsq(A, tf.cast(b, A.dtype), **options)[:2]


def projected(space, A):
    N = space(A)
    return N @ tf.linalg.adjoint(N)


MEMBERS = {
    "orth": lambda A: projected(uqr.orth, A),
    "null_space": lambda A: projected(uqr.null_space, A),
    "left_null_space": lambda A: projected(uqr.left_null_space, A),
    "slogdet": uqr.slogdet,
    "lstsq": solved,
    "lstsq, pivoting": partial(solved, pivoting=True),
    "rq": uqr.rq,
    "ql": uqr.ql,
    "qr, r": partial(uqr.qr, mode="r"),
    "lq, l": partial(uqr.lq, mode="l"),
    "qr, complete": partial(uqr.qr, mode="complete"),
    "lq, complete": partial(uqr.lq, mode="complete"),
    "qr, pivoting": partial(uqr.qr, pivoting=True),
    "lq, pivoting, l": partial(uqr.lq, pivoting=True, mode="l"),
    "qr, pivoting, complete": partial(uqr.qr, pivoting=True, mode="complete"),
    "qr, rank": partial(uqr.qr, pivoting=True, rank=1),
    "lq, rank": partial(uqr.lq, pivoting=True, rank=1),
}


def value_and_gradient(member, A):
    """Return what a member returns, and the gradient of a loss that weighs its entries differently."""
    with tf.GradientTape() as tape:
        tape.watch(A)
        results = tf.nest.flatten(MEMBERS[member](A))
        real = [tf.math.real(X) for X in results if not X.dtype.is_integer]
        loss = tf.add_n([tf.reduce_sum(tf.sin(tf.reshape(X, [-1]))) for X in real])
    gradient = tape.gradient(loss, A, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return (*results, gradient)


def traced(member, sizes, dtype=tf.float64, **keywords):
    signature = [tf.TensorSpec(sizes, dtype)]
    return tf.function(partial(value_and_gradient, member), input_signature=signature, autograph=False, **keywords)


def assert_same(found, truth):
    """Compare with what known sizes give, for which golden vectors vouch."""
    for X, Y in zip(found, truth, strict=True):
        assert X.shape == Y.shape
        size = max(1.0, float(np.max(np.abs(Y), initial=0)))  # residuals of square systems are noise
        assert np.max(np.abs(X - Y), initial=0) <= 100 * tolerance("float64", 5, 5, 10) * size


@pytest.mark.parametrize("member", list(MEMBERS))
def test_one_trace_serves_every_shape(member):
    run = traced(member, (None, None))
    for shape in SQUARE if member == "slogdet" else SHAPES:
        A = tf.constant(random(shape, complex_=False, seed=1))
        assert_same(run(A), value_and_gradient(member, A))
    assert run.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("member", ["lstsq", "lstsq, pivoting", "lq, complete", "null_space", "slogdet"])
def test_complex_matrices(member):
    run = traced(member, (None, None), tf.complex128)
    for shape in SQUARE if member == "slogdet" else SHAPES:
        A = tf.constant(random(shape, complex_=True, seed=2))
        assert_same(run(A), value_and_gradient(member, A))


@pytest.mark.parametrize("member", ["lstsq", "lstsq, pivoting", "qr, complete", "lq, l", "qr, pivoting", "null_space"])
def test_matrices_without_entries(member):
    run = traced(member, (None, None))
    for shape in ((0, 3), (3, 0), (0, 0)):
        A = tf.constant(random(shape, complex_=False, seed=1))
        assert_same(run(A), value_and_gradient(member, A))


@pytest.mark.parametrize("member", ["lstsq", "lq, complete", "qr, pivoting", "slogdet"])
def test_xla_compiles_each_shape_from_one_trace(member):
    run = traced(member, (None, None), jit_compile=True)
    for shape in ((2, 2),) if member == "slogdet" else ((3, 2), (2, 3)):
        A = tf.constant(random(shape, complex_=False, seed=1))
        assert_same(run(A), value_and_gradient(member, A))


def of_regression(A, b):
    """Return the solution, the residuals, the rank and the gradients of a regression."""
    with tf.GradientTape() as tape:
        tape.watch((A, b))
        x, residuals, rank = uqr.lstsq(A, b)
        loss = tf.reduce_sum(tf.sin(x)) + tf.reduce_sum(residuals)
    return (x, residuals, rank, *tape.gradient(loss, (A, b)))


@pytest.mark.parametrize(
    ("of_A", "of_b"),
    [((2, 5, 3), (2, 5, 1)), ((2, 5, 3), (1, 5, 2)), ((1, 5, 3), (2, 5, 2)), ((2, 5, 3), (2, 5)), ((2, 5, 3), (5,))],
)
def test_batches_of_unknown_number_broadcast(of_A, of_b):
    A, b = (tf.constant(random(shape, complex_=False, seed=i)) for i, shape in enumerate((of_A, of_b)))
    signature = [tf.TensorSpec((None, None, 3)), tf.TensorSpec([None] * len(of_b))]
    signature = [tf.TensorSpec(spec.shape, tf.float64) for spec in signature]
    run = tf.function(of_regression, input_signature=signature, autograph=False)
    assert_same(run(A, b), of_regression(A, b))


def test_what_is_known_of_the_sizes_is_known_of_the_results():
    specs = tf.TensorSpec((None, 3), tf.float64), tf.TensorSpec((None, 2), tf.float64)
    outputs = tf.function(of_regression, autograph=False).get_concrete_function(*specs).structured_outputs
    assert [X.shape.as_list() for X in outputs] == [[3, 2], [2], [], [None, 3], [None, 2]]


def test_samples_of_any_number_in_a_data_set():
    rows = (5, 2, 8)
    samples = [(random((m, 3), complex_=False, seed=m), random((m,), complex_=False, seed=m + 1)) for m in rows]
    signature = tf.TensorSpec((None, 3), tf.float64), tf.TensorSpec((None,), tf.float64)
    data = tf.data.Dataset.from_generator(lambda: iter(samples), output_signature=signature)
    for x, (A, b) in zip(data.map(lambda A, b: uqr.lstsq(A, b).x), samples, strict=True):
        assert relative_error(x.numpy(), np.linalg.lstsq(A, b, rcond=None)[0]) <= 1e-12


def test_a_saved_model_of_any_number_of_rows():
    module = tf.Module()
    specs = tf.TensorSpec((None, 3), tf.float64), tf.TensorSpec((None,), tf.float64)
    module.f = tf.function(lambda A, b: uqr.lstsq(A, b).x, input_signature=specs, autograph=False)
    with TemporaryDirectory() as folder:
        tf.saved_model.save(module, folder)
        loaded = tf.saved_model.load(folder)
        for m in (5, 2):
            A, b = random((m, 3), complex_=False, seed=m), random((m,), complex_=False, seed=m + 1)
            x = loaded.f(tf.constant(A), tf.constant(b))
            assert relative_error(x.numpy(), np.linalg.lstsq(A, b, rcond=None)[0]) <= 1e-12


@pytest.mark.parametrize(
    ("f", "shape", "message"),
    [
        (uqr.slogdet, (3, 2), "expected square matrices"),
        (partial(uqr.qr, pivoting=True, rank=3), (4, 2), "an integer from 0 to min"),
    ],
    ids=["slogdet", "rank"],
)
def test_sizes_that_do_not_fit_end_the_run(f, shape, message):
    run = tf.function(f, input_signature=[tf.TensorSpec((None, None), tf.float64)], autograph=False)
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        run(tf.ones(shape, tf.float64))


@pytest.mark.parametrize("name", ["lq", "orth", "null_space", "slogdet"])
def test_unknown_rank_is_refused(name):
    with pytest.raises(uqr.ShapeError, match=r"unknown rank; expected \(\.\.\., m, n\).*\[None, None\]"):
        tf.function(getattr(uqr, name), autograph=False).get_concrete_function(tf.TensorSpec(None, tf.float64))


def test_a_right_hand_side_of_unknown_rank_is_refused():
    specs = tf.TensorSpec((None, 3), tf.float64), tf.TensorSpec(None, tf.float64)
    with pytest.raises(uqr.ShapeError, match=r"lstsq got a tensorflow array of unknown rank"):
        tf.function(lambda A, b: uqr.lstsq(A, b).x, autograph=False).get_concrete_function(*specs)


@pytest.mark.parametrize("member", ["lstsq", "qr, pivoting", "lq, complete"])
def test_a_vectorized_map_over_matrices_of_unknown_size(member):
    run = partial(value_and_gradient, member)
    mapped = tf.function(
        lambda stack: tf.vectorized_map(run, stack, fallback_to_while_loop=False),
        input_signature=[tf.TensorSpec((None, None, None), tf.float64)],
        autograph=False,
    )
    stack = tf.constant(random((3, 4, 2), complex_=False, seed=1))
    assert_same(mapped(stack), [tf.stack(each) for each in zip(*map(run, stack), strict=True)])


def test_second_order_of_a_regression():
    def curvature(A, A_dot):
        return uqr.hvp(lambda A: tf.reduce_sum(tf.sin(uqr.lstsq(A, A[:, 0] ** 2 + 1).x)), (A,), (A_dot,))

    A, A_dot = (tf.constant(random((5, 3), complex_=False, seed=seed)) for seed in (1, 2))
    run = tf.function(curvature, input_signature=[tf.TensorSpec((None, 3), tf.float64)] * 2, autograph=False)
    assert_same(run(A, A_dot), curvature(A, A_dot))


@pytest.mark.parametrize("pivoting", [False, True])
def test_a_vectorized_map_with_one_right_hand_side_for_all(pivoting):
    stack, b = (tf.constant(random(shape, complex_=False, seed=1)) for shape in ((3, 4, 2), (4,)))
    solutions = tf.vectorized_map(lambda A: uqr.lstsq(A, b, pivoting=pivoting).x, stack, fallback_to_while_loop=False)
    for A, x in zip(stack.numpy(), solutions.numpy(), strict=True):
        assert relative_error(x, np.linalg.lstsq(A, b.numpy(), rcond=None)[0]) <= 1e-12
