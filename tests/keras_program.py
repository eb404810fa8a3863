"""What Keras calls arrays, and models with a decomposition inside, under the backend that KERAS_BACKEND names.

The tests run it in a process of its own for each backend of Keras, since Keras chooses one for good.
"""

import keras
import numpy as np
import pytest

import unifiedqr as uqr

M = np.random.default_rng(0).standard_normal((5, 3)).astype("float32")
EXPECTED = uqr.qr(M)


def near(found, expected):
    """Return whether an array of the framework has these values in single precision."""
    return np.allclose(keras.ops.convert_to_numpy(found), expected, atol=1e-5)


class Decomposed(keras.layers.Layer):
    """Multiply by twice the R of a square weight: that of the variable, and that of the list of its rows."""

    def build(self, shape):
        """Make the weight."""
        self.w = self.add_weight(shape=(shape[-1], shape[-1]), initializer="orthogonal", name="w")

    def call(self, x):
        """Return 2 x R."""
        rows = [self.w[i] for i in range(self.w.shape[0])]
        return x @ uqr.qr(self.w).R + x @ uqr.qr(rows).R


def check_variables():
    variable = keras.Variable(M)
    assert all(near(found, expected) for found, expected in zip(uqr.qr(variable), EXPECTED, strict=True))
    assert near(uqr.lstsq(variable, keras.Variable(M[:, 0])).x, [1, 0, 0])
    assert near(uqr.lstsq(variable, [variable[i, 0] for i in range(5)]).x, [1, 0, 0])
    for member in (uqr.lq, uqr.rq, uqr.ql, uqr.orth, uqr.left_null_space):
        expected = member(M)
        both = (X if isinstance(X, tuple) else (X,) for X in (member(variable), expected))
        assert all(near(found, plain) for found, plain in zip(*both, strict=True))
    assert near(uqr.slogdet(keras.Variable(np.diag([2.0, 3.0]).astype("float32"))).logabsdet, np.log(6))
    assert np.array_equal(uqr.to_numpy(variable), M)
    assert uqr.get_backend(variable).name == keras.backend.backend()
    _, pullback = uqr.vjp(lambda A: uqr.qr(A).R[0, 0], variable)
    (gradient,) = pullback(uqr.get_backend(variable).from_numpy(np.float32(1)[...]))
    assert near(gradient[:, 0], EXPECTED.Q[:, 0])


def check_models():
    inputs = keras.Input((4, 3))
    factor = keras.layers.Lambda(lambda A: uqr.qr(A).R)(inputs)
    assert tuple(factor.shape) == (None, 3, 3)
    stack = np.stack([M[:4], M[1:]])
    assert near(keras.Model(inputs, factor)(stack), uqr.qr(stack).R)


def check_training():
    x, y, rate = M, M[:, ::-1].copy(), 0.05

    def loss(w):
        return np.mean((2 * x.astype(float) @ uqr.qr(w).R - y) ** 2)

    model = keras.Sequential([keras.Input((3,)), Decomposed()])
    model.compile(keras.optimizers.SGD(rate), loss="mse")
    before = keras.ops.convert_to_numpy(model.layers[0].w).astype(float)
    model.fit(x, y, batch_size=5, epochs=1, verbose=0)
    step = (before - keras.ops.convert_to_numpy(model.layers[0].w)) / rate
    units = 1e-6 * np.eye(9).reshape(9, 3, 3)
    differences = [(loss(before + unit) - loss(before - unit)) / 2e-6 for unit in units]
    assert np.allclose(step.ravel(), differences, atol=1e-4 * np.abs(differences).max())


def check_refusals():
    for refused in (keras.KerasTensor((4, 3)), keras.layers.Dense(3), [[keras.KerasTensor(())]]):
        with pytest.raises(uqr.ForeignArrayError, match=r"got keras\."):
            uqr.qr(refused)


if __name__ == "__main__":
    check_variables()
    check_models()
    check_training()
    check_refusals()
