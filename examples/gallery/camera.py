"""Camera resectioning: where was the camera, what was its lens, how certain is that; for thousands of cameras at once.

A camera with the matrix P = K [R | t] sees the point X in space at u = (P_1 X / P_3 X, P_2 X / P_3 X). Each known point
gives two equations that are linear in P, scaled so that its last entry is one: least squares (`lstsq`) solves them, RQ
takes P[:, :3] = K R apart into the triangle of the lens (diag K > 0, by the gauge of `rq`) and a rotation, and the
camera stands at -P[:, :3]^-1 P[:, 3] (direct linear transformation: Hartley, Zisserman 2004, sections 7.1 and 6.2.4).

With J the derivative of a result with respect to the image points, noise of standard deviation s in these gives the
result the standard deviation s |J|. One pullback gives J for a whole batch of cameras.

Data: twelve points on three sides of a box, seen by a known camera, 3000 times with noise of 0.2 pixels. Checked
against the true camera: the results scatter as much as the derivative at the noiseless picture says (Monte Carlo), and
each picture predicts its own error: errors divided by their predicted deviations have standard deviation one, and 95 of
100 are below 1.96.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX computes in single precision otherwise

import numpy as np

import unifiedqr as uqr

NOISE, CAMERAS = 0.2, 3000
rng = np.random.default_rng(0)
xp = uqr.namespace()

steps = np.array([0.2, 0.8])
board = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
points = np.concatenate([np.insert(board, side, 0, axis=1) for side in range(3)])  # (12, 3), metres
homogeneous = np.concatenate([points, np.ones((len(points), 1))], axis=1)

K = np.array([[800.0, 0.0, 320.0], [0.0, 780.0, 240.0], [0.0, 0.0, 1.0]])
position = np.array([1.8, 1.6, 1.4])
forward = -position / np.linalg.norm(position)
right = np.cross(forward, [0, 0, 1])
rotation = np.stack([right / np.linalg.norm(right), np.cross(forward, right) / np.linalg.norm(right), forward])
seen = homogeneous @ (K @ np.concatenate([rotation, -rotation @ position[:, None]], axis=1)).T
picture = seen[:, :2] / seen[:, 2:]
TRUE = {"focal length, pixels": K[0, 0], "centre of the picture": K[0, 2], "position x, metres": position[0]}


def resected(pictures):
    """Return focal lengths, centres and positions, (..., 3), of cameras from what they see, (..., 12, 2)."""
    batch = pictures.shape[:-2]
    X = xp.broadcast_to(xp.asarray(homogeneous), (*batch, *homogeneous.shape))
    zero = xp.zeros_like(X)
    u, v = pictures[..., :1], pictures[..., 1:]
    rows = [xp.concat([X, zero, -u * X], axis=-1), xp.concat([zero, X, -v * X], axis=-1)]  # of P, row by row
    A = xp.concat(rows, axis=-2)
    entries = uqr.lstsq(A[..., :11], -A[..., 11]).x
    P = xp.reshape(xp.concat([entries, xp.ones_like(entries[..., :1])], axis=-1), (*batch, 3, 4))
    triangle, _ = uqr.rq(P[..., :3])
    where = -xp.linalg.solve(P[..., :3], P[..., 3:])
    scale = triangle[..., 2, 2]
    return xp.stack([triangle[..., 0, 0] / scale, triangle[..., 0, 2] / scale, where[..., 0, 0]], axis=-1)


def with_deviations(pictures):
    """Return the results and their deviations, both (..., 3), by one pullback for each of the three."""
    results, pullback = uqr.vjp(resected, xp.asarray(pictures))
    deviations = []
    for which in np.eye(3):
        (J,) = pullback(xp.asarray(np.broadcast_to(which, results.shape).copy()))
        deviations.append(NOISE * np.sqrt(np.sum(uqr.to_numpy(J) ** 2, axis=(-2, -1))))
    return uqr.to_numpy(results), np.stack(deviations, axis=-1)


exact, predicted = with_deviations(picture)
assert np.allclose(exact, [*TRUE.values()], rtol=1e-9)
noisy = picture + NOISE * rng.standard_normal((CAMERAS, *picture.shape))
found, own = with_deviations(noisy)
scatter = found.std(axis=0)
scores = (found - exact) / own
print(f"{CAMERAS} pictures of 12 points   true   deviation: derivative  Monte Carlo   below 1.96")
for i, (name, value) in enumerate(TRUE.items()):
    share = np.mean(abs(scores[:, i]) < 1.96)
    print(f"{name:22}  {value:9.3f} {predicted[i]:22.4f} {scatter[i]:12.4f} {100 * share:10.1f} %")
    assert abs(scatter[i] / predicted[i] - 1) < 0.05
    assert abs(scores[:, i].std() - 1) < 0.05
    assert abs(share - 0.95) < 0.015

if "--picture" in sys.argv:
    import matplotlib.pyplot as plt

    plt.style.use(Path(__file__).with_name("picture.mplstyle"))
    axes, grid = plt.figure().gca(), np.linspace(-4, 4, 161)
    for i, name in enumerate(TRUE):
        axes.hist(scores[:, i], bins=40, range=(-4, 4), density=True, histtype="step", label=name.split(",")[0])
    axes.plot(grid, np.exp(-(grid**2) / 2) / np.sqrt(2 * np.pi), color="#808080", label="normal law")
    axes.set(xlabel="error / its predicted deviation", ylabel="share of the pictures", ylim=(0, 0.62))
    axes.legend(ncols=2, loc="upper center")
    plt.savefig(sys.argv[sys.argv.index("--picture") + 1])
