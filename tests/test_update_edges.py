"""Updated factors of what has dependent columns, of appended rows, in other dtypes, under transforms, and bad input."""

import numpy as np
import pytest

import unifiedqr as uqr
from tests.changes import HARD, bound, herm, loss_of, normal
from unifiedqr import rules
from unifiedqr.discovery import get_backend
from unifiedqr.updates import row

FIELDS = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])


DEFICIENT = {
    "what was added cancels": lambda Q, R, A: uqr.qr_update(Q, R, -A[:, :1], np.eye(4)[:, :1]),
    "what was added is the same": lambda Q, R, A: uqr.qr_update(Q, R, A[:, 0] - A[:, 2], np.eye(4)[2]),
    "rows that go were all there was": lambda Q, R, A: uqr.qr_delete(Q, R, [0, 1]),
    "a column twice": lambda Q, R, A: uqr.qr_insert(Q, R, A[:, 1], 3, "columns"),
}


@pytest.mark.parametrize("deficient", DEFICIENT)
def test_what_is_left_deficient_has_no_finite_derivative(deficient):
    A = normal(9, 4)
    A[2:, 3] = A[2:, 0] - A[2:, 1]
    A[:2] *= 1e6 if "rows" in deficient else 1
    Q, R = DEFICIENT[deficient](*uqr.qr(A), A)
    assert np.isfinite(Q).all()
    assert np.abs(Q.T @ Q - np.eye(Q.shape[1])).max() < 1e-14
    with pytest.warns(uqr.SingularMatrixWarning):
        assert np.isnan(rules.qr_vjp(Q, R, Q, R)).any()
    uqr.set_checks("raise")
    try:
        with pytest.raises(uqr.SingularMatrixError):
            rules.qr_jvp(Q, R, Q @ R)
    finally:
        uqr.set_checks("warn")


ROWS = {
    "qr-update": lambda xp, F, T, U, V: uqr.qr(F @ T + U @ herm(xp, V)),
    "qr-downdate": lambda xp, F_1, F_2, T: uqr.qr(F_1 @ T),
    "qr-append": lambda xp, T, B: (uqr.qr(xp.concat([T, B], axis=-2), mode="r"),),
}
"""What each row is by definition."""


def dependent_in_column_2(name, shape, complex_):
    """Return inputs of a row whose matrix has a column 2 that depends on those before it."""
    m, n = shape
    F, T = uqr.qr(normal(m, n, complex_=complex_))
    B, U, V = (normal(*s, complex_=complex_, seed=2) for s in ((2, n), (m, 2), (n, 2)))
    for X in (T, B):
        X[:, 2] = X[:, 0] - X[:, 1]
    V[2] = V[0] - V[1]
    return {"qr-update": (F, T, U, V), "qr-downdate": (F[1:], F[:1], T), "qr-append": (T, B)}[name]


@FIELDS
@pytest.mark.parametrize("shape", [(9, 4), (6, 6), (5, 7)], ids=["deep", "square", "wide"])
@pytest.mark.parametrize("name", ROWS)
def test_dependent_columns_leave_what_comes_before_them(name, shape, complex_, autodiff_backend, unchecked):
    backend, xp = autodiff_backend, autodiff_backend.xp
    arrays = tuple(map(backend.from_numpy, dependent_in_column_2(name, shape, complex_)))
    outputs, pull = backend.vjp(lambda *inputs: backend.bind(row(name))(*inputs), arrays)
    _, pull_truth = backend.vjp(lambda *inputs: tuple(ROWS[name](xp, *inputs)), arrays)
    bars = []
    for number, X in enumerate(outputs):
        bar = normal(*X.shape, complex_=complex_, seed=5)
        bar[(..., slice(2, None)) if number + len(outputs) == 2 else slice(2, None)] = 0
        bars.append(backend.from_numpy(bar))
    for found, expected in zip(map(backend.to_numpy, pull(bars)), map(backend.to_numpy, pull_truth(bars)), strict=True):
        assert np.isfinite(expected).all()
        assert np.abs(found - expected).max() <= bound(found, 1e4) * max(1, np.abs(expected).max())
    zeros = [0 * X for X in bars]
    assert not any(np.any(backend.to_numpy(X)) for X in pull(zeros))
    full = [backend.from_numpy(normal(*X.shape, complex_=complex_, seed=6)) for X in outputs]
    for i in range(len(outputs)):
        one = [X if i == j else None for j, X in enumerate(full)]
        found = [backend.to_numpy(X) for name, X in zip(row(name).inputs, pull(one), strict=True) if name != "F_2"]
        assert all(np.isnan(X).all() for X in found)
    if "jvp" in backend.plugin.capabilities:
        dots = tuple(backend.from_numpy(normal(*X.shape, complex_=complex_, seed=8)) for X in arrays)
        _, found = backend.jvp(lambda *inputs: backend.bind(row(name))(*inputs), arrays, dots)
        _, expected = backend.jvp(lambda *inputs: tuple(ROWS[name](xp, *inputs)), arrays, dots)
        for X, Y in zip(map(backend.to_numpy, found), map(backend.to_numpy, expected), strict=True):
            assert np.array_equal(np.isnan(X), np.isnan(Y))
            assert np.nanmax(np.abs(X - Y)) <= bound(X, 1e4) * np.nanmax(np.abs(Y))


@FIELDS
@pytest.mark.parametrize("shape", [(4, 4), (2, 5), (6, 4)], ids=["triangle", "wide", "any matrix"])
def test_appended_rows(shape, complex_, backend):
    R, B, b = (normal(3, *s, complex_=complex_) for s in (shape, (2, shape[1]), (shape[1],)))
    R = np.triu(R)
    for rows, below in ((B, B), (b, b[:, None])):
        found = backend.to_numpy(uqr.qr_append_rows(*map(backend.from_numpy, (R, rows))))
        stacked = backend.from_numpy(np.concatenate([R, below], axis=-2))
        assert np.array_equal(found, backend.to_numpy(uqr.qr(stacked, mode="r")))


def test_a_triangle_may_start_from_nothing():
    A = normal(7, 3)
    R = np.zeros((0, 3))
    for x in A:
        R = uqr.qr_append_rows(R, x)
    assert np.abs(R - uqr.qr(A, mode="r")).max() < 1e-14


@FIELDS
def test_gradient_of_appended_rows(complex_, autodiff_backend):
    backend, xp = autodiff_backend, autodiff_backend.xp
    arrays = [backend.from_numpy(normal(5, 3, complex_=complex_)), backend.from_numpy(normal(2, 3, complex_=complex_))]
    found = uqr.grad(lambda R, B: loss_of(xp, (uqr.qr_append_rows(R, B),)), argnums=(0, 1))(*arrays)
    truth = uqr.grad(lambda A: loss_of(xp, (uqr.qr(A, mode="r"),)))(xp.concat(arrays, axis=0))
    both = np.concatenate([backend.to_numpy(X) for X in found])
    assert np.abs(both - backend.to_numpy(truth)).max() <= bound(both, 100) * np.abs(both).max()


@pytest.mark.parametrize("name", ["torch", "tensorflow", "jax"])
def test_half_precision_comes_back_in_kind(name):
    backend = get_backend(name)
    xp = backend.xp
    half = {"torch": "bfloat16", "tensorflow": "bfloat16", "jax": "bfloat16"}[name]
    A = backend.from_numpy(normal(6, 3).astype(np.float32))
    Q, R = uqr.qr(A)
    dtype = getattr(__import__("jax").numpy if name == "jax" else __import__(name), half)
    Q, R, u, v = (xp.astype(X, dtype) for X in (Q, R, A[:, 0], A[0]))
    for X in (*uqr.qr_update(Q, R, u, v), uqr.qr_append_rows(R, v)):
        assert backend.dtype_name(X) == half
    assert backend.dtype_name(uqr.qr_update(Q, R, xp.astype(u, xp.float32), v).R) == "float32"


def test_dtypes_are_promoted():
    Q, R = uqr.qr(normal(5, 3).astype(np.float32))
    u, v = normal(5, complex_=True), normal(3).astype(np.float32)
    found = uqr.qr_update(Q, R, u, v)
    assert found.R.dtype == np.complex128
    assert np.allclose(found.Q @ found.R, Q @ R + np.outer(u, v), atol=1e-6)


def test_gradient_by_real_factors_of_a_complex_update_is_real():
    torch = pytest.importorskip("torch")
    Q, R = (X.requires_grad_() for X in uqr.qr(torch.as_tensor(normal(5, 3))))
    u = torch.as_tensor(normal(5, complex_=True)).requires_grad_()
    uqr.qr_update(Q, R, u, torch.ones(3)).R.abs().sum().backward()
    assert Q.grad.dtype == R.grad.dtype == torch.float64
    assert u.grad.dtype == torch.complex128


@FIELDS
def test_explicit_rules_are_adjoint_to_each_other(complex_):
    F, T = uqr.qr(normal(7, 3, complex_=complex_))
    U, V, B = (normal(*s, complex_=complex_, seed=1) for s in ((7, 2), (3, 2), (2, 3)))
    Q, R = uqr.qr_update(F, T, U, V)
    bars = [normal(*X.shape, complex_=complex_, seed=2) for X in (Q, R)]
    dots = [normal(*X.shape, complex_=complex_, seed=3) for X in (F, T, U, V)]
    gradients = rules.qr_update_vjp(F, T, U, V, Q, R, *bars)
    tangents = rules.qr_update_jvp(F, T, U, V, Q, R, *dots)
    assert np.isclose(paired(gradients, dots), paired(bars, tangents), rtol=1e-12)
    R = uqr.qr_append_rows(T, B)
    gradients = rules.qr_append_vjp(T, B, R, bars[1])
    tangent = rules.qr_append_jvp(T, B, R, dots[1], B)
    assert np.isclose(paired(gradients, (dots[1], B)), paired(bars[1:], (tangent,)), rtol=1e-12)


def paired(X, Y):
    return sum(np.vdot(x, y).real for x, y in zip(X, Y, strict=True))


def test_explicit_rules_serve_deletion_without_an_update():
    A = normal(6, 4)
    F, T = uqr.qr(A)
    Q, R = uqr.qr_delete(F, T, 1, "columns")
    rest = np.delete(T, 1, axis=1)
    F_bar, T_bar, U_bar, V_bar = rules.qr_update_vjp(F, rest, F[:, :0], rest.T[:, :0], Q, R, Q, R)
    A_bar = rules.qr_vjp(Q, R, Q, R)
    assert np.allclose(F_bar, A_bar @ rest.T)
    assert np.allclose(T_bar, F.T @ A_bar)
    assert U_bar.shape == (6, 0)
    assert V_bar.shape == (3, 0)


def sliding(xp, Q, R, x):
    """Return a loss of a window that slides by a row, and of a filter's step: all three rows of the table take part."""
    Q, R = uqr.qr_update(Q, R, Q[..., 0] + 1, R[..., 0, :])
    Q, R = uqr.qr_delete(*uqr.qr_insert(Q, R, x, Q.shape[-2]), 0)
    return xp.sum(Q**3) + xp.sum(R**3) + xp.sum(uqr.qr_append_rows(R, x) ** 2)


def window(count=3):
    return (*uqr.qr(normal(count, 6, 3)), normal(count, 3))


def expected_gradients():
    """Return the gradients of each window by itself, in PyTorch."""
    torch = pytest.importorskip("torch")
    xp = uqr.namespace(torch.ones(1))
    found = [
        uqr.grad(lambda *one: sliding(xp, *one), argnums=(0, 1, 2))(*(torch.as_tensor(X[i]) for X in window()))
        for i in range(3)
    ]
    return [np.stack([uqr.to_numpy(one[k]) for one in found]) for k in range(3)]


def close(found, expected):
    return all(
        np.abs(uqr.to_numpy(X) - Y).max() <= 1e-11 * np.abs(Y).max() for X, Y in zip(found, expected, strict=True)
    )


def test_under_torch_func_and_vmap():
    torch = pytest.importorskip("torch")
    xp = uqr.namespace(torch.ones(1))
    gradient = torch.func.grad(lambda *one: sliding(xp, *one), argnums=(0, 1, 2))
    assert close(torch.func.vmap(gradient)(*map(torch.as_tensor, window())), expected_gradients())
    compiled = torch.compile(lambda *all_: sliding(xp, *all_), backend="aot_eager")
    leaves = [torch.as_tensor(X).requires_grad_() for X in window()]
    compiled(*leaves).backward()
    assert close([X.grad for X in leaves], expected_gradients())


def test_under_jit_vmap_and_scan():
    jax = pytest.importorskip("jax")
    jnp, arrays = jax.numpy, [get_backend("jax").from_numpy(X) for X in window()]
    gradient = jax.grad(lambda *one: sliding(jnp, *one), argnums=(0, 1, 2))
    assert close(jax.jit(jax.vmap(gradient))(*arrays), expected_gradients())

    def filtered(R):
        return jnp.sum(jax.lax.scan(lambda R, x: (uqr.qr_append_rows(0.9 * R, x), R[0, 0]), R, arrays[2])[0] ** 2)

    def looped(R):
        for x in arrays[2]:
            R = uqr.qr_append_rows(0.9 * R, x)
        return jnp.sum(R**2)

    R = arrays[1][0]
    assert close([jax.jit(jax.grad(filtered))(R)], [np.asarray(jax.grad(looped)(R))])


@pytest.mark.parametrize("batch", [pytest.param(3, marks=pytest.mark.exhaustive), None], ids=["known", "unknown"])
def test_in_a_tf_function(batch):
    tf = pytest.importorskip("tensorflow")
    xp = uqr.namespace(tf.ones(1))

    @tf.function(input_signature=[tf.TensorSpec([batch, *X.shape[1:]], tf.float64) for X in window()])
    def gradient(Q, R, x):
        with tf.GradientTape() as tape:
            tape.watch([Q, R, x])
            loss = sliding(xp, Q, R, x)
        return tape.gradient(loss, [Q, R, x])

    assert close(gradient(*map(tf.constant, window())), expected_gradients())


@pytest.mark.parametrize("name", ["torch", "tensorflow", "jax"])
def test_what_lies_in_the_range_is_seen_in_a_compiled_program_too(name):
    backend = get_backend(name)
    run = {"torch": lambda f: f, "tensorflow": None, "jax": None}[name]
    if run is None:
        run = __import__("jax").jit if name == "jax" else __import__("tensorflow").function
    for hard in HARD.values():
        A, V = np.eye(9, 4), normal(4, 2, seed=3)
        U = hard(A)
        Q, R = map(backend.to_numpy, run(uqr.qr_update)(*map(backend.from_numpy, (*uqr.qr(A), U, V))))
        assert np.abs(Q.T @ Q - np.eye(4)).max() < 1e-14
        assert np.abs(Q @ R - A - U @ V.T).max() <= 1e-14 * max(1, np.abs(U).max() * np.abs(V).max())


Q, R = uqr.qr(normal(5, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: uqr.qr_update(Q, R, R[0], R[0]), uqr.ShapeError, r"got u of shape \(3, 1\).*expected u \(..., 5\)"),
        (lambda: uqr.qr_update(Q, R, Q[:, :2], R[:, :1]), uqr.ShapeError, r"v of shape \(3, 1\)"),
        (lambda: uqr.qr_update(Q, R, Q[:, :0], R[:, :0]), uqr.ShapeError, "u without columns"),
        (lambda: uqr.qr_update(Q, R[:2], Q[:, 0], R[0]), uqr.ShapeError, "expected the reduced factors of a matrix"),
        (lambda: uqr.qr_update(np.eye(5), np.eye(5, 3), Q[:, 0], R[0]), uqr.ShapeError, r"take Q\[..., :n\]"),
        (lambda: uqr.qr_update(Q, R, 1.0, R[0]), uqr.ShapeError, "got a number; expected a vector or a matrix"),
        (lambda: uqr.qr_update(Q, R, np.arange(5), R[0]), uqr.DtypeError, "int64"),
        (lambda: uqr.qr_update(Q[0], R, Q[:, 0], R[0]), uqr.ShapeError, "expected a matrix"),
        (lambda: uqr.qr_update(Q[None], R, np.ones((2, 5, 1)), np.ones((3, 3, 1))), uqr.ShapeError, "do not broadcast"),
        (lambda: uqr.qr_insert(Q, R, Q[:, 0], 0), uqr.ShapeError, r"got rows of shape \(1, 5\).*\(..., p, 3\)"),
        (lambda: uqr.qr_insert(Q, R, R[0], 0, "columns"), uqr.ShapeError, r"got columns of shape \(3, 1\)"),
        (lambda: uqr.qr_insert(Q, R, R[:0], 0), uqr.ShapeError, r"got rows of shape \(0, 3\)"),
        (lambda: uqr.qr_insert(Q, R, R[0], 6), uqr.OptionError, "got position 6; expected an integer from 0 to 5"),
        (lambda: uqr.qr_insert(Q, R, R[0], -1), uqr.OptionError, "got position -1"),
        (lambda: uqr.qr_insert(Q, R, R[:2], [1, 1]), uqr.OptionError, "a sequence of distinct ones, from 0 to 6"),
        (lambda: uqr.qr_insert(Q, R, R[:2], [1]), uqr.OptionError, "got 1 positions for 2 rows or columns"),
        (lambda: uqr.qr_insert(Q, R, R[:2], [1, 7]), uqr.OptionError, r"got position \[1, 7\]"),
        (lambda: uqr.qr_insert(Q, R, R[0], True), uqr.OptionError, "got position True"),
        (lambda: uqr.qr_insert(Q, R, R[0], 0, "row"), uqr.OptionError, "which='row' is unknown; choose one of 'rows'"),
        (lambda: uqr.qr_delete(Q, R, 5), uqr.OptionError, r"got position \[5\]; expected .* from 0 to 4"),
        (lambda: uqr.qr_delete(Q, R, [0, 0]), uqr.OptionError, "distinct ones"),
        (lambda: uqr.qr_delete(Q, R, [0.5]), uqr.OptionError, r"got position \[0.5\]"),
        (lambda: uqr.qr_delete(Q, R, []), uqr.OptionError, "got 0 positions of 5 rows; expected at least one"),
        (lambda: uqr.qr_delete(Q, R, range(3), "columns"), uqr.OptionError, "got 3 positions of 3 columns"),
        (lambda: uqr.qr_append_rows(R, Q[:, 0]), uqr.ShapeError, r"got R of shape \(3, 3\) and B of shape \(1, 5\)"),
        (lambda: uqr.qr_append_rows(R[0], R), uqr.ShapeError, "expected a matrix"),
        (lambda: rules.qr_update_vjp(Q, R, Q, Q, Q, R, None, R), uqr.ShapeError, r"got F \(5, 3\).*V \(5, 3\)"),
        (lambda: rules.qr_update_vjp(Q, R, Q, R, Q, R, R, R), uqr.ShapeError, "cotangent Q_bar"),
        (lambda: rules.qr_append_vjp(R, Q.T, R, R), uqr.ShapeError, r"got T \(3, 3\), B \(3, 5\)"),
        (lambda: rules.qr_append_jvp(R, R, R, R[:1], R), uqr.ShapeError, "tangent T_dot"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
