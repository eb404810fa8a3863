"""CholeskyQR: factors as good as Householder's for every matrix, right derivatives, each matrix of a batch alone."""

from functools import partial

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.arrays.operations import ON_DEVICES
from unifiedqr.decomposition import DECOMPOSITIONS, primitive
from unifiedqr.errors import OptionError
from unifiedqr.kernels import cholesky
from unifiedqr_lab.conformance import runner
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import ADVERSARIAL, adversarial, random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

FRAMEWORKS = ("numpy", "torch", "tensorflow", "mxnet", "jax")


def of_condition(m, n, condition, *, dtype="float64", seed=0):
    """Return a matrix with singular values falling evenly, on a logarithmic scale, from 1 to 1 / condition."""
    U, V = (np.linalg.qr(random((rows, n), complex_=dtype[0] == "c", seed=seed + rows))[0] for rows in (m, n))
    return (U * np.geomspace(1, 1 / condition, n) @ V.conj().T).astype(dtype)


def biased(m, n):
    """Return a matrix of which every product has the same rounding error, and the same sign."""
    return np.float32(0.1) * np.ones((m, n)) + 0.05 * random((m, n), complex_=False, seed=3)


CONDITIONS = [10.0**power for power in (0, 1, 2, 4, 6, 7, 8, 10, 12, 14, 16)]
TALL = {
    **{f"condition {c:.0e}": partial(of_condition, 400, 12, c) for c in CONDITIONS},
    **{name: partial(adversarial, name, 90, 8, complex_=False) for name in ADVERSARIAL},
    **{f"complex {name}": partial(adversarial, name, 90, 8, complex_=True) for name in ADVERSARIAL},
    "normal": partial(random, (3000, 16), complex_=False, seed=1),
    "long": partial(biased, 200_000, 4),
    "dependent": lambda: np.outer(np.arange(1.0, 61), np.ones(4)),
    "zero column": lambda: random((60, 4), complex_=False, seed=2) * [1, 0, 1, 1],
    "one column": lambda: random((50, 1), complex_=True, seed=2),
    "barely deep": lambda: random((9, 8), complex_=False, seed=5),
}


def defects(A, Q, R):
    """Return ||Q^H Q - I||_F and ||A - Q R||_F / ||A||_F, in higher precision."""
    wide = np.clongdouble if np.iscomplexobj(A) else np.longdouble
    A, Q, R = (X.astype(wide) for X in (A, Q, R))
    scale = np.abs(A).max() or 1
    gram = Q.conj().T @ Q - np.eye(Q.shape[-1])
    residual = A / scale - Q @ (R / scale)
    return float(norm(gram)), float(norm(residual) / (norm(A / scale) or 1))


def norm(X):
    return np.sqrt((np.abs(X) ** 2).sum())


@pytest.mark.parametrize("single", [False, True], ids=["double", "single"])
@pytest.mark.parametrize("name", TALL)
def test_factors_are_orthonormal_and_multiply_to_the_matrix(name, single, backend):
    A = TALL[name]()
    if single:
        if not 1e-30 < np.abs(A).max() < 1e30:
            pytest.skip("the matrix has no place in single precision")
        A = A.astype({"f": np.float32, "c": np.complex64}[A.dtype.kind])
    Q, R = map(backend.to_numpy, uqr.qr(backend.from_numpy(A), method="cholesky"))
    gram, residual = defects(A, Q, R)
    bound = 50 * np.finfo(A.dtype).eps / 2 * A.shape[-1] ** 0.5
    assert gram <= bound
    assert residual <= bound
    assert np.array_equal(R, np.triu(R))
    assert not np.signbit(np.tril(R, -1).real).any()
    assert np.isreal(np.diagonal(R)).all()
    assert (np.diagonal(R).real >= 0).all()
    R_alone = backend.to_numpy(uqr.qr(backend.from_numpy(A), mode="r", method="cholesky"))
    assert np.array_equal(R_alone, np.triu(R_alone))


@pytest.mark.parametrize(
    ("condition", "passes"),
    [
        (1, ()),
        (1e4, ("_again",)),
        (1e10, ("_again", "_shifted", "_again")),
        (1e17, ("_again", "_shifted", "_again", "householder")),
    ],
)
def test_every_attempt_is_made_where_the_one_before_is_refused(condition, passes, monkeypatch):
    made = []

    def noted(name, function):
        return lambda *arguments: (made.append(name), function(*arguments))[1]

    for name in ("_again", "_shifted"):
        monkeypatch.setattr(cholesky, name, noted(name, getattr(cholesky, name)))
    xp = uqr.namespace("numpy")
    cholesky.cholesky_qr(
        xp, of_condition(400, 12, condition), noted("householder", lambda xp, A: tuple(np.linalg.qr(A)))
    )
    assert tuple(made) == passes


@pytest.mark.parametrize(
    ("framework", "decomposition"),
    [
        pytest.param(framework, name, marks=pytest.mark.exhaustive if framework in ("jax", "tensorflow") else ())
        for framework in FRAMEWORKS
        for name in ("qr", "lq", "qr-r")
    ],
)
def test_golden_vectors(framework, decomposition, monkeypatch):
    """Those of deep matrices (wide ones, for LQ): others are not decomposed so, and the suite has them already."""

    def tall(name):
        pairs = golden(name).items()
        return {key: case for key, case in pairs if np.subtract(*case.A.shape[-2:]) * (-1 if name == "lq" else 1) > 0}

    monkeypatch.setattr(runner, "golden", tall)
    monkeypatch.setitem(DECOMPOSITIONS, decomposition, partial(primitive, decomposition, method="cholesky"))
    result = runner.run_suite([framework], decompositions=(decomposition,))
    assert len({finding.case for finding in result.findings}) > 5
    assert not result.failures, "\n".join(map(str, result.failures[:20]))


@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
def test_each_matrix_of_a_batch_is_decomposed_as_it_needs(complex_, backend):
    kind = "complex128" if complex_ else "float64"
    A = np.stack([of_condition(60, 5, c, dtype=kind, seed=i) for i, c in enumerate((1, 1e5, 1e10, 1e13, 1e17, 1.2, 1))])
    A[-1, 3, 2] = np.nan
    Q, R = map(backend.to_numpy, uqr.qr(backend.from_numpy(A), method="cholesky"))
    for X, Q_X, R_X in zip(A[:-1], Q, R, strict=False):
        assert max(defects(X, Q_X, R_X)) <= 50 * 2.0**-53 * 5**0.5
    assert np.isnan(Q[-1]).any()


def loss(xp, A, **options):
    Q, R = uqr.qr(A, **options)
    weights = xp.astype(xp.asarray(np.arange(1.0, 4.0)), R.dtype)
    return xp.sum(xp.real(Q[..., 1, :] * weights)) + xp.sum(xp.abs(R) ** 2 * xp.real(weights))


def gradient(A, **options):
    with uqr.use_backend("torch"):
        return uqr.to_numpy(uqr.grad(lambda A: loss(uqr.namespace(A), A, **options))(A))


MATRICES = np.stack([of_condition(40, 3, c, seed=i) for i, c in enumerate((1, 1e5, 1e9))])


def assert_right(found):
    gradients = [gradient(A, method="householder") for A in MATRICES]
    for A, X, Y in zip(MATRICES, found, gradients, strict=True):
        assert relative_error(X, Y) <= tolerance("float64", 40, 3, leading_condition(A))


def test_jax_transforms():
    import jax
    import jax.numpy as jnp

    def f(A):
        return loss(uqr.namespace("jax"), A, method="cholesky")

    assert_right(jax.vmap(jax.grad(f))(MATRICES))
    assert_right(jax.jit(jax.vmap(jax.grad(f)))(MATRICES))
    assert_right(jnp.stack([jax.jit(jax.grad(f))(A) for A in MATRICES]))
    assert_right(jax.grad(lambda stack: jnp.sum(jax.lax.map(f, stack)))(jnp.asarray(MATRICES)))


@pytest.mark.parametrize("options", [{}, {"jit_compile": True}], ids=["graph", "XLA"])
def test_tensorflow_transforms(options):
    import tensorflow as tf

    xp = uqr.namespace("tensorflow")

    @tf.function(**options)
    def one(A):
        with tf.GradientTape() as tape:
            tape.watch(A)
            value = loss(xp, A, method="cholesky")
        return tape.gradient(value, A)

    @tf.function(**options)
    def mapped(stack):
        return tf.vectorized_map(one.python_function, stack)

    stack = tf.constant(MATRICES)
    assert_right([one(A).numpy() for A in stack])
    assert_right(mapped(stack).numpy())


@pytest.mark.filterwarnings("ignore")  # Inductor warns of itself
@pytest.mark.parametrize(
    "compiler", ["eager", "aot_eager", pytest.param("inductor", marks=pytest.mark.exhaustive)]
)  # Inductor compiles C++ for half a minute; tests/backends/test_torch_compile.py runs it
def test_torch_compile(compiler):
    import torch

    def f(A):
        return loss(uqr.namespace("torch"), A, method="cholesky")

    gradient_of = torch.compile(torch.func.grad(f), backend=compiler, fullgraph=True)
    assert_right(np.stack([gradient_of(torch.asarray(A)).numpy() for A in MATRICES]))
    assert_right(torch.func.vmap(torch.func.grad(f))(torch.asarray(MATRICES)).numpy())


def test_auto_is_cholesky_where_that_was_measured_to_be_faster(monkeypatch):
    called = []

    def noted(xp, A, fallback):
        called.append(A.shape)
        return fallback(xp, A)

    monkeypatch.setattr("unifiedqr.kernels.reduced.cholesky_qr", noted)
    for framework in FRAMEWORKS:
        backend = uqr.get_backend(framework)
        limits = backend.xp.beyond.limits
        if limits is None:
            assert framework in ("numpy", "mxnet")
            continue
        n = max(min(limits.columns, 8), limits.narrowest)
        m = max(limits.rows, limits.slenderness * n)
        stack = -(-limits.entries // (m * n)) or 1
        shapes = {(stack, m, n): True, (stack, m - 1, n): False, (stack, m, limits.columns + 1): False}
        if limits.entries:
            shapes[stack - 1, m, n] = False
        if limits.narrowest > 1:
            shapes[stack * n, m, limits.narrowest - 1] = False
        for shape, chosen in shapes.items():
            for options in ({}, {"positive": False}, {"method": "householder"}):
                called.clear()
                A = backend.from_numpy(random(shape, complex_=False, seed=m))
                primitive("qr", **options).forward(backend.xp, A)
                assert bool(called) == (chosen and not options), (framework, shape, options)


def batch_of_a_device():
    """Return tall matrices, among them dependent, zero, tiny and ill-conditioned ones, and which have full rank."""
    A = random((40, 64, 4), complex_=False, seed=11)
    A[3, :, 2], A[5], A[7] = A[3, :, 0], 0, A[7] * 1e-200
    A[9, :, 3] = A[9, :, 0] + 1e-9 * A[9, :, 3]
    return A, [i for i in range(len(A)) if i not in (3, 5)]


def test_pytorch_asks_a_device_once(monkeypatch):
    import torch

    asked, nonzero, truth = [], torch.nonzero, torch.Tensor.__bool__
    A, regular = batch_of_a_device()
    expected = uqr.qr(A)
    monkeypatch.setattr("unifiedqr_torch.namespace.is_on_host", lambda A: False)
    monkeypatch.setattr("unifiedqr_torch.namespace.DEVICES", ("cpu",))
    monkeypatch.setattr(torch, "nonzero", lambda x: (asked.append(x.numel()), nonzero(x))[1])
    monkeypatch.setattr(torch.Tensor, "__bool__", lambda x: (asked.append("a truth value"), truth(x))[1])
    for rows in (slice(None), slice(0, 2), 0):  # some of which the guard refuses, and none
        asked.clear()
        Q, R = (X.numpy() for X in uqr.qr(torch.asarray(A[rows])))
        assert asked == [A[rows].size // (64 * 4)]
        assert relative_error(Q @ R, A[rows]) <= 1e-14
        chosen = regular if rows == slice(None) else slice(None)
        assert relative_error(R[chosen], expected.R[rows][chosen]) <= 1e-13
        assert np.abs(Q.swapaxes(-1, -2) @ Q - np.eye(4))[chosen].max() <= 1e-14
    assert asked == [1]


def test_jax_decides_on_a_device(monkeypatch):
    import jax

    A, regular = batch_of_a_device()
    monkeypatch.setattr("unifiedqr_jax.namespace._is_on_cpu", lambda A: False)
    limits = uqr.get_backend("jax").xp.beyond.limits_of(A)
    assert limits is ON_DEVICES
    assert limits.include(A.shape)
    Q, R = map(np.asarray, jax.jit(lambda A: tuple(uqr.qr(A)))(A))
    assert relative_error(Q @ R, A) <= 1e-14
    assert relative_error(R[regular], uqr.qr(A).R[regular]) <= 1e-13


@pytest.mark.parametrize("options", [{}, {"rank": 1}, {"mode": "r"}], ids=str)
def test_pivoting_is_not_for_cholesky(options):
    for function in (uqr.qr, uqr.lq):
        if options.get("mode") and function is uqr.lq:
            options = {"mode": "l"}
        with pytest.raises(OptionError, match="cannot pivot"):
            function(np.eye(3), pivoting=True, method="cholesky", **options)
