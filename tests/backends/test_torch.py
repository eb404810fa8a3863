"""What is specific to PyTorch: its own autograd in every mode, and that our rule is the one that runs."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import unifiedqr as uqr
from unifiedqr.conformance.checks import doubled
from unifiedqr.conformance.golden import golden
from unifiedqr.conformance.matrices import random
from unifiedqr.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr.decomposition import DECOMPOSITIONS, qr_primitive
from unifiedqr_torch.autodiff import bind

SHAPES = [(5, 3), (4, 4), (3, 5), (1, 1), (1, 3), (3, 1), (2, 4, 3)]
DECOMPOSE = pytest.mark.parametrize("decompose", [uqr.qr, uqr.lq], ids=["qr", "lq"])


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


@pytest.mark.parametrize("decomposition", list(DECOMPOSITIONS))
def test_sentinel_in_every_mode(decomposition):
    """A rule that gives twice the derivative must double it in each mode, or that mode runs something else."""
    rules = DECOMPOSITIONS[decomposition]()
    planted = doubled(rules)
    A = torch.asarray(random((5, 3), complex_=False, seed=2))
    V = torch.asarray(random((5, 3), complex_=False, seed=3))

    def loss(function):
        return lambda A: sum((X**3).sum() for X in function(A))

    ours, wrong = loss(bind(rules)), loss(bind(planted))
    modes = {
        "backward": lambda f: torch.autograd.grad(f(B := A.clone().requires_grad_()), B)[0],
        "func.grad": lambda f: torch.func.grad(f)(A),
        "func.vmap of grad": lambda f: torch.func.vmap(torch.func.grad(f))(torch.stack([A, A])),
        "func.jvp": lambda f: torch.func.jvp(f, (A,), (V,))[1],
        "func.jacfwd": lambda f: torch.func.jacfwd(f)(A),
    }
    for mode, derivative in modes.items():
        assert relative_error(derivative(wrong).numpy(), 2 * derivative(ours).numpy()) <= tolerance("float64", 5, 3), (
            mode
        )


def test_nothing_is_materialized_for_a_missing_cotangent():
    seen = []
    rules = qr_primitive()
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


def test_parameters_and_subclasses_are_tensors():
    assert uqr.get_backend(torch.nn.Parameter(torch.eye(2))).name == "torch"


@DECOMPOSE
@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize("shape", [(5, 3), (4, 4), (3, 5)], ids=str)
def test_compiled_without_a_graph_break(decompose, complex_, shape):
    """Once the backend has been loaded; Dynamo cannot trace the loading itself."""
    torch._dynamo.reset()  # or the tests before this one count against its limit of recompilations
    A = torch.asarray(random(shape, complex_=complex_, seed=7))
    uqr.get_backend(A)

    def loss(A):
        X, Y = decompose(A)
        return (X.real**3).sum() + (Y.abs() ** 2 * Y.real).sum()

    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    gradients = [torch.autograd.grad(f(B := A.clone().requires_grad_()), B)[0].numpy() for f in (loss, compiled)]
    bound = tolerance("float64", *shape, leading_condition(A, rows=decompose is uqr.lq))
    assert relative_error(gradients[1], gradients[0]) <= bound
