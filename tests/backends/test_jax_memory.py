"""What XLA reserves for programs that JAX compiles, in copies of the decomposed matrix: outputs included."""

import jax
import jax.numpy as jnp
import pytest

import unifiedqr as uqr

M, N = 20_000, 32
A, FEW, SHORT = (jax.ShapeDtypeStruct(shape, "float64") for shape in ((M, N), (M, 2), (N, 2)))


def reserved(program, *inputs):
    """Return the bytes that a program takes."""
    memory = jax.jit(program).lower(*inputs).compile().memory_analysis()
    return memory.temp_size_in_bytes + memory.output_size_in_bytes


def copies(function, *inputs):
    """Return the memory of the function's value and gradients."""
    gradients = jax.value_and_grad(lambda *arrays: jnp.sum(function(*arrays) ** 3), tuple(range(len(inputs))))
    return reserved(gradients, *inputs) / (M * N * 8)


@pytest.mark.parametrize("mode", ["reduced", "complete"])
@pytest.mark.parametrize("method", ["auto", "householder"])
def test_no_dense_q_outlives_a_product(mode, method):
    def factor(A):
        return uqr.qr_factor(A, mode=mode, method=method)

    # JAX 0.10 gives the loop that may fall back on Householder's reflectors a copy of its own.
    most = 2.5 if method == "householder" or jax.__version_info__ < (0, 10) else 3.2
    assert copies(lambda A, b: factor(A).apply_adjoint(b)[:N], A, FEW) < most
    assert copies(lambda A, X: factor(A).apply(X), A, SHORT if mode == "reduced" else FEW) < most
    assert copies(lambda A, b: factor(A).lstsq(b).x, A, FEW) < most


@pytest.mark.parametrize(("shape", "most"), [((1024, 256), 1.1), ((768, 768), 1.05)], ids=["deep", "square"])
def test_a_gradient_takes_no_more_than_that_of_jax(shape, most):
    m, n = shape  # of the deep one, a branch for marked columns takes one n x n array more
    A, Q_bar, R_bar = (jax.ShapeDtypeStruct(shape, "float64") for shape in ((m, n), (m, n), (n, n)))

    def gradient(qr):
        return lambda A, *bars: jax.vjp(lambda A: tuple(qr(A)), A)[1](bars)

    assert reserved(gradient(uqr.qr), A, Q_bar, R_bar) < most * reserved(gradient(jnp.linalg.qr), A, Q_bar, R_bar)
