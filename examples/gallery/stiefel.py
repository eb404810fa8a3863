"""Orthonormal layers: three ways to keep Q^T Q = I in training, on the principal components of digits.

The layer x -> Q^T x keeps the most variance of its data when it maximizes tr(N Q^T S Q), with S their covariance, over
the Stiefel manifold of matrices with orthonormal columns; with N = diag(k, ..., 2, 1) the columns are the leading
eigenvectors of S one by one (Brockett 1989). Three kinds of step stay on the manifold; G is the gradient by Q or V:

    layer        Q is the factor of a free matrix V, which follows the gradient through the decomposition: the simplest;
                 steps lengthen with |R^-1| while R drifts away from I, until one jumps, as the picture shows,
    retraction   Q' = qr(Q + t (G - Q sym(Q^T G))).Q, Riemannian ascent (Absil, Mahony, Sepulchre 2008),
    optimizer    Q' = qr(Q + t qr(M).Q).Q, M a running mean of Riemannian gradients: the step itself is orthonormal, so
                 that every direction moves equally far, however small its gradient (the idea of Muon, Jordan 2024).

A positive diagonal makes qr unique and smooth, with qr(Q + t Z).Q = Q + t Z + O(t^2) for tangents Z; with the signs of
Householder's reflections, columns of Q would change sign on the way.

Data: scikit-learn's digits, 1797 of 8 x 8 pixels. Checked against the eigenvalues and eigenvectors of S by LAPACK.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX computes in single precision otherwise

import numpy as np
from sklearn.datasets import load_digits

import unifiedqr as uqr

k, STEPS = 3, 60
covariance = np.cov(load_digits().data.T)
eigenvalues, eigenvectors = (x[..., ::-1] for x in np.linalg.eigh(covariance))
weights = np.arange(k, 0, -1.0)
best = weights @ eigenvalues[:k]

xp = uqr.namespace()
S, N = xp.asarray(covariance / eigenvalues[0]), xp.asarray(weights)
start = np.random.default_rng(0).standard_normal((64, k))


def kept(Q):
    """Return tr(N Q^T S Q)."""
    return xp.sum(N * (Q * (S @ Q)))


def tangent(Q, G):
    """Return the Riemannian gradient, G projected onto the tangents at Q."""
    inner = xp.matrix_transpose(Q) @ G
    return G - Q @ (inner + xp.matrix_transpose(inner)) / 2


with_layer = uqr.value_and_grad(lambda V: kept(uqr.qr(V).Q))
with_factor = uqr.value_and_grad(kept)


def layer(V):
    """Ascend by the free matrix behind the layer; its length only scales the step, so it stays one."""
    V = uqr.qr(V).Q
    for _ in range(STEPS):
        value, G = with_layer(V)
        yield V, value
        V = V + 0.5 * G


def retraction(V):
    """Ascend on the manifold itself."""
    Q = uqr.qr(V).Q
    for _ in range(STEPS):
        value, G = with_factor(Q)
        yield Q, value
        Q = uqr.qr(Q + 0.3 * tangent(Q, G)).Q


def optimizer(V):
    """Step along an orthonormalized mean of gradients, ever shorter."""
    Q, M = uqr.qr(V).Q, 0
    for step in range(STEPS):
        value, G = with_factor(Q)
        yield Q, value
        M = 0.5 * M + tangent(Q, G)
        Q = uqr.qr(Q + 0.5 * 0.9**step * uqr.qr(M).Q).Q


curves = {}
for method in (layer, retraction, optimizer):
    values = []
    for V, value in method(xp.asarray(start)):
        Q = uqr.to_numpy(uqr.qr(V).Q)
        values.append(float(value) * eigenvalues[0] / best)
    curves[method.__name__] = 1 - np.array(values)
    overlap = abs(np.sum(Q * eigenvectors[:, :k], axis=0))
    print(f"{method.__name__:11} {100 * values[-1]:.4f} % of the best, overlap with eigenvectors {overlap.min():.5f}")
    assert np.allclose(Q.T @ Q, np.eye(k), atol=1e-13)
    assert 1 - 2e-3 < values[-1] <= 1 + 1e-12
print("variances  ", (Q.T @ covariance @ Q).diagonal().round(2), "eigenvalues", eigenvalues[:k].round(2))

if "--picture" in sys.argv:
    import matplotlib.pyplot as plt

    plt.style.use(Path(__file__).with_name("picture.mplstyle"))
    axes = plt.figure().gca()
    for name, curve in curves.items():
        axes.semilogy(curve, label=name)
    axes.set(xlabel="step", ylabel="share of the best that is missing")
    axes.legend()
    plt.savefig(sys.argv[sys.argv.index("--picture") + 1])
