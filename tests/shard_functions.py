"""Functions of matrices that are spread as DTensors, their derivatives, and those of the whole matrix beside them."""

import torch
from torch.distributed.tensor import DTensor, Replicate, distribute_tensor
from torch.profiler import ProfilerActivity, profile

import unifiedqr as uqr
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

ROWS, COLUMNS = 0, 1
DTYPES = {str(dtype).removeprefix("torch."): dtype for dtype in (torch.float64, torch.complex128, torch.float32)}


def spread(X, mesh, *placements):
    return distribute_tensor(X, mesh, placements, src_data_rank=None)  # all have X, and nothing is sent


def least_squares(A):
    rows, b = A.shape[0] >= A.shape[1], torch.randn(A.shape[0], 2, dtype=A.dtype, generator=generator(5))
    if not isinstance(A, DTensor):
        return uqr.lstsq(A, b)[:2]
    return uqr.lstsq(A, spread(b, A.device_mesh, *(A.placements if rows else [Replicate()] * A.device_mesh.ndim)))[:2]


FUNCTIONS = {
    "qr": (uqr.qr, ROWS),
    "qr r": (lambda A: (uqr.qr(A, mode="r"),), ROWS),
    "qr householder": (lambda A: uqr.qr(A, method="householder"), ROWS),
    "ql": (uqr.ql, ROWS),
    "lq": (uqr.lq, COLUMNS),
    "lq l": (lambda A: (uqr.lq(A, mode="l"),), COLUMNS),
    "rq": (uqr.rq, COLUMNS),
    "orth": (lambda A: (uqr.orth(A),), ROWS),
    "lstsq": (least_squares, ROWS),
    "minimum norm": (least_squares, COLUMNS),
}
"""Functions, and which side of their matrix is spread."""

WHOLE = {
    "pivoting": lambda A: uqr.qr(A, pivoting=True)[:2],
    "rank": lambda A: uqr.qr(A, pivoting=True, rank=2)[:2],
    "complete": lambda A: uqr.qr(A, mode="complete"),
    "lstsq pivoting": lambda A: uqr.lstsq(A, A[..., :1] ** 2, pivoting=True)[:2],
    "left null space": lambda A: [N := uqr.left_null_space(A), N @ N.mH][1:],
    "slogdet": lambda A: uqr.slogdet(A[:, :3])[1:],
}
"""Functions that need the whole matrix."""


def generator(seed):
    return torch.Generator().manual_seed(seed)


def matrix(m, n, dtype, seed=0, batch=()):
    return torch.randn(*batch, m, n, dtype=dtype, generator=generator(seed))


def loss_of(outputs):
    parts = [torch.view_as_real(X) if X.is_complex() and not isinstance(X, DTensor) else X for X in outputs]
    return sum(((X.real**3).sum() + (X.imag**3).sum()) if X.is_complex() else (X**3).sum() for X in parts)


def derivatives(f, A):
    """Return what f gives of A, the gradient of a loss of that, and one of its square."""
    A = A.detach().requires_grad_()
    outputs = f(A)
    (first,) = torch.autograd.grad(loss_of(outputs), A, create_graph=True)
    (second,) = torch.autograd.grad((first.abs() ** 2).sum(), A)
    return [X.detach() for X in outputs], first.detach(), second


def in_turn(f, A, count):
    """Return derivatives of a loss along fixed tangents, each the gradient of the one before it."""
    A = A.detach().requires_grad_()
    value, found = loss_of(f(A)), []
    for seed in range(count):
        (gradient,) = torch.autograd.grad(value, A, create_graph=True)
        V = torch.randn(A.shape, dtype=A.dtype, generator=generator(seed))
        found.append(gradient.detach())
        value = (gradient * (spread(V, A.device_mesh, *A.placements) if isinstance(A, DTensor) else V)).sum()
    return found


def whole(X):
    return (X.full_tensor() if isinstance(X, DTensor) else X).resolve_conj().numpy()


def moved(run):
    """Return what run gives, and how many entries went into collectives: one number for each, the largest first."""
    with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as record:
        found = run()
    shapes = [e.input_shapes for e in record.events() if e.name.startswith("gloo:")]
    return found, sorted((sum(torch.Size(shape).numel() for shape in each) for each in shapes), reverse=True)


def against_whole(f, A, mesh, *placements):
    """Compare a function of a spread matrix with that of the whole one."""
    D = spread(A, mesh, *placements)
    expected, found = derivatives(f, A), derivatives(f, D)
    (outputs, first, second), (true, true_first, true_second) = found, expected
    return {
        "outputs": max(relative_error(whole(X), whole(Y)) for X, Y in zip(outputs, true, strict=True)),
        "first": relative_error(whole(first), whole(true_first)),
        "second": relative_error(whole(second), whole(true_second)),
        "placements": [str(tuple(X.placements)) for X in outputs],
        "of gradients": [str(tuple(X.placements)) for X in (first, second)],
        "expected of gradients": str(tuple(D.placements)),
        "bounds": bounds(A),
    }


def bounds(A):
    """Return the largest admissible error to first and to second order."""
    dtype, (m, n) = str(A.dtype).removeprefix("torch."), A.shape[-2:]
    condition = leading_condition(A.numpy(), rows=m < n)
    return [tolerance(dtype, max(m, n), min(m, n), condition**order) for order in (1, 2)]
