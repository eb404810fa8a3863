"""Low-rank approximations under each framework's own transforms, and in other dtypes and devices."""

import numpy as np
import pytest

import unifiedqr as uqr
from tests.conftest import FRAMEWORKS

M, N, RANK = 8, 6, 3


def normal(*shape, complex_=False, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if complex_ else 0)


def f_of(name):
    """Return T of an interpolative decomposition, or a basis by a seed, of a matrix."""
    if name == "interpolative":
        return lambda A: uqr.interpolative(A, RANK).T
    return lambda A: uqr.range_finder(A, RANK, sketch=7, power_iterations=1)


WHICH = pytest.mark.parametrize("name", ["interpolative", "range_finder"])
needs = {
    name: pytest.mark.skipif(name not in FRAMEWORKS, reason=f"{name} was not chosen")
    for name in ("torch", "jax", "tensorflow", "mxnet")
}


@needs["torch"]
@WHICH
@pytest.mark.filterwarnings("ignore")  # Inductor warns of itself
def test_torch_transforms(name):
    import torch

    f, A = f_of(name), torch.tensor(normal(M, N))
    both = torch.func.vmap(f)(torch.stack([A, A**3]))
    assert torch.allclose(both[1], f(A**3), rtol=0, atol=1e-13)
    assert torch.allclose(torch.func.jacrev(f)(A), torch.func.jacfwd(f)(A), rtol=0, atol=1e-12)
    compiled = torch.compile(f, fullgraph=True, backend="aot_eager")
    given = [A.clone().requires_grad_() for _ in range(2)]
    for X, g in zip(given, (f, compiled), strict=True):
        (g(X) ** 3).sum().backward()
    assert torch.allclose(given[0].grad, given[1].grad, rtol=0, atol=1e-12)
    assert torch.autograd.gradgradcheck(f, (A.clone().requires_grad_(),))


@needs["jax"]
@WHICH
def test_jax_transforms(name):
    import jax
    import jax.numpy as jnp

    f, A = f_of(name), jnp.asarray(normal(M, N))
    assert jnp.allclose(jax.jit(jax.vmap(f))(jnp.stack([A, A**3]))[1], f(A**3), rtol=0, atol=1e-13)
    assert jnp.allclose(jax.jit(jax.jacrev(f))(A), jax.jacfwd(f)(A), rtol=0, atol=1e-12)


@needs["jax"]
def test_a_key_of_jax_draws_the_sketch():
    import jax

    def f(key, A):
        return uqr.range_finder(A, RANK, sketch=jax.random.normal(key, (N, RANK), A.dtype))

    A = jax.numpy.asarray(normal(M, N))
    first, second = (jax.jit(f)(jax.random.key(seed), A) for seed in (0, 1))
    assert abs(first - second).max() > 0.1
    assert np.array_equal(first, jax.jit(f)(jax.random.key(0), A))


@needs["tensorflow"]
@WHICH
def test_tensorflow_functions(name):
    import tensorflow as tf

    f, A = f_of(name), tf.constant(normal(M, N))
    assert np.abs(tf.function(f)(A) - f(A)).max() < 1e-13
    batches = tf.function(f, input_signature=[tf.TensorSpec([None, M, N], tf.float64)])
    assert np.abs(batches(tf.stack([A, A**3]))[1] - f(A**3)).max() < 1e-13
    unknown = tf.function(f, input_signature=[tf.TensorSpec([None, None], tf.float64)])
    with pytest.raises(uqr.CapabilityError, match="of sizes None x None; expected known ones"):
        unknown(A)


def test_a_tolerance_needs_values(autodiff_backend):
    """Derivatives that are taken eagerly have them; programs that are traced, and maps, have not."""
    backend, A = autodiff_backend, autodiff_backend.from_numpy(normal(M, N))

    def f(A):
        return uqr.interpolative(A, rtol=0.5).T

    assert tuple(uqr.grad(lambda A: backend.xp.sum(f(A) ** 2))(A).shape) == (M, N)
    if backend.name == "mxnet":
        from unifiedqr_mxnet.compat import mx

        with pytest.raises(uqr.CapabilityError, match="symbol"):
            f(mx.sym.var("A").as_np_ndarray())
        return
    if backend.name == "torch":
        import torch

        traced = torch.func.vmap(f)
    elif backend.name == "tensorflow":
        import tensorflow as tf

        traced = tf.function(f)
    else:
        import jax

        traced = jax.jit(f)
    with pytest.raises(uqr.CapabilityError, match=r"got rtol=0.5 .* values are not available.* Give the rank"):
        traced(A if backend.name != "torch" else A[None])


def test_half_precision_comes_back_in_kind():
    A = normal(M, N).astype(np.float16)
    assert uqr.interpolative(A, RANK).T.dtype == np.float16
    assert uqr.range_finder(A, RANK, sketch=1).dtype == np.float16


@needs["torch"]
def test_a_sketch_goes_where_the_matrix_is():
    import torch

    assert uqr.range_finder(torch.empty(M, N, device="meta"), RANK, sketch=0).device.type == "meta"
