"""Factors that are kept, under each framework's own transforms, and the memory that their derivatives take."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr_lab.conformance.tolerance import relative_error, tolerance

MODES = pytest.mark.parametrize("mode", ["reduced", "complete"])


def drawn(*shape, complex_=False, seed=0):
    rng = np.random.default_rng([seed, *shape])
    return rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if complex_ else 0)


class TestJax:
    def test_factors_go_through_transforms(self):
        jax = pytest.importorskip("jax")
        jnp = jax.numpy
        A, b = jnp.asarray(drawn(3, 6, 2)), jnp.asarray(drawn(3, 6))
        factor = jax.jit(lambda A: uqr.qr_factor(A, mode="complete"))(A)
        expected = jnp.einsum("bmk,bm->bk", uqr.qr(A, mode="complete").Q, b)
        bound = tolerance("float64", 6, 2, 10.0)
        assert relative_error(jax.jit(type(factor).apply_adjoint)(factor, b), expected) <= bound
        mapped = jax.vmap(uqr.qr_factor)(A)
        assert relative_error(jax.vmap(lambda f, b: f.lstsq(b).x)(mapped, b), uqr.lstsq(A, b[..., None]).x[..., 0]) <= (
            bound
        )

        def step(carried, b):
            return carried, carried.apply_adjoint(b)

        carried, found = jax.lax.scan(step, uqr.qr_factor(A[0]), b)
        assert type(carried) is uqr.QRFactor
        assert relative_error(found, b @ uqr.qr(A[0]).Q) <= bound

        def loss(A):
            factor = uqr.qr_factor(A)
            return jnp.sum(jax.lax.scan(step, factor, b)[1] ** 3)

        gradient = jax.jit(jax.grad(loss))(A[0])
        assert relative_error(gradient, jax.grad(lambda A: jnp.sum((b @ uqr.qr(A).Q) ** 3))(A[0])) <= bound


class TestTorch:
    def test_factors_go_through_transforms(self):
        torch = pytest.importorskip("torch")
        A, b = torch.tensor(drawn(3, 6, 2)), torch.tensor(drawn(3, 6))
        expected = torch.einsum("bmk,bm->bk", uqr.qr(A, mode="complete").Q, b)
        bound = tolerance("float64", 6, 2, 10.0)
        mapped = torch.func.vmap(lambda A: uqr.qr_factor(A, mode="complete"))(A)
        assert type(mapped) is uqr.QRFactor
        assert relative_error(torch.func.vmap(lambda f, b: f.apply_adjoint(b))(mapped, b), expected) <= bound

        def loss(A, b):
            return (uqr.qr_factor(A, mode="complete").apply_adjoint(b)[..., :2] ** 3).sum()

        def formed(A, b):
            return ((b @ uqr.qr(A, mode="complete").Q)[..., :2] ** 3).sum()

        gradients = (torch.func.vmap(torch.func.grad(f))(A, b) for f in (loss, formed))
        assert relative_error(*gradients) <= bound

    def test_factors_are_compiled(self):
        torch = pytest.importorskip("torch")
        A, b = (torch.tensor(drawn(*shape), requires_grad=True) for shape in ((6, 2), (6,)))

        @torch.compile(fullgraph=True, backend="aot_eager")
        def loss(A, b):
            factor = uqr.qr_factor(A)
            return (factor.apply_adjoint(b) ** 3).sum() + (factor.lstsq(b).x ** 2).sum()

        found = torch.autograd.grad(loss(A, b), (A, b))
        expected = torch.autograd.grad(((b @ uqr.qr(A).Q) ** 3).sum() + (uqr.lstsq(A, b).x ** 2).sum(), (A, b))
        for one, other in zip(found, expected, strict=True):
            assert relative_error(one, other) <= tolerance("float64", 6, 2, 10.0)


class TestTensorFlow:
    def test_factors_go_through_graphs(self):
        tf = pytest.importorskip("tensorflow")
        A, b = tf.constant(drawn(6, 2)), tf.constant(drawn(6))
        factor = tf.function(lambda A: uqr.qr_factor(A, mode="complete"))(A)
        assert type(factor) is uqr.QRFactor
        expected = uqr.to_numpy(uqr.qr(A, mode="complete").Q).T @ drawn(6)
        bound = tolerance("float64", 6, 2, 10.0)
        assert relative_error(tf.function(lambda f, b: f.apply_adjoint(b))(factor, b).numpy(), expected) <= bound

        @tf.function(input_signature=[tf.TensorSpec([None, None], tf.float64), tf.TensorSpec([None], tf.float64)])
        def gradient(A, b):
            with tf.GradientTape() as tape:
                tape.watch(A)
                loss = tf.reduce_sum(uqr.qr_factor(A).apply_adjoint(b) ** 3)
            return tape.gradient(loss, A)

        with tf.GradientTape() as tape:
            tape.watch(A)
            loss = tf.reduce_sum(tf.linalg.matvec(uqr.qr(A).Q, b, transpose_a=True) ** 3)
        assert relative_error(gradient(A, b).numpy(), tape.gradient(loss, A).numpy()) <= bound


MEMORY = """
import resource, sys
from pathlib import Path
import torch
import unifiedqr as uqr

torch.set_num_threads(1)
mode, what = sys.argv[1:]
m, n = 200_000, 16
A = torch.randn(m, n, dtype=torch.float64, requires_grad=True)
b = torch.randn(n if what == "apply" and mode == "reduced" else m, dtype=torch.float64, requires_grad=True)

def run():
    factor = uqr.qr_factor(A, mode=mode)
    y = factor.lstsq(b).x if what == "lstsq" else getattr(factor, what)(b)
    (y**2).sum().backward()
    A.grad = b.grad = None

def peak():
    Path("/proc/self/clear_refs").write_text("5")
    before = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    run()
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return 1024 * int(line.split()[1]) - before

run()
print(min(peak() for _ in range(3)) / (8 * m * n))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak is read where Linux tells it")
@MODES
@pytest.mark.parametrize("what", ["apply", "apply_adjoint", "lstsq"])
def test_no_cotangent_of_Q_is_stored(mode, what):
    pytest.importorskip("torch")
    # Each array comes from the system and goes back to it, so that what is resident is what is in use.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "100000", "MALLOC_TRIM_THRESHOLD_": "0"}
    command = [sys.executable, "-c", MEMORY, mode, what]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=True)
    assert float(done.stdout) <= 2.5
