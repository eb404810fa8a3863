"""Matrices and right-hand sides written as lists of arrays: the framework stacks them and keeps their gradient."""

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr_mxnet.compat import mx

V = np.array([3.0, 1.0, 4.0, 2.0])


def scalars(v):
    return [[v[0], v[1]], [v[2], v[3]]]


def rows(v):
    return (v[:2], v[2:])


def mixed_with_numbers(v):
    return ([v[0], 1], [4.0, v[3]])


MATRIX = pytest.mark.parametrize("matrix", [scalars, rows, mixed_with_numbers], ids=lambda matrix: matrix.__name__)


def gram_loss(qr, matrix):
    """Return R_11^2 + 2 R_11 R_12 + 3 (R_12^2 + R_22^2), which is |a|^2 + 2 a.b + 3 |b|^2 for columns a and b."""

    def loss(v):
        R = qr(matrix(v)).R
        return R[0, 0] ** 2 + 2 * R[0, 0] * R[0, 1] + 3 * (R[0, 1] ** 2 + R[1, 1] ** 2)

    return loss


def expected(matrix):
    """Return the gradient of `gram_loss`, by hand: 2 a + 2 b and 2 a + 6 b, where the matrix varies with v."""
    (a0, b0), (a1, b1) = matrix(V)
    gradient = np.array([2 * a0 + 2 * b0, 2 * a0 + 6 * b0, 2 * a1 + 2 * b1, 2 * a1 + 6 * b1])
    return gradient * [1, 0, 0, 1] if matrix is mixed_with_numbers else gradient


def by_torch(loss):
    import torch

    v = torch.tensor(V, requires_grad=True)
    return torch.autograd.grad(loss(v), v)[0]


def by_torch_vmap(loss):
    import torch

    return torch.func.vmap(torch.func.grad(loss))(torch.tensor(V)[None])[0]


def by_tensorflow(loss):
    import tensorflow as tf

    v = tf.Variable(V)
    with tf.GradientTape() as tape:
        value = loss(v)
    return tape.gradient(value, v)


def by_tf_function(loss):
    import tensorflow as tf

    v = tf.Variable(V)

    @tf.function(autograph=False)
    def gradient():
        with tf.GradientTape() as tape:
            value = loss(v)
        return tape.gradient(value, v)

    return gradient()


def by_jax(loss):
    import jax

    return jax.jit(jax.grad(loss))(jax.numpy.asarray(V))


def by_mxnet(loss):
    v = uqr.get_backend("mxnet").from_numpy(V)
    v.attach_grad()
    with mx.util.np_shape(True), mx.util.np_array(True):  # elsewhere MXNet gives v[0] the shape (1,)
        with mx.autograd.record():
            value = loss(v)
        value.backward()
    return v.grad


WAYS = [by_torch, by_torch_vmap, by_tensorflow, by_tf_function, by_jax, by_mxnet]
WAY = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)


@WAY
@MATRIX
def test_the_gradient_of_a_list_of_arrays(way, matrix):
    assert np.allclose(uqr.to_numpy(way(gram_loss(uqr.qr, matrix))), expected(matrix), rtol=1e-12)


@WAY
def test_a_right_hand_side_that_is_a_list(way):
    A = [[2.0, 0.0], [0.0, 4.0]]

    def loss(v):
        x = uqr.lstsq(A, [v[0], v[1]]).x
        return x[0] + x[1]

    found = way(loss)
    assert np.allclose(uqr.to_numpy(found), [0.5, 0.25, 0.0, 0.0], rtol=1e-12)


def test_the_selected_backend_changes_nothing():
    for name, way in (("tensorflow", by_tensorflow), ("numpy", by_torch)):
        with uqr.use_backend(name):
            assert np.allclose(uqr.to_numpy(way(gram_loss(uqr.qr, scalars))), expected(scalars), rtol=1e-12)


def entry(name, value, dtype="float64"):
    return uqr.get_backend(name).from_numpy(np.asarray(value, dtype=dtype))


@pytest.mark.parametrize("name", ["torch", "tensorflow", "jax", "mxnet", "mpmath"])
def test_what_else_takes_a_list(name):
    backend = uqr.get_backend(name)
    matrix = [entry(name, [3.0, 1.0]), entry(name, [4.0, 2.0])]
    assert np.array_equal(uqr.to_numpy(matrix), [[3.0, 1.0], [4.0, 2.0]])
    assert uqr.get_backend(matrix) is backend
    assert uqr.namespace(matrix) is backend.xp
    _, pullback = uqr.vjp(lambda A: uqr.qr(A).R[0, 0], matrix)
    (gradient,) = pullback(backend.from_numpy(np.array(1.0)))
    assert np.allclose(uqr.to_numpy(gradient), [[0.6, 0.0], [0.8, 0.0]], rtol=1e-12)
    members = (uqr.lq, uqr.rq, uqr.ql, uqr.orth, uqr.null_space, uqr.left_null_space, uqr.slogdet)
    for member in members:
        both = (member(X) for X in (matrix, np.array([[3.0, 1.0], [4.0, 2.0]])))
        for found, plain in zip(*(X if isinstance(X, tuple) else (X,) for X in both), strict=True):
            assert np.allclose(uqr.to_numpy(found), plain, atol=1e-12)


@pytest.mark.parametrize("name", ["torch", "tensorflow", "jax", "mxnet"])
def test_dtypes_of_a_list_are_promoted_and_numbers_follow(name):
    single, double = entry(name, [1.0, 2.0], "float32"), entry(name, [3.0, 5.0])
    cases = {
        "float32": [single, [1, 2.5]],
        "float64": [single, double],
        "complex64": [single, [2j, 1]],
        "complex128": [entry(name, [1j, 2.0], "complex64"), double],
    }
    for dtype, matrix in cases.items():
        assert uqr.get_backend(name).dtype_name(uqr.qr(matrix).R) == dtype
        numbers = [row if isinstance(row, list) else uqr.to_numpy(row) for row in matrix]
        assert np.array_equal(uqr.to_numpy(matrix), np.array(numbers, dtype=dtype))


def test_complex_pairs_of_mxnet_keep_their_gradient():
    v = entry("mxnet", [3.0, 4j], "complex128")
    v.attach_grad()
    with mx.util.np_shape(True), mx.util.np_array(True):
        with mx.autograd.record():
            norm = uqr.namespace("mxnet").real(uqr.qr([[v[0]], [v[1]]]).R[0, 0])
        norm.backward()
    assert np.allclose(uqr.to_numpy(v.grad), [0.6, 0.8j], rtol=1e-12)


def test_lists_of_two_frameworks_are_refused():
    torch, jax = entry("torch", 1.0), entry("jax", 2.0)
    for call in (lambda: uqr.qr([[torch, jax], [1.0, 2.0]]), lambda: uqr.lstsq([[torch]], [jax])):
        with pytest.raises(uqr.ForeignArrayError, match="Tensor of torch, ArrayImpl of jax in one call"):
            call()
    with pytest.raises(uqr.ForeignArrayError, match="Tensor of torch, ndarray of numpy in one call"):
        uqr.qr([[torch, np.ones(())]])
    with uqr.use_backend("jax"):  # from then on NumPy's arrays follow
        assert np.array_equal(uqr.to_numpy([[torch, np.full((), 2.0)]]), [[1.0, 2.0]])


def test_what_makes_no_matrix_is_refused():
    x = entry("torch", [1.0, 2.0])
    for ragged in ([x, x[:1]], [x, 1.0], [[x[0], 1.0], [2.0]], [x, []]):
        with pytest.raises(uqr.ShapeError, match=r"got a sequence of arrays of shapes .* expected a rectangular one"):
            uqr.qr(ragged)
    integers = entry("torch", [1, 2], "int64")
    with pytest.raises(uqr.DtypeError, match="got a sequence of arrays of dtypes int64; expected float32"):
        uqr.qr([integers, [1.5, 2.5]])
    with pytest.raises(uqr.DtypeError, match="dtype int64"):
        uqr.qr([integers, integers])
    with pytest.raises(uqr.ForeignArrayError, match=r"got builtins\.str; expected an array of"):
        uqr.qr([[x[0], "1"]])
    with pytest.raises(uqr.ForeignArrayError, match="mask"):
        uqr.qr([np.ma.masked_equal([1.0, 2.0], 2.0), np.ones(2)])
