"""Dask: lazy decompositions of matrices of many blocks, which are read again instead of kept."""

import os
import threading
import time

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")

FIELD = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])


@pytest.fixture(autouse=True)
def scheduler():
    with dask.config.set(scheduler="threads", num_workers=2):
        yield


def matrix(m=40, n=3, *, complex_=False, seed=0):
    return random((m, n), complex_=complex_, seed=seed)


def chunked(A, rows=13):
    """Return a matrix in blocks of its long side, whose columns are in two chunks."""
    return da.from_array(A, chunks=(rows, 2)) if A.shape[0] >= A.shape[1] else da.from_array(A, chunks=(2, rows))


def turned(f):
    return lambda A, *others: f(A.T, *others)


FUNCTIONS = {
    "qr": (uqr.qr, False),
    "qr r": (lambda A: uqr.qr(A, mode="r"), False),
    "ql": (uqr.ql, False),
    "orth": (uqr.orth, False),
    "lq": (uqr.lq, True),
    "lq l": (lambda A: uqr.lq(A, mode="l"), True),
    "rq": (uqr.rq, True),
    "lstsq": (lambda A: uqr.lstsq(A, _like(A, matrix(40, 2, seed=4)))[:2], False),
    "lstsq of a vector": (lambda A: uqr.lstsq(A, _like(A, matrix(40, 1, seed=4)[:, 0]))[:2], False),
    "minimum norm": (lambda A: uqr.lstsq(A, _like(A, matrix(3, 2, seed=4)))[:1], True),
}
"""Functions, and whether their matrix is wide."""
NAMES = pytest.mark.parametrize("name", FUNCTIONS)


def _like(A, b):
    return da.from_array(b, chunks=(7,) * b.ndim) if isinstance(A, da.Array) else uqr.namespace(A).asarray(b)


def parts(found):
    return tuple(found) if isinstance(found, tuple) else (found,)


def bound(A, order=1):
    condition = leading_condition(A, rows=A.shape[0] < A.shape[1])
    return tolerance("float64", max(A.shape), min(A.shape), condition**order)


@NAMES
@FIELD
def test_values_and_derivatives(name, complex_):
    torch = pytest.importorskip("torch")
    f, wide = FUNCTIONS[name]
    A, A_dot = (matrix(complex_=complex_, seed=seed) for seed in (0, 1))
    A, A_dot = (np.ascontiguousarray(X.T) if wide else X for X in (A, A_dot))
    value, pullback = uqr.vjp(f, torch.asarray(A))
    found, pulled = uqr.vjp(f, chunked(A))
    bars = [random(tuple(X.shape), complex_=X.is_complex(), seed=9) for X in parts(value)]
    expected = [X.numpy() for X in (*parts(value), *pullback(_as(value, map(torch.asarray, bars))))]
    given = [*parts(found), *pulled(_as(found, map(da.from_array, bars)))]
    expected += [X.numpy() for X in parts(uqr.jvp(f, [torch.asarray(A)], [torch.asarray(A_dot)])[1])]
    given += parts(uqr.jvp(f, [chunked(A)], [chunked(A_dot)])[1])
    assert all(isinstance(X, da.Array) for X in given)
    for X, Y in zip(dask.compute(*given), expected, strict=True):
        assert relative_error(np.atleast_2d(X), np.atleast_2d(Y)) <= bound(A)


def _as(outputs, bars):
    bars = tuple(bars)
    return bars if isinstance(outputs, tuple) else bars[0]


@FIELD
def test_against_the_truth(complex_):
    case = golden("qr")[f"qr-random-5x3-{'complex' if complex_ else 'real'}"]
    (Q, R), pullback = uqr.vjp(uqr.qr, da.from_array(case.A, chunks=(2, 3)))
    Q_bar, R_bar = map(da.from_array, case.factor_bars)
    (A_bar,) = pullback((Q_bar, R_bar))
    assert relative_error(A_bar.compute(), case.A_bars["both"]) <= bound(case.A)
    by_rule = uqr.rules.qr_vjp(Q, R, Q_bar, R_bar, xp=uqr.namespace("dask"))
    assert relative_error(by_rule.compute(), case.A_bars["both"]) <= bound(case.A)


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 40])
def test_blocks_of_any_size(rows):
    A = matrix()
    Q, R = uqr.qr(da.from_array(A, chunks=(rows, 1)))
    assert Q.chunks[0] == da.from_array(A, chunks=(rows, 1)).chunks[0]
    assert relative_error(Q.compute(), uqr.qr(A).Q) <= bound(A)
    assert relative_error(R.compute(), uqr.qr(A).R) <= bound(A)
    r = uqr.qr(da.from_array(A, chunks=(rows, 3)), mode="r").compute()
    assert relative_error(r, uqr.qr(A).R) <= bound(A)


def test_a_tree_of_triangles(monkeypatch):
    from unifiedqr_dask import namespace

    monkeypatch.setattr(namespace, "FAN", 2)
    A = matrix(64, 3)
    assert relative_error(uqr.qr(da.from_array(A, chunks=(5, 3)), mode="r").compute(), uqr.qr(A).R) <= bound(A)


@pytest.mark.parametrize("name", ["qr", "qr r", "lq", "orth", "lstsq"])
@FIELD
def test_stacks(name, complex_):
    """Matrices of a stack are each decomposed in their block, wherever the chunks cut them."""
    torch = pytest.importorskip("torch")
    shape = (6, 3, 5) if name == "lq" else (6, 5, 3)
    A, A_dot, b = (random(size, complex_=complex_, seed=i) for i, size in enumerate((shape, shape, (6, 5, 2))))
    functions = {"lstsq": lambda A, b: uqr.lstsq(A, b)[:2], "orth": lambda A, _: uqr.orth(A)}
    of_matrix = FUNCTIONS[name][0]
    f = functions.get(name, lambda A, _: of_matrix(A))
    T, D = (
        (torch.asarray(A), torch.asarray(b)),
        (da.from_array(A, chunks=(4, 2, 2)), da.from_array(b, chunks=(3, 4, 1))),
    )
    value, pullback = uqr.vjp(f, *T)
    found, pulled = uqr.vjp(f, *D)
    bars = [random(tuple(X.shape), complex_=X.is_complex(), seed=9) for X in parts(value)]
    expected = [*parts(value), pullback(_as(value, map(torch.asarray, bars)))[0]]
    given = [*parts(found), pulled(_as(found, map(da.from_array, bars)))[0]]
    assert given[-1].chunks == D[0].chunks
    zeros = torch.zeros_like(T[1]), da.zeros_like(D[1])
    expected += parts(uqr.jvp(f, T, (torch.asarray(A_dot), zeros[0]))[1])
    given += parts(uqr.jvp(f, D, (da.from_array(A_dot), zeros[1]))[1])
    bound = tolerance("float64", 5, 3, leading_condition(A, rows=name == "lq") ** 2)
    for X, Y in zip(dask.compute(*given), expected, strict=True):
        assert relative_error(X, Y.numpy()) <= bound


def test_a_wide_matrix_in_one_chunk_of_columns():
    A, bars = matrix(3, 7), (matrix(3, 3, seed=2), np.triu(matrix(3, 7, seed=3)))
    for rows in (3, 2):
        (Q, R), pullback = uqr.vjp(uqr.qr, da.from_array(A, chunks=(rows, 7)))
        expected = (*uqr.qr(A), uqr.rules.qr_vjp(*uqr.qr(A), *bars))
        given = (Q, R, *pullback(tuple(map(da.from_array, bars))))
        for X, Y in zip(dask.compute(*given), expected, strict=True):
            assert relative_error(X, Y) <= tolerance("float64", 3, 7, leading_condition(A))


def test_it_conforms_in_what_it_serves():
    from unifiedqr_lab.conformance.runner import run_suite

    with dask.config.set(scheduler="synchronous"):
        result = run_suite(["dask"], decompositions=("orth", "slogdet"), dtypes=("complex128",))
    assert not result.failures, "\n".join(map(str, result.failures[:20]))
    assert {finding.decomposition for finding in result.findings} == {"orth"}


def test_gradients_keep_the_chunks():
    D = chunked(matrix())
    (Q, R), pullback = uqr.vjp(uqr.qr, D)
    assert pullback((Q, R))[0].chunks == D.chunks


class Source:
    """Blocks that are counted when they are read."""

    def __init__(self, A, rows):
        self.A, self.rows, self.reads, self.lock = A, rows, 0, threading.Lock()
        self.array = da.map_blocks(
            self.read, chunks=((rows,) * (len(A) // rows), (A.shape[1],)), dtype=A.dtype, meta=np.empty((0, 0), A.dtype)
        )

    def read(self, block_info=None):
        (first, last), _ = block_info[None]["array-location"]
        with self.lock:
            self.reads += 1
        return self.A[first:last].copy()


def test_nothing_is_read_before_it_is_asked_for():
    source = Source(matrix(60, 3), 5)
    (Q, R), pullback = uqr.vjp(uqr.qr, source.array)
    (A_bar,) = pullback((Q, R))
    uqr.lstsq(source.array, source.array[:, :1])
    assert source.reads == 0
    R.compute()
    assert source.reads == 12
    A_bar.compute()
    assert source.reads > 12


class Held(dask.callbacks.Callback):
    """The largest number of tall blocks that were held at once."""

    def __init__(self, shape):
        self.shape, self.most = shape, 0

    def _posttask(self, key, result, dsk, state, worker_id):
        held = sum(getattr(X, "shape", None) == self.shape for X in state["cache"].values())
        self.most = max(self.most, held)


def test_blocks_are_read_again_instead_of_kept():
    source = Source(matrix(400, 4), 10)
    (Q, R), pullback = uqr.vjp(uqr.qr, source.array)
    bars = da.ones((400, 4), chunks=(10, 4)), da.ones((4, 4))
    (A_bar,) = pullback(bars)
    sums = [X.sum() for X in (Q, A_bar)]
    with dask.config.set(num_workers=1), Held((10, 4)) as held:
        dask.compute(R, *sums)
    assert held.most <= 4  # of 40


def test_a_diagnosis_computes_the_triangle_alone():
    source = Source(matrix(60, 3), 5)
    found, expected = uqr.diagnose(source.array), uqr.diagnose(source.A)
    assert found.rank == expected.rank
    assert abs(found.condition / expected.condition - 1) <= tolerance("float64", 60, 3)
    assert source.reads == 12


def test_a_singular_triangle_gives_nan():
    A = matrix()
    A[:, 1] = 0
    D = da.from_array(A, chunks=(13, 3))
    assert np.isnan(uqr.lstsq(D, D[:, :1]).x.compute()).all()
    (Q, _), pullback = uqr.vjp(uqr.qr, D)
    assert np.isnan(pullback((Q, None))[0].compute()).all()
    assert np.isfinite(pullback((None, da.from_array(np.diag([1.0, 0, 0]))))[0].compute()).all()


def test_rows_of_unlike_size():
    A, b = matrix(24), matrix(24, 1, seed=2)
    weights = np.where(np.arange(24) % 5 == 3, 1e8, 1.0)[:, None]
    x = uqr.lstsq(A * weights, b * weights).x
    y = uqr.lstsq(*(da.from_array(X * weights, chunks=(7, 3)) for X in (A, b))).x
    assert relative_error(y.compute(), x) <= tolerance("float64", 24, 3, leading_condition(A))


def tall(chunks=(13, 3)):
    return da.from_array(matrix(), chunks=chunks)


REFUSED = {
    "unknown chunks": (lambda: uqr.qr(tall()[tall()[:, 0] > 0]), uqr.ShapeError, "compute_chunk_sizes"),
    "columns of a wide matrix": (lambda: uqr.qr(tall().T), uqr.CapabilityError, r"rechunk\(\{1: -1\}\)"),
    "rows of a deep matrix": (lambda: uqr.lq(tall()), uqr.CapabilityError, r"rechunk\(\{0: -1\}\)"),
    "method": (lambda: uqr.qr(tall(), method="cholesky"), uqr.CapabilityError, "method='cholesky'"),
    "pivoting": (lambda: uqr.qr(tall(), pivoting=True), uqr.CapabilityError, "whole matrix"),
    "complete": (lambda: uqr.qr(tall(), mode="complete"), uqr.CapabilityError, "whole matrix"),
    "null space": (lambda: uqr.null_space(tall().T), uqr.CapabilityError, "whole matrix"),
    "other operations": (lambda: uqr.vjp(lambda A: uqr.qr(A).Q * 2, tall()), uqr.CapabilityError, "no autodiff"),
    "operations before": (lambda: uqr.vjp(lambda A: uqr.qr(2 * A), tall()), uqr.CapabilityError, "no autodiff"),
    "a loss": (lambda: uqr.grad(lambda A: uqr.qr(A).R.sum())(tall()), uqr.CapabilityError, "no autodiff"),
    "second order": (lambda: uqr.hvp(lambda A: uqr.qr(A).R[0, 0], [tall()], [tall()]), uqr.CapabilityError, "second"),
    "a mask": (lambda: uqr.qr(da.ma.masked_less(tall(), 0)), uqr.ForeignArrayError, "blocks of NumPy"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused(what):
    run, error, match = REFUSED[what]
    with pytest.raises(error, match=match):
        run()


def test_what_is_captured_is_constant():
    A, D = matrix(), tall()
    bars = da.ones((3, 1))
    (found,) = uqr.vjp(lambda X: uqr.lstsq(X, D[:, :1] ** 2).x, D)[1](bars)
    torch = pytest.importorskip("torch")
    T = torch.asarray(A)
    (expected,) = uqr.vjp(lambda X: uqr.lstsq(X, T[:, :1] ** 2).x, T)[1](torch.ones(3, 1, dtype=T.dtype))
    assert relative_error(found.compute(), expected.numpy()) <= bound(A)


def test_a_wrong_rule_is_seen(monkeypatch):
    from dataclasses import replace

    from unifiedqr.decomposition import UNPIVOTED

    right = UNPIVOTED["qr", "reduced", True, "auto"]
    wrong = replace(right, vjp=lambda *given: tuple(2 * X for X in right.vjp(*given)))
    backend = uqr.get_backend("dask")
    found = [backend.vjp(backend.bind(row), (tall(),))[1]((None, da.ones((3, 3))))[0] for row in (right, wrong)]
    assert relative_error(found[1].compute(), 2 * found[0].compute()) <= tolerance("float64", 40, 3)


def slow(block):
    time.sleep(0.1)
    return block


@pytest.mark.timeout(240)
@pytest.mark.filterwarnings("ignore")  # of sockets and of the worker that is ended
def test_two_workers_of_which_one_is_ended():
    distributed = pytest.importorskip("distributed")
    A = matrix(400, 3)
    D = da.from_array(A, chunks=(20, 3)).map_blocks(slow, meta=np.empty((0, 0)))
    (Q, R), pullback = uqr.vjp(uqr.qr, D)
    (A_bar,) = pullback((da.from_array(matrix(400, 3, seed=5)), None))
    expected = uqr.rules.qr_vjp(*uqr.qr(A), matrix(400, 3, seed=5), None)
    options = {"n_workers": 2, "threads_per_worker": 1, "host": "127.0.0.1", "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        futures = client.compute([Q, R, A_bar])
        time.sleep(1)
        first = min(client.run(os.getpid).items())[1]
        os.kill(first, 9)
        found = [future.result(timeout=120) for future in futures]
    for X, Y in zip(found, (*uqr.qr(A), expected), strict=True):
        assert relative_error(X, Y) <= bound(A)
