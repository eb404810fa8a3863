"""`set_checks`: warn, raise or keep quiet where no derivative exists; NaN in every case."""

import subprocess
import sys

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.checks import checks
from unifiedqr.discovery import get_backend, plugin
from unifiedqr_lab.conformance.matrices import random

SOUND = random((5, 3), complex_=False, seed=1)
SPOILED = SOUND.copy()
SPOILED[:, 1] = 2 * SPOILED[:, 0]
STACK = np.stack([SOUND, SPOILED, SOUND])


def pulled(backend, A):
    """Return the gradient of sum(R) in eager mode, by the explicit rule where there is no autodiff."""
    given = backend.from_numpy(A)
    if not backend.plugin.capabilities:
        Q, R = uqr.qr(given)
        return uqr.rules.qr_vjp(Q, R, None, np.ones_like(R))
    return backend.to_numpy(uqr.grad(lambda X: backend.xp.sum(uqr.qr(X).R))(given))


def test_the_default_warns_and_says_where(backend):
    with pytest.warns(uqr.SingularMatrixWarning, match=r"1 of 3 matrices of the batch, the first at index \(1,\)"):
        gradient = pulled(backend, STACK)
    assert np.all(np.isnan(gradient[1]))
    assert not np.any(np.isnan(gradient[::2]))


def test_the_warning_points_at_the_line_that_asked(backend):
    with pytest.warns(uqr.SingularMatrixWarning) as caught:
        pulled(backend, STACK)
    assert caught[0].filename == __file__


class Lent:
    """An array whose library, by its type, is the user's own package."""

    def __init__(self, values):
        self.values = values

    def __array_namespace__(self, api_version=None):
        return np


def test_a_package_with_arrays_of_its_own_is_told_its_own_line(backend):
    assert uqr.get_backend(Lent(SOUND)).name == __name__.partition(".")[0]
    with pytest.warns(uqr.SingularMatrixWarning) as caught:
        pulled(backend, STACK)
    assert caught[0].filename == __file__


def test_a_matrix_with_nan_is_not_said_to_be_dependent(backend):
    spoiled = SOUND.copy()
    spoiled[1, 1] = np.nan
    with pytest.warns(uqr.SingularMatrixWarning, match="contains NaN or Inf") as caught:
        pulled(backend, spoiled)
    assert "dependent" not in str(caught[0].message)
    with pytest.warns(uqr.SingularMatrixWarning, match=r"contains NaN or Inf.*Elsewhere a leading column"):
        pulled(backend, np.stack([SPOILED, spoiled]))


def test_what_is_not_read_is_not_reported(backend):
    """The columns before the dependent one have a derivative, and a masked matrix has the derivative zero."""
    xp = backend.xp
    given = backend.from_numpy(STACK)
    with checks("raise"):
        if not backend.plugin.capabilities:
            Q, R = uqr.qr(given)
            R_bar = np.zeros_like(R)
            R_bar[:, 0, 0] = 1
            gradient = uqr.rules.qr_vjp(Q, R, None, R_bar)
        else:
            gradient = backend.to_numpy(uqr.grad(lambda X: xp.sum(uqr.qr(X).R[..., 0, 0]))(given))
    norms = np.linalg.norm(STACK[:, :, :1], axis=1, keepdims=True)
    np.testing.assert_allclose(gradient[..., :1], STACK[..., :1] / norms, rtol=1e-14)
    np.testing.assert_allclose(gradient[..., 1:], 0, atol=1e-15)


def test_raise_is_also_the_error_of_numpy(backend):
    with checks("raise"):
        with pytest.raises(np.linalg.LinAlgError, match=r"depend.*unifiedqr\.diagnose") as caught:
            pulled(backend, SPOILED)
        assert type(caught.value) is uqr.SingularMatrixError
        pulled(backend, SOUND)


def test_off_gives_nan_quietly(backend):
    with checks("off"):
        assert np.all(np.isnan(pulled(backend, STACK)[1]))


def test_the_decomposition_itself_is_never_reported(backend):
    with checks("raise"):
        Q, R = (backend.to_numpy(X) for X in uqr.qr(backend.from_numpy(SPOILED)))
    assert np.all(np.isfinite(Q))
    assert np.all(np.isfinite(R))


def test_the_exempt_last_pivot_is_not_reported(backend):
    square = random((3, 3), complex_=False, seed=2)
    square[:, 2] = square[:, 0]
    with checks("raise"):
        assert np.all(np.isfinite(pulled(backend, square)))


def test_forward_mode_is_reported_too(backend):
    if "jvp" not in plugin(backend.name).capabilities:
        pytest.skip(f"{backend.name} has no forward mode")
    given = backend.from_numpy(SPOILED)
    with checks("raise"), pytest.raises(uqr.SingularMatrixError):
        uqr.jvp(uqr.qr, [given], [given])
    with pytest.warns(uqr.SingularMatrixWarning):
        uqr.jvp(uqr.qr, [given], [given])


def test_rows_are_what_counts_for_lq(backend):
    given = backend.from_numpy(SPOILED)  # its rows are independent
    if backend.plugin.capabilities:
        with checks("raise"):
            uqr.grad(lambda X: backend.xp.sum(uqr.lq(X).L))(given)
            with pytest.raises(uqr.SingularMatrixError):
                uqr.grad(lambda X: backend.xp.sum(uqr.lq(backend.xp.matrix_transpose(X)).L))(given)


@pytest.mark.parametrize(("mode", "exit_status"), [("off", 0), ("warn", 0), ("raise", 1), ("loud", 1)])
def test_the_variable_decides_how_a_process_starts(mode, exit_status):
    program = """
import numpy as np, unifiedqr as uqr
Q, R = uqr.qr(np.ones((3, 2)))
uqr.rules.qr_vjp(Q, R, Q, None)
"""
    result = subprocess.run(
        [sys.executable, "-c", program], env={"UNIFIEDQR_CHECKS": mode}, capture_output=True, text=True, check=False
    )
    assert result.returncode == exit_status
    said = {
        "off": "",
        "warn": "SingularMatrixWarning",
        "raise": "SingularMatrixError",
        "loud": "UNIFIEDQR_CHECKS='loud' is unknown; choose one of 'off', 'warn', 'raise'",
    }[mode]
    assert said in result.stderr
    assert bool(said) == bool(result.stderr)


def test_unknown_modes_are_refused():
    with pytest.raises(uqr.OptionError, match="mode='on' is unknown; choose one of 'off', 'warn', 'raise'"):
        uqr.set_checks("on")


@pytest.mark.parametrize("name", ["torch", "jax", "tensorflow"])
def test_a_matrix_masked_before_it_is_decomposed_is_out_of_second_derivatives(name):
    xp = get_backend(name).xp
    A = np.random.default_rng(0).standard_normal((2, 5, 3))
    A[1, :, 1] = A[1, :, 0]
    mask, other = xp.asarray(np.array([True, False])), xp.asarray(np.eye(5, 3))

    def loss(A):
        Q, R = uqr.qr(xp.where(mask[:, None, None], A, other))
        each = xp.sum(Q**3, axis=(-2, -1)) + xp.sum(R**2, axis=(-2, -1))
        return xp.sum(xp.where(mask, each, xp.zeros_like(each)))

    (product,) = uqr.hvp(loss, [xp.asarray(A)], [xp.asarray(np.ones_like(A))])
    product = uqr.to_numpy(product)
    assert np.isfinite(product[0]).all()
    assert product[0].any()
    assert not product[1].any()
