"""JAX's switches: whatever a user has set, our rules keep it."""

import contextlib
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

DECOMPOSE = pytest.mark.parametrize("decompose", [uqr.qr, uqr.lq], ids=["qr", "lq"])
SHAPES = pytest.mark.parametrize("shape", [(2, 5, 3), (2, 3, 5)], ids=str)
DTYPES = pytest.mark.parametrize("dtype", ["float32", "complex128"])


@contextlib.contextmanager
def every_switch():
    """Forbid what JAX can be told to forbid."""
    with (
        jax.numpy_dtype_promotion("strict"),
        jax.numpy_rank_promotion("raise"),
        jax.checking_leaks(),
        jax.transfer_guard_device_to_host("disallow_explicit"),
    ):
        yield


def derivatives(decompose, A):
    """Return every derivative of a loss at A: reverse, forward, second order, compiled and vectorized."""

    def loss(A):
        X, Y = decompose(A)
        return jnp.sum(X.real) + jnp.sum(Y.imag if jnp.iscomplexobj(Y) else Y)

    return (
        jax.grad(loss)(A),
        jax.jvp(loss, (A,), (A,))[1],
        jax.jvp(jax.grad(loss), (A,), (A,))[1],
        jax.jit(jax.grad(loss))(A),
        jax.vmap(jax.grad(loss))(jnp.expand_dims(A, 0)),
    )


@DECOMPOSE
@SHAPES
@DTYPES
def test_switches_change_nothing(decompose, shape, dtype):
    A = jnp.asarray(random(shape, complex_="complex" in dtype, seed=1).astype(dtype))
    expected = derivatives(decompose, A)
    bound = tolerance(dtype, *shape[-2:], leading_condition(A, rows=decompose is uqr.lq) ** 2)
    with every_switch():
        found = derivatives(decompose, A)
    assert [X.dtype for X in found] == [X.dtype for X in expected]
    assert max(map(relative_error, found, expected)) <= bound


def run(program, *, x64):
    """Run a program in a process of its own, and give what it prints."""
    environment = {**os.environ, "JAX_ENABLE_X64": str(int(x64))}
    result = subprocess.run(
        [sys.executable, "-c", "import jax, jax.numpy as jnp, numpy as np, unifiedqr as uqr\n" + program],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return result.stdout.split(), result.stderr


GIVEN = """
A = np.random.default_rng(0).standard_normal((5, 3))
uqr.set_backend("jax")
R = uqr.qr(A).R
A_bar = uqr.grad(lambda A: uqr.qr(A).R[0, 0])(A)
print(R.dtype, A_bar.dtype, bool(np.allclose(R[0, 0], np.linalg.norm(A[:, 0]))))
"""


def test_double_precision_that_jax_rounds_is_said():
    printed, said = run(GIVEN, x64=False)
    assert printed == ["float32", "float32", "True"]
    assert "UserWarning: got float64, which jax computes in float32" in said
    assert "jax_enable_x64" in said


@pytest.mark.parametrize(
    ("x64", "program"),
    [(True, GIVEN), (False, GIVEN.replace("(5, 3))", "(5, 3)).astype('float32')"))],
    ids=["float64", "float32"],
)
def test_what_keeps_its_precision_is_computed_quietly(x64, program):
    printed, said = run(program, x64=x64)
    assert printed == [("float32", "float64")[x64]] * 2 + ["True"]
    assert said == ""


@contextlib.contextmanager
def x64(on):
    """Switch double precision, by the name that JAX has for it."""
    switch = getattr(jax, "enable_x64", None)
    with (jax.experimental.enable_x64 if switch is None else switch)(on):
        yield


def test_precision_may_be_switched_within_a_process():
    values = random((5, 3), complex_=False, seed=2)

    def gradient():
        return jax.grad(lambda A: jnp.sum(uqr.qr(A).R))(jnp.asarray(values))

    for on in (True, False, True):
        with x64(on):
            found = gradient()
        assert found.dtype == ("float32", "float64")[on]
        error = relative_error(np.asarray(found), np.asarray(gradient()))
        assert error <= tolerance(found.dtype.name, 5, 3, leading_condition(values))
