"""What is specific to TensorFlow: its tapes, accumulators and graphs, its kernel, and that our rules are what runs."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

import unifiedqr as uqr
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import ZERO_SIZE, random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr_tensorflow.autodiff import bind

A = tf.constant(random((5, 3), complex_=False, seed=2))
V = tf.constant(random((5, 3), complex_=False, seed=3))
DECOMPOSE = pytest.mark.parametrize("decompose", [uqr.qr, uqr.lq], ids=["qr", "lq"])


def bound_of(X, *, power=1, rows=False):
    X = np.asarray(X)
    return tolerance(X.dtype.name, *X.shape[-2:], leading_condition(X, rows=rows) ** power)


def loss_of(function):
    return lambda A: sum(tf.reduce_sum(tf.math.real(X) ** 3 + tf.math.imag(X) ** 3) for X in function(A))


def compiled(f, **keywords):
    return tf.function(f, autograph=False, **keywords)


def gradient(f, A):
    with tf.GradientTape() as tape:
        tape.watch(A)
        y = f(A)
    return tape.gradient(y, A)


def pushed(f, A, A_dot=V):
    with tf.autodiff.ForwardAccumulator(A, A_dot) as accumulator:
        y = f(A)
    return accumulator.jvp(y)


def along(gradient_of, A, A_dot):
    """Return the derivative of a gradient along A_dot by central differences, which err by two thirds of the digits."""
    h = float(np.finfo(np.float64).eps) ** (1 / 3)
    return (gradient_of(A + h * A_dot) - gradient_of(A - h * A_dot)).numpy() / (2 * h)


def product(f, A, A_dot):
    """Return the Hessian times A_dot by reverse over reverse."""
    return gradient(lambda A: tf.reduce_sum(gradient(f, A) * A_dot), A)


@DECOMPOSE
@pytest.mark.parametrize("shape", [(5, 3), (4, 4), (3, 5), (2, 4, 3)], ids=str)
def test_second_order_is_the_difference_of_the_first(decompose, shape):
    B, B_dot = (tf.constant(random(shape, complex_=False, seed=seed)) for seed in (4, 5))
    f = loss_of(decompose)
    differences = along(lambda B: gradient(f, B), B, B_dot)
    given = product(f, B, B_dot).numpy()
    assert relative_error(given, differences) <= bound_of(B, power=3, rows=decompose is uqr.lq) ** (2 / 3)


@pytest.mark.xfail(
    strict=True, reason="TensorFlow records no tangents of a tf.function on outer tapes, not even of x**3"
)
@pytest.mark.parametrize("f", [loss_of(uqr.qr), lambda A: tf.reduce_sum(A**3)], ids=["qr", "cube"])
def test_tape_around_an_accumulator_around_a_function(f):
    assert gradient(lambda A: pushed(compiled(f), A), A) is not None


@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "function", "XLA"])
@pytest.mark.parametrize("complex_", [False, pytest.param(True, marks=pytest.mark.exhaustive)], ids=["real", "complex"])
def test_gradient_of_a_pushforward_is_the_pushforward_of_the_gradient(complex_, jit_compile):
    """Where a tape outside would take the tangents of a tf.function for constants, the transposed pullback serves."""
    B, B_dot = (tf.constant(random((4, 3), complex_=complex_, seed=seed)) for seed in (4, 5))
    f = loss_of(uqr.qr) if jit_compile is None else compiled(loss_of(uqr.qr), jit_compile=jit_compile)
    outer = uqr.grad(lambda X: uqr.jvp(f, [X], [B_dot])[1])(B)
    (product,) = uqr.hvp(loss_of(uqr.qr), [B], [B_dot])
    assert relative_error(outer, product) <= bound_of(B, power=2)


@DECOMPOSE
def test_third_order_is_the_difference_of_the_second(decompose):
    B, B_dot = (tf.constant(random((4, 3), complex_=False, seed=seed)) for seed in (6, 7))
    f = loss_of(decompose)
    third = gradient(lambda B: tf.reduce_sum(product(f, B, B_dot) * B_dot), B).numpy()
    differences = along(lambda B: product(f, B, B_dot), B, B_dot)
    assert relative_error(third, differences) <= bound_of(B, power=4, rows=decompose is uqr.lq) ** (2 / 3)


def test_higher_orders_factorize_once():
    calls = []
    rules = DECOMPOSITIONS["qr"]()
    counted = bind(replace(rules, forward=lambda xp, A: calls.append(A) or rules.forward(xp, A)))
    product(loss_of(counted), A, V)
    pushed(lambda A: gradient(loss_of(counted), A), A)
    assert len(calls) == 2


@pytest.mark.parametrize("decomposition", ["qr", "lq"])
@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "function", "XLA"])
def test_complex_gradients_pair_as_ours(decomposition, jit_compile):
    """TensorFlow's gradient of a real loss is dL/dRe + i dL/dIm, without a conjugate."""
    case = golden(decomposition)[f"{decomposition}-random-3x5-complex"]
    bars = [tf.constant(X) for X in case.factor_bars]

    def given(B):
        return gradient(
            lambda B: sum(
                tf.reduce_sum(tf.math.real(tf.math.conj(bar) * X))
                for bar, X in zip(bars, bind(DECOMPOSITIONS[decomposition]())(B), strict=True)
            ),
            B,
        )

    run = given if jit_compile is None else compiled(given, jit_compile=jit_compile)
    bound = bound_of(case.A, rows=decomposition == "lq")
    assert relative_error(run(tf.constant(case.A)).numpy(), case.A_bars["both"]) <= bound


def test_accumulator_pushes_complex_tangents():
    case = golden("qr")["qr-random-5x3-complex"]
    _, dots = uqr.jvp(uqr.qr, [tf.constant(case.A)], [tf.constant(case.A_dot)])
    for dot, truth in zip(dots, case.factor_dots, strict=True):
        assert relative_error(dot.numpy(), truth) <= bound_of(case.A)


def test_variables_are_read_and_receive_gradients():
    variable = tf.Variable(A)
    with tf.GradientTape() as tape:
        loss = loss_of(uqr.qr)(variable)
    truth = gradient(loss_of(uqr.qr), A).numpy()
    assert np.array_equal(tape.gradient(loss, variable).numpy(), truth)
    assert np.array_equal(uqr.grad(loss_of(uqr.qr))(variable).numpy(), truth)

    @compiled
    def step():
        with tf.GradientTape() as tape:
            loss = loss_of(uqr.qr)(variable)
        return tape.gradient(loss, variable)

    assert relative_error(step().numpy(), truth) <= bound_of(A)


def test_a_sparse_cotangent_is_made_dense():
    sparse = gradient(lambda A: tf.reduce_sum(tf.gather(uqr.qr(A).Q, [0, 2, 2])), A)
    dense = gradient(lambda A: sum(tf.reduce_sum(uqr.qr(A).Q[i]) for i in (0, 2, 2)), A)
    assert relative_error(sparse.numpy(), dense.numpy()) <= bound_of(A)


def test_jacobians_and_persistent_tapes():
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(A)
        R = uqr.qr(A).R
    jacobian = tape.jacobian(R, A).numpy()
    for i, j in ((0, 0), (0, 2), (1, 2)):
        R_bar = np.zeros((3, 3))
        R_bar[i, j] = 1.0
        row = tape.gradient(R, A, output_gradients=tf.constant(R_bar)).numpy()
        assert relative_error(jacobian[i, j], row) <= bound_of(A)


@DECOMPOSE
@pytest.mark.parametrize("shape", ZERO_SIZE, ids=str)
def test_zero_size_matrices_have_zero_size_derivatives(decompose, shape):
    B = tf.zeros(shape, tf.float64)
    for derivative in (gradient, compiled(gradient)):
        assert derivative(loss_of(decompose), B).shape == shape
    outputs, dots = uqr.jvp(decompose, [B], [B])
    assert [X.shape for X in outputs] == [X.shape for X in dots]


def test_vjp_tells_equal_primals_apart_and_gives_zeros_where_nothing_depends():
    _, pullback = uqr.vjp(lambda X, Y, _: uqr.qr(X).R + 2 * uqr.qr(Y).R, A, A, A)
    X_bar, Y_bar, Z_bar = (X.numpy() for X in pullback(tf.eye(3, dtype=tf.float64)))
    assert relative_error(Y_bar, 2 * X_bar) <= bound_of(A)
    assert np.array_equal(Z_bar, np.zeros((5, 3)))
    _, (X_dot, Y_dot) = uqr.jvp(lambda X, Y: (X, 2 * Y), [A, A], [V, 3 * V])
    assert np.array_equal(X_dot.numpy(), V.numpy())
    assert np.array_equal(Y_dot.numpy(), 6 * V.numpy())


def test_pullback_can_be_differentiated_and_called_again():
    R_bar = tf.constant(random((3, 3), complex_=False, seed=10))
    with tf.GradientTape() as tape:
        tape.watch(A)
        _, pullback = uqr.vjp(lambda A: uqr.qr(A).R, A)
        first = tf.reduce_sum(pullback(R_bar)[0] * V)
    again = tf.reduce_sum(pullback(R_bar)[0] * V)
    assert first == again
    differences = along(lambda A: uqr.vjp(lambda A: uqr.qr(A).R, A)[1](R_bar)[0], A, V)
    assert relative_error(np.sum(tape.gradient(first, A) * V), np.sum(differences * V)) <= bound_of(A, power=3) ** (
        2 / 3
    )


def test_integers_among_the_outputs_have_no_derivative():
    (R, count), pullback = uqr.vjp(lambda A: (uqr.qr(A).R, tf.constant(3)), A)
    assert count.dtype == tf.int32
    (A_bar,) = pullback((tf.ones_like(R), None))
    assert relative_error(A_bar.numpy(), gradient(lambda A: tf.reduce_sum(uqr.qr(A).R), A).numpy()) <= bound_of(A)


@pytest.mark.parametrize("dtype", [tf.float16, tf.bfloat16], ids=lambda dtype: dtype.name)
def test_half_precision_comes_back_in_kind(dtype):
    half = tf.cast(A, dtype)
    Q, R = uqr.qr(half)
    A_bar = gradient(lambda A: tf.reduce_sum(uqr.qr(A).R), half)
    assert Q.dtype == R.dtype == A_bar.dtype == dtype
    assert uqr.to_numpy(R).dtype == (np.float32 if dtype == tf.bfloat16 else np.float16)


def test_a_real_cotangent_of_a_complex_factor_is_a_complex_one():
    B = tf.constant(random((5, 3), complex_=True, seed=2))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(B)
        Q = uqr.qr(B).Q
    real, complex_ = (tape.gradient(Q, B, output_gradients=bar) for bar in (V, tf.cast(V, tf.complex128)))
    assert np.array_equal(real.numpy(), complex_.numpy())


@pytest.mark.parametrize("strided", [lambda X: X[::2, ::2], lambda X: X[::-1, ::-1], np.transpose, np.asfortranarray])
def test_numpy_arrays_of_any_strides_are_taken(strided):
    X = strided(random((10, 6), complex_=False, seed=13))
    X.flags.writeable = False
    with uqr.use_backend("tensorflow"):
        R = uqr.qr(X).R
    assert relative_error(R.numpy(), uqr.qr(X.copy()).R) <= bound_of(X)


def test_a_stopped_gradient_is_none():
    assert gradient(lambda A: tf.reduce_sum(uqr.qr(tf.stop_gradient(A)).R), A) is None


def test_forward_mode_takes_any_number_of_shapes():
    """After 32 of them TensorFlow traces the derivatives of operations with unknown sizes."""
    for m in range(1, 11):
        for n in range(1, 7):
            B, B_dot = (tf.constant(random((m, n), complex_=False, seed=seed)) for seed in (4, 5))
            slope = np.sum(gradient(loss_of(uqr.qr), B) * B_dot)
            assert abs(pushed(loss_of(uqr.qr), B, B_dot) - slope) <= bound_of(B, power=2) * max(1.0, abs(slope))


@pytest.mark.parametrize(
    "differentiate", [lambda f: uqr.grad(f)(A), lambda f: uqr.jvp(f, [A], [V])], ids=["grad", "jvp"]
)
def test_the_operator_of_matrices_and_a_vector(differentiate):
    xp, x = uqr.namespace("tensorflow"), tf.ones(3, dtype=tf.float64)
    with pytest.raises(uqr.ShapeError, match=r"operator @; TensorFlow's multiplies matrices only\. Use xp\.matmul"):
        differentiate(lambda A: xp.sum(A @ x))
    assert uqr.to_numpy(uqr.grad(lambda A: xp.sum(xp.matmul(A, x)))(A)).tolist() == np.ones((5, 3)).tolist()
    with pytest.raises(tf.errors.InvalidArgumentError):  # any other error is TensorFlow's own
        differentiate(lambda A: xp.sum(tf.linalg.cholesky(A)))


def test_a_vectorized_map_takes_second_derivatives():
    stack, dots = tf.stack([A, 2 * A]), tf.stack([V, A])

    def product(arguments):
        B, B_dot = arguments
        with tf.GradientTape() as tape:
            tape.watch(B)
            slope = tf.reduce_sum(gradient(loss_of(uqr.qr), B) * B_dot)
        return tape.gradient(slope, B)

    found = tf.vectorized_map(product, (stack, dots), fallback_to_while_loop=False)
    for X, B, B_dot in zip(found, stack, dots, strict=True):
        assert relative_error(X.numpy(), product((B, B_dot)).numpy()) <= bound_of(A, power=3)
