"""MXNet's Array API namespace of arrays and pairs: every function against NumPy's, and its gradients."""

import numpy as np
import pytest
import torch

import unifiedqr as uqr
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import relative_error, tolerance
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.namespace import xp
from unifiedqr_mxnet.pair import ComplexArray

pytestmark = pytest.mark.usefixtures("semantics")
FIELD = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])


A_REAL, B_REAL = random((2, 3, 4), complex_=False, seed=1), random((2, 3, 4), complex_=False, seed=2)
UPPER = np.triu(random((2, 4, 4), complex_=False, seed=3)) + 3 * np.eye(4)
INDEX = np.array([[[2, 0, -1, 1]]])

OF_BOTH = {
    **{name: lambda xp, A, B, name=name: getattr(xp, name)(A) for name in ("abs", "conj", "exp", "square", "negative")},
    **{
        name: lambda xp, A, B, name=name: getattr(xp, name)(A) for name in ("sin", "cos", "tan", "sinh", "cosh", "tanh")
    },
    **{name: lambda xp, A, B, name=name: getattr(xp, name)(A) for name in ("real", "isnan", "isfinite", "isinf")},
    **{name: lambda xp, A, B, name=name: getattr(xp, name)(A * A) for name in ("log", "sqrt", "sum", "mean", "all")},
    "imag": lambda xp, A, B: xp.imag(A + 0.0),
    "arithmetic": lambda xp, A, B: (2 * A - B / 3) * (1 - A) / (B + 2.5),
    "pow": lambda xp, A, B: A**3 + A**-2 + A**0,
    "abs as weight": lambda xp, A, B: xp.abs(A) * B + B * xp.abs(A) - xp.abs(B) / A,
    "equal": lambda xp, A, B: xp.equal(A, xp.where(xp.abs(A) > 1, A, B)),
    "not_equal": lambda xp, A, B: A != B,
    "where": lambda xp, A, B: xp.where(xp.abs(A) > xp.abs(B), A, B),
    "where with a number": lambda xp, A, B: xp.where(xp.abs(A) > 1, A, xp.zeros_like(A)),
    "matmul": lambda xp, A, B: A @ xp.matrix_transpose(B),
    "matmul broadcast": lambda xp, A, B: xp.matmul(A[:1], xp.matrix_transpose(B)[:, None]),
    "sum of axes": lambda xp, A, B: xp.sum(A, axis=(-2, 0), keepdims=True),
    "mean of axes": lambda xp, A, B: xp.mean(A, axis=-1),
    "var": lambda xp, A, B: xp.var(xp.abs(A), axis=(0, -1), correction=1.0),
    "std": lambda xp, A, B: xp.std(A, axis=-2, keepdims=True),
    "cumulative_sum": lambda xp, A, B: xp.cumulative_sum(A, axis=-1),
    "concat": lambda xp, A, B: xp.concat([A, B, A], axis=-2),
    "concat flat": lambda xp, A, B: xp.concat([A, B], axis=None),
    "stack": lambda xp, A, B: xp.stack([A, B], axis=-1),
    "flip": lambda xp, A, B: xp.flip(A, axis=(-1, 0)),
    "flip all": lambda xp, A, B: xp.flip(A),
    "roll": lambda xp, A, B: xp.roll(A, 2, axis=-1),
    "expand_dims": lambda xp, A, B: xp.expand_dims(A, axis=-2),
    "squeeze": lambda xp, A, B: xp.squeeze(A[:1], axis=0),
    "permute_dims": lambda xp, A, B: xp.permute_dims(A, (2, 0, 1)),
    "moveaxis": lambda xp, A, B: xp.moveaxis(A, 0, -1),
    "reshape": lambda xp, A, B: xp.reshape(A, (4, -1)),
    "broadcast_to": lambda xp, A, B: xp.broadcast_to(A[:1], (2, 3, 4)),
    "tril": lambda xp, A, B: xp.tril(A, k=-1),
    "triu": lambda xp, A, B: xp.triu(A, k=1),
    "take": lambda xp, A, B: xp.take(A, xp.asarray(np.array([2, 0, -1])), axis=-1),
    "take_along_axis": lambda xp, A, B: xp.take_along_axis(A, xp.asarray(INDEX), axis=-1),
    "index": lambda xp, A, B: A[..., 1:, None, ::2],
    "index by mask": lambda xp, A, B: A[xp.abs(A) > 1],
    "diagonal": lambda xp, A, B: xp.linalg.diagonal(A, offset=1),
    "trace": lambda xp, A, B: xp.linalg.trace(A),
    "vecdot": lambda xp, A, B: xp.vecdot(A, B),
    "matrix_norm": lambda xp, A, B: xp.linalg.matrix_norm(A),
    "matrix_norm 1": lambda xp, A, B: xp.linalg.matrix_norm(A, ord=1),
    "vector_norm": lambda xp, A, B: xp.linalg.vector_norm(A, axis=-1, keepdims=True),
    "vector_norm 3": lambda xp, A, B: xp.linalg.vector_norm(A, axis=(0, 2), ord=3),
    "vector_norm inf": lambda xp, A, B: xp.linalg.vector_norm(A, ord=float("inf")),
    "full_like": lambda xp, A, B: xp.full_like(A, 2.5) + xp.ones_like(A) + xp.zeros_like(A),
    "eye": lambda xp, A, B: xp.eye(3, 4, k=1, dtype=A.dtype) * A,
    "astype": lambda xp, A, B: xp.astype(A, xp.complex64),
    "qr": lambda xp, A, B: xp.linalg.qr(A)[1],
    "complete qr": lambda xp, A, B: xp.linalg.qr(xp.matrix_transpose(A), mode="complete")[0],
}
OF_REAL = {
    **{name: lambda xp, A, B, name=name: getattr(xp, name)(A) for name in ("floor", "ceil", "trunc", "round", "sign")},
    **{
        name: lambda xp, A, B, name=name: getattr(xp, name)(A) for name in ("atan", "asinh", "expm1", "signbit", "prod")
    },
    **{name: lambda xp, A, B, name=name: getattr(xp, name)(A, B) for name in ("maximum", "minimum", "hypot", "atan2")},
    **{name: lambda xp, A, B, name=name: getattr(xp, name)(A, axis=-1) for name in ("max", "min", "argmax", "argmin")},
    **{name: lambda xp, A, B, name=name: getattr(xp, name)(A) for name in ("sort", "argsort")},
    "log2": lambda xp, A, B: xp.log2(xp.abs(A)),
    "log1p": lambda xp, A, B: xp.log1p(xp.abs(A)),
    "floor_divide": lambda xp, A, B: xp.floor_divide(A, B),
    "remainder": lambda xp, A, B: xp.remainder(A, xp.abs(B)),
    "argmax with axes": lambda xp, A, B: xp.argmax(A, axis=1, keepdims=True),
    "any": lambda xp, A, B: xp.any(A > B, axis=(-2, -1)),
    "logical": lambda xp, A, B: xp.logical_or(
        xp.logical_and(A > 0, B > 0), xp.logical_not(xp.logical_xor(A > 0, B > 0))
    ),
    "mixed precision": lambda xp, A, B: xp.matmul(xp.astype(A, xp.float32), xp.matrix_transpose(B)),
    "mixed concat": lambda xp, A, B: xp.concat([xp.astype(A, xp.float32), B]),
    "times i": lambda xp, A, B: A * 1j + 1j / B - (2j - A),
    "linspace": lambda xp, A, B: xp.linspace(0.0, 1.0, 4, dtype=xp.float64) * A,
    "arange": lambda xp, A, B: xp.arange(1, 9, 2) * xp.astype(xp.floor(A), xp.int64),
}


def agrees_with_numpy(function, *arrays):
    """Compare a function written against `xp` with NumPy's result in value, shape and dtype."""
    expected = np.asarray(function(uqr.namespace("numpy"), *arrays))
    with mx.util.np_shape(True), mx.util.np_array(True):
        computed = uqr.to_numpy(function(xp, *map(xp.asarray, arrays)))
    assert computed.shape == expected.shape
    assert computed.dtype == expected.dtype
    precision = {"complex64": "float32"}.get(expected.dtype.name, "float64")
    assert relative_error(computed, expected) <= tolerance(precision, 3, 4)


@pytest.mark.parametrize("function", OF_BOTH.values(), ids=OF_BOTH)
@FIELD
def test_namespace_agrees_with_numpy(function, complex_):
    agrees_with_numpy(function, *((A_REAL + 1j * B_REAL, B_REAL - 2j * A_REAL) if complex_ else (A_REAL, B_REAL)))


@pytest.mark.parametrize("function", OF_REAL.values(), ids=OF_REAL)
def test_real_namespace_agrees_with_numpy(function):
    agrees_with_numpy(function, A_REAL, B_REAL)


@FIELD
@pytest.mark.parametrize("upper", [False, True])
def test_solve_triangular(complex_, upper):
    U = UPPER + 1j * np.triu(UPPER, k=1) if complex_ else UPPER
    U = U if upper else np.swapaxes(U, -1, -2)
    B = random((4, 3), complex_=complex_, seed=4)
    X = uqr.to_numpy(xp.linalg.solve_triangular(xp.asarray(U), xp.asarray(B), upper=upper))
    assert relative_error(X, np.linalg.solve(U, np.broadcast_to(B, (2, 4, 3)))) <= tolerance(
        "float64", 4, 4, float(np.max(np.linalg.cond(U)))
    )


@FIELD
@pytest.mark.parametrize("upper", [False, True])
def test_gradient_of_solve_triangular_is_torchs(complex_, upper):
    U = UPPER + 1j * np.triu(UPPER, k=1) if complex_ else UPPER
    U = U if upper else np.swapaxes(U, -1, -2)
    B, X_bar = (random(shape, complex_=complex_, seed=4) for shape in ((4, 3), (2, 4, 3)))

    def torchs(U, B):
        return torch.linalg.solve_triangular(torch.triu(U) if upper else torch.tril(U), B, upper=upper)

    def ours(U, B):
        return xp.linalg.solve_triangular(U, B, upper=upper)

    _, pullback = uqr.vjp(torchs, torch.asarray(U), torch.asarray(B))
    expected = [X.numpy() for X in pullback(torch.asarray(X_bar))]
    _, pullback = uqr.vjp(ours, xp.asarray(U), xp.asarray(B))
    for computed, true in zip(pullback(xp.asarray(X_bar)), expected, strict=True):
        assert relative_error(computed.asnumpy(), true) <= tolerance("float64", 4, 4, float(np.max(np.linalg.cond(U))))


DIFFERENTIABLE = ("abs", "exp", "sqrt", "log", "tanh", "arithmetic", "pow", "abs as weight", "matmul", "var", "std")
DIFFERENTIABLE += ("take_along_axis", "take", "triu", "tril", "where", "vector_norm", "vector_norm 3", "matrix_norm")
DIFFERENTIABLE += ("index", "concat", "stack", "diagonal", "cumulative_sum", "flip", "mean of axes", "reshape")


@pytest.mark.parametrize("name", DIFFERENTIABLE)
@FIELD
def test_gradient_of_a_namespace_function_is_torchs(name, complex_):
    A, B = (A_REAL + 1j * B_REAL, B_REAL - 2j * A_REAL) if complex_ else (A_REAL, B_REAL)
    gradients = []
    for backend in ("torch", "mxnet"):
        space = uqr.namespace(backend)

        def loss(A, B, space=space):
            X = OF_BOTH[name](space, A, B)
            weight = space.asarray(np.cos(np.arange(np.prod(tuple(X.shape)))).reshape(tuple(X.shape)))
            return space.sum(weight * (space.real(X) + 2 * space.imag(X) if "complex" in str(X.dtype) else X))

        gradient = uqr.grad(loss, argnums=(0, 1))(space.asarray(A), space.asarray(B))
        gradients.append([uqr.to_numpy(bar) for bar in gradient])
    for computed, expected in zip(*reversed(gradients), strict=True):
        assert relative_error(computed, expected) <= tolerance("float64", 3, 4, 10.0)


@pytest.mark.parametrize("name", [*DIFFERENTIABLE, "astype", "moveaxis", "roll", "squeeze", "stack", "sum of axes"])
@FIELD
def test_gradients_add_up_where_that_is_asked_for(name, complex_):
    """Many of MXNet's own functions take ``grad_req="add"`` for ``"write"``."""

    def gradient_after(times):
        A = xp.asarray(A_REAL + 1j * B_REAL if complex_ else A_REAL)
        A.attach_grad("add")
        with mx.autograd.record():
            X = OF_BOTH[name](xp, A, xp.asarray(B_REAL))
            loss = xp.sum(xp.real(X) + 2 * xp.imag(X) if isinstance(X, ComplexArray) else X)
        for _ in range(times):
            loss.backward(retain_graph=True)
        return A.grad.asnumpy()

    assert relative_error(gradient_after(2), 2 * gradient_after(1)) <= tolerance("float64", 3, 4)


@FIELD
@pytest.mark.parametrize("copying", ["asarray", "astype", "reshape"])
def test_copies_add_up_too(copying, complex_):
    A = xp.asarray(A_REAL + 1j * B_REAL if complex_ else A_REAL)
    A.attach_grad("add")
    with mx.autograd.record():
        X = {
            "asarray": lambda: xp.asarray(A, copy=True),
            "astype": lambda: xp.astype(A, A.dtype),
            "reshape": lambda: xp.reshape(A, (4, 6), copy=True),
        }[copying]()
        loss = xp.sum(xp.real(X))
    for _ in range(2):
        loss.backward(retain_graph=True)
    np.testing.assert_array_equal(A.grad.asnumpy(), np.full((2, 3, 4), 2.0))


@FIELD
def test_norms_and_moduli_have_gradient_zero_at_zero(complex_):
    zero = xp.zeros((2, 2), dtype=xp.complex128 if complex_ else xp.float64)
    for function in (xp.linalg.matrix_norm, lambda A: xp.sum(xp.abs(A))):
        np.testing.assert_array_equal(uqr.grad(function)(zero).asnumpy(), np.zeros((2, 2)))


def test_pairs_divide_beyond_the_square_root_of_the_range():
    z = xp.asarray(np.array([3e200 + 4e200j, 3e-200 + 4e-200j]))
    assert relative_error((z / z).asnumpy(), np.ones(2)) <= tolerance("float64", 1, 1)
    assert relative_error(xp.abs(z).asnumpy()[:1], np.array([5e200])) <= tolerance("float64", 1, 1)
    assert relative_error(xp.abs(z).asnumpy()[1:], np.array([5e-200])) <= tolerance("float64", 1, 1)


def test_a_pair_behaves_as_an_array():
    z = xp.asarray([[1 + 2j, 3 - 4j]])
    assert (z.shape, z.ndim, z.size, len(z), z.dtype) == ((1, 2), 2, 2, 1, np.complex64)
    z[0, 1] = 5j
    np.testing.assert_array_equal(z.asnumpy(), np.array([[1 + 2j, 5j]], dtype=np.complex64))
    np.testing.assert_array_equal((z == z.conj().conj()).asnumpy(), np.ones((1, 2), dtype=bool))
    with pytest.raises(TypeError):
        z < z  # noqa: B015
    with pytest.raises(TypeError):
        np.ones(2) * z


def test_scalars_compute_whatever_the_switches_say():
    """With MXNet's semantics off its own sum of two sums fails; a script written against xp must not notice."""
    A = xp.asarray(random((4, 3), complex_=False, seed=30))
    A.attach_grad()
    with mx.autograd.record():
        loss = xp.sum(A**2) / 2 + 3.0 * xp.sum(A) - 1.0
    loss.backward()
    expected = A.asnumpy()
    true = np.sum(expected**2) / 2 + 3 * np.sum(expected) - 1
    assert relative_error(np.asarray(float(loss)), true) <= tolerance("float64", 4, 3)
    assert relative_error(A.grad.asnumpy(), expected + 3) <= tolerance("float64", 4, 3)
