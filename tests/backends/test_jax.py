"""What is specific to JAX: its pairing, its transformations, and that our rules are the ones that run."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.conformance.checks import doubled
from unifiedqr.conformance.golden import golden
from unifiedqr.conformance.matrices import random
from unifiedqr.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr_jax.autodiff import bind

A = jnp.asarray(random((5, 3), complex_=False, seed=2))
V = jnp.asarray(random((5, 3), complex_=False, seed=3))


def loss_of(function):
    return lambda A: sum((jnp.real(X) ** 3).sum() for X in function(A))


def test_jax_grad_is_the_conjugate_of_ours():
    """JAX pairs without conjugation: its gradient of a real loss is the conjugate of dL/dRe + i dL/dIm."""
    case = golden("qr")["qr-random-5x3-complex"]
    Q_bar, R_bar = map(jnp.asarray, case.factor_bars)

    def loss(A):
        Q, R = uqr.qr(A)
        return jnp.sum((jnp.conj(Q_bar) * Q).real) + jnp.sum((jnp.conj(R_bar) * R).real)

    bound = tolerance("complex128", 5, 3, leading_condition(case.A))
    assert relative_error(np.conj(jax.grad(loss)(jnp.asarray(case.A))), case.A_bars["both"]) <= bound


MODES = {
    "grad": lambda f: jax.grad(f)(A),
    "jit of grad": lambda f: jax.jit(jax.grad(f))(A),
    "grad of jit": lambda f: jax.grad(jax.jit(f))(A),
    "vmap of grad": lambda f: jax.vmap(jax.grad(f))(jnp.stack([A, A])),
    "grad of vmap": lambda f: jax.grad(lambda B: jnp.sum(jax.vmap(f)(B)))(jnp.stack([A, A])),
    "jvp": lambda f: jax.jvp(f, (A,), (V,))[1],
    "linearize": lambda f: jax.linearize(f, A)[1](V),
    "jacfwd": lambda f: jax.jacfwd(f)(A),
    "vmap of jvp": lambda f: jax.vmap(lambda v: jax.jvp(f, (A,), (v,))[1])(jnp.stack([V, V])),
    "remat": lambda f: jax.grad(jax.checkpoint(f))(A),
}


@pytest.mark.parametrize("decomposition", list(DECOMPOSITIONS))
@pytest.mark.parametrize("mode", list(MODES))
def test_sentinel_in_every_mode(decomposition, mode):
    rules = DECOMPOSITIONS[decomposition]()
    planted = doubled(rules)
    ours, wrong = (MODES[mode](loss_of(bind(primitive))) for primitive in (rules, planted))
    assert relative_error(wrong, 2 * ours) <= tolerance("float64", 5, 3)


@pytest.mark.parametrize("decompose", [uqr.qr, uqr.lq], ids=["qr", "lq"])
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


def test_vmap_over_any_axis_agrees_with_a_loop():
    stacked = jnp.asarray(random((5, 4, 3), complex_=True, seed=6))
    Q, R = jax.vmap(uqr.qr, in_axes=1)(stacked)
    for i in range(4):
        for X, Y in zip((Q[i], R[i]), uqr.qr(stacked[:, i]), strict=True):
            assert relative_error(X, Y) <= tolerance("complex128", 5, 3, leading_condition(stacked[:, i]))


def test_tracers_are_jax_arrays():
    assert jax.jit(lambda X: uqr.qr(X).R.shape[0] * jnp.ones(()))(A) == 3
