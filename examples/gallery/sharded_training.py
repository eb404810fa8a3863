"""Sharded training: an optimizer whose steps are orthonormal, on weights that lie on several devices.

A linear autoencoder with k codes, X -> X W V^T, minimizes ||X W V^T - X||^2. X and both weights are cut along the 64
features, as tensor parallelism cuts a layer; what travels between devices are the codes X W and a few k x k sums:

    M <- M / 2 + G,     W <- W - t orth(M),     V likewise,     t -> 0.

G is the gradient by W, and orth(M) an orthonormal basis of its running mean, so that k directions move equally far,
however small their gradients (the idea of Muon, Jordan 2024). Gradient descent moves each in proportion to its own, and
crawls along those of small singular values: the first of the data is seven times the eighth.

JAX gives the arrays a NamedSharding over four simulated devices, PyTorch makes them DTensors in two processes (in four
under `torchrun --nproc-per-node 4`); in the other frameworks one device runs the same lines, unsharded. Data:
scikit-learn's digits, 1797 of 8 x 8 pixels. Checked against the least loss of any weights, the sum of squares of the
remaining singular values (Eckart, Young 1936; Baldi, Hornik 1989), which LAPACK computes from the whole of X.
"""

import os
import subprocess
import sys
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX computes in single precision otherwise
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=4")

import numpy as np
from sklearn.datasets import load_digits

import unifiedqr as uqr

xp, FRAMEWORK = uqr.namespace(), uqr.get_backend().name
k, STEPS = 8, 100
digits = load_digits().data
singular = np.linalg.svd(digits, compute_uv=False)
digits, singular = digits / singular[0], singular / singular[0]
best = np.sum(singular[k:] ** 2)


def spread(X, side):
    """Return X cut along one side over all devices, or whole where the framework does not spread arrays."""
    if FRAMEWORK == "jax":
        import jax
        from jax.sharding import NamedSharding, PartitionSpec

        mesh = jax.make_mesh((jax.device_count(),), ("features",))
        return jax.device_put(X, NamedSharding(mesh, PartitionSpec(*[None] * side, "features")))
    if FRAMEWORK == "torch":
        from torch.distributed.tensor import Shard, distribute_tensor, init_device_mesh

        mesh = init_device_mesh("cpu", (int(os.environ["WORLD_SIZE"]),))
        return distribute_tensor(xp.asarray(X), mesh, [Shard(side)])
    return xp.asarray(X)


def rows_here(X):
    """Return how many rows of X lie on this device."""
    if FRAMEWORK == "jax":
        return X.addressable_shards[0].data.shape[0]
    return (X.to_local() if FRAMEWORK == "torch" else X).shape[0]


def loss(W, V):
    """Return the squared error of the autoencoder."""
    return xp.sum((X @ W @ xp.matrix_transpose(V) - X) ** 2)


def value_and_gradients(weights):
    """Return the loss and its gradients, which PyTorch's own autograd finds for DTensors."""
    if FRAMEWORK != "torch":
        return uqr.value_and_grad(loss, argnums=(0, 1))(*weights)
    weights = [W.detach().requires_grad_() for W in weights]
    value = loss(*weights).full_tensor()
    value.backward()
    return value.item(), [W.grad for W in weights]


def train(direction, momentum, rates):
    """Return the losses of a training, relative to the best, and the weights."""
    start = np.random.default_rng(0).standard_normal((2, 64, k)) / 10
    weights, means, losses = [spread(W, 0) for W in start], [0, 0], []
    for rate in rates:
        value, gradients = value_and_gradients(weights)
        losses.append(float(value) / best - 1)
        means = [momentum * M + G for M, G in zip(means, gradients, strict=True)]
        weights = [W - rate * direction(M) for W, M in zip(weights, means, strict=True)]
    return losses, weights


def main():
    """Train by both optimizers, and compare with the least loss."""
    orthonormal, weights = train(uqr.orth, 0.5, 0.2 * np.linspace(1, 0, STEPS) ** 2)
    descent, _ = train(lambda M: M, 0.9, np.full(STEPS, 0.3))  # 0.5 diverges
    assert 0 < orthonormal[-1] < 2e-3 < descent[-1] / 10
    if int(os.environ.get("RANK", "0")) > 0:
        return
    print(f"rows of W on a device     {rows_here(weights[0])} of 64")
    print(f"orthonormal steps  {100 * orthonormal[-1]:6.2f} % above the least loss, {best:.5f}")
    print(f"gradient descent   {100 * descent[-1]:6.2f} %")
    if "--picture" in sys.argv:
        import matplotlib.pyplot as plt

        plt.style.use(Path(__file__).with_name("picture.mplstyle"))
        plt.semilogy(descent, "C1", label="gradient descent, momentum 0.9")
        plt.semilogy(orthonormal, "C0", label="orthonormal steps")
        plt.gca().set(xlabel="step", ylabel="loss above the least, relative")
        plt.legend()
        plt.savefig(sys.argv[sys.argv.index("--picture") + 1])


if FRAMEWORK == "torch" and "RANK" not in os.environ:  # two processes run this program, as devices
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *sys.argv]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    print(subprocess.run(command, env=environment, stdout=-1, text=True, check=True, timeout=300).stdout, end="")
else:
    X = spread(digits, 1)
    main()
    if FRAMEWORK == "torch":
        sys.stdout.flush()
        os._exit(0)  # PyTorch 2.13 at times aborts a process whose interpreter ends while its threads of gloo run
