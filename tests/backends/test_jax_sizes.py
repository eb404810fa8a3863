"""`jax.export` for sizes that are known only when the program runs: which values, which derivatives, which errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

import unifiedqr as uqr
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

WEIGHTS = jnp.cos(jnp.arange(20.0)).reshape(4, 5)


def exported(f, spec, *constraints, dtype=jnp.float64):
    shapes = export.symbolic_shape(spec, constraints=constraints)
    return export.export(jax.jit(f))(jax.ShapeDtypeStruct(shapes, dtype)).call


def loss_of(function, rows):
    """Weigh the entries of the first result at the top left, whatever its sizes."""

    def loss(A):
        X = function(A)
        X = X[0] if isinstance(X, tuple) else X
        part = X[..., :rows, :2]
        W = WEIGHTS[:rows, :2]
        return jnp.sum(W * part.real) + jnp.sum(W**2 * part.imag)

    return loss


def with_gradient(function, rows=3):
    return jax.value_and_grad(loss_of(function, rows))


def error(found, expected, A):
    bound = tolerance(A.dtype.name, *A.shape[-2:], leading_condition(A))
    return max(relative_error(np.asarray(X), np.asarray(Y)) for X, Y in zip(found, expected, strict=True)) / bound


def random_matrix(*shape, complex_=False, seed=0):
    return jnp.asarray(random(shape, complex_=complex_, seed=seed))


MEMBERS = {
    "qr": uqr.qr,
    "cholesky": lambda A: uqr.qr(A, method="cholesky"),
    "r": lambda A: uqr.qr(A, mode="r"),
    "complete": lambda A: uqr.qr(A, mode="complete"),
    "lq": uqr.lq,
    "lstsq": lambda A: uqr.lstsq(A, jnp.cos(A[:, :2])),
}


@pytest.mark.parametrize("name", MEMBERS)
def test_one_program_for_deep_and_square_matrices(name):
    f = with_gradient(MEMBERS[name])
    program = exported(f, "m, 3", "m >= 3")
    for shape in [(3, 3), (7, 3)]:
        A = random_matrix(*shape, seed=sum(shape))
        assert error(program(A), jax.jit(f)(A), A) <= 1


@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
def test_every_size_may_be_symbolic(complex_):
    """A batch of matrices of which only m >= n is known."""
    f, dtype = with_gradient(uqr.qr, 2), jnp.complex128 if complex_ else jnp.float64
    program = exported(f, "b, m, n", "m >= n", "n >= 2", dtype=dtype)
    for shape in [(2, 4, 4), (3, 5, 2)]:
        A = random_matrix(*shape, complex_=complex_, seed=1)
        found, expected = program(A), jax.jit(f)(A)
        assert max(error((X,), (Y,), A[0]) for X, Y in zip(found, expected, strict=True)) <= len(A)


def test_the_last_pivot_of_a_square_matrix_may_be_zero():
    """A is diag(1, 2, 0), of which no entry of Q or R above the last pivot turns into NaN (QR.6)."""
    A = jnp.diag(jnp.asarray([1.0, 2.0, 0.0]))
    program = exported(jax.grad(lambda A: uqr.qr(A).R[0, 1] + uqr.qr(A).R[0, 0]), "m, 3", "m >= 3")
    # R_11 = |a_1|, R_12 = a_1 . a_2 / |a_1|, at a_1 = e_1, a_2 = 2 e_2.
    expected = np.zeros((3, 3))
    expected[0, 0], expected[1, 0], expected[0, 1] = 1, 2, 1
    np.testing.assert_allclose(program(A), expected, atol=1e-14)
    deep = jnp.vstack([A, jnp.zeros((1, 3))])
    np.testing.assert_allclose(program(deep), np.vstack([expected, np.zeros((1, 3))]), atol=1e-14)
    of_the_frame = exported(jax.grad(lambda A: jnp.sum(uqr.qr(A).Q[:, 1:] ** 3)), "m, 3", "m >= 3")
    assert np.isfinite(of_the_frame(A)).all()
    assert np.isnan(of_the_frame(deep)).all()  # where no column of Q is determined by the others


def test_wide_and_square_matrices():
    f = with_gradient(uqr.qr, 2)
    program = exported(f, "3, n", "n >= 3")
    for n in (3, 5):
        A = random_matrix(3, n, seed=n)
        assert error(program(A), jax.jit(f)(A), A) <= 1


def test_the_complement_of_square_matrices_is_nothing():
    program = exported(jax.grad(lambda A: jnp.sum(uqr.left_null_space(A) ** 2)), "m, 2", "m >= 2")
    assert (program(jnp.ones((2, 2))) == 0).all()


def test_pushforwards():
    A = random_matrix(5, 3, seed=2)

    def push(A):
        return jax.jvp(uqr.qr, (A,), (jnp.cos(A),))[1]

    assert error(exported(push, "m, 3", "m >= 3")(A), jax.jit(push)(A), A) <= 1


@pytest.mark.parametrize("spec", ["b, 4, 3", "2, 4, 3"], ids=["any batch", "known sizes"])
def test_pivots_are_exported(spec):
    """By products: JAX does not promise that LAPACK's kernel will be there."""
    A = random_matrix(2, 4, 3, seed=4)
    for X, Y in zip(exported(lambda A: uqr.qr(A, pivoting=True), spec)(A), uqr.qr(A, pivoting=True), strict=True):
        np.testing.assert_allclose(X, Y, atol=1e-13)


def test_determinants_of_any_batch():
    f = jax.value_and_grad(lambda A: jnp.sum(uqr.slogdet(A).logabsdet))
    A = random_matrix(4, 3, 3, seed=5)
    value, gradient = exported(f, "b, 3, 3")(A)
    np.testing.assert_allclose(value, np.linalg.slogdet(A)[1].sum())
    np.testing.assert_allclose(gradient, np.linalg.inv(A).swapaxes(-1, -2), atol=1e-12)


@pytest.mark.parametrize(
    "function",
    [uqr.qr, uqr.lstsq, lambda A: uqr.qr(A, mode="complete"), uqr.left_null_space],
    ids=["qr", "lstsq", "complete", "left_null_space"],
)
def test_the_constraint_that_is_lacking_is_named(function):
    def call(A):
        return function(A, A[:, 0]) if function is uqr.lstsq else function(A)

    with pytest.raises(uqr.errors.ShapeError, match=r"'m >= 3' or 'm <= 3' to jax.export.symbolic_shape"):
        exported(call, "m, 3")


def test_a_rank_that_may_be_whole_is_refused():
    def call(A):
        return uqr.qr(A, pivoting=True, rank=2)

    with pytest.raises(uqr.errors.OptionError, match="Add the constraint 'n > 2'"):
        exported(call, "m, n", "m >= n", "n >= 2")
