"""Framework-neutral autodiff: pairing, nesting, structure, and what is refused."""

import re

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

A = random((6, 4), complex_=False, seed=11)
A_complex = random((6, 4), complex_=True, seed=12)
C = random((6, 4), complex_=True, seed=13)


def loss(A):
    """Return a real scalar that depends on both factors of QR and of LQ, moduli and phases."""
    xp = uqr.namespace(A)
    Q, R = uqr.qr(A)
    L, P = uqr.lq(A)
    total = xp.sum(xp.real(Q) ** 3) + xp.sum(xp.abs(R[..., :2, :]) ** 2) + xp.sum(xp.real(L) ** 2)
    return total + xp.sum(xp.real(P) * xp.real(xp.flip(P, axis=-2)))


def truth(matrix):
    exact = uqr.get_backend("mpmath")
    value, pullback = uqr.vjp(loss, exact.from_numpy(matrix))
    return float(value), exact.to_numpy(pullback(exact.xp.asarray(1.0))[0])


@pytest.mark.parametrize("matrix", [A, A_complex], ids=["real", "complex"])
def test_value_and_grad_agree_with_the_truth(autodiff_backend, matrix):
    value, gradient = uqr.value_and_grad(loss)(autodiff_backend.from_numpy(matrix))
    true_value, true_gradient = truth(matrix)
    condition = max(leading_condition(matrix), leading_condition(matrix, rows=True))
    bound = tolerance("float64", 6, 4, condition)
    assert relative_error(autodiff_backend.to_numpy(value), np.asarray(true_value)) <= bound
    assert relative_error(autodiff_backend.to_numpy(gradient), true_gradient) <= bound


def test_pairing_is_the_same_everywhere(autodiff_backend):
    """L = Re tr(C^H A) has the gradient C, not its conjugate."""
    xp = autodiff_backend.xp
    given = autodiff_backend.from_numpy(C)
    gradient = uqr.grad(lambda X: xp.sum(xp.real(xp.conj(given) * X)))(autodiff_backend.from_numpy(A_complex))
    assert np.array_equal(autodiff_backend.to_numpy(gradient), C)


def test_pullback_takes_none_and_can_be_called_again(autodiff_backend):
    (Q, R), pullback = uqr.vjp(uqr.qr, autodiff_backend.from_numpy(A))
    assert isinstance((Q, R), tuple)
    R_bar = autodiff_backend.from_numpy(random((4, 4), complex_=False, seed=1))
    zeros = autodiff_backend.from_numpy(np.zeros((6, 4)))
    first, second = (autodiff_backend.to_numpy(pullback(bars)[0]) for bars in ((None, R_bar), (zeros, R_bar)))
    assert relative_error(first, second) <= tolerance("float64", 6, 4, leading_condition(A))
    assert not np.any(autodiff_backend.to_numpy(pullback(None)[0]))


def test_a_primal_without_influence_has_a_zero_gradient(autodiff_backend):
    given = autodiff_backend.from_numpy(A)
    xp = autodiff_backend.xp
    first, second = uqr.grad(lambda X, Y: xp.sum(X * X), argnums=(0, 1))(given, given)
    assert np.array_equal(autodiff_backend.to_numpy(first), 2 * A)
    assert not np.any(autodiff_backend.to_numpy(second))


def test_nested_outputs_come_back_in_their_structure(autodiff_backend):
    given = autodiff_backend.from_numpy(A)
    outputs, pullback = uqr.vjp(lambda X: {"a": 0} and (uqr.qr(X), [X, X]), given)
    assert type(outputs[0]).__name__ == "QRResult"
    assert isinstance(outputs[1], list)
    (gradient,) = pullback((None, [given, None]))
    assert np.array_equal(autodiff_backend.to_numpy(gradient), A)


def second_order_backends():
    return [n for n, info in uqr.backends().items() if "second-order" in info.capabilities and info.available]


@pytest.mark.parametrize("name", second_order_backends())
@pytest.mark.parametrize("matrix", [A, A_complex], ids=["real", "complex"])
def test_hvp_agrees_with_differences_of_true_gradients(name, matrix):
    """The truth: (grad(A + hV) - grad(A - hV)) / 2h in 100 digits, each gradient by differences itself."""
    exact, backend = uqr.get_backend("mpmath"), uqr.get_backend(name)
    small, direction = matrix[:3, :2], random((3, 2), complex_=np.iscomplexobj(matrix), seed=14)
    h = 2.0**-70  # exact gradients carry 40 digits and more: 1e-42 of truncation, 1e-20 of rounding
    step = exact.from_numpy(direction) * h
    above, below = (uqr.grad(loss)(exact.from_numpy(small) + sign * step) for sign in (1.0, -1.0))
    true = exact.to_numpy((above - below) / (2 * h))
    (computed,) = uqr.hvp(loss, [backend.from_numpy(small)], [backend.from_numpy(direction)])
    condition = max(leading_condition(small), leading_condition(small, rows=True))
    assert relative_error(backend.to_numpy(computed), true) <= tolerance("float64", 3, 2, condition**2)


@pytest.mark.parametrize("name", ["torch", "jax"])
def test_jvp_is_the_adjoint_of_vjp(name):
    backend = uqr.get_backend(name)
    given, tangent = backend.from_numpy(A_complex), backend.from_numpy(C)
    outputs, dots = uqr.jvp(uqr.qr, [given], [tangent])
    bars = tuple(backend.from_numpy(random(X.shape, complex_=True, seed=2)) for X in outputs)
    (A_bar,) = uqr.vjp(uqr.qr, given)[1](bars)

    def pairing(X, Y):
        return np.sum((np.conj(backend.to_numpy(X)) * backend.to_numpy(Y)).real)

    right = sum(pairing(bar, dot) for bar, dot in zip(bars, dots, strict=True))
    assert abs(pairing(A_bar, tangent) - right) <= tolerance("float64", 6, 4, leading_condition(A_complex)) * abs(right)


def test_what_numpy_cannot_do_says_what_can():
    with pytest.raises(uqr.CapabilityError, match=r"numpy cannot do reverse mode.*unifiedqr\.rules"):
        uqr.grad(loss)(A)
    with pytest.raises(uqr.CapabilityError, match="numpy cannot do forward mode"):
        uqr.jvp(uqr.qr, [A], [A])
    with pytest.raises(uqr.CapabilityError, match="numpy cannot do second order"):
        uqr.hvp(loss, [A], [A])


def test_what_mxnet_cannot_do_says_what_can():
    given = uqr.get_backend("mxnet").from_numpy(A)
    with pytest.raises(uqr.CapabilityError, match=r"mxnet cannot do forward mode.*rules\.qr_jvp"):
        uqr.jvp(uqr.qr, [given], [given])
    with pytest.raises(uqr.CapabilityError, match="mxnet cannot do second order"):
        uqr.hvp(loss, [given], [given])


def test_cotangents_that_do_not_fit_are_refused(autodiff_backend):
    given = autodiff_backend.from_numpy
    _, pullback = uqr.vjp(uqr.qr, given(A))
    with pytest.raises(uqr.ShapeError, match=r"cotangent of shape \(4, 6\); expected that of its output, \(6, 4\)"):
        pullback((given(A.T.copy()), None))
    with pytest.raises(uqr.DtypeError, match="cotangent of dtype float32; expected that of its output, float64"):
        pullback((given(A.astype(np.float32)), None))
    with pytest.raises(uqr.ShapeError, match="2 cotangents are needed"):
        pullback((given(A),))


def test_a_gradient_needs_a_real_scalar(autodiff_backend):
    given = autodiff_backend.from_numpy
    with pytest.raises(uqr.ShapeError, match=r"got shape \(4, 4\), dtype float64.*; expected a real scalar"):
        uqr.grad(lambda X: uqr.qr(X).R)(given(A))
    with pytest.raises(uqr.ShapeError, match="dtype complex128"):
        uqr.grad(lambda X: autodiff_backend.xp.sum(X))(given(A_complex))


def test_tangents_that_do_not_fit_are_refused():
    given = uqr.get_backend("torch").from_numpy
    with pytest.raises(uqr.ShapeError, match="1 primals and 2 tangents"):
        uqr.jvp(uqr.qr, [given(A)], [given(A), given(A)])
    with pytest.raises(uqr.ShapeError, match=r"tangent of shape \(4, 6\)"):
        uqr.jvp(uqr.qr, [given(A)], [given(A.T.copy())])


@pytest.mark.parametrize("decompose", [uqr.qr, uqr.lq], ids=["qr", "lq"])
def test_real_and_complex_cotangents_mix(autodiff_backend, decompose):
    """A real cotangent of a complex factor is that cotangent with imaginary part zero."""
    given = autodiff_backend.from_numpy
    factors, pullback = uqr.vjp(decompose, given(A_complex))
    real = random(tuple(factors[0].shape), complex_=False, seed=5)
    complex_ = given(random(tuple(factors[1].shape), complex_=True, seed=6))
    (mixed,), (converted,) = pullback((given(real), complex_)), pullback((given(real.astype(complex)), complex_))
    assert np.array_equal(autodiff_backend.to_numpy(mixed), autodiff_backend.to_numpy(converted))
    with pytest.raises(uqr.DtypeError, match="cotangent of dtype float32; expected that of its output, complex128"):
        pullback((given(real.astype(np.float32)), complex_))


def test_a_real_tangent_does_for_a_complex_matrix():
    backend = uqr.get_backend("torch")
    given, tangent = backend.from_numpy(A_complex), random((6, 4), complex_=False, seed=7)
    (_, dots), (_, converted) = (
        uqr.jvp(uqr.qr, [given], [backend.from_numpy(X)]) for X in (tangent, tangent.astype(complex))
    )
    for dot, other in zip(dots, converted, strict=True):
        assert np.array_equal(backend.to_numpy(dot), backend.to_numpy(other))


def squares(X):
    """Return a real loss of a complex matrix whose Hessian is not that of a real one."""
    xp = uqr.namespace(X)
    return xp.sum(xp.real(X * X * X)) + xp.sum(xp.abs(X) ** 2)


@pytest.mark.parametrize("derivative", ["grad", "value_and_grad", "vjp", "jvp", "hvp"])
def test_docstrings_begin_with_what_a_complex_gradient_is(derivative):
    beginning = getattr(uqr, derivative).__doc__.partition("Parameters")[0]
    assert re.search(r"dL/dRe\((A|X)\) \+ i dL/dIm\(\1\)", beginning)
    assert "jax." in beginning
    assert "conjugate" in beginning


def test_gradients_are_by_both_parts(autodiff_backend):
    """dL/dRe + i dL/dIm, by differences of NumPy's values."""
    step = np.finfo(np.float64).eps ** (1 / 3)
    expected = np.empty_like(A_complex)
    for index in np.ndindex(A_complex.shape):
        slopes = []
        for unit in (step, 1j * step):
            moved = [A_complex.copy(), A_complex.copy()]
            moved[0][index] += unit
            moved[1][index] -= unit
            slopes.append((squares(moved[0]) - squares(moved[1])) / (2 * step))
        expected[index] = slopes[0] + 1j * slopes[1]
    gradient = autodiff_backend.to_numpy(uqr.grad(squares)(autodiff_backend.from_numpy(A_complex)))
    assert relative_error(gradient, expected) <= 1e3 * step**2
    value, again = uqr.value_and_grad(squares)(autodiff_backend.from_numpy(A_complex))
    assert float(value) == pytest.approx(float(squares(A_complex)))
    assert relative_error(autodiff_backend.to_numpy(again), gradient) <= tolerance("float64", 6, 4)


def test_gradients_of_jax_are_the_conjugates_and_its_tangents_are_ours():
    jax = pytest.importorskip("jax")
    X, dX = map(jax.numpy.asarray, (A_complex, C))

    def same(found, expected):
        return relative_error(np.asarray(found), np.asarray(expected)) <= tolerance("float64", 6, 4)

    gradient = uqr.grad(squares)(X)
    assert not same(gradient, gradient.conj())
    assert same(jax.grad(squares)(X), gradient.conj())
    assert same(jax.value_and_grad(squares)(X)[1], uqr.value_and_grad(squares)(X)[1].conj())
    cubes = lambda X: X * X * X  # noqa: E731
    outputs, pullback = uqr.vjp(cubes, X)
    assert same(jax.vjp(cubes, X)[1](outputs)[0], pullback(outputs.conj())[0].conj())
    assert same(jax.jvp(cubes, (X,), (dX,))[1], uqr.jvp(cubes, (X,), (dX,))[1])
    assert same(jax.jvp(jax.grad(squares), (X,), (dX,))[1], uqr.hvp(squares, (X,), (dX,))[0].conj())
