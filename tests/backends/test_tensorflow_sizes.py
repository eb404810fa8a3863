"""Sizes that are unknown while a `tf.function` is traced: one trace serves every matrix, in every mode."""

import numpy as np
import pytest
import tensorflow as tf

import unifiedqr as uqr
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr_lab.conformance.case_checks import doubled
from unifiedqr_lab.conformance.matrices import ZERO_SIZE, random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr_tensorflow.autodiff import bind
from unifiedqr_tensorflow.instruments.runs import (
    accumulator,
    accumulator_of_tape,
    tape,
    tape_of_accumulator,
    tape_of_tape,
)

SHAPES = ((5, 3), (4, 4), (3, 5), (1, 1), (1, 4), (4, 1))
MATRICES = (*SHAPES, (0, 3), (3, 0), (0, 0))
EACH = pytest.mark.parametrize("decomposition", ["qr", "lq"])
QR_FIRST = pytest.mark.parametrize("decomposition", ["qr", pytest.param("lq", marks=pytest.mark.exhaustive)])
FIELDS = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])


def ours(decomposition):
    return bind(DECOMPOSITIONS[decomposition]())


def of_any_size(run, rank, dtype, **keywords):
    """Trace a run on tuples of tensors for tensors of which only the rank and the dtype are known."""
    spec = tf.TensorSpec([None] * rank, dtype)
    counts = {"vjp": (1, 2), "jvp": (1, 1), "hvp": (1, 2, 1)}[keywords.pop("kind")]
    signature = [(spec,) * count for count in counts]
    return tf.function(run, input_signature=signature, autograph=False, **keywords)


def given(shape, complex_, kind):
    *batch, m, n = shape
    k = min(m, n)

    def array(seed, *sizes):
        return tf.constant(random((*batch, *sizes), complex_=complex_, seed=seed))

    A, A_dot, bars = array(1, m, n), array(2, m, n), (array(3, m, k), array(4, k, n))
    return {"vjp": ((A,), bars), "jvp": ((A,), (A_dot,)), "hvp": ((A,), bars, (A_dot,))}[kind]


def assert_same(found, truth, A, decomposition, order=1):
    bound = tolerance("float64", 5, 5, leading_condition(A, rows=decomposition == "lq") ** order)
    for X, Y in zip(found, truth, strict=True):
        assert X.shape == Y.shape
        assert relative_error(X.numpy(), Y.numpy()) <= bound


@EACH
@FIELDS
@pytest.mark.parametrize("kind", ["vjp", "jvp"])
def test_one_trace_serves_every_shape(decomposition, complex_, kind):
    f, run = ours(decomposition), {"vjp": tape, "jvp": accumulator}[kind]
    dtype = tf.complex128 if complex_ else tf.float64
    traced = of_any_size(lambda *groups: run(f, *groups), 2, dtype, kind=kind)
    for shape in MATRICES:
        groups = given(shape, complex_, kind)
        assert_same(traced(*groups), run(f, *groups), groups[0][0], decomposition)
    assert traced.experimental_get_tracing_count() == 1


@EACH
@pytest.mark.parametrize(
    ("run", "complex_"),
    [(tape_of_tape, False), (tape_of_tape, True), (accumulator_of_tape, True), (tape_of_accumulator, False)],
)
def test_one_trace_serves_every_shape_in_second_order(decomposition, run, complex_):
    f, dtype = ours(decomposition), tf.complex128 if complex_ else tf.float64
    traced = of_any_size(lambda *groups: run(f, *groups), 2, dtype, kind="hvp")
    for shape in SHAPES:
        groups = given(shape, complex_, "hvp")
        assert_same(traced(*groups), tape_of_tape(f, *groups), groups[0][0], decomposition, order=2)


@QR_FIRST
@pytest.mark.parametrize("run", [tape_of_tape, accumulator_of_tape], ids=lambda run: run.__name__)
def test_a_function_of_unknown_sizes_is_differentiated_from_outside(decomposition, run):
    f = ours(decomposition)
    traced = tf.function(f, input_signature=[tf.TensorSpec((None, None), tf.float64)], autograph=False)
    groups = given((3, 4), False, "hvp")
    assert_same(run(traced, *groups), tape_of_tape(f, *groups), groups[0][0], decomposition, order=2)


@EACH
def test_xla_compiles_each_shape_from_one_trace(decomposition):
    f = ours(decomposition)
    traced = of_any_size(lambda *groups: tape(f, *groups), 2, tf.float64, kind="vjp", jit_compile=True)
    for shape in ((5, 3), (4, 4), (1, 4), (0, 3)):
        groups = given(shape, False, "vjp")
        assert_same(traced(*groups), tape(f, *groups), groups[0][0], decomposition)
    assert traced.experimental_get_tracing_count() == 1


@QR_FIRST
def test_third_order(decomposition):
    A, _, A_dot = (group[0] for group in given((3, 4), False, "hvp"))

    def third(A, A_dot):
        def slope(A):
            (A_bar,) = tape(lambda A: [sum(tf.reduce_sum(X**3) for X in ours(decomposition)(A))], (A,), (one,))
            return tf.reduce_sum(A_bar * A_dot)

        one = tf.ones((), tf.float64)
        return tape_of_tape(lambda A: [slope(A)], (A,), (one,), (A_dot,))

    traced = tf.function(third, input_signature=[tf.TensorSpec((None, None), tf.float64)] * 2, autograph=False)
    assert_same(traced(A, A_dot), third(A, A_dot), A, decomposition, order=3)


@EACH
@pytest.mark.parametrize(
    "known", [(None, None, None), (None, 4, None), (2, None, 3), (None, None, 3), (2, 4, None), (None, 4, 3)], ids=str
)
def test_any_size_may_be_unknown(decomposition, known):
    f = ours(decomposition)
    groups = given((2, 4, 3), True, "vjp")
    traced = tf.function(
        lambda A, bars: tape(f, (A,), bars),
        input_signature=[tf.TensorSpec(known, tf.complex128), (tf.TensorSpec([None] * 3, tf.complex128),) * 2],
        autograph=False,
    )
    assert_same(traced(groups[0][0], groups[1]), tape(f, *groups), groups[0][0], decomposition)
    assert traced.get_concrete_function().structured_outputs[0].shape.as_list() == list(known)


@EACH
@pytest.mark.parametrize("kind", ["vjp", "jvp"])
def test_sentinel_of_unknown_sizes(decomposition, kind):
    run, primitive = {"vjp": tape, "jvp": accumulator}[kind], DECOMPOSITIONS[decomposition]()
    traced = of_any_size(lambda *groups: run(bind(doubled(primitive)), *groups), 2, tf.float64, kind=kind)
    for shape in SHAPES:
        groups = given(shape, False, kind)
        truth = [2 * X for X in run(bind(primitive), *groups)]
        assert_same(traced(*groups), truth, groups[0][0], decomposition)


def test_dependent_columns_are_nan_and_the_last_pivot_is_exempt():
    traced = of_any_size(lambda *groups: tape(ours("qr"), *groups), 3, tf.float64, kind="vjp")
    for shape, spoiled_column, nowhere in (((2, 5, 3), 1, True), ((2, 4, 4), 3, False), ((2, 3, 5), 1, True)):
        (A,), bars = given(shape, False, "vjp")
        spoiled = A.numpy()
        spoiled[1, :, spoiled_column] = 2 * spoiled[1, :, 0]
        (A_bar,) = traced((tf.constant(spoiled),), bars)
        assert np.all(np.isfinite(A_bar[0]))
        assert np.all(np.isnan(A_bar[1])) if nowhere else np.all(np.isfinite(A_bar[1]))


@EACH
def test_batches_without_a_matrix(decomposition):
    traced = of_any_size(lambda *groups: tape(ours(decomposition), *groups), 3, tf.float64, kind="vjp")
    for shape in (shape for shape in ZERO_SIZE if len(shape) == 3):
        groups = given(shape, False, "vjp")
        assert traced(*groups)[0].shape == shape


@EACH
def test_a_vectorized_map_over_matrices_of_unknown_size(decomposition):
    f, groups = ours(decomposition), given((3, 4, 2), False, "vjp")
    traced = of_any_size(
        lambda *groups: tf.vectorized_map(lambda each: tape(f, *each), groups, fallback_to_while_loop=False),
        3,
        tf.float64,
        kind="vjp",
    )
    assert_same(traced(*groups), tape(f, *groups), groups[0][0], decomposition)


def test_unknown_rank_is_refused():
    with pytest.raises(uqr.ShapeError, match=r"unknown rank; expected \(\.\.\., m, n\)"):
        tf.function(uqr.qr, autograph=False).get_concrete_function(tf.TensorSpec(None, tf.float64))


@EACH
def test_a_single_pivot_that_is_nan_has_no_derivative(decomposition, unchecked):
    """A row of one pivot, which is exempt from everything but this; no other pivot tells."""
    A = np.array([[np.nan, 2.0, 3.0]])
    A = tf.constant(A if decomposition == "qr" else A.T)
    bars = tuple(map(tf.ones_like, ours(decomposition)(A)))
    run = of_any_size(lambda primals, bars: tape(ours(decomposition), primals, bars), 2, tf.float64, kind="vjp")
    assert np.all(np.isnan(run((A,), bars)[0].numpy()))
