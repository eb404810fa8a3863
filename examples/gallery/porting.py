"""Porting: one model in two frameworks, and the sign that went wrong on the way.

A small network makes its features orthonormal, tanh(X W) = Q R, and goes on with p = sigmoid(Q c). It was trained with
diag R > 0. The port calls a factorization that leaves the signs to Householder's reflections, as every framework's own
does. That is a QR decomposition too, Q^T Q = I and Q R is right, but columns of Q have the other sign, for which c was
not trained; no shape and no test of the factors shows it.

`unifiedqr record` writes down the loss and its gradient in each framework, which may be on another machine, and
`unifiedqr compare --records` compares the files and ends with status 1, since they differ. Then `compare` runs the
model once more and keeps what each layer gave: the first layer that differs is where the sign was lost.

Data: every twelfth flower of scikit-learn's iris. Needs two frameworks that differentiate: the one of UNIFIEDQR_BACKEND
has the port, its neighbour among those that are installed has the original. Checked against the same model in 100-digit
arithmetic, with which one framework agrees and the other does not.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")  # JAX computes in single precision otherwise

import numpy as np

import unifiedqr as uqr

PORT = os.environ.get("UNIFIEDQR_BACKEND", "torch")
WEIGHTS = np.array([[0.9, -0.4, 0.3], [0.2, 0.8, -0.5], [-0.6, 0.3, 0.7], [0.4, 0.5, 0.6]])
HEAD = np.array([1.5, -2.0, 1.0])


def layers(X):
    """Return what each layer of the model gives for the flowers X, (m, 4)."""
    xp = uqr.namespace(X)
    features = xp.tanh(xp.matmul(X, xp.asarray(WEIGHTS)))
    if uqr.get_backend(X).name == PORT:
        Q, R = uqr.qr(features, positive=False, method="householder")  # the planted error
    else:
        Q, R = uqr.qr(features)
    p = 1 / (1 + xp.exp(-xp.matmul(Q, xp.asarray(HEAD))))
    return {"1 features": features, "2 factors": xp.matmul(Q, R), "3 orthonormal": Q, "4 p": p, "5 loss": xp.sum(p**2)}


def loss(X):
    """Return the loss alone."""
    return layers(X)["5 loss"]


def command(folder, *arguments):
    """Run the command line of unifiedqr in a folder, show what it answered, and return its status."""
    run = [sys.executable, "-m", "unifiedqr", *arguments]
    ran = subprocess.run(run, cwd=folder, capture_output=True, text=True, check=False)
    print("$ unifiedqr", *(x.replace(f"{Path(__file__).resolve().parent}{os.sep}", "") for x in arguments))
    print(ran.stdout.strip().splitlines()[-1], f"(status {ran.returncode})")
    return ran.returncode


def main():
    """Record, compare, find the layer."""
    installed = [name for name, info in uqr.backends().items() if info.available and "vjp" in info.capabilities]
    frameworks = [name for name in installed if name != "mpmath"]
    if PORT not in frameworks:
        uqr.grad(loss)(np.ones((4, 4)))  # which says what is lacking
    if len(frameworks) < 2:
        raise uqr.BackendUnavailableError(f"got {PORT} alone; porting needs two frameworks. Install another one.")
    original = frameworks[frameworks.index(PORT) - 1]
    from sklearn.datasets import load_iris

    flowers = load_iris().data
    X = (flowers - flowers.mean(axis=0))[::12]
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "iris.npy"), X)
        model, both = f"{Path(__file__).resolve()}:loss", f"{original},{PORT}"
        recorded = command(folder, "record", "iris.npy", "--loss", model, "--backends", both, "-o", "{backend}.npz")
        compared = command(folder, "compare", "--records", f"{original}.npz", f"{PORT}.npz")
        assert (recorded, compared) == (0, 1)

    found = uqr.compare(layers, X, backends=[original, PORT], derivatives=["value"])
    print(found.verdict())
    ((_, result),) = found.records[original].outcomes.items()
    ((_, ported),) = found.records[PORT].outcomes.items()
    differences = {name: np.max(abs(result.arrays[name] - ported.arrays[name])) for name in result.arrays}
    for name, difference in differences.items():
        print(f"  {name:14} {difference:.1e}")
    first = next(name for name, difference in differences.items() if difference > 1e-12)
    print(f"first wrong in {PORT}: {first}")
    assert {f.framework: f.status for f in found.findings} == {original: "agrees", PORT: "disagrees"}
    assert first == "3 orthonormal"

    if "--picture" in sys.argv:
        import matplotlib.pyplot as plt

        plt.style.use(Path(__file__).with_name("picture.mplstyle"))
        axes = plt.figure().gca()
        names, sizes = [*differences], np.maximum([*differences.values()], 1e-17)
        axes.barh(names, sizes, color=["C1" if size > 1e-12 else "C0" for size in sizes])
        axes.set(xscale="log", xlim=(1e-17, 10), xlabel=f"largest difference, {original} and {PORT}")
        axes.invert_yaxis()
        plt.savefig(sys.argv[sys.argv.index("--picture") + 1])


if __name__ == "__main__":
    main()
