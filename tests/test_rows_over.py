"""Matrices whose rows two processes have, by NumPy and a sum of theirs; and others whose rows one has alone."""

import multiprocessing
import os

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.checks import checks
from unifiedqr.rules import lstsq_vjp, orth_vjp, qr_jvp, qr_r_vjp, qr_vjp
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

SECONDS = 120
"""How long a process waits for the other."""

M, N = 60, 5
SPLITS = {"halves": 30, "uneven": 41, "few rows": 57, "no rows": 60}
"""Rows of the first process."""


def matrix(kind):
    A = random((M, N), complex_=kind == "complex", seed=1)
    if kind in ("ill-conditioned", "worse"):
        A[:, 3] = A[:, 1] + (1e-6 if kind == "ill-conditioned" else 1e-12) * A[:, 3]
    if kind == "dependent":
        A[:, 3] = A[:, 1]
    if kind == "weighted":
        A *= np.geomspace(1e-6, 1e6, M)[:, None]
    return A.astype(np.float32) if kind == "single" else A


def cotangents(A):
    complex_ = np.iscomplexobj(A)
    Q_bar, b = (random((M, size), complex_=complex_, seed=seed).astype(A.dtype) for size, seed in ((N, 2), (2, 3)))
    return Q_bar, np.triu(random((N, N), complex_=complex_, seed=4)).astype(A.dtype), b


def results(A, Q_bar, R_bar, b, over, xp):
    """Return what the functions and rules give, by name; those with the rows of A first."""
    Q, R = over.qr(A)
    Q_2, R_2 = over.qr(A, method="householder")
    x, squares, rank = over.lstsq(A, b)
    options = {} if xp is None else {"xp": xp}
    A_bar, b_bar = lstsq_vjp(A, b, Q, R, np.ones_like(x), None, **options)
    Q_dot, R_dot = qr_jvp(Q, R, Q_bar, **options)
    of_rows = {
        "Q": Q,
        "Q of TSQR": Q_2,
        "qr_vjp": qr_vjp(Q, R, Q_bar, R_bar, **options),
        "qr_vjp of R alone": qr_vjp(Q, R, None, R_bar, **options),
        "qr_r_vjp": qr_r_vjp(A, R, R_bar, **options),
        "Q_dot": Q_dot,
        "lstsq_vjp": A_bar,
        "b_bar": b_bar,
        "orth_vjp": orth_vjp(Q, R, Q_bar, **options),
        "orth": over.orth(A),
        "lq": np.conj(over.lq(np.conj(A.T)).Q.T),
    }
    same = {
        "R": R,
        "R of TSQR": R_2,
        "r": over.qr(A, mode="r"),
        "l": np.conj(over.lq(np.conj(A.T), mode="l").T),
        "R_dot": R_dot,
        "x": x,
        "residuals": squares,
        "rank": rank,
    }
    return of_rows, same


def half(rank, split, kind, ends, answer):
    """Work on the rows of one process; tell what came out, and how many entries were sent."""
    other, sent = ends[rank], []

    def all_reduce(X):
        sent.append(X.size)
        other.send(X)
        if not other.poll(SECONDS):
            raise TimeoutError("the other process sends nothing")
        theirs = other.recv()
        return X + theirs if rank == 0 else theirs + X

    mine = slice(0, split) if rank == 0 else slice(split, M)
    A = matrix(kind)
    Q_bar, R_bar, b = cotangents(A)
    over = uqr.rows_over(all_reduce, rank=rank, size=2)
    uqr.set_checks("off")
    xp = over.namespace(A[mine])
    sent.clear()
    Q, R = over.qr(A[mine])
    of_forward = sum(sent)
    sent.clear()
    qr_vjp(Q, R, Q_bar[mine], R_bar, xp=xp)
    answer.put((rank, of_forward, sum(sent), *results(A[mine], Q_bar[mine], R_bar, b[mine], over, xp)))


def in_two_processes(split, kind):
    context = multiprocessing.get_context("spawn")
    ends, answer = context.Pipe(), context.SimpleQueue()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    processes = [context.Process(target=half, args=(rank, split, kind, ends, answer), daemon=True) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(2 * SECONDS)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert codes == [0, 0]
    return sorted((answer.get() for _ in processes), key=lambda found: found[0])


CASES = [(split, "plain") for split in SPLITS] + [
    ("uneven", kind) for kind in ("complex", "single", "ill-conditioned", "worse", "weighted", "dependent")
]


@pytest.mark.parametrize(("split", "kind"), CASES)
def test_two_processes_agree_with_one(split, kind):
    first, second = in_two_processes(SPLITS[split], kind)
    A = matrix(kind)
    with checks("off"):
        of_rows, same = results(A, *cotangents(A), uqr, None)
    condition = leading_condition(A) if kind not in ("dependent", "weighted") else 10.0
    bound = tolerance(A.dtype.name, M, N, max(condition, 10.0) ** 2)
    for name, expected in of_rows.items():
        found = np.concatenate([first[3][name], second[3][name]])
        if kind == "dependent" and name not in ("Q", "Q of TSQR", "orth", "lq"):
            assert np.isnan(expected).all() == np.isnan(found).all(), name
            continue
        if kind == "dependent":
            found, expected = found[:, :3], expected[:, :3]
        assert relative_error(found, expected) <= bound, name
    for name, expected in same.items():
        np.testing.assert_array_equal(first[4][name], second[4][name], err_msg=name)
        if kind != "dependent":
            assert relative_error(first[4][name], expected) <= bound, name


def test_what_two_processes_send():
    found = in_two_processes(30, "plain")
    for _, forward, backward, *_ in found:
        assert forward <= 2 * N * N
        assert backward <= 2 * N * N


def over_one():
    return uqr.rows_over(lambda X: 1 * X, rank=0, size=1)


@pytest.mark.parametrize("name", ["torch", "tensorflow", "jax", "mxnet"])
def test_any_sum_serves_every_framework(name):
    backend = uqr.get_backend(name)
    A, b = (backend.from_numpy(random((12, size), complex_=False, seed=size).astype(np.float32)) for size in (3, 2))
    over = over_one()
    assert relative_error(uqr.to_numpy(over.qr(A).Q), uqr.to_numpy(uqr.qr(A).Q)) <= tolerance("float32", 12, 3)
    assert relative_error(uqr.to_numpy(over.lstsq(A, b).x), uqr.to_numpy(uqr.lstsq(A, b).x)) <= 1e-5


def test_gradients_of_torch_go_through_any_sum():
    torch = pytest.importorskip("torch")
    A = torch.tensor(random((12, 3), complex_=False, seed=1), requires_grad=True)
    gradients = []
    for qr in (over_one().qr, uqr.qr):
        Q, R = qr(A)
        gradients.append(*torch.autograd.grad((Q**3).sum() + (R**3).sum(), A))
    assert relative_error(*(g.numpy() for g in gradients)) <= tolerance("float64", 12, 3, 10.0)


def test_derivatives_of_torch_go_through_a_sum_that_knows_none():
    """As those of every library that sums up arrays of processes: second order, torch.func and forward mode too."""
    torch = pytest.importorskip("torch")
    A, V, W = (
        torch.tensor(random(shape, complex_=False, seed=i)) for i, shape in enumerate(((12, 3), (12, 3), (3, 3)))
    )
    over = uqr.rows_over(lambda X: X.detach().clone(), rank=0, size=1)

    def found(qr):
        def loss(A):
            Q, R = qr(A)
            return (Q * V).sum() ** 2 + (R * W).sum() ** 2

        X = A.clone().requires_grad_()
        (first,) = torch.autograd.grad(loss(X), X, create_graph=True)
        (second,) = torch.autograd.grad((first * V).sum(), X)
        return first.detach(), second, uqr.grad(loss)(A), uqr.jvp(loss, [A], [V])[1], *uqr.hvp(loss, [A], [V])

    for X, Y in zip(found(over.qr), found(uqr.qr), strict=True):
        assert relative_error(X.numpy(), Y.numpy()) <= tolerance("float64", 12, 3, 100.0)


@pytest.mark.parametrize("name", ["tensorflow", "jax"])
def test_second_order_goes_through_a_sum_that_knows_none(name):
    backend = uqr.get_backend(name)
    xp = backend.xp
    stop = (
        pytest.importorskip(name).stop_gradient
        if name == "tensorflow"
        else pytest.importorskip("jax").lax.stop_gradient
    )
    shapes = ((12, 3), (12, 3), (3, 3))
    A, V, W = (backend.from_numpy(random(shape, complex_=False, seed=i)) for i, shape in enumerate(shapes))
    over = uqr.rows_over(stop, rank=0, size=1)

    def found(qr):
        def loss(A):
            Q, R = qr(A)
            return xp.sum(Q * V) ** 2 + xp.sum(R * W) ** 2

        return uqr.grad(loss)(A), uqr.jvp(loss, [A], [V])[1], *uqr.hvp(loss, [A], [V])

    for X, Y in zip(found(over.qr), found(uqr.qr), strict=True):
        assert relative_error(backend.to_numpy(X), backend.to_numpy(Y)) <= tolerance("float64", 12, 3, 100.0)


@pytest.mark.parametrize("name", ["tensorflow", "jax"])
def test_a_compiled_function_has_no_number_of_all_rows(name):
    backend = uqr.get_backend(name)
    compiled = pytest.importorskip(name).function if name == "tensorflow" else pytest.importorskip("jax").jit
    A = backend.from_numpy(random((6, 3), complex_=False, seed=1))
    with pytest.raises(uqr.CapabilityError, match=f"a function that {name} compiles"):
        compiled(lambda A: over_one().qr(A).R)(A)


def test_bad_input():
    A = random((6, 3), complex_=False, seed=1)
    with pytest.raises(uqr.OptionError, match=r"rank=None and size=2"):
        uqr.rows_over(lambda X: X, size=2).qr(A)
    with pytest.raises(uqr.OptionError, match=r"rank=2 and size=2"):
        uqr.rows_over(lambda X: X, rank=2, size=2).qr(A)
    with pytest.raises(uqr.CapabilityError, match=r"numpy does not know"):
        uqr.rows_over("workers").qr(A)
    with pytest.raises(uqr.ShapeError, match=r"2 rows over 1 holders and 3 columns"):
        over_one().qr(A[:2])
    with pytest.raises(uqr.ShapeError, match=r"2 columns over 1 holders and 6 rows"):
        over_one().lq(A[:, :2])
    with pytest.raises(uqr.ShapeError, match=r"all_reduce got an array of shape"):
        uqr.rows_over(lambda X: X[None], rank=0, size=1).qr(A)
    with pytest.raises(uqr.OptionError, match=r"mode='complete'"):
        over_one().qr(A, mode="complete")
