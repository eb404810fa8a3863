"""Updated factors: against SciPy's, up to the gauge, and against starting afresh, in values and derivatives."""

import numpy as np
import pytest
import scipy.linalg

import unifiedqr as uqr
from tests.changes import HARD, adjoint, bound, changes, loss_of, normal

FIELDS = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
SHAPES = {"deep": (9, 4), "nearly square": (5, 4), "square": (4, 4), "nearly wide": (4, 5), "wide": (3, 6)}
SHAPE = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
KINDS = tuple(changes(9, 4, False))
KIND = pytest.mark.parametrize("kind", KINDS)


@FIELDS
@SHAPE
@KIND
def test_factors_are_those_of_starting_afresh(kind, shape, complex_, backend):
    A = normal(*shape, complex_=complex_)
    given, update, afresh = changes(*shape, complex_)[kind]
    A, *given = map(backend.from_numpy, (A, *given))
    Q, R = map(backend.to_numpy, update(*uqr.qr(A), *given))
    truth = backend.to_numpy(afresh(backend.xp, A, *given))
    expected = uqr.qr(truth)
    assert Q.shape == expected.Q.shape
    assert R.shape == expected.R.shape
    assert np.array_equal(R, np.triu(R))
    assert np.all(np.diagonal(R).real >= 0)
    assert np.all(np.diagonal(R).imag == 0)
    assert np.abs(adjoint(Q) @ Q - np.eye(Q.shape[1])).max() <= bound(Q, 30)
    assert np.abs(Q @ R - truth).max() <= bound(Q, 30) * np.abs(truth).max()
    condition = np.linalg.cond(truth[:, : min(truth.shape)])
    assert np.abs(Q - expected.Q).max() <= bound(Q, 30) * condition
    assert np.abs(R - expected.R).max() <= bound(Q, 30) * condition * np.abs(truth).max()


@FIELDS
def test_factors_are_those_of_scipy_up_to_the_gauge(complex_):
    A = normal(9, 4, complex_=complex_)
    Q, R = uqr.qr(A)
    u, v, U, V, rows = (normal(*s, complex_=complex_, seed=1) for s in ((9,), (4,), (9, 2), (4, 2), (3, 4)))
    columns, row_of_A = normal(9, 2, complex_=complex_), rows[0]
    pairs = [
        (uqr.qr_update(Q, R, u, v), scipy.linalg.qr_update(Q, R, u, v)),
        (uqr.qr_update(Q, R, U, V), scipy.linalg.qr_update(Q, R, U, V)),
        (uqr.qr_insert(Q, R, row_of_A, 3), scipy.linalg.qr_insert(Q, R, row_of_A, 3, "row")),
        (uqr.qr_insert(Q, R, rows, 9), scipy.linalg.qr_insert(Q, R, rows, 9, "row")),
        (uqr.qr_insert(Q, R, columns, 1, "columns"), scipy.linalg.qr_insert(Q, R, columns, 1, "col")),
        (uqr.qr_delete(Q, R, 8), scipy.linalg.qr_delete(Q, R, 8)),
        (uqr.qr_delete(Q, R, [2, 3, 4]), scipy.linalg.qr_delete(Q, R, 2, 3, "row")),
        (uqr.qr_delete(Q, R, [1, 2], "columns"), scipy.linalg.qr_delete(Q, R, 1, 2, "col")),
    ]
    for (Q_1, R_1), (Q_2, R_2) in pairs:
        D = np.diagonal(R_2) / np.abs(np.diagonal(R_2))
        assert np.abs(Q_1 - Q_2 * D).max() < 1e-13
        assert np.abs(R_1 - D.conj()[:, None] * R_2).max() < 1e-13


@FIELDS
@SHAPE
@KIND
def test_gradients_are_those_of_starting_afresh(kind, shape, complex_, autodiff_backend):
    backend, xp = autodiff_backend, autodiff_backend.xp
    A = normal(*shape, complex_=complex_)
    given, update, afresh = changes(*shape, complex_)[kind]
    arrays = tuple(map(backend.from_numpy, (A, *given)))
    numbers = tuple(range(len(arrays)))
    found = uqr.grad(lambda A, *given: loss_of(xp, update(*uqr.qr(A), *given)), argnums=numbers)(*arrays)
    truth = uqr.grad(lambda A, *given: loss_of(xp, uqr.qr(afresh(xp, A, *given))), argnums=numbers)(*arrays)
    for X_bar, expected in zip(map(backend.to_numpy, found), map(backend.to_numpy, truth), strict=True):
        assert np.abs(X_bar - expected).max() <= bound(X_bar, 1e5) * np.abs(expected).max()


@pytest.mark.parametrize("kind", ["update", "insert rows", "delete rows", "delete columns"])
def test_second_order_and_forward_mode_are_those_of_starting_afresh(kind, autodiff_backend):
    backend, xp = autodiff_backend, autodiff_backend.xp
    able = backend.plugin.capabilities
    if "second-order" not in able:
        pytest.skip(f"{backend.name} has no second order")
    A = normal(6, 4)
    given, update, afresh = changes(6, 4, False)[kind]
    arrays = tuple(map(backend.from_numpy, (A, *given)))
    dots = tuple(backend.from_numpy(normal(*X.shape, seed=7)) for X in (A, *given))

    def updated(A, *given):
        return loss_of(xp, update(*uqr.qr(A), *given))

    def started(A, *given):
        return loss_of(xp, uqr.qr(afresh(xp, A, *given)))

    pairs = [(uqr.hvp(updated, arrays, dots), uqr.hvp(started, arrays, dots))]
    if "jvp" in able:
        pairs.append((uqr.jvp(updated, arrays, dots)[1:], uqr.jvp(started, arrays, dots)[1:]))
    for found, truth in pairs:
        for X, expected in zip(map(backend.to_numpy, found), map(backend.to_numpy, truth), strict=True):
            assert np.abs(X - expected).max() <= bound(X, 1e7) * np.abs(expected).max()


def test_a_batch_and_vectors(backend):
    A, u, v = normal(2, 3, 6, 4), normal(3, 6), normal(2, 1, 4)
    Q, R = uqr.qr(backend.from_numpy(A))
    found = uqr.qr_update(Q, R, *map(backend.from_numpy, (u[None], v)))
    truth = uqr.qr(A + u[..., None] * v[..., None, :])
    X = normal(2, 3, 2, 4)
    pairs = [(found, truth), (uqr.qr_insert(Q, R, backend.from_numpy(X), 6), uqr.qr(np.concatenate([A, X], -2)))]
    pairs.append((uqr.qr_delete(Q, R, [0, 5]), uqr.qr(A[..., 1:5, :])))
    for pair, expected in pairs:
        for X, Y in zip(map(backend.to_numpy, pair), expected, strict=True):
            assert np.abs(X - Y).max() < bound(X, 500)


def test_deletion_undoes_insertion(backend):
    A, X, Y = normal(7, 4), normal(2, 4), normal(9, 2)
    Q, R = uqr.qr(backend.from_numpy(A))
    more = uqr.qr_insert(Q, R, backend.from_numpy(X), [5, 1])
    more = uqr.qr_insert(*more, backend.from_numpy(Y), [0, 3], "columns")
    again = uqr.qr_delete(*uqr.qr_delete(*more, [3, 0], "columns"), (1, 5))
    for found, expected in zip(map(backend.to_numpy, again), uqr.qr(A), strict=True):
        assert np.abs(found - expected).max() < bound(found, 100)


@pytest.mark.parametrize("positive", [True, False])
def test_gauge_is_ours_or_the_kernels(positive):
    A = normal(6, 4)
    Q, R = uqr.qr(A)
    for found in (
        uqr.qr_update(Q, R, A[:, 0], A[1], positive=positive),
        uqr.qr_insert(Q, R, A[1], 2, positive=positive),
        uqr.qr_delete(Q, R, 2, positive=positive),
    ):
        assert np.array_equal(np.diagonal(found.R) >= 0, np.ones(4, dtype=bool)) is positive
    assert (np.diagonal(uqr.qr_append_rows(R, A[:2], positive=positive)) >= 0).all() == positive


@pytest.mark.parametrize("m", [4, 5, 40])
@pytest.mark.parametrize("hard", HARD)
@pytest.mark.parametrize("start", ["random", "identity"])
def test_q_is_orthonormal_whatever_is_added(hard, m, start, backend):
    A = normal(m, 4) if start == "random" else np.eye(m, 4)
    U, V = HARD[hard](A), normal(4, 2, seed=3)
    truth = A + U @ V.T
    Q, R = map(backend.to_numpy, uqr.qr_update(*map(backend.from_numpy, (*uqr.qr(A), U, V))))
    assert np.abs(Q.T @ Q - np.eye(4)).max() < 1e-14
    assert np.abs(Q @ R - truth).max() <= 1e-14 * max(np.abs(A).max(), np.abs(U).max() * np.abs(V).max())


@pytest.mark.parametrize("largeness", [1.0, 1e4, 1e8, 1e12])
@pytest.mark.parametrize("condition", [1.0, 1e8, 1e14])
def test_rows_that_go_may_have_been_nearly_everything(largeness, condition, backend):
    A = normal(12, 4)
    A[2:] = A[2:] @ np.diag(condition ** -np.linspace(0, 1, 4)) @ np.linalg.qr(normal(4, 4))[0]
    A[:2] *= largeness
    Q, R = map(backend.to_numpy, uqr.qr_delete(*map(backend.from_numpy, uqr.qr(A)), [0, 1]))
    assert np.abs(Q.T @ Q - np.eye(4)).max() < 1e-14
    assert np.abs(Q @ R - A[2:]).max() <= 1e-14 * np.abs(A).max()


def test_no_drift_in_a_thousand_updates():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((40, 5))
    Q, R = uqr.qr(A)
    for step in range(1000):
        x = rng.standard_normal(5)
        Q, R = uqr.qr_delete(*uqr.qr_insert(Q, R, x, 40), 0)
        A = np.concatenate([A[1:], x[None]])
        assert step % 100 or np.abs(Q.T @ Q - np.eye(5)).max() < 1e-13
    assert np.abs(Q @ R - A).max() < 1e-13
