"""``beyond.pivoted_qr`` of every namespace: the host's pivots, or None; and what is done with a permutation."""

import shutil
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tensorflow as tf
import torch

from unifiedqr import host
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import get_backend
from unifiedqr.errors import CapabilityError
from unifiedqr_jax.namespace import xp as jax_xp
from unifiedqr_lab.conformance.tolerance import relative_error, tolerance
from unifiedqr_mxnet.compat import mx
from unifiedqr_torch.autodiff import bind
from unifiedqr_torch.namespace import xp as torch_xp

DTYPE = pytest.mark.parametrize("dtype", host.PREFIXES)
FIELD = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])


def gaussian(shape, dtype="float64", seed=30):
    rng = np.random.default_rng(seed)
    A = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        A = A + 1j * rng.standard_normal(shape)
    return A.astype(dtype)


def agree(factors, A, rank):
    """Tell that factors given as NumPy arrays are the host's, with the permutation in the dtype of A."""
    assert {X.dtype for X in factors} == {A.dtype}
    Q, R, P = factors
    Q_expected, R_expected, P_expected = host.pivoted_qr(A, rank)
    assert np.array_equal(P, P_expected[..., None, :])
    bound = tolerance(A.dtype.name, *A.shape[-2:])
    assert relative_error(Q, Q_expected) <= bound
    assert relative_error(R, R_expected) <= bound
    assert np.all(np.tril(R, -1) == 0)


@DTYPE
def test_the_hosts_factors(backend, dtype):
    for shape in ((6, 4), (4, 6), (2, 3, 5, 5), (0, 3, 2)):
        A = gaussian(shape, dtype)
        for rank in (2, min(shape[-2:])):
            factors = backend.xp.beyond.pivoted_qr(backend.from_numpy(A), rank)
            if backend.name == "jax" and rank < min(shape[-2:]):
                assert factors is None
            else:
                agree([backend.to_numpy(X) for X in factors], A, rank)


def test_ties_go_as_in_geqp3(backend):
    for A in (np.eye(6, 5), np.repeat(gaussian((6, 3)), 2, axis=1), np.sign(gaussian((5, 8)))):
        rank = min(A.shape)
        agree([backend.to_numpy(X) for X in backend.xp.beyond.pivoted_qr(backend.from_numpy(A), rank)], A, rank)


@pytest.mark.parametrize("switched", [False, True], ids=["legacy", "numpy"])
def test_mxnet_with_either_semantics(switched):
    backend, A = get_backend("mxnet"), gaussian((2, 5, 4), "complex64")
    with mx.util.np_shape(switched), mx.util.np_array(switched):
        given = backend.from_numpy(A)
        agree([backend.to_numpy(X) for X in backend.xp.beyond.pivoted_qr(given, 3)], A, 3)
        with mx.autograd.record(), pytest.raises(CapabilityError, match=r"pivoted_qr is computed by the host"):
            backend.xp.beyond.pivoted_qr(given, 3)


def test_torch_tensors_of_every_kind():
    A = torch.asarray(gaussian((3, 4, 6), "complex128"))
    transposed = A.movedim(0, -1)
    for X in (A.conj(), A.mH, A[:, ::2], transposed, A[0].expand(2, 4, 6), A.clone().requires_grad_()):
        factors = torch_xp.beyond.pivoted_qr(X, 2)
        assert not any(factor.requires_grad for factor in factors)
        agree([factor.numpy() for factor in factors], X.detach().resolve_conj().numpy(), 2)


def test_torch_tensors_that_lapack_cannot_see():
    for A in (torch.empty((3, 2), device="meta"), torch.eye(3).to_sparse(), torch.eye(3, dtype=torch.bfloat16)):
        assert torch_xp.beyond.pivoted_qr(A, 2) is None


COMPILERS = [
    "eager",
    "aot_eager",
    pytest.param(
        "inductor",
        marks=[
            pytest.mark.skipif(shutil.which("g++") is None, reason="Inductor needs a C++ compiler"),
            pytest.mark.filterwarnings("ignore"),  # Inductor warns of complex numbers, and of itself
        ],
    ),
]


@FIELD
@pytest.mark.parametrize("compiler", COMPILERS)
def test_torch_compile(compiler, complex_):
    torch._dynamo.reset()
    A = gaussian((2, 5, 6), "complex128" if complex_ else "float64")
    compiled = torch.compile(lambda A: torch_xp.beyond.pivoted_qr(2 * A, 3), backend=compiler, fullgraph=True)
    agree([X.numpy() for X in compiled(torch.asarray(A) / 2)], A, 3)


def test_torch_compile_of_any_size():
    torch._dynamo.reset()
    compiled = torch.compile(lambda A: torch_xp.beyond.pivoted_qr(A, 3), fullgraph=True, dynamic=True, backend="eager")
    for n in (4, 6, 9):
        A = gaussian((n, n + 1))
        agree([X.numpy() for X in compiled(torch.asarray(A))], A, 3)


def test_torch_operation_keeps_its_word():
    A = torch.asarray(gaussian((2, 5, 4), "complex64"))
    for rank in (2, 4):
        torch.library.opcheck(torch.ops.unifiedqr.pivoted_qr.default, (A, rank))


def test_torch_transforms_of_a_primitive():
    """The forward of a primitive under the transforms, compiled and not."""
    torch._dynamo.reset()
    row = replace(
        DECOMPOSITIONS["qr"](),
        name="pivoted",
        outputs=("Q", "R", "P"),
        keeps=("Q", "R"),
        forward=lambda xp, A: xp.beyond.pivoted_qr(A, 3),
        vjp=lambda xp, kept, cotangents: (kept[0] @ kept[1],),
        jvp=lambda xp, kept, tangents: (*kept, tangents[0][..., :1, :]),
    )
    function, A = bind(row), gaussian((2, 5, 4))
    given = torch.asarray(A)
    for f in (function, torch.vmap(function)):
        gradient = torch.func.grad(lambda A, f=f: f(A)[1].sum())
        for way in (lambda f: f, partial(torch.compile, backend="aot_eager", fullgraph=True)):
            agree([X.numpy() for X in way(f)(given)], A, 3)
            assert torch.equal(way(gradient)(given), gradient(given))
    agree([X.numpy() for X in torch.func.jvp(function, (given,), (given,))[0]], A, 3)


@pytest.mark.parametrize("transform", [jax.jit, jax.vmap, lambda f: jax.jit(jax.vmap(f))], ids=["jit", "vmap", "both"])
def test_jax_transforms(transform):
    for shape, dtype in (((2, 6, 4), "float64"), ((2, 4, 6), "complex128")):
        A = gaussian(shape, dtype)
        agree([np.asarray(X) for X in transform(lambda A: jax_xp.beyond.pivoted_qr(A, 4))(jnp.asarray(A))], A, 4)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_tensorflow_leaves_graphs_to_others(jit_compile):
    seen = []

    @tf.function(jit_compile=jit_compile)
    def traced(A):
        seen.append(get_backend("tensorflow").xp.beyond.pivoted_qr(A, 2))
        return A

    traced(tf.eye(3))
    assert seen == [None]


@pytest.mark.parametrize("name", ["numpy", "torch", "tensorflow", "mxnet", "jax", "mpmath"])
def test_argsort_says_what_to_take(name):
    """Whatever is broadcast, and along any axis."""
    backend, key = get_backend(name), gaussian((2, 3, 5))
    X = gaussian((2, 3, 5), "complex128", seed=31)
    xp = backend.xp
    x, k = (xp.asarray(values) if name == "mpmath" else backend.from_numpy(values) for values in (X, key))
    for axis in (-1, -2):
        order, expected = xp.argsort(k, axis=axis), np.argsort(key, axis=axis)
        for part in (np.s_[:], np.s_[:1], np.s_[:, :1], np.s_[..., :1]):
            taken = xp.take_along_axis(x, order[part], axis=axis)
            assert np.array_equal(backend.to_numpy(taken), np.take_along_axis(X, expected[part], axis))
    taken = xp.take_along_axis(x[:1], xp.argsort(k, axis=-1), axis=-1)
    assert np.array_equal(backend.to_numpy(taken), np.take_along_axis(X[:1], np.argsort(key, axis=-1), -1))


def cubed_in_order(xp):
    """Return a function whose value sees the entries in two orders."""
    return lambda x: xp.take_along_axis(x, xp.argsort(x, axis=-1)[:1], axis=-1) ** 3


X = gaussian((2, 3, 5))
FIRST = 3 * X**2
SECOND = 6 * X


@pytest.mark.parametrize("compiled", [False, True])
def test_torch_takes_along_axis_differentiably(compiled):
    torch._dynamo.reset()
    f = cubed_in_order(torch_xp)
    f = torch.compile(f, backend="aot_eager", fullgraph=True) if compiled else f
    x = torch.asarray(X).requires_grad_()
    (first,) = torch.autograd.grad(f(x).sum(), x, create_graph=not compiled)
    assert np.allclose(first.detach(), FIRST, rtol=1e-14)
    if not compiled:
        assert np.allclose(torch.autograd.grad(first.sum(), x)[0], SECOND, rtol=1e-14)
        assert np.array_equal(torch.vmap(f)(x[:, None]).detach(), torch.stack([f(row[None]) for row in x]).detach())


@pytest.mark.parametrize("jitted", [False, True])
def test_jax_takes_along_axis_differentiably(jitted):
    f = cubed_in_order(jax_xp)
    first = jax.grad(lambda x: f(x).sum())
    second = jax.grad(lambda x: first(x).sum())
    way = jax.jit if jitted else lambda f: f
    assert np.allclose(way(first)(X), FIRST, rtol=1e-14)
    assert np.allclose(way(second)(X), SECOND, rtol=1e-14)
    assert np.allclose(way(jax.vmap(f))(X[:, None])[0], f(X[:1]), rtol=1e-14)


@pytest.mark.parametrize("jit_compile", [None, False, True], ids=["eager", "function", "XLA"])
def test_tensorflow_takes_along_axis_differentiably(jit_compile):
    f = cubed_in_order(get_backend("tensorflow").xp)

    def derivatives(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                loss = tf.reduce_sum(f(x))
            first = inner.gradient(loss, x)
        return first, outer.gradient(first, x)

    if jit_compile is not None:
        signature = [tf.TensorSpec([None] * 3, tf.float64)]
        derivatives = tf.function(derivatives, input_signature=signature, jit_compile=jit_compile)
    first, second = derivatives(tf.constant(X))
    assert np.allclose(first, FIRST, rtol=1e-14)
    assert np.allclose(second, SECOND, rtol=1e-14)
    assert np.allclose(tf.vectorized_map(f, tf.constant(X[:, None]))[0], f(tf.constant(X[:1])), rtol=1e-14)
