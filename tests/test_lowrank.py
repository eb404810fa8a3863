"""Interpolative decompositions and the range finder: against SciPy, bounds that are theorems, and differences."""

import numpy as np
import pytest
import scipy.linalg.interpolative as interpolative_of_scipy

import unifiedqr as uqr
from unifiedqr import rules
from unifiedqr.checks import checks

M, N, RANK = 8, 6, 3
FIELDS = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
ITERATIONS = pytest.mark.parametrize("q", [0, 1, 2])


def normal(*shape, complex_=False, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if complex_ else 0)


def decaying(m, n, values, complex_=False, seed=0):
    """Return a matrix with given singular values."""
    U, V = (np.linalg.qr(normal(size, len(values), complex_=complex_, seed=seed + size))[0] for size in (m, n + 50))
    return (U * values) @ np.linalg.qr(V[:n])[0].conj().T


def adjoint(X):
    return np.conj(np.swapaxes(X, -1, -2))


def coefficients(A, P):
    """Return what columns P contribute to each column of A, by NumPy's least squares."""
    return np.linalg.lstsq(A[:, P], A, rcond=None)[0]


@FIELDS
@pytest.mark.parametrize("shape", [(8, 6), (6, 6), (5, 9)], ids=str)
def test_columns_and_coefficients(shape, complex_, backend):
    A = normal(*shape, complex_=complex_)
    P, T = map(backend.to_numpy, uqr.interpolative(backend.from_numpy(A), RANK))
    assert P.shape == (RANK,)
    assert np.array_equal(P, np.asarray(uqr.qr(A, pivoting=True).P)[:RANK])
    assert np.array_equal(T[:, P], np.eye(RANK))
    bound = 1e-13 if T.real.dtype == np.float64 else 1e-5
    assert np.abs(T - coefficients(A, P)).max() <= bound


@pytest.mark.parametrize("seed", range(5))
def test_it_is_scipys(seed):
    A = normal(20, 12, seed=seed)
    order, rest = interpolative_of_scipy.interp_decomp(A, 5, rand=False)
    P, T = uqr.interpolative(A, 5)
    assert np.array_equal(P, order[:5])
    assert np.allclose(T, interpolative_of_scipy.reconstruct_interp_matrix(order, rest), rtol=0, atol=1e-13)


@pytest.mark.parametrize("seed", range(5))
def test_the_residual_keeps_the_bound_of_pivoted_qr(seed):
    """|A - C T| <= sqrt(1 + r (n - r) 4^r) sigma_{r+1}: M. Gu, S. C. Eisenstat (1996)."""
    A, r = normal(20, 12, seed=seed) * 2.0 ** -np.arange(12), 4
    P, T = uqr.interpolative(A, r)
    residual = np.linalg.norm(A - A[:, P] @ T, 2)
    assert residual <= np.sqrt(1 + r * (12 - r) * 4**r) * np.linalg.svd(A, compute_uv=False)[r]
    assert np.abs(T).max() <= 2**r


def test_a_tolerance_finds_the_rank(backend):
    A = np.stack([decaying(M, N, [1.0, 1e-1]), decaying(M, N, [1.0, 1e-1, 1e-2, 1e-3])])
    P, T = map(backend.to_numpy, uqr.interpolative(backend.from_numpy(A), rtol=1e-5))
    assert P.shape == (2, 4)  # the largest of the batch
    for X, p, t in zip(A, P, T, strict=True):
        assert np.abs(X[:, p] @ t - X).max() <= (1e-14 if t.dtype == np.float64 else 1e-6)
    pivots = np.abs(np.diagonal(uqr.qr(A[1], pivoting=True).R))
    for r in range(4):
        assert uqr.interpolative(A[1], rtol=1.001 * pivots[r] / pivots[0]).P.shape == (r,)
        assert uqr.interpolative(A[1], rtol=0.999 * pivots[r] / pivots[0]).P.shape == (r + 1,)


def test_a_tolerance_of_a_matrix_of_zeros_and_of_nan():
    assert uqr.interpolative(np.zeros((3, 4)), rtol=0.1).T.shape == (0, 4)
    assert uqr.interpolative(np.ones((3, 4)), rtol=0.0).P.shape[0] >= 1
    T = uqr.interpolative(np.full((3, 4), np.nan), rtol=0.1).T
    assert T.shape == (3, 4)
    assert np.isnan(T).any()


@FIELDS
def test_gradient_of_coefficients(complex_, autodiff_backend):
    backend, A = autodiff_backend, normal(M, N, complex_=complex_)
    P = np.asarray(uqr.interpolative(A, RANK).P)

    def loss(A):
        return backend.xp.sum(backend.xp.abs(uqr.interpolative(A, RANK).T) ** 4)

    gradient = backend.to_numpy(uqr.grad(loss)(backend.from_numpy(A)))
    A_dot, h = normal(M, N, complex_=complex_, seed=1), 1e-6
    above, below = ((np.abs(coefficients(A + s * h * A_dot, P)) ** 4).sum() for s in (1, -1))
    difference = (above - below) / (2 * h)
    bound = 1e-7 if gradient.real.dtype == np.float64 else 1e-3
    assert abs(np.vdot(gradient, A_dot).real - difference) <= bound * max(1, abs(difference))


def test_what_is_approximated_has_a_gradient(autodiff_backend):
    """A rank-r approximation C T, of which both factors vary: A projected on its pivot columns."""
    backend, A = autodiff_backend, normal(M, N)

    def approximation(xp, A):
        P, T = uqr.interpolative(A, RANK)
        return xp.take_along_axis(A, xp.expand_dims(P, axis=-2) + xp.zeros_like(P), axis=-1) @ T

    P = np.asarray(uqr.interpolative(A, RANK).P)
    gradient = uqr.grad(lambda A: backend.xp.sum(approximation(backend.xp, A) ** 3))(backend.from_numpy(A))
    A_dot, h = normal(M, N, seed=1), 1e-6
    moved = (A + s * h * A_dot for s in (1, -1))
    above, below = (((X[:, P] @ coefficients(X, P)) ** 3).sum() for X in moved)
    slope, difference = np.sum(backend.to_numpy(gradient) * A_dot), (above - below) / (2 * h)
    assert abs(slope - difference) <= (1e-6 if A.dtype == backend.to_numpy(gradient).dtype else 1e-2) * abs(difference)


def test_dependent_columns_reproduce_the_matrix_and_have_no_derivative(backend):
    A = np.stack([normal(M, N), decaying(M, N, [1.0, 0.5]), np.zeros((M, N))])
    given = backend.from_numpy(A)
    P, T = map(backend.to_numpy, uqr.interpolative(given, RANK))
    bound = 1e-14 if T.dtype == np.float64 else 1e-6
    for X, p, t in zip(A[1:], P[1:], T[1:], strict=True):
        assert np.abs(X[:, p] @ t - X).max() <= bound
        assert np.array_equal(t[:, p], np.eye(RANK))
    if "vjp" not in backend.plugin.capabilities:
        return
    with checks("off"):
        for T_bar, exists in ((np.ones_like(T), [True, False, False]), (np.zeros_like(T), [True] * 3)):
            _, pull = backend.vjp(lambda A: (uqr.interpolative(A, RANK).T,), (given,))
            A_bar = backend.to_numpy(pull((backend.from_numpy(T_bar),))[0])
            assert [np.isfinite(X).all() for X in A_bar] == exists
            assert all(np.isnan(X).all() or np.isfinite(X).all() for X in A_bar)
        if "jvp" in backend.plugin.capabilities:
            ones = backend.from_numpy(np.ones_like(A))
            _, dots = backend.jvp(lambda A: (uqr.interpolative(A, RANK).T,), (given,), (ones,))
            assert [np.isfinite(X).all() for X in backend.to_numpy(dots[0])] == [True, False, False]


def test_dependent_columns_are_reported():
    A = decaying(M, N, [1.0, 0.5])
    P, T = uqr.interpolative(A, RANK)
    with pytest.warns(uqr.SingularMatrixWarning):
        A_bar = rules.interpolative_vjp(A, P, T, *uqr.qr(A[:, P]), T)
    assert np.isnan(A_bar).all()


def chain(A, Omega, q):
    """Return the factors of (LR.2) by NumPy, in the gauge of a positive diagonal."""
    found = []
    for i in range(2 * q + 1):
        Q, R = np.linalg.qr((A if i % 2 == 0 else A.conj().T) @ (found[-2] if i else Omega))
        phases = np.diag(R) / np.abs(np.diag(R))
        found += [Q * phases, phases.conj()[:, None] * R]
    return found


@FIELDS
@ITERATIONS
def test_range_finder(q, complex_, backend):
    A, Omega = normal(M, N, complex_=complex_), normal(N, RANK, complex_=complex_, seed=1)
    found = uqr.range_finder(backend.from_numpy(A), RANK, sketch=backend.from_numpy(Omega), power_iterations=q)
    Q = backend.to_numpy(found)
    bound = 1e-13 if Q.real.dtype == np.float64 else 1e-4
    assert np.abs(Q - chain(A, Omega, q)[-2]).max() <= bound
    assert np.abs(Q.conj().T @ Q - np.eye(RANK)).max() <= bound


@FIELDS
@ITERATIONS
def test_gradient_of_a_basis(q, complex_, autodiff_backend):
    backend = autodiff_backend
    A, Omega = normal(M, N, complex_=complex_), normal(N, RANK, complex_=complex_, seed=1)

    def loss(A, Omega):
        return backend.xp.sum(backend.xp.abs(uqr.range_finder(A, RANK, sketch=Omega, power_iterations=q)) ** 4)

    gradients = uqr.grad(loss, argnums=(0, 1))(*map(backend.from_numpy, (A, Omega)))
    dots, h = (normal(M, N, complex_=complex_, seed=2), normal(N, RANK, complex_=complex_, seed=3)), 1e-6
    moved = (chain(A + s * h * dots[0], Omega + s * h * dots[1], q)[-2] for s in (1, -1))
    above, below = ((np.abs(Q) ** 4).sum() for Q in moved)
    slope = sum(np.vdot(backend.to_numpy(X), dot).real for X, dot in zip(gradients, dots, strict=True))
    difference = (above - below) / (2 * h)
    bound = 1e-7 if backend.to_numpy(gradients[0]).real.dtype == np.float64 else 1e-3
    assert abs(slope - difference) <= bound * max(1, abs(difference))


@pytest.mark.parametrize("seed", range(3))
def test_a_basis_captures_almost_everything(seed):
    """E |A - Q Q^H A|^2 <= (1 + k / (p - 1)) sum_{j > k} sigma_j^2 in Frobenius norm: Halko et al., theorem 10.5."""
    k, p = 5, 10
    values = 2.0 ** -np.arange(40)
    A = decaying(60, 40, values, seed=seed)
    errors = []
    for sketch in range(20):
        Q = uqr.range_finder(A, k + p, sketch=sketch)
        errors.append(np.linalg.norm(A - Q @ (Q.T @ A)) ** 2)
    assert np.mean(errors) <= (1 + k / (p - 1)) * np.sum(values[k:] ** 2)


@pytest.mark.parametrize("seed", [np.int64(7), np.uint8(7), np.array(7)], ids=lambda seed: type(seed).__name__)
def test_a_seed_may_be_a_number_of_numpy(seed):
    A = normal(M, N)
    assert np.array_equal(uqr.range_finder(A, 2, sketch=seed), uqr.range_finder(A, 2, sketch=7))


def test_power_iterations_bring_out_what_is_large():
    A = decaying(100, 80, 1.0 / np.sqrt(np.arange(1, 81)))
    best = np.linalg.svd(A, compute_uv=False)[10]

    def error(q):
        Q = uqr.range_finder(A, 10, sketch=3, power_iterations=q)
        return np.linalg.norm(A - Q @ (Q.T @ A), 2)

    assert error(0) > error(2) > best
    assert error(8) < 1.1 * best


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_a_seed_draws_the_same_everywhere(dtype, backend):
    A = normal(M, N, complex_="complex" in dtype).astype(dtype)
    rng = np.random.default_rng(17)
    Omega = rng.standard_normal((N, RANK))
    Omega = (Omega + 1j * rng.standard_normal((N, RANK)) if "complex" in dtype else Omega).astype(dtype)
    drawn, given = (uqr.range_finder(backend.from_numpy(A), RANK, sketch=s) for s in (17, backend.from_numpy(Omega)))
    assert np.array_equal(backend.to_numpy(drawn), backend.to_numpy(given))
    assert backend.dtype_name(drawn) == dtype


def test_a_batch_has_one_sketch_or_one_each(backend):
    A, Omega = normal(4, M, N), normal(4, N, RANK, seed=1)
    given = backend.from_numpy(A)
    one = backend.to_numpy(uqr.range_finder(given, RANK, sketch=backend.from_numpy(Omega[0]), power_iterations=1))
    each = backend.to_numpy(uqr.range_finder(given, RANK, sketch=backend.from_numpy(Omega), power_iterations=1))
    bound = 1e-13 if one.dtype == np.float64 else 1e-4
    for i in range(4):
        assert np.abs(one[i] - chain(A[i], Omega[0], 1)[-2]).max() <= bound
        assert np.abs(each[i] - chain(A[i], Omega[i], 1)[-2]).max() <= bound


@ITERATIONS
def test_beyond_the_rank_a_basis_has_no_derivative(q, backend):
    """Of rank 2, the first two columns have one, in a batch with a matrix of full rank."""
    A, Omega = np.stack([decaying(M, N, [1.0, 0.5]), normal(M, N)]), np.stack([normal(N, RANK, seed=1)] * 2)

    def f(A, Omega):
        return (uqr.range_finder(A, RANK, sketch=Omega, power_iterations=q),)

    if "vjp" not in backend.plugin.capabilities:
        return
    given = tuple(map(backend.from_numpy, (A, Omega)))
    A_dot, Omega_dot = normal(M, N, seed=2) @ np.zeros((N, N)) + A, normal(2, N, RANK, seed=3)
    with checks("off"):
        _, pull = backend.vjp(f, given)
        everything, sound = np.ones((2, M, RANK)), np.ones((2, M, RANK))
        sound[0, :, 2:] = 0
        for X in map(backend.to_numpy, pull((backend.from_numpy(everything),))):
            assert np.isnan(X[0]).all()
            assert np.isfinite(X[1]).all()
        bars = tuple(map(backend.to_numpy, pull((backend.from_numpy(sound),))))
        assert all(np.isfinite(X).all() for X in bars)
        # Along changes that keep the rank, differences tell the truth.
        h, loss = 1e-6, []
        for s in (1, -1):
            Q = chain(A[0] + s * h * A_dot[0], (Omega + s * h * Omega_dot)[0], q)[-2]
            loss.append(Q[:, :2].sum())
        slope = np.vdot(bars[0][0], A_dot[0]) + np.vdot(bars[1][0], Omega_dot[0])
        bound = 1e-6 if bars[0].dtype == np.float64 else 1e-2
        assert abs(slope - (loss[0] - loss[1]) / (2 * h)) <= bound * max(1, abs(slope))
        if "jvp" in backend.plugin.capabilities:
            _, (Q_dot,) = backend.jvp(f, given, tuple(map(backend.from_numpy, (A_dot, Omega_dot))))
            Q_dot = backend.to_numpy(Q_dot)
            assert np.isnan(Q_dot[0, :, 2:]).all()
            assert np.isfinite(Q_dot[0, :, :2]).all()
            assert np.isfinite(Q_dot[1]).all()
            assert abs(Q_dot[0, :, :2].sum() - slope) <= bound * max(1, abs(slope))


@FIELDS
def test_explicit_rules_are_those_of_the_primitive(complex_):
    A, A_dot = normal(M, N, complex_=complex_), normal(M, N, complex_=complex_, seed=1)
    P, T = uqr.interpolative(A, RANK)
    factors, T_bar = uqr.qr(A[:, P]), normal(RANK, N, complex_=complex_, seed=2)
    T_dot = rules.interpolative_jvp(A, P, T, *factors, A_dot)
    A_bar = rules.interpolative_vjp(A, P, T, *factors, T_bar)
    assert np.isclose(np.vdot(A_bar, A_dot).real, np.vdot(T_bar, T_dot).real, rtol=1e-12)
    swapped = [1, 0, 2]  # any order of the columns will do
    A_bar_2 = rules.interpolative_vjp(A, P[swapped], T[swapped], *uqr.qr(A[:, P[swapped]]), T_bar[swapped])
    assert np.allclose(A_bar, A_bar_2, rtol=0, atol=1e-13)
    Omega, Omega_dot = normal(N, RANK, complex_=complex_, seed=3), normal(N, RANK, complex_=complex_, seed=4)
    of_steps, Q_bar = chain(A, Omega, 1), normal(M, RANK, complex_=complex_, seed=5)
    Q_dot = rules.range_finder_jvp(A, Omega, of_steps, A_dot, Omega_dot)
    A_bar, Omega_bar = rules.range_finder_vjp(A, Omega, of_steps, Q_bar)
    left = np.vdot(A_bar, A_dot).real + np.vdot(Omega_bar, Omega_dot).real
    assert np.isclose(left, np.vdot(Q_bar, Q_dot).real, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda A: uqr.interpolative(A), uqr.OptionError, "got rank=None and rtol=None; expected one of them"),
        (lambda A: uqr.interpolative(A, 2, rtol=0.1), uqr.OptionError, "got rank=2 and rtol=0.1; expected one of them"),
        (lambda A: uqr.interpolative(A, -1), uqr.OptionError, "got rank=-1; expected an integer from 0 to"),
        (lambda A: uqr.interpolative(A, N + 1), uqr.OptionError, "of a matrix of 8 x 6"),
        (lambda A: uqr.interpolative(A, 2.0), uqr.OptionError, "got rank=2.0"),
        (lambda A: uqr.interpolative(A, True), uqr.OptionError, "got rank=True"),
        (lambda A: uqr.interpolative(A, rtol=-1e-3), uqr.OptionError, "got rtol=-0.001; expected a nonnegative"),
        (lambda A: uqr.interpolative(A, rtol=float("nan")), uqr.OptionError, "got rtol=nan"),
        (lambda A: uqr.interpolative(A, rtol="small"), uqr.OptionError, "got rtol='small'"),
        (lambda A: uqr.interpolative(A[0], 1), uqr.ShapeError, "expected a matrix"),
        (lambda A: uqr.range_finder(A, N + 1, sketch=0), uqr.OptionError, "got rank=7"),
        (lambda A: uqr.range_finder(A, 2, sketch=A), uqr.ShapeError, r"expected a sketch of shape \(6, 2\)"),
        (lambda A: uqr.range_finder(A, 2, sketch=A[:6, :2] + 0j), uqr.OptionError, "expected a real one"),
        (lambda A: uqr.range_finder(A, 2, sketch=0.5), uqr.ShapeError, "expected a sketch of shape"),
        (lambda A: uqr.range_finder(A, 2, sketch=0, power_iterations=-1), uqr.OptionError, "got power_iterations=-1"),
        (lambda A: uqr.range_finder(A, 2, sketch=0, power_iterations=1.0), uqr.OptionError, "got power_iterations=1.0"),
        (lambda A: uqr.range_finder(A, 2, sketch=-3), uqr.OptionError, "got the seed -3; expected an integer"),
        (lambda A: uqr.range_finder(A, 2, sketch=True), uqr.DtypeError, "dtype bool"),
        (lambda A: uqr.range_finder(A.astype(int), 2, sketch=0), uqr.DtypeError, "of dtype int64"),
        (lambda A: rules.range_finder_vjp(A, A[:6, :2], (A, A), None), uqr.ShapeError, "expected"),
        (lambda A: rules.range_finder_vjp(A, A[:6, :2], (A,), None), uqr.ShapeError, "got 1 factors; expected"),
        (
            lambda A: rules.interpolative_vjp(A, np.array([0.0]), A[:1], A[:, :1], A[:1, :1], None),
            uqr.ShapeError,
            "integers",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(normal(M, N))
