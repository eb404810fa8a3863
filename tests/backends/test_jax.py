"""What is specific to JAX: its pairing, its nestings to third order, its rounding, real parts of complex factors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

DECOMPOSE = pytest.mark.parametrize("decompose", [uqr.qr, uqr.lq], ids=["qr", "lq"])


def loss_of(function):
    return lambda A: sum((jnp.real(X) ** 3).sum() for X in function(A))


def by_cholesky(A):
    """Return the factors of a deep or square A by another route: R^H R = A^H A."""
    R = jnp.conj(jnp.linalg.cholesky(jnp.conj(A.mT) @ A).mT)
    return jax.lax.linalg.triangular_solve(R, A, left_side=False), R


def test_jax_grad_is_the_conjugate_of_ours():
    """JAX pairs without conjugation: its gradient of a real loss is the conjugate of dL/dRe + i dL/dIm."""
    case = golden("qr")["qr-random-5x3-complex"]
    Q_bar, R_bar = map(jnp.asarray, case.factor_bars)

    def loss(A):
        Q, R = uqr.qr(A)
        return jnp.sum((jnp.conj(Q_bar) * Q).real) + jnp.sum((jnp.conj(R_bar) * R).real)

    bound = tolerance("complex128", 5, 3, leading_condition(case.A))
    assert relative_error(np.conj(jax.grad(loss)(jnp.asarray(case.A))), case.A_bars["both"]) <= bound


def test_a_loss_of_real_parts_and_one_of_imaginary_parts_add_up():
    case = golden("qr")["qr-random-3x5-complex"]
    bars = tuple(map(jnp.asarray, case.factor_bars))

    def loss(A, part):
        return sum(jnp.sum(part(bar) * part(X)) for bar, X in zip(bars, uqr.qr(A), strict=True))

    halves = [jax.grad(loss)(jnp.asarray(case.A), part) for part in (jnp.real, jnp.imag)]
    bound = tolerance("complex128", 3, 5, leading_condition(case.A))
    assert relative_error(np.conj(sum(halves)), case.A_bars["both"]) <= bound


@pytest.mark.parametrize("shape", ["5x3", "4x4"])
def test_a_real_matrix_made_complex_has_the_real_gradient(shape):
    """With real cotangents; a wide one made complex is another function, whose last pivot counts."""
    case = golden("qr")[f"qr-random-{shape}-real"]
    bars = tuple(map(jnp.asarray, case.factor_bars))

    def loss(A):
        factors = uqr.qr(A.astype(jnp.complex128))
        return sum(jnp.sum(bar * X.real) for bar, X in zip(bars, factors, strict=True))

    A = jnp.asarray(case.A)
    bound = tolerance("float64", *A.shape, leading_condition(case.A))
    assert relative_error(jax.grad(loss)(A), case.A_bars["both"]) <= bound


@pytest.mark.parametrize("decompose", [uqr.qr, pytest.param(uqr.lq, marks=pytest.mark.exhaustive)], ids=["qr", "lq"])
@pytest.mark.parametrize("shape", [(5, 3), (4, 4), (3, 5)], ids=str)
def test_the_four_nestings_of_second_order_agree(decompose, shape):
    B = jnp.asarray(random(shape, complex_=False, seed=5))
    f = loss_of(decompose)
    outer_inner = [(outer, inner) for outer in (jax.jacfwd, jax.jacrev) for inner in (jax.jacfwd, jax.jacrev)]
    hessians = [np.asarray(outer(inner(f))(B)).reshape(B.size, B.size) for outer, inner in outer_inner]
    bound = tolerance("float64", *shape, leading_condition(B, rows=decompose is uqr.lq) ** 2)
    for hessian in hessians[1:]:
        assert relative_error(hessian, hessians[0]) <= bound
    assert relative_error(hessians[0], hessians[0].T) <= bound


NESTINGS = {
    "reverse": lambda g: jax.grad(jax.grad(jax.grad(g))),
    "forward": lambda g: jax.jacfwd(jax.jacfwd(jax.jacfwd(g))),
    "mixed": lambda g: jax.jacfwd(jax.grad(jax.jacfwd(g))),
}


@pytest.mark.parametrize("complex_", [False, pytest.param(True, marks=pytest.mark.exhaustive)], ids=["real", "complex"])
@pytest.mark.parametrize("nesting", list(NESTINGS))
def test_third_order(nesting, complex_):
    A, V = (jnp.asarray(random((5, 3), complex_=complex_, seed=seed)) for seed in (7, 8))
    ours, truth = (
        NESTINGS[nesting](lambda t, f=f: loss_of(f)(A + t * V))(0.0) for f in (lambda A: tuple(uqr.qr(A)), by_cholesky)
    )
    assert relative_error(ours, truth) <= tolerance("float64", 5, 3, leading_condition(A) ** 3)


def test_vmap_over_any_axis_agrees_with_a_loop():
    stacked = jnp.asarray(random((5, 4, 3), complex_=True, seed=6))
    Q, R = jax.vmap(uqr.qr, in_axes=1)(stacked)
    for i in range(4):
        for X, Y in zip((Q[i], R[i]), uqr.qr(stacked[:, i]), strict=True):
            assert relative_error(X, Y) <= tolerance("complex128", 5, 3, leading_condition(stacked[:, i]))


HALF = {
    "grad": lambda f, A: jax.grad(f)(A),
    "jit of grad": lambda f, A: jax.jit(jax.grad(f))(A),
    "jvp": lambda f, A: jax.jvp(f, (A,), (A,))[1],
    "vmap of grad": lambda f, A: jax.vmap(jax.grad(f))(A[None])[0],
    "jvp of grad": lambda f, A: jax.jvp(jax.grad(f), (A,), (A,))[1],
}


@DECOMPOSE
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("mode", list(HALF))
def test_half_precision_rounds_once(decompose, dtype, mode):
    """It is computed in single precision: what is handed over is rounded, and so is what comes back."""
    half = jnp.asarray(random((5, 3), complex_=False, seed=9)).astype(dtype)

    def loss(A):
        return sum(jnp.sum(X.astype(jnp.float32)[0]) for X in decompose(A))

    found, expected = HALF[mode](loss, half), HALF[mode](loss, half.astype(jnp.float32))
    assert found.dtype == (dtype if "grad" in mode else jnp.float32)
    error = relative_error(np.asarray(found.astype(jnp.float32)), np.asarray(expected))
    assert error <= tolerance(dtype, 5, 3)


def test_values_can_be_read_inside_a_gradient():
    """`to_numpy` detaches."""

    def loss(A):
        return uqr.to_numpy(uqr.qr(A).R)[0, 0] * jnp.sum(A)

    A = jnp.asarray(random((5, 3), complex_=False, seed=2))
    assert np.array_equal(jax.grad(loss)(A), np.full((5, 3), uqr.to_numpy(uqr.qr(A).R)[0, 0]))


def test_the_matrix_may_change_once_it_was_given():
    """JAX shares the memory of a NumPy array, or reads it later; ours has been read."""
    values = random((300, 200), complex_=False, seed=4)
    with uqr.use_backend("jax"):
        for _ in range(5):
            given = values.copy()
            _, R = uqr.qr(given)
            given[:] = 0
            assert relative_error(np.linalg.norm(R), np.linalg.norm(values)) <= tolerance("float64", 300, 200)


def test_tracers_are_jax_arrays():
    A = jnp.asarray(random((5, 3), complex_=False, seed=2))
    assert jax.jit(lambda X: uqr.qr(X).R.shape[0] * jnp.ones(()))(A) == 3
