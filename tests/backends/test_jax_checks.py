"""`set_checks` in JAX: eager derivatives are reported, traced ones are silent, and no trace is broken."""

import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.checks import checks
from unifiedqr_jax import autodiff
from unifiedqr_jax.values import seen
from unifiedqr_lab.conformance.matrices import random

SOUND = jnp.asarray(random((5, 3), complex_=False, seed=1))
SPOILED = SOUND.at[:, 1].set(2 * SOUND[:, 0])
STACK = jnp.stack([SOUND, SPOILED])
EXEMPT = SOUND[:3].at[:, 2].set(SOUND[:3, 0])


@pytest.fixture(params=["compiled as a whole", "compiled rule by rule"])
def route(request, monkeypatch):
    """Differentiate eagerly as small and as large matrices are."""
    monkeypatch.setattr(autodiff, "LARGE", {"compiled as a whole": 2**40, "compiled rule by rule": 0}[request.param])


def loss(A):
    Q, R = uqr.qr(A)
    return jnp.sum(Q**3) + jnp.sum(R**2)


def of_stack(A):
    return jnp.sum(jax.vmap(loss)(A))


def without_jit():
    with jax.disable_jit():
        return jax.grad(loss)(SPOILED)


EAGER = {
    "grad": lambda: jax.grad(loss)(SPOILED),
    "value_and_grad": lambda: jax.value_and_grad(loss)(SPOILED)[1],
    "pullback": lambda: jax.vjp(loss, SPOILED)[1](jnp.ones(())),
    "pullback of R alone": lambda: jax.vjp(lambda A: uqr.qr(A).R, SPOILED)[1](SPOILED[:3]),
    "jvp": lambda: jax.jvp(loss, (SPOILED,), (SOUND,))[1],
    "linearize": lambda: jax.linearize(loss, SPOILED)[1](SOUND),
    "jacfwd": lambda: jax.jacfwd(loss)(SPOILED),
    "hessian": lambda: jax.hessian(loss)(SPOILED),
    "grad of grad": lambda: jax.grad(lambda A: jnp.sum(jax.grad(loss)(A)))(SPOILED),
    "disable_jit": without_jit,
}

TRACED = {
    "jit of grad": lambda: jax.jit(jax.grad(loss))(SPOILED),
    "grad of jit": lambda: jax.grad(jax.jit(loss))(SPOILED),
    "grad of a constant inside jit": lambda: jax.jit(lambda x: x * jax.grad(loss)(SPOILED))(1.0),
    "jacrev, which maps over cotangents": lambda: jax.jacrev(loss)(SPOILED),
    "vmap of grad": lambda: jax.vmap(jax.grad(loss))(STACK)[1],
    "grad of vmap": lambda: jax.grad(of_stack)(STACK)[1],
    "checkpoint": lambda: jax.grad(jax.checkpoint(loss))(SPOILED),
    "scan": lambda: jax.grad(lambda A: jnp.sum(jax.lax.map(loss, A)))(STACK)[1],
}


@pytest.mark.parametrize("mode", list(EAGER))
def test_eager_derivatives_are_reported(mode, route):
    with pytest.warns(uqr.SingularMatrixWarning, match="no derivative"):
        assert np.all(np.isnan(EAGER[mode]()))
    with checks("raise"), pytest.raises(uqr.SingularMatrixError) as caught:
        EAGER[mode]()
    assert type(caught.value) is uqr.SingularMatrixError


@pytest.mark.parametrize("mode", list(TRACED))
def test_traced_derivatives_are_nan_in_silence(mode, route):
    with checks("raise"):
        assert np.all(np.isnan(TRACED[mode]()))


@pytest.mark.parametrize("mode", [*EAGER, *TRACED])
def test_off_is_silent_everywhere(mode, route, unchecked):
    assert np.all(np.isnan({**EAGER, **TRACED}[mode]()))


def test_the_batch_element_is_named(route):
    with pytest.warns(uqr.SingularMatrixWarning, match=r"1 of 2 matrices of the batch, the first at index \(1,\)"):
        sound, spoiled = jax.grad(lambda A: jnp.sum(uqr.qr(A).R))(STACK)
    assert np.all(np.isfinite(sound))
    assert np.all(np.isnan(spoiled))


UNUSED = {
    "the decomposition alone": lambda: uqr.qr(SPOILED),
    "a pullback that is not called": lambda: jax.vjp(loss, SPOILED),
    "a pushforward that is not called": lambda: jax.linearize(loss, SPOILED),
    "stop_gradient": lambda: jax.grad(lambda A: jnp.sum(A) + jax.lax.stop_gradient(loss(A)))(SPOILED),
    "auxiliary data": lambda: jax.grad(lambda A: (jnp.sum(A), uqr.qr(A)), has_aux=True)(SPOILED),
    "the exempt last pivot": lambda: jax.grad(loss)(EXEMPT),
    "eval_shape": lambda: jax.eval_shape(jax.grad(loss), SPOILED),
    "make_jaxpr": lambda: jax.make_jaxpr(jax.grad(loss))(SPOILED),
}


@pytest.mark.parametrize("program", list(UNUSED))
def test_what_takes_no_derivative_is_not_reported(program, route):
    with checks("raise"):
        UNUSED[program]()


def test_one_rule_that_runs_reports_once(route):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        jax.grad(loss)(SPOILED)
        assert len(caught) == 1
        without_jit()
        assert len(caught) == 2


def test_debug_nans_stops_at_the_nan_and_prefers_our_error(route, unchecked, capfd):
    """A trace that JAX repeats to find the NaN sees the values."""
    with jax.debug_nans(True):
        assert np.all(np.isfinite(jax.grad(loss)(SOUND)))
        uqr.qr(SPOILED)
        for derivative in (jax.grad(loss), jax.jit(jax.grad(loss))):
            with pytest.raises(FloatingPointError, match="nan"):
                derivative(SPOILED)
            with checks("raise"), pytest.raises(uqr.SingularMatrixError):
                derivative(SPOILED)


class OnAnotherDevice:
    platform = "gpu"


def test_seen_looks_at_host_memory_only(monkeypatch):
    assert np.array_equal(seen(SOUND), SOUND)
    traced = []
    for transformed in (jax.jit, jax.vmap):
        transformed(lambda A: traced.append(seen(A)) or A)(STACK)
    assert traced == [None, None]
    jax.grad(lambda A: traced.append(seen(A)) or jnp.sum(A))(SOUND)
    assert np.array_equal(traced[-1], SOUND)
    monkeypatch.setattr(type(SOUND), "devices", lambda self: {OnAnotherDevice()})
    assert seen(SOUND) is None
