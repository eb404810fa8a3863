"""Nothing at all: batches of no matrices, matrices without rows or columns, no right-hand sides, no steps."""

from functools import partial

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr_lab.conformance.matrices import ZERO_SIZE

SHAPES = (*ZERO_SIZE, (0, 2, 2), (0, 2, 3), (2, 0, 0))

FACTORS = {
    f"{function.__name__} {mode}{' pivoted' * pivoting}": partial(function, mode=mode, pivoting=pivoting)
    for function, last in ((uqr.qr, "r"), (uqr.lq, "l"))
    for mode in ("reduced", "complete", last)
    for pivoting in (False, True)
}
MEMBERS = {
    **FACTORS,
    "qr truncated": partial(uqr.qr, pivoting=True, rank=0),
    "lq truncated": partial(uqr.lq, pivoting=True, rank=0),
    "interpolative": partial(uqr.interpolative, rank=0),
    "interpolative by tolerance": partial(uqr.interpolative, rtol=0.1),
    "range finder": partial(uqr.range_finder, rank=0, sketch=0, power_iterations=1),
    "qr unsigned": partial(uqr.qr, positive=False),
    "qr cholesky": partial(uqr.qr, method="cholesky"),
    **{name: getattr(uqr, name) for name in ("rq", "ql", "orth", "null_space", "left_null_space", "slogdet")},
}


def expected(name, shape):
    """Return what NumPy's own empty products and identities are."""
    *batch, m, n = shape
    k = 0 if "truncated" in name else min(m, n)

    def eye(size):
        return np.broadcast_to(np.eye(size), (*batch, size, size))

    def zeros(*sizes):
        return np.zeros((*batch, *sizes))

    if name == "slogdet":
        return np.linalg.slogdet(zeros(n, n))
    if name == "orth":
        return (zeros(m, k),)
    if name.startswith("interpolative"):
        return np.zeros((*batch, 0), dtype=int), zeros(0, n)
    if name == "range finder":
        return (zeros(m, 0),)
    if name in ("null_space", "left_null_space"):
        longer, shorter = (n, m) if name == "null_space" else (m, n)
        return (eye(longer) if shorter == 0 else zeros(longer, max(longer - shorter, 0)),)
    lines = n if name.startswith("qr") else m
    order = (np.broadcast_to(np.arange(lines), (*batch, lines)),) if "pivoted" in name or "truncated" in name else ()
    if " r" in name and "reduced" not in name:
        return (zeros(k, n), *order)
    if " l" in name:
        return (zeros(m, k), *order)
    side = m if name[:2] in ("qr", "ql") else n
    whole = "complete" in name and side >= k
    Q = (eye(side) if k == 0 else zeros(side, side)) if whole else zeros(m, k) if side == m and name[0] == "q" else None
    if name[:2] in ("qr", "ql"):
        return (Q, zeros(m if whole else k, n), *order)
    other = zeros(m, n if whole else k)
    return (other, Q if whole else zeros(k, n), *order)


def arrays(results):
    return tuple(results) if isinstance(results, tuple) else (results,)


def derivatives(backend, f, *primals):
    """Return every first derivative that the framework takes, as NumPy arrays; see that a second one can be taken."""
    if "vjp" not in backend.plugin.capabilities:
        return []
    outputs, pullback = backend.vjp(f, primals)
    found = list(pullback(outputs))
    if "jvp" in backend.plugin.capabilities:
        found += backend.jvp(f, primals, primals)[1]
    if "second-order" in backend.plugin.capabilities:
        twice, pullback_twice = backend.vjp(lambda *inner: backend.vjp(f, inner)[1](f(*inner)), primals)
        found += pullback_twice(twice)
    return list(map(backend.to_numpy, found))


@pytest.mark.parametrize("dtype", ["float32", "complex128"])
@pytest.mark.parametrize("name", MEMBERS)
def test_members(name, dtype, backend):
    for shape in SHAPES if name != "slogdet" else ((0, 0), (0, 2, 2), (2, 0, 0)):
        A = backend.from_numpy(np.zeros(shape, dtype))
        found = arrays(MEMBERS[name](A))
        for X, Y in zip(map(backend.to_numpy, found), expected(name, shape), strict=True):
            assert X.shape == Y.shape, shape
            assert np.array_equal(X, Y), shape

        def differentiable(A):
            results = arrays(MEMBERS[name](A))
            return tuple(X for X in results if "int" not in backend.dtype_name(X))

        for X in derivatives(backend, differentiable, A):
            assert not np.any(X), shape


@pytest.mark.parametrize("pivoting", [False, True])
@pytest.mark.parametrize("shape", [*SHAPES, (3, 2), (2, 3)], ids=str)
def test_least_squares(shape, pivoting, backend):
    *batch, m, n = shape
    A = backend.from_numpy(np.eye(m, n) + np.zeros(shape))
    for right in ((), (0,), (2,)) if 0 in shape else ((0,),):
        b = backend.from_numpy(np.ones((*batch, m, *right)))
        found = [backend.to_numpy(X) for X in uqr.lstsq(A, b, pivoting=pivoting)]
        assert [X.shape for X in found] == [(*batch, n, *right), (*batch, *right), tuple(batch)]
        assert not np.any(found[0])
        assert np.all(found[1] == m)
        assert np.all(found[2] == min(m, n))
        bars = derivatives(backend, lambda A, b: tuple(uqr.lstsq(A, b, pivoting=pivoting)[:2]), A, b)
        assert not any(np.isnan(X).any() for X in bars)
