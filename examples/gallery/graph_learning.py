"""Graph learning: eigenvectors of a Laplacian by orthogonal iteration, and an orthogonal graph layer.

Orthogonal iteration, X <- qr(M X).Q, converges to the leading eigenvectors of a symmetric M, column by column. With the
Laplacian L of a graph and M = (I - L / c)^64 these are the smoothest functions on the graph. The whole iteration is
differentiated with respect to the weights of the edges; nothing is divided by a difference of eigenvalues.

A layer H -> tanh(A_hat H W) with W = qr(V).Q neither stretches nor shrinks the features that it mixes, however many
layers there are (Kipf, Welling 2017, with orthogonal weights). Two of them, given the smooth functions as features and
one label per class, learn where a club split.

Data: Zachary's karate club, 34 members and 78 friendships (networkx). Checked against the eigenvalues of LAPACK; the
derivative of the second eigenvalue, the algebraic connectivity, with respect to the weight of edge ij, (v_i - v_j)^2
with v its eigenvector (Ghosh, Boyd 2006); and the clubs that the members joined, which Zachary (1977) could predict
from the friendships for all but one, number 8.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX computes in single precision otherwise

import networkx as nx
import numpy as np

import unifiedqr as uqr

club = nx.karate_club_graph()
n, k = len(club), 4
edges = np.array(club.edges)
joined = np.array([club.nodes[i]["club"] == "Officer" for i in club])
incidence = np.zeros((n, len(edges)))
incidence[edges[:, 0], range(len(edges))], incidence[edges[:, 1], range(len(edges))] = 1, -1

xp = uqr.namespace()
B, identity = xp.asarray(incidence), xp.eye(n, dtype=xp.float64)
c = 2.0 * max(dict(club.degree).values())  # no eigenvalue of L is larger
rng = np.random.default_rng(0)
first = xp.asarray(rng.standard_normal((n, k)))


def smoothest(weights, iterations=30):
    """Return the k lowest eigenvalues of the Laplacian B diag(weights) B^T, and their eigenvectors."""
    L = (B * weights) @ xp.matrix_transpose(B)
    M = identity - L / c
    for _ in range(6):
        M = M @ M
    X = first
    for _ in range(iterations):
        X = uqr.qr(M @ X).Q
    return xp.sum(X * (L @ X), axis=0), X


def connectivity(weights):
    """Return the second eigenvalue, and the eigenvectors."""
    eigenvalues, X = smoothest(weights)
    return eigenvalues[1], (eigenvalues, X)


ones = xp.ones(len(edges), dtype=xp.float64)
(_, (eigenvalues, X)), slopes = uqr.value_and_grad(connectivity, has_aux=True)(ones)
known, vectors = np.linalg.eigh(incidence @ incidence.T)
known_slopes = (incidence.T @ vectors[:, 1]) ** 2
slopes = uqr.to_numpy(slopes)
i, j = edges[slopes.argmax()]
print("eigenvalues  ", uqr.to_numpy(eigenvalues).round(6), "by LAPACK", known[:k].round(6))
print(f"connectivity  rises most by friendship {i}-{j}: {slopes.max():.6f}, closed form {known_slopes.max():.6f}")
assert np.allclose(uqr.to_numpy(eigenvalues), known[:k], atol=1e-9)
assert np.allclose(slopes, known_slopes, atol=1e-7)

adjacency = nx.to_numpy_array(club, weight=None) + np.eye(n)
degrees = adjacency.sum(axis=0)
A_hat = xp.asarray(adjacency / np.sqrt(np.outer(degrees, degrees)))
features = X * n**0.5
labelled = {0: 1.0, n - 1: -1.0}  # the instructor and the officer


def scores(model):
    """Return what the two layers say of each member, positive for the instructor's club."""
    H = features
    for V in (model["first"], model["second"]):
        H = xp.tanh(A_hat @ H @ uqr.qr(V).Q)
    return xp.matmul(H, model["direction"])


def loss(model):
    """Return the logistic loss of the two labelled members."""
    found = scores(model)
    return sum(xp.log1p(xp.exp(-label * found[member])) for member, label in labelled.items())


model = {"first": rng.standard_normal((k, k)), "second": rng.standard_normal((k, k)), "direction": np.zeros(k)}
model = {name: xp.asarray(V) for name, V in model.items()}
evaluate, losses = uqr.value_and_grad(loss), []
for _ in range(40):
    value, gradient = evaluate(model)
    losses.append(float(value))
    model = {name: V - 0.5 * gradient[name] for name, V in model.items()}
found = uqr.to_numpy(scores(model))
wrong = np.flatnonzero((found < 0) != joined)
print(f"layers        loss {losses[0]:.3f} -> {losses[-1]:.3f}, {n - len(wrong)} of {n} members right, wrong: {wrong}")
assert list(wrong) == [8]

if "--picture" in sys.argv:
    import matplotlib.pyplot as plt

    plt.style.use(Path(__file__).with_name("picture.mplstyle"))
    axes, where = plt.figure().gca(), nx.kamada_kawai_layout(club, weight=None)
    widths, colours = 0.5 + 6 * slopes / slopes.max(), np.where(found < 0, "#e07b39", "#1f8fcf")
    nx.draw_networkx_edges(club, where, ax=axes, edgelist=edges, width=widths, edge_color="#808080", alpha=0.6)
    nx.draw_networkx_nodes(club, where, ax=axes, node_size=150, node_color=colours)
    nx.draw_networkx_labels(club, where, ax=axes, font_size=8, font_color="white")
    axes.set_axis_off()
    plt.savefig(sys.argv[sys.argv.index("--picture") + 1])
