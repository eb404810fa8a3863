"""`lstsq` with weights, damping and constraints: against systems solved otherwise, and differences of these."""

import numpy as np
import pytest
import scipy.linalg

import unifiedqr as uqr
from unifiedqr import rules

M, N, P = 8, 4, 2
CONDITIONS = [("w",), ("d",), ("w", "d"), ("C",), ("w", "d", "C")]
FIELDS = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
WHICH = pytest.mark.parametrize("which", CONDITIONS, ids=" ".join)


def drawn(complex_, seed=0):
    """Return a matrix, right-hand sides, weights of which one is zero, damping and constraints."""
    rng = np.random.default_rng(seed)

    def normal(*shape):
        return rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if complex_ else 0)

    w = rng.uniform(0.1, 2.0, M)
    w[3] = 0.0
    d = rng.uniform(0.1, 1.0, N)
    return {"A": normal(M, N), "b": normal(M, 2), "w": w, "d": d, "C": normal(P, N), "e": normal(P, 2)}


def chosen(given, which):
    names = ["A", "b", *(name for name in which if name != "C"), *(("C", "e") if "C" in which else ())]
    return {name: given[name] for name in names}


def expected(A, b, w=None, d=None, C=None, e=None):
    """Return the solution from the normal equations, and from those of Lagrange's multipliers."""
    W = np.diag(np.ones(len(A)) if w is None else w)
    H = A.conj().T @ W @ A + (0 if d is None else np.diag(d**2))
    right = A.conj().T @ W @ b
    if C is None:
        return np.linalg.solve(H, right)
    K = np.block([[H, C.conj().T], [C, np.zeros((len(C), len(C)))]])
    return np.linalg.solve(K, np.concatenate([right, e]))[: A.shape[1]]


def solved(A, b, w=None, d=None, C=None, e=None):
    return uqr.lstsq(A, b, weights=w, damping=d, constraints=None if C is None else (C, e))


@FIELDS
@WHICH
def test_solution(which, complex_, backend):
    given = chosen(drawn(complex_), which)
    x, residuals, rank = map(backend.to_numpy, solved(**{k: backend.from_numpy(X) for k, X in given.items()}))
    truth = expected(**given)
    bound = 1e-13 if x.dtype.itemsize >= 8 * (1 + complex_) else 1e-4
    assert np.abs(x - truth).max() <= bound * np.abs(truth).max()
    r = given["b"] - given["A"] @ truth
    least = (np.abs(r) ** 2 * given.get("w", np.ones(M))[:, None]).sum(0)
    least = least + (np.abs(given.get("d", np.zeros(N))[:, None] * truth) ** 2).sum(0)
    assert np.allclose(residuals, least, rtol=100 * bound)
    assert rank == (N - P if "C" in which else N)


@FIELDS
@WHICH
def test_gradient(which, complex_, autodiff_backend):
    backend, given = autodiff_backend, chosen(drawn(complex_), which)
    names, arrays = list(given), list(given.values())

    def loss(*arrays):
        x = solved(**dict(zip(names, arrays, strict=True))).x
        return backend.xp.sum(backend.xp.abs(x) ** 2)

    gradients = uqr.grad(loss, argnums=tuple(range(len(names))))(*map(backend.from_numpy, arrays))
    rng, h = np.random.default_rng(1), 1e-6
    for i, gradient in enumerate(map(backend.to_numpy, gradients)):
        X_dot = rng.standard_normal(arrays[i].shape)
        X_dot = X_dot + 1j * rng.standard_normal(X_dot.shape) if np.iscomplexobj(arrays[i]) else X_dot
        moved = ([X + s * h * X_dot if j == i else X for j, X in enumerate(arrays)] for s in (1, -1))
        above, below = ((np.abs(expected(**dict(zip(names, at, strict=True)))) ** 2).sum() for at in moved)
        slope, difference = np.vdot(gradient, X_dot).real, (above - below) / (2 * h)
        assert abs(slope - difference) <= (1e-7 if gradient.real.dtype == np.float64 else 1e-3) * max(
            1, abs(difference)
        )


@pytest.mark.parametrize("damping", [0.0, 1e-16, 1e-8, 1.0, 1e8, 1e16])
def test_damping_is_as_accurate_as_the_rows_it_stands_for(damping):
    given = drawn(False)
    A, b = given["A"], given["b"]
    stacked = uqr.lstsq(np.vstack([A, damping * np.eye(N)]), np.vstack([b, np.zeros((N, 2))]))
    found = uqr.lstsq(A, b, damping=damping)
    assert np.array_equal(found.x, stacked.x)
    U, s, Vh = np.linalg.svd(A, full_matrices=False)
    truth = Vh.T @ ((s / (s**2 + damping**2))[:, None] * (U.T @ b))
    assert np.abs(found.x - truth).max() <= 1e-13 * np.abs(truth).max()


def test_a_wide_matrix_is_damped_to_full_rank():
    A, b = drawn(False)["A"].T, np.ones(N)
    x = uqr.lstsq(A, b, damping=0.1, weights=np.full(N, 2.0)).x
    assert np.allclose(x, np.linalg.solve(2 * A.T @ A + 0.01 * np.eye(M), 2 * A.T @ b))


def test_constraints_are_those_of_lapack():
    given = drawn(True)
    x = solved(**chosen(given, ("C",))).x
    for column in range(2):
        *_, lapack, info = scipy.linalg.lapack.zgglse(
            *(given[k] for k in "AC"), given["b"][:, column], given["e"][:, column]
        )
        assert info == 0
        assert np.abs(x[:, column] - lapack).max() < 1e-13
    assert np.abs(given["C"] @ x - given["e"]).max() < 1e-14


def test_a_batch_and_vectors(backend):
    given = [drawn(False, seed) for seed in range(3)]
    stack = {k: np.stack([one[k] for one in given]) for k in given[0]}
    stack |= {"b": stack["b"][..., 0], "e": stack["e"][..., 0]}
    x = backend.to_numpy(solved(**{k: backend.from_numpy(X) for k, X in stack.items()}).x)
    assert x.shape == (3, N)
    for i in range(3):
        truth = expected(**{k: X[i] for k, X in stack.items()})
        assert np.abs(x[i] - truth).max() <= (1e-12 if x.dtype == np.float64 else 1e-4) * np.abs(truth).max()


def test_explicit_rules_are_those_of_the_primitive():
    given = drawn(True)
    A, b, w = (given[k] for k in "Abw")
    Q, R = uqr.qr(np.sqrt(w)[:, None] * A)
    x, residuals, _ = uqr.lstsq(A, b, weights=w)
    dots = [X_dot.reshape(X.shape) for X, X_dot in ((A, A[::-1]), (b, b[::-1]), (w, w[::-1]))]
    x_dot, residuals_dot = rules.lstsq_weighted_jvp(A, b, w, Q, R, *dots)
    bars = rules.lstsq_weighted_vjp(A, b, w, Q, R, x, residuals)
    assert bars[2].dtype == np.float64
    left = sum(np.vdot(X_bar, X_dot).real for X_bar, X_dot in zip(bars, dots, strict=True))
    assert np.isclose(left, np.vdot(x, x_dot).real + residuals @ residuals_dot, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"weights": -np.ones(M)}, uqr.OptionError, "got a weight of -1; expected weights that are not negative"),
        ({"weights": np.ones(3)}, uqr.OptionError, r"got weights of shape \(3,\).*expected real ones of shape"),
        ({"weights": np.ones(M), "pivoting": True}, uqr.OptionError, "got weights and pivoting=True"),
        ({"damping": np.ones(3)}, uqr.OptionError, r"got damping of shape \(3,\)"),
        ({"damping": 1j}, uqr.OptionError, "expected a real number"),
        ({"constraints": np.ones((2, N))}, uqr.OptionError, "got constraints of type ndarray"),
        ({"constraints": (np.ones((2, 3)), np.ones(2))}, uqr.ShapeError, r"expected C of shape \(..., p, 4\)"),
        ({"constraints": (np.ones((N, N)), np.ones(N))}, uqr.ShapeError, "0 < p < 4"),
    ],
)
def test_what_does_not_fit_is_refused(options, error, message):
    given = drawn(False)
    with pytest.raises(error, match=message):
        uqr.lstsq(given["A"], given["b"], **options)


def test_weights_of_what_is_solved_exactly_are_refused():
    with pytest.raises(uqr.OptionError, match="expected more rows than columns"):
        uqr.lstsq(np.eye(3), np.ones(3), weights=np.ones(3))


def test_dependent_constraints_and_lost_rank_give_nan(backend):
    given = drawn(False)
    C = np.stack([given["C"][0], 2 * given["C"][0]])
    w = np.zeros(M)
    w[:2] = 1
    A, b = (backend.from_numpy(given[k]) for k in "Ab")
    constraints = (backend.from_numpy(C), backend.from_numpy(np.ones(2)))
    assert np.isnan(backend.to_numpy(uqr.lstsq(A, b[..., 0], constraints=constraints).x)).all()
    assert np.isnan(backend.to_numpy(uqr.lstsq(A, b, weights=backend.from_numpy(w)).x)).all()
