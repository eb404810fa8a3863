"""The factorization is TensorFlow's own, made safe for columns of any scale."""

import numpy as np
import pytest
import tensorflow as tf

import unifiedqr as uqr
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance


def test_the_kernel_is_tensorflows_where_nothing_overflows():
    for shape in ((5, 3), (4, 4), (3, 5), (70, 50)):
        for complex_ in (False, True):
            B = tf.constant(random(shape, complex_=complex_, seed=11))
            for X, Y in zip(uqr.namespace(B).linalg.qr(B), tf.linalg.qr(B), strict=True):
                assert np.array_equal(X.numpy(), Y.numpy())


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(5, 3), (4, 4), (3, 5)], ids=str)
def test_columns_of_any_scale_are_factorized(dtype, shape):
    B = random(shape, complex_="complex" in dtype, seed=12).astype(dtype)
    limits = np.finfo(dtype)
    scales = (2.0 ** np.linspace(limits.minexp + 8, limits.maxexp - 8, shape[1]).round()).astype(limits.dtype)
    Q, R = uqr.qr(tf.constant(B * scales))
    Q_plain, R_plain = uqr.qr(tf.constant(B))
    assert np.array_equal(Q.numpy(), Q_plain.numpy())
    assert np.array_equal(R.numpy(), R_plain.numpy() * scales)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_powers_of_two_are_exact(dtype):
    limits = np.finfo(dtype)
    exponents = np.arange(limits.minexp, limits.maxexp).astype(dtype)
    x = tf.constant(exponents)
    power_of_two = uqr.namespace(x).beyond.power_of_two
    powers = np.ldexp(np.ones((), dtype), exponents.astype(int))
    assert np.array_equal(power_of_two(x).numpy(), powers)
    assert np.array_equal(tf.function(power_of_two)(x).numpy(), powers)
    assert np.array_equal(tf.vectorized_map(power_of_two, x).numpy(), powers)


@pytest.mark.parametrize("dtype", ["float64", "complex128"])
@pytest.mark.parametrize("shape", [(5, 5), (128, 128), (129, 129), (2, 5, 5)], ids=str)
def test_quotients_by_the_adjoint_of_a_triangle(dtype, shape):
    n = shape[-1]
    U = np.triu(random(shape, complex_="complex" in dtype, seed=13)) + n * np.eye(n)
    Y = random((*shape[:-2], 3, n), complex_="complex" in dtype, seed=14)
    (quotient,) = uqr.namespace(tf.constant(U)).beyond.quotients(tf.constant(U), tf.constant(Y))
    error = relative_error(quotient.numpy() @ np.swapaxes(U, -1, -2).conj(), Y)
    assert error <= tolerance(dtype, n, n, leading_condition(U))
