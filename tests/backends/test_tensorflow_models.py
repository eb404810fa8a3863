"""Layers of Keras that decompose their weights or their inputs, and models that are saved and loaded elsewhere."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import unifiedqr as uqr
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr_tensorflow.instruments.runs import tape

INPUTS = random((64, 6), complex_=False, seed=1).astype(np.float32)
TARGETS = INPUTS @ np.linalg.qr(random((6, 3), complex_=False, seed=2))[0].astype(np.float32)


@keras.saving.register_keras_serializable(package="unifiedqr")
class Orthonormal(keras.layers.Layer):
    """Multiplies by the factor Q of its weights."""

    def __init__(self, units, **keywords):
        super().__init__(**keywords)
        self.units = units

    def build(self, shape):
        initializer = keras.initializers.RandomNormal(seed=1)
        self.kernel = self.add_weight(shape=(shape[-1], self.units), initializer=initializer, name="kernel")

    def call(self, x):
        return x @ uqr.qr(self.kernel).Q

    def get_config(self):
        return {**super().get_config(), "units": self.units}


def trained(epochs=8, policy=None, **keywords):
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((6,)), Orthonormal(3, dtype=policy)])
    model.compile(optimizer=keras.optimizers.Adam(0.05), loss="mse", **keywords)
    losses = model.fit(INPUTS, TARGETS, epochs=epochs, batch_size=16, verbose=0).history["loss"]
    return model, losses


@pytest.mark.parametrize("how", [{"jit_compile": False}, {"jit_compile": True}, {"run_eagerly": True}], ids=str)
def test_a_model_learns_an_orthonormal_map(how):
    model, losses = trained(**how)
    assert losses[-1] < losses[0] / 10
    Q = uqr.qr(model.layers[0].kernel).Q.numpy()
    assert relative_error(Q.T @ Q, np.eye(3, dtype=np.float32)) <= tolerance("float32", 6, 3)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_learns_too(policy):
    _, losses = trained(policy=policy, jit_compile=False)
    assert losses[-1] < losses[0] / 10


def test_a_model_is_saved_loaded_and_exported(tmp_path):
    model, _ = trained(epochs=1)
    truth = model.predict(INPUTS, verbose=0)
    model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
    model.export(tmp_path / "exported", verbose=False)
    loaded = keras.models.load_model(tmp_path / "model.keras")
    fresh = keras.Sequential([keras.Input((6,)), Orthonormal(3)])
    fresh.load_weights(tmp_path / "model.weights.h5")
    exported = tf.saved_model.load(tmp_path / "exported")
    for predict in (
        lambda X: loaded.predict(X, verbose=0),
        lambda X: fresh.predict(X, verbose=0),
        lambda X: exported.serve(X).numpy(),
    ):
        assert relative_error(predict(INPUTS), truth) <= tolerance("float32", 6, 3)
    loaded.fit(INPUTS, TARGETS, epochs=1, verbose=0)


def test_a_layer_takes_matrices_of_unknown_size():
    inputs = keras.Input((None, None), dtype="float64")
    diagonal = keras.layers.Lambda(lambda X: tf.linalg.diag_part(uqr.qr(X).R), output_shape=(None,), dtype="float64")
    model = keras.Model(inputs, diagonal(inputs))
    for shape in ((2, 5, 3), (2, 3, 5)):
        X = random(shape, complex_=False, seed=4)
        assert relative_error(model(X).numpy(), np.diagonal(uqr.qr(X).R, axis1=-2, axis2=-1)) <= tolerance(
            "float64", 5, 5
        )


LOADED = """
import sys
import numpy as np, tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
given = np.load(sys.argv[2])
results = {}
for name in given:
    A = tf.constant(given[name])
    factors = model.factors if A.dtype == tf.float64 else model.complex_factors
    with tf.GradientTape() as tape:
        tape.watch(A)
        outputs = factors(A)
    results[f"{name} value"] = outputs["R"].numpy()
    bars = {key: tf.ones_like(X) for key, X in outputs.items()}
    results[f"{name} gradient"] = tape.gradient(outputs, A, output_gradients=bars).numpy()
    if A.dtype == tf.float64:
        results[f"{name} saved gradient"] = model.signatures["gradient"](A=A)["A_bar"].numpy()
assert "unifiedqr" not in sys.modules
np.savez(sys.argv[3], **results)
"""


def test_a_saved_model_of_unknown_sizes_is_differentiated_where_unifiedqr_is_not_imported(tmp_path):
    module = tf.Module()
    matrix = tf.TensorSpec((None, None), tf.float64, name="A")
    module.factors = tf.function(lambda A: uqr.qr(A)._asdict(), input_signature=[matrix])
    stack = tf.TensorSpec((None, None, None), tf.complex128)
    module.complex_factors = tf.function(lambda A: uqr.qr(A)._asdict(), input_signature=[stack])

    def gradient(A):
        return {"A_bar": tape(uqr.qr, (A,), [tf.ones_like(X) for X in uqr.qr(A)])[0]}

    signatures = {"gradient": tf.function(gradient, input_signature=[matrix])}
    tf.saved_model.save(module, tmp_path / "model", signatures=signatures)
    shapes = {"deep": (5, 3), "square": (4, 4), "wide": (3, 5), "stack": (2, 3, 4)}
    matrices = {name: random(shape, complex_=name == "stack", seed=5) for name, shape in shapes.items()}
    np.savez(tmp_path / "given.npz", **matrices)
    command = [sys.executable, "-c", LOADED, tmp_path / "model", tmp_path / "given.npz", tmp_path / "results.npz"]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
    results = np.load(tmp_path / "results.npz")
    for name, A in matrices.items():
        factors = uqr.qr(tf.constant(A))
        (A_bar,) = tape(uqr.qr, (tf.constant(A),), [tf.ones_like(X) for X in factors])
        bound = tolerance("float64", 5, 5, leading_condition(A))
        assert relative_error(results[f"{name} value"], factors.R.numpy()) <= bound
        assert relative_error(results[f"{name} gradient"], A_bar.numpy()) <= bound
        if name != "stack":
            assert relative_error(results[f"{name} saved gradient"], A_bar.numpy()) <= bound


DETERMINISTIC = """
import numpy as np, tensorflow as tf, unifiedqr as uqr
tf.keras.utils.set_random_seed(1)
tf.config.experimental.enable_op_determinism()
A = tf.random.normal((50, 20), dtype=tf.float64)
loss = lambda A: sum(tf.reduce_sum(X ** 3) for X in uqr.qr(A))
for f in (uqr.grad(loss), tf.function(uqr.grad(loss))):
    assert np.array_equal(f(A), f(A))
uqr.hvp(loss, [A], [A])
"""
TWO_DEVICES = """
import numpy as np, tensorflow as tf, unifiedqr as uqr
from unifiedqr_lab.conformance.tolerance import relative_error, tolerance
device = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(device, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
A, X = (np.random.default_rng(1).standard_normal(shape) for shape in ((6, 3), (8, 6)))
loss = lambda A, x: tf.reduce_sum((x @ uqr.qr(A).Q) ** 3)
with strategy.scope():
    shared = tf.Variable(A)

def replica(x):
    with tf.GradientTape() as tape:
        share = loss(shared, x)
    return tf.distribute.get_replica_context().all_reduce("sum", tape.gradient(share, shared))

(batch,) = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices(X).batch(8))
truth = uqr.grad(lambda A: loss(A, X))(tf.constant(A))
found = strategy.experimental_local_results(tf.function(lambda x: strategy.run(replica, (x,)))(batch))
assert len(found) == 2
for gradient in found:
    assert relative_error(gradient, truth) <= tolerance("float64", 6, 3)
"""


@pytest.mark.parametrize(
    "program",
    [pytest.param(DETERMINISTIC, marks=pytest.mark.exhaustive), TWO_DEVICES],
    ids=["op determinism", "two devices"],
)
def test_settings_of_a_whole_process(program):
    completed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert completed.returncode == 0, completed.stderr
