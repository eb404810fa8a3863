"""Where `set_checks` speaks up in PyTorch: in eager modes, of values in host memory; elsewhere NaN is all there is."""

import warnings

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.flop_counter import FlopCounterMode

import unifiedqr as uqr
from unifiedqr.checks import checks
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_torch.namespace import glance, seen, xp

SOUND = torch.asarray(random((5, 3), complex_=False, seed=1))
SPOILED = SOUND.clone()
SPOILED[:, 1] = 2 * SPOILED[:, 0]


def loss(A):
    return uqr.qr(A).R.sum()


def gradient(A, f=loss):
    A = A.clone().requires_grad_()
    return torch.autograd.grad(f(A).sum(), A)[0]


def dual(A):
    with forward_ad.dual_level():
        return forward_ad.unpack_dual(loss(forward_ad.make_dual(A, A))).tangent


def counted(A):
    with FlopCounterMode(display=False):
        return gradient(A)


SEEN = {
    "backward": gradient,
    "backward of a batch": lambda A: gradient(torch.stack([SOUND, A]))[1],
    "backward through vmap": lambda A: gradient(A[None], torch.vmap(loss)),
    "func.grad": torch.func.grad(loss),
    "func.vjp": lambda A: torch.func.vjp(uqr.qr, A)[1](uqr.qr(A))[0],
    "func.jvp": lambda A: torch.func.jvp(loss, (A,), (A,))[1],
    "forward_ad": dual,
    "jvp of grad": lambda A: torch.func.jvp(torch.func.grad(loss), (A,), (A,))[1],
    "hessian": torch.func.hessian(loss),
}

UNSEEN = {
    # These map over cotangents, so that it cannot be seen whether one of them reaches what has no derivative.
    "func.jacrev": torch.func.jacrev(lambda A: uqr.qr(A).R),
    "functional.jacobian": lambda A: torch.autograd.functional.jacobian(lambda A: uqr.qr(A).R, A, vectorize=True),
    "vmap of grad": lambda A: torch.vmap(torch.func.grad(loss))(A[None]),
    "vmap of jvp": lambda A: torch.vmap(lambda A: torch.func.jvp(loss, (A,), (A,))[1])(A[None]),
    "make_fx": lambda A: make_fx(torch.func.grad(loss))(A)(A),
    "a dispatch mode": counted,
    "compile": lambda A: gradient(A, torch.compile(loss, backend="aot_eager", fullgraph=True)),
    "compile of grad": lambda A: torch.compile(torch.func.grad(loss), backend="aot_eager", fullgraph=True)(A),
}


@pytest.mark.parametrize("mode", list(SEEN))
def test_warn_raise_and_off_where_values_are_at_hand(mode):
    with pytest.warns(uqr.SingularMatrixWarning):
        assert SEEN[mode](SPOILED).isnan().any()
    with checks("raise"), pytest.raises(uqr.SingularMatrixError):
        SEEN[mode](SPOILED)
    with checks("off"):
        assert SEEN[mode](SPOILED).isnan().any()
    with checks("raise"):
        assert SEEN[mode](SOUND).isfinite().all()


@pytest.mark.parametrize("mode", list(UNSEEN))
def test_quiet_where_they_are_not(mode):
    with checks("raise"):
        assert UNSEEN[mode](SPOILED).isnan().any()


def test_the_batch_element_is_named_and_the_others_are_right():
    with pytest.warns(uqr.SingularMatrixWarning, match=r"1 of 4 .*first at index \(1, 0\)"):
        A_bar = gradient(torch.stack([SOUND, SOUND, SPOILED, SOUND]).reshape(2, 2, 5, 3)).reshape(4, 5, 3)
    assert A_bar[2].isnan().all()
    for i in (0, 1, 3):
        assert torch.equal(A_bar[i], gradient(SOUND))


def test_the_last_pivot_of_a_real_square_matrix_is_exempt():
    square = SOUND[:3].clone()
    square[:, 2] = square[:, 0]
    with checks("raise"):
        assert gradient(square).isfinite().all()


def test_the_error_is_raised_by_a_backward_pass_of_many():
    """Nothing is accumulated then."""
    A = SPOILED.clone().requires_grad_()
    with checks("raise"), pytest.raises(np.linalg.LinAlgError):
        loss(2 * A).backward()
    assert A.grad is None


def inside(transform):
    """Return what is seen of the argument of a transformed function."""
    found = []
    transform(lambda A: found.append(seen(A)) or A.sum())
    return found[0]


@pytest.mark.parametrize("wrapped", ["plain", "grad", "grad of grad", "jvp", "grad in jvp"])
def test_seen_through_the_wrappers_of_autodiff(wrapped):
    grad = torch.func.grad
    values = inside(
        {
            "plain": lambda f: f(SOUND),
            "grad": lambda f: grad(f)(SOUND),
            "grad of grad": lambda f: grad(lambda A: grad(f)(A).sum())(SOUND),
            "jvp": lambda f: torch.func.jvp(f, (SOUND,), (SOUND,)),
            "grad in jvp": lambda f: torch.func.jvp(grad(f), (SOUND,), (SOUND,)),
        }[wrapped]
    )
    assert type(values) is np.ndarray
    assert np.array_equal(values, SOUND.numpy())


@pytest.mark.parametrize("wrapped", ["vmap", "grad in vmap", "vmap in grad", "functionalize", "legacy vmap"])
def test_not_seen_through_any_other(wrapped):
    stack, grad, vmap = SOUND[None], torch.func.grad, torch.vmap
    values = inside(
        {
            "vmap": lambda f: vmap(f)(stack),
            "grad in vmap": lambda f: vmap(grad(f))(stack),
            "vmap in grad": lambda f: grad(lambda A: vmap(f)(A).sum())(stack),
            "functionalize": lambda f: torch.func.functionalize(f)(SOUND),
            "legacy vmap": lambda f: torch._vmap_internals._vmap(f)(stack),
        }[wrapped]
    )
    assert values is None


def test_what_has_no_plain_values_is_not_seen():
    assert seen(SOUND.to("meta")) is None
    assert seen(SOUND.to_sparse()) is None
    assert seen(torch.nn.Parameter(SOUND)) is None  # rules are never given one
    with FakeTensorMode() as mode:
        fake = mode.from_tensor(SOUND)
        assert seen(fake) is None
        assert seen(SOUND) is None
    assert seen(fake) is None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        traced = []
        torch.jit.trace(lambda A: traced.append(seen(A)) or A, SOUND, check_trace=False)
    assert traced == [None]
    assert torch.compile(lambda A: seen(A) is None, backend="eager", fullgraph=True)(SOUND)


@pytest.mark.parametrize("dtype", [torch.bool, torch.bfloat16, torch.complex64], ids=str)
def test_every_dtype_and_lazy_view_is_seen(dtype):
    x = (SOUND + 1j * SOUND).to(dtype) if dtype.is_complex else SOUND.to(dtype)
    assert np.array_equal(seen(x), uqr.to_numpy(x))
    if dtype.is_complex:
        assert np.array_equal(seen(x.conj()), x.numpy().conj())
        assert np.array_equal(seen(x.conj().imag), -x.numpy().imag)
        assert np.array_equal(seen(x.requires_grad_()), x.detach().numpy())


def extremes(R):
    return np.abs(np.diagonal(R, 0, -2, -1)).min(), np.abs(R).max()


@pytest.mark.parametrize("shape", [(3, 3), (3, 7), (65, 66), (9, 16, 8), (1, 2, 2)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex128], ids=str)
def test_a_glance_gives_the_least_pivot_and_the_largest_entry(shape, dtype):
    R = torch.testing.make_tensor(shape, dtype=dtype, device="cpu")
    assert glance(R) == pytest.approx(extremes(R.numpy()), rel=1e-6)
    assert glance(R.clone().conj().requires_grad_()) == glance(R)
    assert torch.func.grad(lambda A: A.abs().sum() * glance(A)[1])(R.real).abs().max() == glance(R.real)[1]
    R[..., 0, 1] = torch.nan
    assert not glance(R)[1] < np.inf


def test_a_glance_shows_what_is_seen_and_no_more():
    assert glance(SOUND[:0]) is None
    assert glance(SOUND.to("meta")) is None
    assert torch.vmap(lambda A: A if glance(A) is None else A * torch.nan)(SOUND[None]).isfinite().all()


def test_signs_are_never_zero():
    x = torch.tensor([-np.inf, -5e-324, -0.0, 0.0, 5e-324, np.inf, np.nan], dtype=torch.float64)
    assert torch.equal(xp.beyond.phases(torch.diag(x)), torch.tensor([-1, -1, 1, 1, 1, 1, 1], dtype=torch.float64))
