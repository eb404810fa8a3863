"""The factorization is TensorFlow's own, made safe for columns of any scale."""

import numpy as np
import pytest
import tensorflow as tf

import unifiedqr as uqr
from unifiedqr.conformance.matrices import random


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
