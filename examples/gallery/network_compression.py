"""Network compression: a layer's weights by pivoted QR of small rank, fine-tuned through the factorization.

A dense layer x -> x W + b with W of size m x n takes m n products. Pivoted QR, stopped after r steps, picks r neurons
whose weights span those of the others as well as a greedy choice can,

    W[:, P] = Q R + remainder,     Q: m x r,     R: r x n,

and (m + n) r products are left. The truncated factorization is differentiable, whatever the rank of W above r, so that
training goes on in the compressed network: the loss is computed with Q R, and its gradient is taken with respect to W.

Data: scikit-learn's digits, 1200 to learn and 597 to test; a network of 64 hidden neurons, trained by scikit-learn.
Checked against scikit-learn's own accuracy at full rank; the pivots and the triangle of LAPACK (SciPy); the bounds of
the error of each rank by singular values, from below (Eckart, Young 1936) and above (Gu, Eisenstat 1996); and, after
fine-tuning, the accuracy of the truncated singular value decomposition, the best approximation of W of that rank.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX computes in single precision otherwise

import numpy as np
from scipy.linalg import qr, svd
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

import unifiedqr as uqr

X, y = load_digits(return_X_y=True)
X = (X - X[:1200].mean()) / X[:1200].std()
network = MLPClassifier((64,), alpha=0.3, batch_size=100, learning_rate_init=3e-3, tol=1e-3, random_state=0)
network.fit(X[:1200], y[:1200])
reached = network.score(X[1200:], y[1200:])

xp = uqr.namespace()
learned, tested = xp.asarray(X[:1200]), xp.asarray(X[1200:])
one_hot = xp.asarray(np.eye(10)[y[:1200]])
trained = dict(zip(("W", "V", "b", "c"), map(xp.asarray, (*network.coefs_, *network.intercepts_)), strict=True))


def factors(W, rank):
    """Return Q and the columns of R in the order of the neurons, so that W is about their product."""
    Q, R, P = uqr.qr(W, pivoting=True, rank=rank)
    return Q, xp.take(R, xp.argsort(P), axis=1)


def logits(model, x, rank):
    """Return the ten outputs of the network for each row of x."""
    Q, R = factors(model["W"], rank)
    return xp.maximum((x @ Q) @ R + model["b"], xp.zeros_like(model["b"])) @ model["V"] + model["c"]


def loss(model, rank):
    """Return the mean cross entropy of the digits to learn."""
    z = logits(model, learned, rank)
    z = z - xp.max(z, axis=1, keepdims=True)
    return xp.mean(xp.log(xp.sum(xp.exp(z), axis=1)) - xp.sum(z * one_hot, axis=1))


def accuracy(model, rank):
    """Return the share of the test digits that are told right."""
    return np.mean(uqr.to_numpy(logits(model, tested, rank)).argmax(axis=1) == y[1200:])


evaluate = uqr.value_and_grad(loss)


def tuned(model, rank, steps=25):
    """Return the model after some steps of gradient descent with momentum through the factorization."""
    moving = {name: xp.zeros_like(A) for name, A in model.items()}
    for _ in range(steps):
        _, gradient = evaluate(model, rank)
        moving = {name: 0.8 * moving[name] - 0.05 * gradient[name] for name in model}
        model = {name: A + moving[name] for name, A in model.items()}
    return model


weights = network.coefs_[0]
_, R, P = qr(weights, mode="economic", pivoting=True)
ours = uqr.qr(trained["W"], pivoting=True)
assert np.array_equal(uqr.to_numpy(ours.P), P)
assert np.allclose(abs(R), abs(uqr.to_numpy(ours.R)), atol=1e-12)
assert np.isclose(accuracy(trained, 64), reached)

U, sigma, Vt = svd(weights)
ranks, curves = (2, 4, 8, 16), {"truncated": [], "fine-tuned": [], "truncated SVD": []}
print(f"whole layer: 4096 products, accuracy {reached:.3f}")
print("rank  products  truncated  fine-tuned  truncated SVD")
for rank in ranks:
    Q, R = (uqr.to_numpy(A) for A in factors(trained["W"], rank))
    error = np.linalg.norm(weights - Q @ R, 2)
    assert sigma[rank] <= error <= sigma[rank] * 2**rank * (64 - rank) ** 0.5
    cut = (U[:, :rank] * sigma[:rank]) @ Vt[:rank]
    best = np.maximum(X[1200:] @ cut + network.intercepts_[0], 0) @ network.coefs_[1] + network.intercepts_[1]
    found = accuracy(trained, rank), accuracy(tuned(trained, rank), rank), np.mean(best.argmax(axis=1) == y[1200:])
    print(f"{rank:4}  {128 * rank:8}  {found[0]:9.3f}  {found[1]:10.3f}  {found[2]:13.3f}")
    for name, value in zip(curves, found, strict=True):
        curves[name].append(value)
truncated, fine_tuned, by_svd = map(np.array, curves.values())
assert np.all(fine_tuned > np.maximum(truncated, by_svd - 0.01))
assert abs(fine_tuned[2] - reached) < 0.02

if "--picture" in sys.argv:
    import matplotlib.pyplot as plt

    plt.style.use(Path(__file__).with_name("picture.mplstyle"))
    axes = plt.figure().gca()
    for name, values in curves.items():
        axes.plot(ranks, values, "o-", label=name)
    axes.axhline(reached, color="#808080", linestyle="dashed", label="the whole layer")
    axes.set(xlabel="rank", ylabel="accuracy on new digits", xticks=ranks)
    axes.legend()
    plt.savefig(sys.argv[sys.argv.index("--picture") + 1])
