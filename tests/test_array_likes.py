"""What is an array to its framework is one to us; what is none is refused, with what to do."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
import tensorflow as tf
import torch
from jax.experimental.sparse import BCOO

import unifiedqr as uqr
from unifiedqr_mxnet.compat import mx

A = np.array([[3.0, 1.0], [4.0, 2.0]])
COLUMN = np.array([[0.6, 0.0], [0.8, 0.0]])  # the gradient of R_11, the length of the first column


class Parameter:
    """An object that JAX takes for an array, as the parameters of Flax are."""

    def __init__(self, value):
        self.value = value

    def __jax_array__(self):
        return self.value


class Wrapped:
    """An object that PyTorch's functions take for a tensor."""

    def __init__(self, value):
        self.value = value

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        return function(*(x.value if isinstance(x, cls) else x for x in args), **(kwargs or {}))


class Labelled(torch.Tensor):
    """A subclass that PyTorch's functions hand on."""


@pytest.mark.parametrize("backend", ["jax", pytest.param("torch", marks=pytest.mark.exhaustive), "tensorflow"])
def test_keras(backend):
    program = Path(__file__).with_name("keras_program.py")
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    run = subprocess.run([sys.executable, program], env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr


def every_member(x):
    """Return what all members make of x."""
    triangles = (uqr.qr(x).R, uqr.lq(x).L, uqr.rq(x).R, uqr.ql(x).L, uqr.qr(x, pivoting=True).R)
    return (*triangles, uqr.lstsq(x, [5.0, 6.0]).x, uqr.orth(x), uqr.slogdet(x).logabsdet)


def gluon_parameter():
    parameter = mx.gluon.Constant("c", mx.np.array(A, dtype="float64").as_nd_ndarray())
    parameter.initialize()
    return parameter


LIKES = {
    "__jax_array__": lambda: Parameter(jnp.asarray(A)),
    "__torch_function__": lambda: Wrapped(torch.tensor(A)),
    "torch.nn.Parameter": lambda: torch.nn.Parameter(torch.tensor(A)),
    "subclass of torch.Tensor": lambda: torch.tensor(A).as_subclass(Labelled),
    "tf.Variable": lambda: tf.Variable(A),
    "tf.IndexedSlices": lambda: tf.IndexedSlices(tf.constant(A), tf.constant([0, 1]), tf.constant([2, 2])),
    "mx.gluon.Constant": gluon_parameter,
}


@pytest.mark.parametrize("make", LIKES.values(), ids=LIKES)
def test_every_member_takes_what_stands_for_an_array(make):
    x = make()
    for found, expected in zip(every_member(x), every_member(A), strict=True):
        assert np.allclose(uqr.to_numpy(found), expected, rtol=1e-12)
    assert np.array_equal(uqr.to_numpy(x), A)
    _, pullback = uqr.vjp(lambda X: uqr.qr(X).R[0, 0], x)
    assert np.allclose(uqr.to_numpy(pullback(uqr.get_backend(x).from_numpy(np.array(1.0)))[0]), COLUMN, rtol=1e-12)


def test_gradients_of_what_stands_for_an_array():
    def corner(X):
        return uqr.qr(X).R[0, 0]

    gradient = jax.jit(jax.grad(lambda X: corner(Parameter(X)) + corner([Parameter(X[0]), X[1]])))(jnp.asarray(A))
    assert np.allclose(gradient, 2 * COLUMN, rtol=1e-12)
    leaf = torch.tensor(A, requires_grad=True)
    for x in (leaf, Wrapped(leaf), leaf.as_subclass(Labelled), [Wrapped(leaf[0]), leaf[1]]):
        assert np.allclose(torch.autograd.grad(corner(x), leaf)[0], COLUMN, rtol=1e-12)
    assert isinstance(uqr.qr(leaf.as_subclass(Labelled)).R, Labelled)
    parameter = mx.gluon.Parameter("w", shape=(2, 1))
    parameter.initialize(mx.init.One())
    with mx.autograd.record():
        norm = corner(parameter)
    norm.backward()
    assert np.allclose(parameter.grad().asnumpy(), 0.5**0.5)


def named(module, **methods):
    """Return an object of a library that is not here."""
    return type("DataFrame", (), {"__module__": module, **methods})()


T = torch.ones((3, 2))
REFUSED = {
    "torch COO": (lambda: T.to_sparse(), r"sparse_coo .*\.to_dense\(\)"),
    "torch CSR": (lambda: T.to_sparse_csr(), r"sparse_csr .*\.to_dense\(\)"),
    "torch MKL-DNN": (lambda: T.to_mkldnn(), r"\.to_dense\(\)"),
    "torch quantized": (lambda: torch.quantize_per_tensor(T, 0.1, 0, torch.quint8), r"quint8.*\.dequantize\(\)"),
    "torch nested": (lambda: torch.nested.nested_tensor([T, T]), r"\.to_padded_tensor\(0\.0\)"),
    "torch jagged": (lambda: torch.nested.nested_tensor([T, T], layout=torch.jagged), r"\.to_padded_tensor\(0\.0\)"),
    "torch module": (lambda: torch.nn.Linear(2, 2), "got torch.nn.*Linear; expected an array of torch"),
    "tf sparse": (lambda: tf.sparse.from_dense(A), r"SparseTensor; .*tf\.sparse\.to_dense\(x\)"),
    "tf ragged": (lambda: tf.ragged.constant([[1.0], [2.0, 3.0]]), r"RaggedTensor; .*\.to_tensor\(\)"),
    "tf module": (tf.Module, "Module; expected an array of tensorflow"),
    "jax sparse": (lambda: BCOO.fromdense(jnp.asarray(A)), r"BCOO; .*\.todense\(\)"),
    "jax shape": (lambda: jax.ShapeDtypeStruct((2, 2), "float32"), "ShapeDtypeStruct; expected an array of jax"),
    "scipy sparse": (lambda: scipy.sparse.csr_array(A), r"csr_array; .*\.toarray\(\)"),
    "mx CSR": (lambda: mx.nd.array(A).tostype("csr"), "tostype"),
    "mx row sparse": (lambda: mx.nd.array(A).tostype("row_sparse"), "tostype"),
    "mx parameter without values": (lambda: mx.gluon.Parameter("w", shape=(2, 2)), "has not been initialized"),
    "pandas": (lambda: named("pandas", to_numpy=lambda self: A), r"got pandas\.DataFrame; .*\.to_numpy\(\)"),
    "xarray": (lambda: named("xarray", to_numpy=lambda self: A), r"got xarray\.DataFrame; .*\.to_numpy\(\)"),
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # PyTorch's of its prototypes
@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_plain_array_is_refused(make, message):
    x = make()
    takers = (uqr.qr, uqr.lq, uqr.rq, uqr.ql, uqr.orth, uqr.null_space, uqr.left_null_space, uqr.slogdet)
    calls = [lambda take=take: take(x) for take in takers]
    calls += [lambda: uqr.lstsq(x, [1.0]), lambda: uqr.qr(x, pivoting=True), lambda: uqr.qr([x, x])]
    calls += [lambda: uqr.grad(lambda X: X)(x)]
    if not isinstance(x, mx.nd.NDArray):  # which knows all of its numbers
        calls.append(lambda: uqr.to_numpy(x))
    for call in calls:
        with pytest.raises(uqr.ForeignArrayError, match=message):
            call()


def test_a_mask_is_not_lost_in_another_backend():
    with uqr.use_backend("torch"), pytest.raises(uqr.ForeignArrayError, match="mask"):
        uqr.qr(np.ma.masked_equal(A, 3.0))
