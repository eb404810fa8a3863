"""`set_checks` in TensorFlow: values are looked at where they are at hand, and nowhere else."""

import numpy as np
import pytest
import tensorflow as tf

import unifiedqr as uqr
from unifiedqr.checks import checks
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_tensorflow.instruments.runs import accumulator, tape
from unifiedqr_tensorflow.instruments.wrappers import (
    cond,
    dataset_map,
    map_fn,
    of_unknown_sizes,
    py_function,
    run_eagerly,
    saved_model,
    vectorized_map,
    while_loop,
)
from unifiedqr_tensorflow.namespace import xp

SOUND = random((5, 3), complex_=False, seed=1)
SPOILED = SOUND.copy()
SPOILED[:, 1] = 2 * SPOILED[:, 0]
STACK = tf.constant(np.stack([SOUND, SPOILED]))
BARS = tuple(tf.ones_like(X) for X in uqr.qr(STACK))
MATRIX, MATRIX_BARS = STACK[1], tuple(X[1] for X in BARS)
QUIET = {
    "tf.function": tf.function,
    "of unknown sizes": of_unknown_sizes,
    "XLA": lambda f: tf.function(f, jit_compile=True),
    "while_loop": while_loop,
    "cond": cond,
    "saved model": saved_model,
}
QUIET_MAPS = {"vectorized_map": vectorized_map, "tf.data map": dataset_map}


def pulled(A, bars):
    return tape(uqr.qr, (A,), bars)


@pytest.mark.parametrize("way", list(QUIET))
def test_a_traced_function_is_quiet_and_gives_nan(way):
    with checks("raise"):
        (inside,) = QUIET[way](pulled)(MATRIX, MATRIX_BARS)
        (outside,) = tape(QUIET[way](uqr.qr), (MATRIX,), MATRIX_BARS)
    assert np.all(np.isnan(inside))
    assert np.all(np.isnan(outside))


@pytest.mark.parametrize("way", list(QUIET_MAPS))
def test_a_vectorized_function_is_quiet_and_gives_nan_for_that_element(way):
    with checks("raise"):
        (A_bar,) = QUIET_MAPS[way](pulled)(STACK, BARS)
    assert np.all(np.isfinite(A_bar[0]))
    assert np.all(np.isnan(A_bar[1]))


@pytest.mark.parametrize("differentiate", [tape, accumulator], ids=lambda run: run.__name__)
def test_an_eager_tape_or_accumulator_warns_and_says_which_element(differentiate):
    given = BARS if differentiate is tape else (STACK,)
    with pytest.warns(uqr.SingularMatrixWarning, match=r"1 of 2 matrices of the batch, the first at index \(1,\)"):
        derivative = differentiate(uqr.qr, (STACK,), given)
    assert np.all(np.isnan(derivative[0][1, :, 1:]))  # of Q, only what comes before the dependent column is known
    with checks("raise"), pytest.raises(uqr.SingularMatrixError):
        differentiate(uqr.qr, (STACK,), given)
    with checks("off"):
        differentiate(uqr.qr, (STACK,), given)


@pytest.mark.parametrize("wrapper", [run_eagerly, map_fn], ids=lambda wrapper: wrapper.__name__)
def test_what_runs_eagerly_is_looked_at(wrapper):
    arguments = (STACK, BARS) if wrapper is map_fn else (MATRIX, MATRIX_BARS)
    with checks("raise"), pytest.raises(uqr.SingularMatrixError):
        wrapper(pulled)(*arguments)


def test_autograph_lets_our_errors_through():
    with pytest.raises(uqr.ShapeError, match="expected a matrix"):
        tf.function(lambda A: uqr.qr(A[0]))(MATRIX)


def test_an_error_in_a_py_function_comes_as_tensorflows():
    with checks("off"):
        function = py_function(pulled).get_concrete_function(MATRIX, MATRIX_BARS)
    with checks("raise"), pytest.raises(tf.errors.InvalidArgumentError, match=r"SingularMatrixError: no derivative"):
        function(MATRIX, MATRIX_BARS)


def test_the_exempt_last_pivot_is_not_reported():
    square = SPOILED[:3, [0, 2, 1]]
    square[:, 2] = square[:, 0]
    with checks("raise"):
        (A_bar,) = pulled(tf.constant(square), [tf.ones((3, 3), tf.float64)] * 2)
    assert np.all(np.isfinite(A_bar))


def test_second_order_is_reported():
    with checks("raise"), pytest.raises(uqr.SingularMatrixError):
        uqr.hvp(lambda A: tf.reduce_sum(uqr.qr(A).R), [MATRIX], [MATRIX])


def test_only_values_at_hand_are_seen():
    assert np.array_equal(xp.beyond.seen(STACK), STACK.numpy())
    assert xp.beyond.seen(tf.Variable(STACK)) is None
    seen = []
    tf.function(lambda A: seen.append(xp.beyond.seen(A)) or A)(STACK)
    tf.vectorized_map(lambda A: seen.append(xp.beyond.seen(A)) or A, STACK)
    assert seen == [None, None]
    tf.config.experimental.set_synchronous_execution(False)
    try:
        assert xp.beyond.seen(STACK) is None
    finally:
        tf.config.experimental.set_synchronous_execution(True)
