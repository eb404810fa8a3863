"""TensorFlow's Array API namespace: every function against NumPy's, and its gradients."""

from types import SimpleNamespace

import array_api_compat.numpy
import numpy as np
import pytest
import tensorflow as tf

from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr_tensorflow.namespace import xp

A = tf.constant(random((5, 3), complex_=False, seed=2))
V = tf.constant(random((5, 3), complex_=False, seed=3))


ARRAYS = {
    "X": random((3, 4), complex_=False, seed=13),
    "Y": random((3, 4), complex_=False, seed=14),
    "Z": random((3, 4), complex_=True, seed=15),
    "S": random((2, 3, 3), complex_=True, seed=16),
    "T": np.triu(random((3, 3), complex_=False, seed=17)) + 3 * np.eye(3),
    "b": np.array([True, False, True, True]),
    "i": np.array([2, 0, 1, 1]),
    "v": random((4,), complex_=True, seed=18),
    "holes": np.array([[1.0, np.nan], [np.inf, -np.inf]]),
}

AGREE = {
    "unary": lambda xp, a: [
        getattr(xp, name)(x)
        for name in (
            "abs",
            "negative",
            "positive",
            "conj",
            "square",
            "exp",
            "sin",
            "cos",
            "tan",
            "sinh",
            "cosh",
            "tanh",
        )
        for x in (a.X, a.Z)
    ],
    "unary real": lambda xp, a: [
        getattr(xp, name)(xp.abs(a.X) / 4)
        for name in ("sqrt", "log", "log2", "log10", "log1p", "expm1", "asin", "acos", "atan", "reciprocal")
    ],
    "rounding": lambda xp, a: [getattr(xp, name)(x) for name in ("floor", "ceil", "round", "sign") for x in (a.X, a.i)],
    "binary": lambda xp, a: [
        getattr(xp, name)(a.X, a.Y)
        for name in ("add", "subtract", "multiply", "divide", "atan2", "hypot", "maximum", "minimum", "remainder")
    ],
    "comparison": lambda xp, a: [
        getattr(xp, name)(xp.round(a.X), xp.round(a.Y))
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    ],
    "logical": lambda xp, a: [
        *(getattr(xp, name)(a.b, xp.flip(a.b)) for name in ("logical_and", "logical_or", "logical_xor")),
        xp.logical_not(a.b),
    ],
    "pow": lambda xp, a: [xp.pow(xp.abs(a.X), a.Y), xp.pow(a.Z, xp.asarray(2.0, dtype=xp.float64))],
    "parts": lambda xp, a: [xp.real(a.Z), xp.imag(a.Z), xp.astype(a.X, xp.complex128), xp.astype(a.b, xp.float64)],
    "where nonfinite": lambda xp, a: [
        getattr(xp, name)(x)
        for name in ("isnan", "isinf", "isfinite")
        for x in (a.holes, a.i, xp.astype(a.holes, xp.complex128))
    ],
    "clip": lambda xp, a: [xp.clip(a.X, -0.5, 0.5), xp.clip(a.X, None, 0.0)],
    "where": lambda xp, a: [xp.where(a.b, a.X, a.Y), xp.where(a.b, a.X, a.Z)],
    "promotion": lambda xp, a: [xp.multiply(a.X, a.Z), xp.add(xp.astype(a.X, xp.float32), a.X), xp.add(a.i, a.i)],
    "sum": lambda xp, a: [xp.sum(a.Z), xp.sum(a.X, axis=0), xp.sum(a.S, axis=(-2, -1), keepdims=True), xp.sum(a.i)],
    "reductions": lambda xp, a: [
        getattr(xp, name)(a.X, axis=1, keepdims=True)
        for name in ("prod", "mean", "max", "min", "all", "any", "argmax", "argmin")
    ],
    "spread": lambda xp, a: [xp.std(a.X, axis=0), xp.var(a.X, correction=1), xp.std(a.X, keepdims=True)],
    "argmax of all": lambda xp, a: [xp.argmax(a.X), xp.argmin(a.X, keepdims=True)],
    "cumulative_sum": lambda xp, a: [
        xp.cumulative_sum(a.X, axis=1),
        xp.cumulative_sum(a.X, axis=-2, include_initial=True),
    ],
    "creation": lambda xp, a: [
        *(xp.zeros((2, 3)), xp.ones(2), xp.full((2,), 3.5), xp.eye(3, 4, k=1), xp.eye(3, k=-1), xp.arange(3.0)),
        *(
            xp.arange(1, 7, 2),
            xp.arange(5.0, 0.0, -1.5),
            xp.linspace(0.0, 1.0, 5),
            xp.linspace(0.0, 1.0, 4, endpoint=False),
        ),
    ],
    "like": lambda xp, a: [xp.zeros_like(a.Z), xp.ones_like(a.X, dtype=xp.complex64), xp.full_like(a.Z, float("nan"))],
    "meshgrid": lambda xp, a: list(xp.meshgrid(a.v, 2 * a.v)),
    "triangles": lambda xp, a: [part(x, k=k) for part in (xp.tril, xp.triu) for x in (a.X, a.S) for k in range(-5, 6)],
    "shapes": lambda xp, a: [
        *(
            xp.reshape(a.X, (2, -1)),
            xp.permute_dims(a.S, (2, 0, -2)),
            xp.matrix_transpose(a.S),
            xp.moveaxis(a.S, 0, -1),
        ),
        *(xp.moveaxis(a.S, (0, 1), (-1, 0)), xp.expand_dims(a.X, axis=1), xp.squeeze(a.X[None, :, None], axis=(0, 2))),
        *(xp.broadcast_to(a.X, (2, 3, 4)), *xp.broadcast_arrays(a.X, a.v), xp.tile(a.X, (2, 1, 3)), *xp.unstack(a.X)),
    ],
    "joins": lambda xp, a: [
        *(xp.concat([a.X, a.Z], axis=-1), xp.concat([a.X, a.Y], axis=None), xp.stack([a.X, a.Y], axis=1)),
        *(
            xp.flip(a.X),
            xp.flip(a.X, axis=-2),
            xp.roll(a.X, 2),
            xp.roll(a.X, (1, -1), axis=(0, 1)),
            xp.roll(a.X, 1, axis=1),
        ),
    ],
    "take": lambda xp, a: [
        *(xp.take(a.X, a.i, axis=1), xp.take(a.v, a.i - 3), xp.take(a.X, a.i, axis=-2)),
        *(xp.take_along_axis(a.X, a.i[None, :], axis=0), xp.take_along_axis(a.X, a.i[:3, None] - 2, axis=-1)),
    ],
    "products": lambda xp, a: [
        *(
            xp.matmul(a.X, xp.matrix_transpose(a.Z)),
            xp.matmul(a.S, a.X[:, :3]),
            xp.matmul(a.X, a.v),
            xp.matmul(a.v, a.v),
        ),
        *(xp.matmul(a.v, xp.matrix_transpose(a.X)), xp.vecdot(a.Z, a.v), xp.vecdot(a.X, a.Z, axis=0)),
        *(xp.tensordot(a.X, a.Z), xp.tensordot(a.S, a.X, axes=((1,), (0,))), xp.linalg.outer(a.v, a.v)),
    ],
    "norms": lambda xp, a: [
        *(xp.linalg.matrix_norm(a.S, ord=kind) for kind in ("fro", "nuc", 1, -1, 2, -2, float("inf"), -float("inf"))),
        *(xp.linalg.vector_norm(a.Z, ord=kind, axis=1) for kind in (0, 1, 2, 3, float("inf"), -float("inf"))),
        *(xp.linalg.vector_norm(a.S, keepdims=True), xp.linalg.matrix_norm(a.S, keepdims=True)),
    ],
    "solve": lambda xp, a: [xp.linalg.solve(a.T, a.X), xp.linalg.solve(a.T, a.X[:, 0]), xp.linalg.solve(a.S, a.Z)],
    "determinants": lambda xp, a: [xp.linalg.det(a.S), *xp.linalg.slogdet(a.S), xp.linalg.inv(a.T), *xp.linalg.qr(a.Z)],
    "cholesky": lambda xp, a: [
        xp.linalg.cholesky(xp.matrix_transpose(a.T) @ a.T, upper=upper) for upper in (False, True)
    ],
    "diagonals": lambda xp, a: [
        *(
            xp.linalg.diagonal(a.S),
            xp.linalg.diagonal(a.X, offset=1),
            xp.linalg.trace(a.S),
            xp.linalg.trace(a.X, offset=-1),
        ),
        *(xp.linalg.svdvals(a.X), xp.linalg.cross(a.T, xp.flip(a.T))),
    ],
    "limits": lambda xp, a: [
        *(
            np.asarray(getattr(xp.finfo(dtype), name))
            for dtype in (xp.float32, a.Z.dtype)
            for name in ("eps", "max", "bits")
        ),
        *(np.asarray(getattr(xp.iinfo(xp.int32), name)) for name in ("max", "min", "bits")),
    ],
}


def result_of(row, xp):
    arrays = SimpleNamespace(**{name: xp.asarray(array) for name, array in ARRAYS.items()})
    return [np.asarray(x) for x in AGREE[row](xp, arrays)]


@pytest.mark.parametrize("row", list(AGREE))
def test_namespace_agrees_with_numpy(row):
    for ours, numpys in zip(result_of(row, xp), result_of(row, array_api_compat.numpy), strict=True):
        assert ours.shape == numpys.shape
        assert ours.dtype.kind == numpys.dtype.kind
        condition = leading_condition(ARRAYS["S"])
        if numpys.dtype.kind in "fc":
            assert relative_error(ours, numpys) <= tolerance(ours.dtype.name, 4, 4, condition)
        else:
            assert np.array_equal(ours, numpys)


def test_triangles_have_positive_zeros_and_select():
    for part in (xp.tril, xp.triu):
        for k in (-2, -1, 0, 1, 2):
            cut = part(tf.fill((3, 3), tf.constant(-np.inf)), k=k).numpy()
            assert np.array_equal(np.signbit(cut), cut != 0)
            inside = tf.function(
                lambda x, part=part, k=k: part(x, k=k),
                input_signature=[tf.TensorSpec(None, tf.float64)],
                autograph=False,
            )
            assert np.array_equal(inside(A).numpy(), part(A, k=k).numpy())


def test_python_numbers_are_not_rounded_to_single_precision():
    x = tf.constant([1.0, 2.0], dtype=tf.float64)
    assert xp.linspace(0.1, 0.3, 3, dtype=xp.float64)[0] == 0.1
    for ours, numpys in (
        (xp.pow(x, 0.1), x.numpy() ** 0.1),
        (xp.where(x > 1, x, 0.1), np.where(x.numpy() > 1, x.numpy(), 0.1)),
        (xp.maximum(x, 1.7), np.maximum(x.numpy(), 1.7)),
        (xp.clip(x, 1.1, 1.7), np.clip(x.numpy(), 1.1, 1.7)),
        (xp.add(xp.astype(x, xp.complex128), 0.1j), x.numpy() + 0.1j),
    ):
        assert relative_error(ours, numpys) <= tolerance("float64", 2, 1)


def test_dtypes_of_python_numbers_and_of_mixtures():
    assert [xp.asarray(x).dtype for x in (True, 1, 1.0, 1j, [[1, 2.0]])] == [
        *(tf.bool, tf.int32, tf.float32, tf.complex64, tf.float32)
    ]
    assert xp.asarray([0.1], dtype=xp.float64).numpy()[0] == 0.1
    assert xp.asarray(np.ones(2)).dtype == xp.asarray([A[0, 0], A[1, 1]]).dtype == tf.float64
    assert xp.result_type(xp.float32, xp.complex128) == xp.result_type(xp.float64, xp.complex64) == tf.complex128
    assert xp.result_type(xp.float16, xp.bfloat16) == xp.result_type(xp.float32, 1) == tf.float32
    assert xp.result_type(xp.uint8, xp.int8) == tf.int16
    assert xp.result_type(A, 1j) == tf.complex128
    assert xp.can_cast(xp.float32, xp.float64)
    assert not xp.can_cast(xp.float64, xp.float32)
    assert xp.isdtype(A.dtype, ("real floating", "complex floating"))
    assert not xp.isdtype(A.dtype, xp.float32)
    with pytest.raises(TypeError, match=r"xp\.real"):
        xp.astype(xp.asarray([1j]), xp.float32)


GRADIENTS = {
    "solve_triangular": lambda B: xp.linalg.solve_triangular(B[:3] + 3 * xp.eye(3, dtype=B.dtype), B[1:4], upper=True),
    "solve": lambda B: xp.linalg.solve(B[:3], B[1:4]),
    "slogdet": lambda B: xp.linalg.slogdet(B[:3]).logabsdet,
    "cholesky": lambda B: xp.linalg.cholesky(xp.matrix_transpose(B) @ B),
    "take_along_axis": lambda B: xp.take_along_axis(B, tf.constant([[0, 2, 1]]), axis=0) ** 2,
    "take": lambda B: xp.take(B, tf.constant([2, 2, -1]), axis=-2) ** 2,
    "triangles": lambda B: xp.tril(B, k=-1) ** 2 + xp.triu(B, k=1) ** 3,
    "norms": lambda B: xp.linalg.matrix_norm(B) + xp.linalg.matrix_norm(B, ord="nuc") + xp.std(B),
}


@pytest.mark.parametrize("name", list(GRADIENTS))
def test_namespace_functions_have_gradients(name):
    f = GRADIENTS[name]
    h = float(np.finfo(np.float64).eps) ** (1 / 3)  # central differences err by two thirds of the digits
    difference = (tf.reduce_sum(f(A + h * V)) - tf.reduce_sum(f(A - h * V))).numpy() / (2 * h)
    with tf.GradientTape() as tape:
        tape.watch(A)
        y = f(A)
    condition = leading_condition(A[:3]) ** 2
    error = abs(np.sum(tape.gradient(y, A) * V) - difference)
    assert error <= tolerance("float64", 5, 3, condition) ** (2 / 3)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_what_is_not_greater_may_be_nan_in_a_graph_too(jit_compile):
    x = tf.constant([np.nan, 1.0, -1.0])
    negated = tf.function(lambda x: xp.logical_not(x > 0), jit_compile=jit_compile, autograph=False)(x)
    assert negated.numpy().tolist() == [True, False, True]
