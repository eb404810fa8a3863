"""Rows that the replicas of a `tf.distribute` strategy have, in a process of its own with two devices."""

import subprocess
import sys

PROGRAM = """
import numpy as np, tensorflow as tf
REPLICAS, m, n = 2, 64, 4
host = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(host, [tf.config.LogicalDeviceConfiguration()] * REPLICAS)
import unifiedqr as uqr
from unifiedqr_lab.conformance.tolerance import relative_error, tolerance

devices = [f"CPU:{i}" for i in range(REPLICAS)]
strategy = tf.distribute.MirroredStrategy(devices, cross_device_ops=tf.distribute.ReductionToOneDevice())
over = uqr.rows_over(strategy)
rng = np.random.default_rng(0)
A, Q_bar, b = (rng.standard_normal((m, size)) for size in (n, n, 2))

def parts(X):
    blocks = X.reshape(REPLICAS, -1, X.shape[-1])
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(blocks[context.replica_id_in_sync_group])
    )

def gradient(loss, A, *others):
    with tf.GradientTape() as tape:
        tape.watch(A)
        value = loss(A, *others)
    return tape.gradient(value, A)

def cubes(*arrays):
    return tf.add_n([tf.reduce_sum(X**3) for X in arrays])

# The loss is the sum of what all replicas compute: each adds its share of what is the same in all of them.
losses = {
    "qr": (lambda a, q, b: cubes(*over.qr(a)[:1]) + cubes(over.qr(a).R) / REPLICAS, lambda A: cubes(*uqr.qr(A))),
    "r": (lambda a, q, b: cubes(over.qr(a, mode="r")) / REPLICAS, lambda A: cubes(uqr.qr(A, mode="r"))),
    "orth": (lambda a, q, b: tf.reduce_sum(over.orth(a) * q), lambda A: tf.reduce_sum(uqr.orth(A) * Q_bar)),
    "lstsq": (
        lambda a, q, b: cubes(*over.lstsq(a, b)[:2]) / REPLICAS,
        lambda A: cubes(*uqr.lstsq(A, tf.constant(b))[:2]),
    ),
}
for name, (local, alone) in losses.items():
    expected = gradient(alone, tf.constant(A)).numpy()
    step = lambda *X: strategy.run(lambda *X: gradient(local, *X), args=X)
    for run in (step, tf.function(step)):
        found = strategy.experimental_local_results(run(parts(A), parts(Q_bar), parts(b)))
        error = relative_error(np.concatenate([X.numpy() for X in found]), expected)
        assert error <= tolerance("float64", m, n, 10.0), (name, error)
        print(name)

for call in (
    lambda: over.qr(tf.constant(A)),
    lambda: strategy.run(lambda a: over.qr(a, method="cholesky"), args=(parts(A),)),
    lambda: uqr.rows_over("batch").qr(tf.constant(A)),
):
    try:
        call()
    except uqr.UnifiedQRError as error:
        print(type(error).__name__, error)
"""


def test_replicas_agree_with_one_device():
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr[-3000:]
    *found, outside, branches, named = done.stdout.splitlines()
    assert found == [name for name in ("qr", "r", "orth", "lstsq") for _ in range(2)]
    assert outside.startswith("OptionError got rows over a strategy outside of its replicas")
    assert branches.startswith("CapabilityError got method='cholesky'")
    assert named.startswith("CapabilityError got rows over 'batch', which tensorflow does not know")
