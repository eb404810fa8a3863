"""`torch.compile` and `torch.export`: without a graph break, by our rules, from the first call on, and for any size."""

import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.export import Dim

import unifiedqr as uqr
from unifiedqr.decomposition import DECOMPOSITIONS, primitive
from unifiedqr_lab.conformance.case_checks import doubled
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr_torch import autodiff
from unifiedqr_torch.autodiff import bind

DECOMPOSE = pytest.mark.parametrize("decompose", [uqr.qr, uqr.lq], ids=["qr", "lq"])
FIELD = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])


@pytest.fixture(autouse=True)
def nothing_compiled():
    """Forget what the tests before compiled: it counts against Dynamo's limit of recompilations."""
    torch._dynamo.reset()


def loss_of(decompose):
    return lambda A: sum((X.real**3).sum() + ((X.imag**3).sum() if X.is_complex() else 0) for X in decompose(A))


def gradient(f, A):
    A = A.detach().clone().requires_grad_()
    return torch.autograd.grad(f(A), A)[0]


def error_against_eager(f, compiled, A, decompose):
    bound = tolerance("float64", *A.shape[-2:], leading_condition(A, rows=decompose is uqr.lq))
    return relative_error(gradient(compiled, A).numpy(), gradient(f, A).numpy()) / bound


@DECOMPOSE
@FIELD
@pytest.mark.parametrize("shape", [(5, 3), (4, 4), (3, 5)], ids=str)
def test_compiled_without_a_graph_break(decompose, complex_, shape):
    f, A = loss_of(decompose), torch.asarray(random(shape, complex_=complex_, seed=7))
    assert error_against_eager(f, torch.compile(f, backend="aot_eager", fullgraph=True), A, decompose) <= 1


@pytest.mark.skipif(shutil.which("g++") is None, reason="Inductor needs a C++ compiler")
@pytest.mark.filterwarnings("ignore")  # Inductor warns of complex numbers, and of itself
@FIELD
def test_compiled_by_inductor(complex_):
    """Against the truth: Inductor's gradient of PyTorch's own complex QR is wrong."""
    case = golden("qr")[f"qr-random-5x3-{'complex' if complex_ else 'real'}"]
    A, *bars = map(torch.asarray, (case.A, *case.factor_bars))

    def loss(A):
        return sum((bar.conj() * X).real.sum() for bar, X in zip(bars, uqr.qr(A), strict=True))

    A_bar = gradient(torch.compile(loss, backend="inductor", fullgraph=True), A)
    assert relative_error(A_bar.numpy(), case.A_bars["both"]) <= tolerance("float64", 5, 3, leading_condition(case.A))


@pytest.mark.parametrize("backend", ["eager", "aot_eager"])
def test_the_first_call_may_be_a_compiled_one(backend):
    """Tracing loads the backend, and nothing is compiled again after that."""
    program = f"""
import torch, unifiedqr as uqr
from torch._dynamo.testing import CompileCounterWithBackend
counter = CompileCounterWithBackend({backend!r})
f = lambda A: (uqr.qr(A).R ** 3).sum()
A = torch.tensor([[3.0, 1.0], [4.0, 2.0], [0.0, 2.0]], requires_grad=True)
compiled = torch.compile(f, backend=counter, fullgraph=True)
gradients = [torch.autograd.grad(compiled(A), A)[0] for _ in range(2)]
assert counter.frame_count == 1
assert torch.allclose(gradients[1], torch.autograd.grad(f(A), A)[0])
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_other_backends_and_other_calls_compile_nothing_again():
    counter = CompileCounterWithBackend("eager")
    compiled = torch.compile(loss_of(uqr.qr), backend=counter, fullgraph=True)
    A = torch.asarray(random((5, 3), complex_=False, seed=8))
    compiled(A)
    uqr.qr(np.eye(3))
    uqr.lq(A)
    with uqr.use_backend("numpy"):
        compiled(2 * A)
    assert counter.frame_count == 1


def test_rules_are_told_apart():
    """A program compiled for one function does not serve another that looks like it."""
    A = torch.asarray(random((5, 3), complex_=False, seed=9))
    rules, wrong = bind(DECOMPOSITIONS["qr"]()), bind(doubled(DECOMPOSITIONS["qr"]()))
    compiled = torch.compile(lambda function, A: loss_of(function)(A), backend="aot_eager", fullgraph=True)
    ours, planted = (gradient(lambda A, f=f: compiled(f, A), A).numpy() for f in (rules, wrong))
    assert relative_error(planted, 2 * ours) <= tolerance("float64", 5, 3)


@pytest.mark.parametrize("name", ["jvp", "vjp", "grad", "hvp"])
def test_the_neutral_functions_are_compiled(name):
    A, V = (torch.asarray(random((5, 3), complex_=False, seed=seed)) for seed in (10, 11))
    loss = loss_of(uqr.qr)
    call = {
        "jvp": lambda A: uqr.jvp(loss, [A], [V])[1],
        "vjp": lambda A: uqr.vjp(uqr.qr, A)[1]((V, None))[0],
        "grad": uqr.grad(loss),
        "hvp": lambda A: uqr.hvp(loss, [A], [V])[0],
    }[name]
    given = torch.compile(call, backend="aot_eager", fullgraph=True)(A)
    assert relative_error(given.numpy(), call(A).numpy()) <= tolerance("float64", 5, 3, leading_condition(A) ** 2)


@pytest.mark.parametrize("decompose", [uqr.qr, pytest.param(uqr.lq, marks=pytest.mark.exhaustive)], ids=["qr", "lq"])
def test_one_program_for_every_size_of_a_kind(decompose):
    """Deep, square and wide matrices have different programs."""
    counter = CompileCounterWithBackend("aot_eager")
    f = loss_of(decompose)
    compiled = torch.compile(f, backend=counter, fullgraph=True, dynamic=True)
    for count, shapes in enumerate([[(2, 5, 3), (3, 6, 4)], [(3, 4, 4), (2, 5, 5)], [(3, 3, 5), (2, 4, 6)]], start=1):
        for seed, shape in enumerate(shapes):
            A = torch.asarray(random(shape, complex_=False, seed=seed))
            assert error_against_eager(f, compiled, A, decompose) <= 1
        assert counter.frame_count == count


@pytest.mark.parametrize("axes", [(0,), (1,), (0, 1, 2)], ids=str)
def test_axes_marked_as_dynamic(axes):
    counter = CompileCounterWithBackend("aot_eager")
    f = loss_of(uqr.qr)
    compiled = torch.compile(f, backend=counter, fullgraph=True)
    for step in range(3):
        shape = [size + step * (axis in axes) for axis, size in enumerate((2, 6, 3))]
        A = torch.asarray(random(tuple(shape), complex_=True, seed=step)).requires_grad_()
        for axis in axes:
            torch._dynamo.mark_dynamic(A, axis)
        (A_bar,) = torch.autograd.grad(compiled(A), A)
        assert relative_error(A_bar.numpy(), gradient(f, A).numpy()) <= tolerance(
            "complex128", *shape[1:], leading_condition(A.detach())
        )
    assert counter.frame_count == 1


class Factors(torch.nn.Module):
    def forward(self, A):
        return tuple(uqr.qr(A))


@pytest.mark.parametrize("strict", [False, True], ids=["", "strict"])
def test_exported_for_any_batch(strict):
    A = torch.asarray(random((2, 5, 3), complex_=True, seed=12))
    program = torch.export.export(Factors(), (A,), dynamic_shapes=({0: Dim("batch")},), strict=strict).module()
    B = torch.asarray(random((4, 5, 3), complex_=True, seed=13))
    bound = tolerance("complex128", 5, 3, leading_condition(B))
    for X, Y in zip(program(B), uqr.qr(B), strict=True):
        assert relative_error(X.numpy(), Y.numpy()) <= bound
    assert relative_error(gradient(loss_of(program), B).numpy(), gradient(loss_of(uqr.qr), B).numpy()) <= bound


@pytest.mark.parametrize(
    "solve",
    [
        lambda A: sum(X.abs().sum() for X in uqr.qr(A, pivoting=True, rank=3)[:2]),
        lambda A: uqr.lstsq(A, A[:, 0] ** 2, pivoting=True, rcond=1e-9).x.sum(),
    ],
    ids=["rank", "rcond"],
)
def test_rows_that_are_made_on_demand_are_made_while_compiling(solve):
    A = torch.asarray(random((6, 4), complex_=False, seed=9)).requires_grad_()
    (expected,) = torch.autograd.grad(solve(A), A)
    (found,) = torch.autograd.grad(torch.compile(solve, fullgraph=True, backend="aot_eager")(A), A)
    assert torch.equal(found, expected)


@pytest.mark.parametrize(("shape", "written"), [((16384, 8), True), ((100, 8), False), ((2, 1024, 64), True)], ids=str)
@DECOMPOSE
def test_auto_is_cholesky_in_a_graph_where_it_is_outside(decompose, shape, written, monkeypatch):
    called = []  # the operation in the graph looks its row up when it runs
    monkeypatch.setattr(autodiff, "primitive", lambda *a, **k: called.append(k["method"]) or primitive(*a, **k))
    A = torch.asarray(random(shape, complex_=False, seed=9))
    A = A.mT.contiguous() if decompose is uqr.lq else A
    f = loss_of(decompose)
    assert error_against_eager(f, torch.compile(f, backend="aot_eager", fullgraph=True), A, decompose) <= 1
    assert ("cholesky" in called) == written


def test_sizes_that_are_not_known_leave_auto_to_householder():
    f, A = loss_of(uqr.qr), torch.asarray(random((16384, 8), complex_=False, seed=9))
    compiled = torch.compile(f, backend="aot_eager", fullgraph=True, dynamic=True)
    assert error_against_eager(f, compiled, A, uqr.qr) <= 1
