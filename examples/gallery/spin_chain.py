"""Tensor networks: the ground state of a spin chain as a complex matrix product state, found by gradient.

    H = sum_i S_i . S_{i+1} + D (S^x_i S^y_{i+1} - S^y_i S^x_{i+1}),     psi(s_1 ... s_n) = A_1[s_1] ... A_n[s_n],

Heisenberg's chain with an interaction of Dzyaloshinskii and Moriya, which makes H complex. A sweep of QR from the left
and one of LQ from the right bring the state into its mixed canonical form,

    A_i = Q R, R moves into A_{i+1};     A_j = L Q, L moves into A_{j-1};     psi = Q ... Q C Q ... Q,

in which everything on either side of the centre C is an isometry: |psi| = |C|, and the singular values of C say how
entangled the halves are. The energy is differentiated through both sweeps with respect to every A, and minimized by
SciPy's L-BFGS: a complex gradient is d/dRe + i d/dIm in every framework, so its parts are those of the real gradient.

Checked against exact diagonalization of H: the energy approaches the lowest eigenvalue, and from above, as it must
(Rayleigh, Ritz), and the entropy of entanglement that of its eigenvector.
"""

import os
import sys
from functools import reduce
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX computes in single precision otherwise

import numpy as np
from scipy.optimize import minimize

import unifiedqr as uqr

n, D = 6, 0.5
spins = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]]) / 2
coupling = np.eye(3) + D * np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 0]])

xp = uqr.namespace()
J, S = xp.asarray(coupling + 0j), xp.asarray(spins)
# The energy of a side stays and takes in the bond to the next spin, on its right or on its left.
NEXT_RIGHT = xp.asarray(np.concatenate([[np.eye(2)], np.tensordot(coupling, spins, 1)]))
NEXT_LEFT = xp.asarray(np.concatenate([[np.eye(2)], np.tensordot(coupling.T, spins, 1)]))


def canonical(tensors):
    """Return the isometries on the left, the centre of length one, and the isometries on the right, mirrored."""
    tensors, left, right = xp.unstack(tensors), [], []
    R = xp.eye(1, tensors[0].shape[0], dtype=xp.complex128)  # where the chain ends; bonds find their own dimension
    L = xp.matrix_transpose(R)
    for A in tensors[: n // 2]:
        A = xp.tensordot(R, A, axes=([1], [0]))
        Q, R = uqr.qr(xp.reshape(A, (-1, A.shape[2])))
        left.append(xp.reshape(Q, (*A.shape[:2], -1)))
    for A in reversed(tensors[n // 2 :]):
        A = xp.tensordot(A, L, axes=([2], [0]))
        L, Q = uqr.lq(xp.reshape(A, (A.shape[0], -1)))
        right.append(xp.permute_dims(xp.reshape(Q, (-1, *A.shape[1:])), (2, 1, 0)))
    C = R @ L
    return left, xp.divide(C, xp.linalg.matrix_norm(C)), right


def environment(isometries, following):
    """Return the energy of one side of the centre and the three spins next to it, (4, d, d)."""
    E = xp.zeros((4, 1, 1), dtype=xp.complex128)
    for A in isometries:
        r = A.shape[2]
        B = xp.reshape(A, (-1, 2 * r))
        adjoint = xp.conj(xp.matrix_transpose(B))
        energy = xp.reshape(adjoint @ (E @ B), (4, 2, r, 2, r))
        energy = xp.tensordot(following, energy, axes=([0, 1, 2], [0, 1, 3]))
        end = xp.tensordot(S, xp.reshape(adjoint @ B, (2, r, 2, r)), axes=([1, 2], [0, 2]))
        E = xp.concat([energy[None], end], axis=0)
    return E


def energy(tensors):
    """Return <psi|H|psi> / <psi|psi>, of both sides and of the bond across the centre, and the centre."""
    left, C, right = canonical(tensors)
    E, F = environment(left, NEXT_RIGHT) @ C, xp.matrix_transpose(environment(right, NEXT_LEFT))
    bond = xp.sum(xp.tensordot(J, E[1:], axes=([0], [0])) @ F[1:], axis=0)
    return xp.real(xp.sum(xp.conj(C) * (E[0, :, :] + C @ F[0, :, :] + bond))), C


def ground_state(dimension, steps=60):
    """Return the energies on the way down with bonds of this dimension, and the last centre."""
    evaluate, path = uqr.value_and_grad(energy, has_aux=True), []

    def objective(parameters):
        (value, C), gradient = evaluate(xp.asarray(parameters.view(complex).reshape(n, dimension, 2, dimension)))
        path.append((float(value), uqr.to_numpy(C)))
        return path[-1][0], uqr.to_numpy(gradient).ravel().view(float)

    start = np.random.default_rng(1).standard_normal(4 * n * dimension**2)
    minimize(objective, start, jac=True, method="L-BFGS-B", options={"maxfun": steps, "maxcor": 40})
    return np.array([value for value, _ in path]), path[-1][1]


def entropy(C):
    """Return the entropy of entanglement of a matrix of the state's coefficients, halves as rows and columns."""
    p = np.linalg.svd(C, compute_uv=False) ** 2
    return -np.sum(p[p > 0] * np.log(p[p > 0]))


sites = [[reduce(np.kron, [s if i == j else np.eye(2) for j in range(n)]) for s in spins] for i in range(n)]
H = sum(coupling[k, m] * sites[i][k] @ sites[i + 1][m] for i in range(n - 1) for k, m in np.argwhere(coupling))
exact, states = np.linalg.eigh(H)
exact_entropy = entropy(states[:, 0].reshape(2 ** (n // 2), -1))
print(f"exact       energy {exact[0]:.6f}, entropy {exact_entropy:.5f}")
found, C = ground_state(8)
print(f"gradients   energy {found[-1]:.6f}, entropy {entropy(C):.5f}, after {len(found)} of them")
assert 0 < found.min() - exact[0] < 5e-4
assert abs(entropy(C) - exact_entropy) < 5e-3

if "--picture" in sys.argv:
    import matplotlib.pyplot as plt

    plt.style.use(Path(__file__).with_name("picture.mplstyle"))
    axes = plt.figure().gca()
    for dimension, path in ((2, ground_state(2)[0]), (4, ground_state(4)[0]), (8, found)):
        axes.semilogy(path - exact[0], label=f"bonds of dimension {dimension}")
    axes.set(xlabel="gradients", ylabel="energy above the exact one")
    axes.legend()
    plt.savefig(sys.argv[sys.argv.index("--picture") + 1])
