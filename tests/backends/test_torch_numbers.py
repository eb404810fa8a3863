"""Numbers in PyTorch: autocast, half precision and the default dtype; and tensors without any, meta and fake."""

from contextlib import nullcontext

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import unifiedqr as uqr
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import FACTOR, eps, leading_condition, relative_error, tolerance

DECOMPOSE = pytest.mark.parametrize("decompose", [uqr.qr, uqr.lq], ids=["qr", "lq"])


def loss_of(decompose):
    return lambda A: sum((X.real**3).sum() + ((X.imag**3).sum() if X.is_complex() else 0) for X in decompose(A))


ROUTES = {
    "value": lambda f, A: f(A),
    "backward": lambda f, A: torch.autograd.grad(f(B := A.clone().requires_grad_()), B)[0],
    "func.grad": lambda f, A: torch.func.grad(f)(A),
    "func.jvp": lambda f, A: torch.func.jvp(f, (A,), (A,))[1],
    "func.hessian": lambda f, A: torch.func.hessian(f)(A),
}


@DECOMPOSE
@pytest.mark.parametrize("route", list(ROUTES))
def test_autocast_rounds_nothing(decompose, route):
    A = torch.asarray(random((5, 3), complex_=False, seed=12)).float()
    truth = ROUTES[route](loss_of(decompose), A)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        given = ROUTES[route](loss_of(decompose), A)
    assert torch.equal(given, truth)


@pytest.mark.xfail(
    strict=True,
    reason="PyTorch rounds in the backward pass of a product under autocast, also of one made outside of it",
)
@pytest.mark.parametrize("f", [lambda A: uqr.qr(A), lambda A: (A.mT @ A, A @ A.mT)], ids=["qr", "products"])
def test_autocast_rounds_nothing_of_a_double_backward(f):
    A = torch.asarray(random((5, 3), complex_=False, seed=12)).float().requires_grad_()
    (A_bar,) = torch.autograd.grad(loss_of(f)(A), A, create_graph=True)
    (truth,) = torch.autograd.grad(A_bar.sum(), A, retain_graph=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (given,) = torch.autograd.grad(A_bar.sum(), A)
    assert relative_error(given.numpy(), truth.numpy()) <= tolerance(
        "float32", 5, 3, leading_condition(A.detach()) ** 2
    )


@DECOMPOSE
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("route", list(ROUTES))
def test_half_precision_is_single_precision_rounded_once(decompose, dtype, route):
    A = torch.asarray(random((5, 3), complex_=False, seed=12)).to(dtype)

    def loss(A):
        return loss_of(lambda A: [X.float() for X in decompose(A)])(A)  # the loss itself is not to be rounded

    given, truth = (ROUTES[route](loss, X) for X in (A, A.float()))
    assert given.dtype == (torch.float32 if route in ("value", "func.jvp") else dtype)
    order = 2 if route == "func.hessian" else 1
    bound = tolerance("float32", 5, 3, leading_condition(A.double(), rows=decompose is uqr.lq) ** order)
    bound *= eps(uqr.get_backend(A).dtype_name(A)) / eps("float32") / FACTOR
    assert relative_error(given.float().numpy(), truth.numpy()) <= bound


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_the_default_dtype_has_no_say(dtype):
    A = torch.asarray(random((5, 3), complex_=True, seed=13)).to(torch.complex64)
    truth = [ROUTES[route](loss_of(uqr.qr), A) for route in ("backward", "func.jvp")]
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        given = [ROUTES[route](loss_of(uqr.qr), A) for route in ("backward", "func.jvp")]
    finally:
        torch.set_default_dtype(before)
    assert all(map(torch.equal, given, truth))


@pytest.mark.parametrize("columns", [63, 64])
def test_sums_of_products_of_long_tensors(columns):
    """Of 64 columns and more they are computed by blocks of rows, the last of which is shorter."""
    X, Y = (torch.asarray(random((9001, 80), complex_=False, seed=seed)) for seed in (14, 15))
    E, K = (torch.asarray(random((80, columns), complex_=False, seed=seed)) for seed in (16, 17))
    with torch.no_grad():
        found = uqr.namespace(X).beyond.combination((X, E), (Y, K))
    assert relative_error(found.numpy(), (X @ E + Y @ K).numpy()) <= 1e-14


@DECOMPOSE
@pytest.mark.parametrize("make", ["meta", "fake"])
def test_shapes_and_dtypes_without_values(decompose, make):
    mode = FakeTensorMode() if make == "fake" else nullcontext()
    with mode:
        A = torch.empty(2, 6, 4, dtype=torch.complex64, device="cpu" if make == "fake" else "meta", requires_grad=True)
        X, Y = decompose(A)
        (A_bar,) = torch.autograd.grad((X, Y), A, (X, Y))
        _, (X_dot, Y_dot) = torch.func.jvp(decompose, (A.detach(),), (A.detach(),))
    real = [tuple(Z.shape) for Z in decompose(torch.ones(2, 6, 4))]
    assert [tuple(Z.shape) for Z in (X, Y)] == [tuple(Z.shape) for Z in (X_dot, Y_dot)] == real
    assert A_bar.shape == A.shape
    assert {Z.dtype for Z in (X, Y, X_dot, Y_dot, A_bar)} == {A.dtype}
    assert {Z.device for Z in (X, Y, X_dot, Y_dot, A_bar)} == {A.device}
