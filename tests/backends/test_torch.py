"""What is specific to PyTorch: its views and graphs, modules, and derivatives of any order."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import unifiedqr as uqr
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr_torch.autodiff import bind

SHAPES = [(5, 3), (4, 4), (3, 5), (1, 1), (1, 3), (3, 1), (2, 4, 3)]
DECOMPOSE = pytest.mark.parametrize("decompose", [uqr.qr, uqr.lq], ids=["qr", "lq"])


def loss_of(decompose):
    return lambda A: sum((X.real**3).sum() + ((X.imag**3).sum() if X.is_complex() else 0) for X in decompose(A))


@DECOMPOSE
@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradcheck_first_and_second_order_forward_and_batched(decompose, complex_, shape):
    A = torch.asarray(random(shape, complex_=complex_, seed=1)).requires_grad_()

    def factors(A):
        return tuple(decompose(A))

    assert torch.autograd.gradcheck(
        factors, A, check_forward_ad=True, check_batched_grad=True, check_batched_forward_grad=True
    )
    assert torch.autograd.gradgradcheck(factors, A, check_fwd_over_rev=True, check_rev_over_rev=True)


@pytest.mark.parametrize("shape", [(9000, 64), (1500, 400), (64, 9000)])
def test_batched_gradients_of_large_matrices(shape):
    A = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4)).requires_grad_()
    for decompose in (uqr.qr, uqr.lq):
        for X in decompose(A):
            bars = torch.stack([torch.ones_like(X), torch.randn_like(X)])
            (together,) = torch.autograd.grad(X, A, bars, is_grads_batched=True, retain_graph=True)
            for found, bar in zip(together, bars, strict=True):
                (alone,) = torch.autograd.grad(X, A, bar, retain_graph=True)
                assert (found - alone).abs().max() <= 1e-13 * alone.abs().max()


def test_backward_accumulates_into_grad():
    case = golden("lq")["lq-random-5x3-complex"]
    A = torch.asarray(case.A).requires_grad_()
    L, Q = uqr.lq(A)
    L_bar, Q_bar = map(torch.asarray, case.factor_bars)
    loss = (L_bar.conj() * L).real.sum() + (Q_bar.conj() * Q).real.sum()
    loss.backward(retain_graph=True)
    loss.backward()
    bound = tolerance("complex128", 5, 3, leading_condition(case.A, rows=True))
    assert relative_error(A.grad.numpy(), 2 * case.A_bars["both"]) <= bound


def test_nothing_is_materialized_for_a_missing_cotangent():
    seen = []
    rules = DECOMPOSITIONS["qr"]()
    spy = replace(rules, vjp=lambda xp, kept, bars: seen.append(bars) or rules.vjp(xp, kept, bars))
    A = torch.eye(3).requires_grad_()
    bind(spy)(A)[1].sum().backward()
    assert seen[0][0] is None
    assert seen[0][1] is not None


@DECOMPOSE
@pytest.mark.parametrize("view", ["transposed", "conjugated", "negated", "strided"])
def test_views_are_read_as_what_they_stand_for(decompose, view):
    A = torch.asarray(random((6, 4), complex_=True, seed=4))
    given = {
        "transposed": A.mT,
        "conjugated": A.conj(),
        "negated": A.conj().imag,
        "strided": A[::2, ::3],
    }[view]
    plain = torch.asarray(given.resolve_conj().resolve_neg().numpy().copy())
    for X, Y in zip(decompose(given), decompose(plain), strict=True):
        assert np.array_equal(X.numpy(), Y.numpy())


@DECOMPOSE
@pytest.mark.parametrize("view", ["transposed", "conjugated", "negated", "strided", "expanded"])
def test_gradients_pass_through_views(decompose, view):
    A = torch.asarray(random((6, 4), complex_=True, seed=4))
    given = {
        "transposed": lambda X: X.mT,
        "conjugated": lambda X: X.conj(),
        "negated": lambda X: X.conj().imag,
        "strided": lambda X: X[::2, ::3],
        "expanded": lambda X: X.expand(3, 6, 4),
    }[view]

    def plain(X):
        return given(X).resolve_conj().resolve_neg().clone(memory_format=torch.contiguous_format)

    gradients = [uqr.to_numpy(torch.func.grad(lambda X, f=f: loss_of(decompose)(f(X)))(A)) for f in (given, plain)]
    assert np.array_equal(*gradients)


@DECOMPOSE
def test_cotangents_may_be_expanded_or_lazily_conjugated(decompose):
    A = torch.asarray(random((6, 4), complex_=True, seed=5)).requires_grad_()
    X, Y = decompose(A)
    lazy = torch.asarray(random(X.mT.shape, complex_=True, seed=6)).mH, torch.ones((), dtype=A.dtype).expand(Y.shape)
    plain = tuple(bar.resolve_conj().contiguous() for bar in lazy)
    (given,), (truth,) = (torch.autograd.grad((X, Y), A, bars, retain_graph=True) for bars in (lazy, plain))
    assert relative_error(given.numpy(), truth.numpy()) <= tolerance("complex128", 6, 4)
    assert not given.is_conj()


def test_real_parts_of_complex_factors_and_real_matrices_made_complex():
    A = torch.asarray(random((5, 3), complex_=True, seed=7))
    assert torch.autograd.gradcheck(lambda A: tuple(X.real for X in uqr.qr(A)), A.clone().requires_grad_())
    gradients = [
        torch.func.grad(lambda X, dtype=dtype: loss_of(uqr.qr)(X.to(dtype)))(A.real)
        for dtype in (A.dtype, A.real.dtype)
    ]
    assert relative_error(*(X.numpy() for X in gradients)) <= tolerance("float64", 5, 3, leading_condition(A.real))


def test_factors_without_a_graph():
    A = torch.asarray(random((5, 3), complex_=False, seed=8)).requires_grad_()
    for mode in (torch.no_grad, torch.inference_mode):
        with mode():
            assert not any(X.requires_grad for X in uqr.qr(A))
            assert relative_error(*(torch.func.grad(loss_of(uqr.qr))(X).numpy() for X in (A.detach(), A))) == 0
    assert uqr.qr(uqr.qr(A.detach()).R).Q.shape == (3, 3)


def test_factors_changed_in_place_have_no_gradient():
    A = torch.eye(3, requires_grad=True)
    Q, R = uqr.qr(A)
    with torch.no_grad():
        Q += 1
    with pytest.raises(RuntimeError, match=r"modified by an inplace operation.*output 0 of unifiedqr_qr"):
        R.sum().backward()


@DECOMPOSE
@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize("shape", [(4, 3), (3, 3), (3, 4)], ids=str)
def test_third_order_is_the_difference_of_the_second(decompose, complex_, shape):
    """By three routes; differences err by two thirds of the digits."""
    A, V = (torch.asarray(random(shape, complex_=complex_, seed=seed)) for seed in (9, 10))
    f = loss_of(decompose)

    def along(f):
        return lambda A: torch.func.jvp(f, (A,), (V,))[1]

    def product(A):
        return along(torch.func.grad(f))(A)

    def thrice(A):
        A = A.clone().requires_grad_()
        result = f(A)
        for _ in range(2):
            (A_bar,) = torch.autograd.grad(result, A, create_graph=True)
            result = (A_bar.conj() * V).real.sum()
        return torch.autograd.grad(result, A)[0]

    h = np.finfo(np.float64).eps ** (1 / 3)
    differences = (product(A + h * V) - product(A - h * V)).numpy() / (2 * h)
    bound = tolerance("float64", *shape, leading_condition(A, rows=decompose is uqr.lq) ** 4) ** (2 / 3)
    for third in (thrice, along(product), torch.func.grad(along(along(f)))):
        assert relative_error(third(A).numpy(), differences) <= bound


def test_the_orthogonal_factor_as_a_parametrization():
    """It stays orthogonal while it is trained, and comes back from a state_dict."""

    class Orthogonal(torch.nn.Module):
        def forward(self, A):
            return uqr.qr(A).Q

        def right_inverse(self, Q):
            return Q

    def layer():
        linear = torch.nn.Linear(3, 5, bias=False, dtype=torch.float64)
        torch.nn.utils.parametrize.register_parametrization(linear, "weight", Orthogonal())
        return linear

    torch.manual_seed(11)
    trained, x, y = layer(), torch.randn(7, 3).double(), torch.randn(7, 5).double()
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.05)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        losses.append(torch.nn.functional.mse_loss(trained(x), y))
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < losses[0]
    W = trained.weight.detach()
    assert relative_error((W.mT @ W).numpy(), np.eye(3)) <= tolerance("float64", 5, 3)
    loaded = layer()
    loaded.load_state_dict(trained.state_dict())
    assert torch.equal(loaded(x), trained(x))


def test_parameters_and_subclasses_are_tensors():
    assert uqr.get_backend(torch.nn.Parameter(torch.eye(2))).name == "torch"


def test_forward_mode_of_least_squares_with_a_constant():
    A, b, dot = (
        torch.asarray(random(shape, complex_=False, seed=seed))
        for shape, seed in (((6, 3), 1), ((6, 2), 2), ((6, 3), 3))
    )
    _, found = uqr.jvp(lambda A: uqr.lstsq(A, b).x, [A], [dot])
    _, expected = uqr.jvp(lambda A, b: uqr.lstsq(A, b).x, [A, b], [dot, torch.zeros_like(b)])
    assert torch.equal(found, expected)
