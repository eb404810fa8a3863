"""Stacks of tiny matrices with the stack as the last axis: as good as one by one, else the framework's own."""

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr import rules
from unifiedqr.arrays.stacks import Stack, Tiny, matrices_of, of_stacks, stack_of
from unifiedqr.checks import checks
from unifiedqr.discovery import get_backend
from unifiedqr.kernels.tiny import tiny_qr
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

SHAPES = [(1, 1), (3, 3), (4, 4), (7, 4), (8, 1), (3, 5), (1, 4)]
EVERY = pytest.mark.parametrize("shape", SHAPES, ids=str)
FIELDS = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
UNIT = np.finfo(np.float64).eps / 2


def adjoint(X):
    return np.conj(X.swapaxes(-1, -2))


def kernel(A):
    xp = get_backend("numpy").xp
    return tuple(matrices_of(X, A.shape[:-2]) for X in tiny_qr(of_stacks(xp), stack_of(xp, A)))


@EVERY
@FIELDS
def test_the_kernel_is_backward_stable_and_orthogonal(shape, complex_):
    A = random((50, *shape), complex_=complex_, seed=1) * 10.0 ** np.linspace(-60, 60, 50)[:, None, None]
    A[::2, :, -1] = A[::2, :, 0] * (1 + 1e-9 * random((25, shape[0]), complex_=complex_, seed=2))  # nearly dependent
    Q, R, accepted = kernel(A)
    k = min(shape)
    assert accepted.all()
    assert np.array_equal(R, np.triu(R))
    assert (np.diagonal(R, 0, -2, -1).real > 0).all()
    assert not np.diagonal(R, 0, -2, -1).imag.any()
    assert np.abs(adjoint(Q) @ Q - np.eye(k)).max() <= 8 * max(shape) * UNIT
    columns = np.linalg.norm(A, axis=-2)
    assert (np.linalg.norm(A - Q @ R, axis=-2) <= 8 * max(shape) * UNIT * columns).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_what_would_over_or_underflow_is_rejected_and_leaves_nothing_that_is_not_finite(dtype):
    A = random((8, 3, 3), complex_="complex" in dtype, seed=3).astype(dtype)
    info = np.finfo(dtype)
    A[1], A[2], A[3, 1, 1], A[4, 0, 2] = A[1] * (info.max / 64), A[2] * info.tiny, np.nan, np.inf
    A[5, :, 1], A[6, :, 2] = 0, A[6, :, 0]
    with np.errstate(all="raise", under="ignore", invalid="ignore", over="ignore"):
        Q, R, accepted = kernel(A)
    assert accepted[:, 0, 0][[0, 7]].all()
    assert not accepted[:, 0, 0][[1, 2, 3, 4, 5]].any()
    assert np.isfinite(Q).all()
    assert np.isfinite(R).all()


@EVERY
@FIELDS
def test_rules_of_stacks_are_those_of_matrices(shape, complex_):
    xp = get_backend("numpy").xp
    A, A_dot = (random((6, *shape), complex_=complex_, seed=seed) for seed in (4, 5))
    if shape[0] > 1 < shape[1]:
        A[2, :, 1], A[3, :, 0] = A[2, :, 0], 0  # dependent columns
    Q, R = uqr.qr(A)
    L, P = adjoint(R), adjoint(Q)
    Q_bar, R_bar = random(Q.shape, complex_=complex_, seed=6), random(R.shape, complex_=complex_, seed=7)
    calls = (
        *((rules.qr_vjp, (Q, R, *bars)) for bars in ((Q_bar, R_bar), (None, R_bar), (Q_bar, None))),
        (rules.lq_vjp, (L, P, adjoint(R_bar), adjoint(Q_bar))),
        (rules.qr_jvp, (Q, R, A_dot)),
        (rules.lq_jvp, (L, P, adjoint(A_dot))),
    )
    for rule, arrays in calls:
        with checks("off"), np.errstate(invalid="ignore"):  # of a compiled program a NaN is the quotient 0 / 0
            expected = rule(*arrays)
            found = rule(*(None if X is None else stack_of(xp, X) for X in arrays), xp=of_stacks(xp))
        pairs = zip(found, expected, strict=True) if type(found) is tuple else [(found, expected)]
        for X, Y in pairs:
            X = matrices_of(X, (6,))
            assert np.array_equal(np.isnan(X), np.isnan(Y))
            scale = np.nanmax(np.abs(Y), axis=(-2, -1), keepdims=True, initial=1.0)
            condition = leading_condition(A[[0, 1, 4, 5]])
            assert np.nanmax(np.abs(X - Y) / scale, initial=0.0) <= tolerance("float64", *shape, condition)


def test_which_stacks_are_tiny():
    tiny = Tiny(longest=8, shortest=4, matrices=10)
    assert all(tiny.include(shape) for shape in ((10, 4, 4), (2, 5, 8, 4), (10, 1, 8)))
    assert not any(
        tiny.include(shape) for shape in ((9, 4, 4), (10, 5, 5), (10, 9, 2), (10, 0, 3), (4, 4), (None, 4, 4))
    )


def test_a_stack_is_an_array_of_its_matrices():
    xp = get_backend("numpy").xp
    A, B = random((5, 3, 4), complex_=True, seed=8), random((5, 4, 2), complex_=True, seed=9)
    X, Y = stack_of(xp, A), stack_of(xp, B)
    assert isinstance(X, Stack)
    assert (X.shape, X.ndim, X.dtype) == ((3, 4), 2, A.dtype)
    np.testing.assert_allclose(matrices_of(X @ Y, (5,)), A @ B, rtol=1e-13)
    assert np.array_equal(matrices_of(X[..., :2] - 1.0, (5,)), A[..., :2] - 1.0)
    assert np.array_equal(matrices_of(X[1:, :1], (5,)), A[:, 1:, :1])


def mixed_batch(shape, complex_):
    """Return 300 matrices, among them some that the kernel rejects."""
    A = random((300, *shape), complex_=complex_, seed=10)
    A[7, :, 0], A[8], A[9] = 0, A[8] * 1e200, A[9] * 1e-200
    return A


def assert_right(name, A, found, A_bar, bars):
    """Compare factors and gradients of a mixed batch with those of single matrices in NumPy."""
    shape, expected = A.shape[-2:], getattr(uqr, name)(A)
    with checks("off"):
        truth = getattr(rules, f"{name}_vjp")(*expected, *bars)
    bound = tolerance("float64", *shape, 1e3)
    left, right = found  # of the zero column Q or its sign is whatever the reflectors give
    assert relative_error(np.asarray(left)[7] @ np.asarray(right)[7], A[7]) <= bound
    for X, Y in zip(found, expected, strict=True):
        assert max(relative_error(np.asarray(X)[i], Y[i]) for i in range(len(A)) if i != 7) <= bound
    assert np.array_equal(np.isnan(A_bar).any((-2, -1)), np.isnan(truth).any((-2, -1)))
    for i in set(np.flatnonzero(~np.isnan(truth).any((-2, -1)))) - {7}:
        assert relative_error(A_bar[i], truth[i]) <= tolerance("float64", *shape, 1e5)


@pytest.mark.parametrize(
    ("name", "shape", "complex_"), [("qr", (6, 3), True), ("lq", (2, 4), False), ("qr", (9, 6), False)], ids=str
)
def test_in_programs_that_tensorflow_compiles_with_xla(name, shape, complex_):
    tf = pytest.importorskip("tensorflow")
    A, backend = mixed_batch(shape, complex_), get_backend("tensorflow")
    bars = [random(X.shape, complex_=complex_, seed=11) for X in getattr(uqr, name)(A)]

    def program(A, *bars):
        assert backend.xp.beyond.tiny.include(A.shape) == (min(shape) <= 4)
        assert backend.xp.beyond.fused >= max(shape)
        with tf.GradientTape() as tape:
            tape.watch(A)
            factors = tuple(getattr(uqr, name)(A))
        return factors, tape.gradient(factors, A, output_gradients=list(bars))

    with checks("off"):
        found, A_bar = tf.function(program, jit_compile=True)(*map(backend.from_numpy, (A, *bars)))
    assert_right(name, A, found, A_bar.numpy(), bars)
    assert backend.xp.beyond.tiny is None
    assert not backend.xp.beyond.fused


@pytest.mark.parametrize(("count", "shape", "fused"), [(64, (16, 9), True), (63, (9, 9), False), (64, (17, 9), False)])
def test_many_small_matrices_are_multiplied_entry_by_entry_in_compiled_programs(count, shape, fused):
    jax = pytest.importorskip("jax")
    A, A_dot = (jax.numpy.asarray(random((count, *shape), complex_=False, seed=seed)) for seed in (16, 17))
    Q, R = uqr.qr(A)
    for rule, arrays in ((rules.qr_vjp, (Q, R, A_dot, R)), (rules.qr_jvp, (Q, R, A_dot))):
        compiled = jax.jit(lambda *arrays, rule=rule: rule(*arrays, xp=get_backend("jax").xp))
        assert ("dot_general" in compiled.lower(*arrays).as_text()) != fused
        found, expected = (
            tree if type(tree) is tuple else (tree,) for tree in (compiled(*arrays), rule(*map(np.asarray, arrays)))
        )
        for X, Y in zip(found, expected, strict=True):
            assert relative_error(np.asarray(X), Y) <= tolerance("float64", *shape, 1e3)


@pytest.mark.parametrize(
    ("shape", "complex_"), [((3, 3), False), ((6, 3), True), ((2, 4), False), ((9, 6), False)], ids=str
)
class TestInJax:
    def test_values_and_gradients_are_those_of_numpy(self, shape, complex_):
        jax = pytest.importorskip("jax")
        A, backend = mixed_batch(shape, complex_), get_backend("jax")
        assert backend.xp.beyond.tiny.include(A.shape) == (min(shape) <= 4)
        for name, f in (("qr", uqr.qr), ("lq", uqr.lq)):
            found, pull = backend.vjp(lambda X, f=f: tuple(f(X)), (backend.from_numpy(A),))
            bars = [random(X.shape, complex_=complex_, seed=11) for X in found]
            with checks("off"):
                A_bar = np.asarray(pull(tuple(map(backend.from_numpy, bars)))[0])
                jitted = jax.jit(lambda X, f=f: tuple(f(X)))(backend.from_numpy(A))
            assert_right(name, A, found, A_bar, bars)
            assert_right(name, A, jitted, A_bar, bars)

    def test_second_order_is_that_of_single_matrices(self, shape, complex_):
        jax = pytest.importorskip("jax")
        A, A_dot = (random((300, *shape), complex_=complex_, seed=seed) for seed in (12, 13))

        def loss(X):
            Q, R = uqr.qr(X)
            return jax.numpy.sum(jax.numpy.abs(Q[..., 0]) ** 3) + jax.numpy.sum(jax.numpy.abs(R) ** 3)

        given = ([jax.numpy.asarray(X[:count]) for X in (A, A_dot)] for count in (300, 3))
        whole, few = (np.asarray(uqr.hvp(loss, [X], [Y])[0]) for X, Y in given)
        for X, Y in zip(whole[:3], few, strict=True):
            assert relative_error(X, Y) <= tolerance("float64", *shape, 1e5)

    def test_under_vmap_and_in_forward_mode(self, shape, complex_):
        jax = pytest.importorskip("jax")
        A, A_dot = (random((2, 300, *shape), complex_=complex_, seed=seed) for seed in (14, 15))
        found = jax.vmap(lambda X, Y: jax.jvp(lambda Z: tuple(uqr.qr(Z)), (X,), (Y,)))(A, A_dot)
        Q, R = uqr.qr(A)
        expected = ((Q, R), rules.qr_jvp(Q, R, A_dot))
        for X, Y in zip((*found[0], *found[1]), (*expected[0], *expected[1]), strict=True):
            assert max(relative_error(x, y) for x, y in zip(np.asarray(X)[0], Y[0], strict=True)) <= 1e-9
