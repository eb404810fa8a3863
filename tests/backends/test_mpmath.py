"""What is specific to the truth: it must not depend on any rule, and must be right."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr_lab.conformance.matrices import random

exact = uqr.get_backend("mpmath")


def refuse(*arguments):
    raise AssertionError("a rule took part in the truth")


@pytest.mark.parametrize("decomposition", ["qr", "lq"])
def test_no_rule_takes_part(decomposition):
    silent = replace(DECOMPOSITIONS[decomposition](), vjp=refuse, jvp=refuse)
    A = exact.from_numpy(random((4, 3), complex_=True, seed=1))
    factors, pull = exact.vjp(exact.bind(silent), (A,))
    (A_bar,) = pull(factors)
    _, dots = exact.jvp(exact.bind(silent), (A,), (A,))
    assert A_bar.shape == (4, 3)
    assert len(dots) == 2


def test_factors_hold_in_ninety_digits():
    A = exact.from_numpy(random((5, 3), complex_=True, seed=2))
    Q, R = uqr.qr(A)
    residual = max(abs(x) for x in (Q @ R - A).values.flat)
    gram = exact.xp.conj(exact.xp.matrix_transpose(Q)) @ Q - exact.xp.eye(3)
    assert residual < 1e-90
    assert max(abs(x) for x in gram.values.flat) < 1e-90


@pytest.mark.parametrize("scale", [1.0, 1e150, 1e-150])
def test_differences_of_a_function_with_a_known_derivative(scale):
    """The differential is d |x| = Re(conj(x) dx) / |x|, to forty digits, at any scale."""
    x = random((1, 3), complex_=True, seed=3) * scale
    gradient = uqr.grad(exact.xp.linalg.vector_norm)(exact.from_numpy(x)).values.ravel()
    with mpmath.workdps(100):
        norm = mpmath.sqrt(mpmath.fsum(abs(mpmath.mpc(z.item())) ** 2 for z in x.flat))
        assert max(abs(c - mpmath.mpc(z.item()) / norm) for c, z in zip(gradient, x.flat, strict=True)) < 1e-40


@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
def test_numbers_survive_the_round_trip(complex_):
    x = random((2, 3), complex_=complex_, seed=4) * 1e-150
    assert np.array_equal(exact.to_numpy(exact.from_numpy(x)), x)


@pytest.mark.parametrize("name", ["sin", "cos", "tanh", "exp", "sqrt", "log", "abs", "real", "imag", "conj", "square"])
def test_functions_agree_with_numpy(name):
    x = np.abs(random((2, 3), complex_=False, seed=5)) + 0.1
    xs = [x, x + 1j * random((2, 3), complex_=False, seed=6)]
    for z in xs:
        assert np.allclose(
            exact.to_numpy(getattr(exact.xp, name)(exact.from_numpy(z))), getattr(np, name)(z), rtol=1e-15
        )


def test_what_it_cannot_do():
    with pytest.raises(uqr.CapabilityError, match="mpmath cannot do second order"):
        uqr.hvp(exact.xp.linalg.vector_norm, [exact.xp.ones((2, 2))], [exact.xp.ones((2, 2))])
