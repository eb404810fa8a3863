"""Factors that are kept: products with Q and solutions against SciPy and against the factors themselves."""

import numpy as np
import pytest
import scipy.linalg

import unifiedqr as uqr
from unifiedqr import rules
from unifiedqr.checks import checks
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

SHAPES = {"deep": (7, 3), "square": (4, 4), "wide": (3, 6)}
SHAPE = pytest.mark.parametrize("shape", SHAPES)
FIELDS = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
MODES = pytest.mark.parametrize("mode", ["reduced", "complete"])
PIVOTS = pytest.mark.parametrize("pivoting", [False, True], ids=["", "pivoted"])


def drawn(*shape, complex_=False, seed=0):
    rng = np.random.default_rng([seed, *shape])
    return rng.standard_normal(shape) + (1j * rng.standard_normal(shape) if complex_ else 0)


def bound(A, power=1):
    wide = A.shape[-2] < A.shape[-1]
    condition = max(leading_condition(A), leading_condition(A, rows=True)) if wide else leading_condition(A)
    return tolerance(A.dtype.name, *A.shape[-2:], condition**power)


def adjoint(xp, X):
    X = xp.matrix_transpose(X)
    return xp.conj(X) if xp.isdtype(X.dtype, "complex floating") else X


@FIELDS
@SHAPE
@PIVOTS
def test_products_are_those_of_scipy(shape, complex_, pivoting, backend):
    A = drawn(*SHAPES[shape], complex_=complex_)
    k = min(A.shape)
    c, Z = drawn(k, 2, complex_=complex_), drawn(len(A), 2, complex_=complex_)
    factor = uqr.qr_factor(backend.from_numpy(A), pivoting=pivoting, positive=False)
    Y, C = (backend.to_numpy(f(backend.from_numpy(X))) for f, X in ((factor.apply, c), (factor.apply_adjoint, Z)))
    expected, R, *P = scipy.linalg.qr_multiply(A, c, mode="left", pivoting=pivoting)
    # LAPACK's signs are its own, and there is a sign for each column.
    signs = np.diagonal(R)[:k] / np.diagonal(backend.to_numpy(factor.R))
    assert relative_error(backend.to_numpy(factor.R) * signs[:, None], R) <= bound(A)
    turned = factor.apply(backend.from_numpy(np.conj(signs)[:, None] * c)) if complex_ else None
    found = Y if turned is None else backend.to_numpy(turned)
    found = found if complex_ else backend.to_numpy(factor.apply(backend.from_numpy(signs[:, None] * c)))
    assert relative_error(found, expected) <= bound(A)
    expected = scipy.linalg.qr_multiply(A, np.conj(Z.T), mode="right", pivoting=pivoting)[0]
    assert relative_error(signs[:, None] * C, np.conj(expected.T)) <= bound(A)
    if pivoting:
        assert np.array_equal(backend.to_numpy(factor.P), P[0])


@FIELDS
@SHAPE
@MODES
@PIVOTS
@pytest.mark.parametrize("kind", ["qr", "lq"])
def test_products_are_those_with_the_factors(kind, shape, complex_, mode, pivoting, backend):
    A = drawn(*SHAPES[shape], complex_=complex_)
    given = backend.from_numpy(A)
    factor = getattr(uqr, f"{kind}_factor")(given, mode=mode, pivoting=pivoting)
    expected = getattr(uqr, kind)(given, mode=mode, pivoting=pivoting)
    Q = backend.to_numpy(expected.Q)
    reduced = getattr(uqr, kind)(given, pivoting=pivoting)
    triangle = "R" if kind == "qr" else "L"
    for name in ("Q", triangle):
        assert relative_error(*(backend.to_numpy(getattr(X, name)) for X in (factor, reduced))) <= bound(A)
    assert factor.shape == A.shape
    for f, M in ((factor.apply, Q), (factor.apply_adjoint, Q.conj().T)):
        X = drawn(M.shape[1], 3, complex_=complex_)
        assert relative_error(backend.to_numpy(f(backend.from_numpy(X))), M @ X) <= bound(A)
        assert relative_error(backend.to_numpy(f(backend.from_numpy(X[:, 0].copy()))), M @ X[:, 0]) <= bound(A)


@FIELDS
@PIVOTS
@pytest.mark.parametrize(("kind", "shape"), [("qr", "deep"), ("qr", "square"), ("lq", "square"), ("lq", "wide")])
def test_solutions_are_those_of_lstsq(kind, shape, complex_, pivoting, backend):
    A, b = drawn(*SHAPES[shape], complex_=complex_), drawn(SHAPES[shape][0], 2, complex_=complex_)
    factor = getattr(uqr, f"{kind}_factor")(backend.from_numpy(A), pivoting=pivoting)
    found = factor.lstsq(backend.from_numpy(b))
    x, *_ = scipy.linalg.lstsq(A, b)
    assert relative_error(backend.to_numpy(found.x), x) <= bound(A, 2)
    least = (np.abs(b - A @ x) ** 2).sum(0) if shape == "deep" else np.zeros(2)
    assert relative_error(backend.to_numpy(found.residuals), least) <= bound(A, 2)
    assert backend.to_numpy(found.rank) == min(A.shape)
    vector = factor.lstsq(backend.from_numpy(b[:, 1].copy()))
    assert relative_error(backend.to_numpy(vector.x), x[:, 1]) <= bound(A, 2)
    assert tuple(vector.residuals.shape) == ()
    if shape == "square":
        x = backend.to_numpy(factor.solve(backend.from_numpy(b)))
        assert relative_error(x, np.linalg.solve(A, b)) <= bound(A, 2)


def losses(kind, mode, pivoting, what, xp):
    """Return a loss by the factorization, and the same by the factors or by `lstsq`."""

    def size(Y):
        return xp.sum(xp.abs(Y) ** 3)

    def kept(A, X):
        factor = getattr(uqr, f"{kind}_factor")(A, mode=mode, pivoting=pivoting)
        return size(factor.lstsq(X).x if what == "lstsq" else getattr(factor, what)(X))

    def formed(A, X):
        if what == "lstsq":
            return size(uqr.lstsq(A, X).x)
        Q = getattr(uqr, kind)(A, mode=mode, pivoting=pivoting).Q
        return size(xp.matmul(Q if what == "apply" else adjoint(xp, Q), X))

    return kept, formed


CASES = [
    *(("qr", "deep", mode, what) for mode in ("reduced", "complete") for what in ("apply", "apply_adjoint")),
    *(("qr", "deep", "reduced", "lstsq"), ("qr", "wide", "reduced", "apply"), ("lq", "square", "reduced", "lstsq")),
    *(("lq", "wide", "reduced", "lstsq"), ("lq", "wide", "complete", "apply"), ("qr", "square", "reduced", "apply")),
]


@FIELDS
@PIVOTS
@pytest.mark.parametrize(("kind", "shape", "mode", "what"), CASES, ids=["-".join(case) for case in CASES])
def test_derivatives_are_those_with_the_factors(kind, shape, mode, what, complex_, pivoting, autodiff_backend):
    backend = autodiff_backend
    A = drawn(*SHAPES[shape], complex_=complex_)
    Q = getattr(uqr, kind)(A, mode=mode).Q
    rows = len(A) if what == "lstsq" else Q.shape[1 if what == "apply" else 0]
    X = drawn(rows, 2, complex_=complex_)
    kept, formed = losses(kind, mode, pivoting, what, backend.xp)
    given = tuple(map(backend.from_numpy, (A, X)))
    dots = tuple(backend.from_numpy(drawn(*Y.shape, complex_=complex_, seed=1)) for Y in (A, X))

    def compare(results, expected, power):
        for found, truth in zip(results, expected, strict=True):
            assert relative_error(backend.to_numpy(found), backend.to_numpy(truth)) <= bound(A, power)

    compare(*(uqr.grad(f, argnums=(0, 1))(*given) for f in (kept, formed)), 2)
    if "jvp" in backend.plugin.capabilities:
        compare(*([uqr.jvp(f, given, dots)[1]] for f in (kept, formed)), 2)
    if "second-order" in backend.plugin.capabilities:
        compare(*(uqr.hvp(f, given, dots) for f in (kept, formed)), 4)


def test_a_batch_meets_another(backend):
    A, X = drawn(2, 1, 5, 3), drawn(1, 4, 3, 2)
    factor = uqr.qr_factor(backend.from_numpy(A))
    Y = backend.to_numpy(factor.apply(backend.from_numpy(X)))
    assert Y.shape == (2, 4, 5, 2)
    assert relative_error(Y, backend.to_numpy(factor.Q) @ X) <= bound(A)
    stack = backend.to_numpy(factor.apply_adjoint(backend.from_numpy(drawn(2, 1, 5))))
    assert stack.shape == (2, 1, 3)


def test_what_is_complex_meets_what_is_real(backend):
    A, X = drawn(5, 3), drawn(3, 2, complex_=True)
    factor = uqr.qr_factor(backend.from_numpy(A), mode="complete")
    Y = factor.apply_adjoint(backend.from_numpy(A @ X))
    assert "complex" in backend.dtype_name(Y)
    assert relative_error(backend.to_numpy(Y)[:3], np.linalg.qr(A).R @ X * _signs(A)) <= bound(A)
    single = uqr.qr_factor(backend.from_numpy(A.astype(np.float32)))
    assert backend.dtype_name(single.apply(backend.from_numpy(X.real))) == backend.dtype_name(backend.from_numpy(A))


def _signs(A):
    return np.sign(np.diagonal(np.linalg.qr(A).R))[:, None]


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3), (2, 3, 0)])
@MODES
def test_nothing_is_factored(shape, mode, backend):
    factor = uqr.qr_factor(backend.from_numpy(np.zeros(shape)), mode=mode)
    m, n = shape[-2:]
    X = np.ones((*shape[:-2], m, 2))
    C = backend.to_numpy(factor.apply_adjoint(backend.from_numpy(X)))
    assert np.array_equal(C, X if mode == "complete" and m > n else X[..., : min(m, n), :])
    Y = backend.to_numpy(factor.apply(backend.from_numpy(C)))
    assert np.array_equal(Y, X if mode == "complete" and m > n else np.zeros_like(X))
    if m >= n:
        assert backend.to_numpy(factor.lstsq(backend.from_numpy(X)).x).shape == (*shape[:-2], n, 2)


@MODES
def test_a_column_before_the_first_dependent_one_has_its_derivative(mode, autodiff_backend, unchecked):
    """Q[:, :1] is a function of the first column, whatever follows; the rows beyond are none of A."""
    backend, A, X = autodiff_backend, drawn(5, 3), drawn(5, 2)
    A[:, 1] = 2 * A[:, 0]
    rest = drawn(3, 2) if mode == "reduced" else drawn(5, 2)

    def first(A, X):
        return backend.xp.sum(uqr.qr_factor(A, mode=mode).apply_adjoint(X)[:1, :] ** 3)

    def alone(A, X):
        return backend.xp.sum(uqr.qr_factor(A[:, :1]).apply_adjoint(X) ** 3)

    def every(A, X):
        return backend.xp.sum(uqr.qr_factor(A, mode=mode).apply_adjoint(X) ** 3)

    def applied(A, X):
        return backend.xp.sum(uqr.qr_factor(A, mode=mode).apply(X) ** 3)

    given = tuple(map(backend.from_numpy, (A, X)))
    for found, truth in zip(*(uqr.grad(f, argnums=(0, 1))(*given) for f in (first, alone)), strict=True):
        assert relative_error(backend.to_numpy(found), backend.to_numpy(truth)) <= tolerance("float64", 5, 3, 10.0)
    assert np.isnan(backend.to_numpy(uqr.grad(every)(*given))).all()
    assert np.isnan(backend.to_numpy(uqr.grad(applied)(given[0], backend.from_numpy(rest)))).all()
    rest[1:] = 0
    assert np.isfinite(backend.to_numpy(uqr.grad(applied)(given[0], backend.from_numpy(rest)))).all()


@MODES
def test_forward_mode_is_nan_where_nothing_exists(mode):
    A, X = drawn(5, 3), drawn(5, 2)
    A[:, 1], X[:, 1] = 2 * A[:, 0], 0
    Q, R = uqr.qr(A)
    WY = uqr.qr_factor(A, mode=mode).WY or None
    with checks("off"):
        C_dot = rules.qr_apply_adjoint_jvp(Q, R, X, drawn(5, 3, seed=1), X, WY=WY)
        c = np.concatenate([np.eye(3, 2), np.zeros((2, 2))]) if WY else np.eye(3, 2)
        Y_dot = rules.qr_apply_jvp(Q, R, c, drawn(5, 3, seed=1), c, WY=WY)
    assert np.isfinite(C_dot[:1]).all()
    assert np.isnan(C_dot[1:, 0]).all()
    assert np.isfinite(C_dot[:, 1]).all()  # nothing of a vector of zeros depends on A
    assert np.isfinite(Y_dot[:, 0]).all()
    assert np.isnan(Y_dot[:, 1]).all()


def test_what_is_reached_is_reported(autodiff_backend):
    backend = autodiff_backend
    A = backend.from_numpy(np.ones((4, 2)))
    X = backend.from_numpy(np.arange(4.0) ** 2)
    with checks("raise"), pytest.raises(uqr.SingularMatrixError):
        uqr.grad(lambda A: backend.xp.sum(uqr.qr_factor(A).apply_adjoint(X) ** 2))(A)
    with checks("raise"):
        uqr.grad(lambda A: backend.xp.sum(uqr.qr_factor(A).apply_adjoint(X)[:1] ** 2))(A)


def test_a_singular_system_has_no_solution(backend):
    A = np.ones((3, 3))
    for factor in (uqr.qr_factor(backend.from_numpy(A)), uqr.lq_factor(backend.from_numpy(A))):
        assert np.isnan(backend.to_numpy(factor.solve(backend.from_numpy(np.ones(3))))).all()


@FIELDS
@MODES
@PIVOTS
def test_explicit_rules_are_those_of_the_primitive(complex_, mode, pivoting):
    A, A_dot = (drawn(6, 3, complex_=complex_, seed=seed) for seed in (1, 2))
    Q, R, *P = uqr.qr(A, pivoting=pivoting)
    factor = uqr.qr_factor(A, mode=mode, pivoting=pivoting)
    options = {"P": P[0] if P else None, "WY": factor.WY or None}
    for name, vjp, jvp, rows in (
        ("apply", rules.qr_apply_vjp, rules.qr_apply_jvp, 3 if mode == "reduced" else 6),
        ("apply_adjoint", rules.qr_apply_adjoint_vjp, rules.qr_apply_adjoint_jvp, 6),
    ):
        X, X_dot = (drawn(rows, 2, complex_=complex_, seed=seed) for seed in (3, 4))
        Y_dot = jvp(Q, R, X, A_dot, X_dot, **options)
        Y_bar = drawn(*Y_dot.shape, complex_=complex_, seed=5)
        A_bar, X_bar = vjp(Q, R, X, Y_bar, **options)
        left = np.vdot(A_bar, A_dot).real + np.vdot(X_bar, X_dot).real
        assert np.isclose(left, np.vdot(Y_bar, Y_dot).real, rtol=1e-12)
        h = 1e-6
        moved = [
            getattr(uqr.qr_factor(A + s * h * A_dot, mode=mode, pivoting=pivoting), name)(X + s * h * X_dot)
            for s in (1, -1)
        ]
        assert relative_error((moved[0] - moved[1]) / (2 * h), Y_dot) <= 1e-7


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda f: f.apply(np.ones(5)), uqr.ShapeError, r"apply of the factors of 5 x 3 matrices got shape \(5,\)"),
        (lambda f: f.apply_adjoint(np.ones((3, 2))), uqr.ShapeError, r"expected \(..., 5\) or \(..., 5, s\)"),
        (lambda f: f.apply(1.0), uqr.ShapeError, "got shape"),
        (lambda f: f.solve(np.ones(5)), uqr.ShapeError, "solve got the factors of 5 x 3 matrices; expected square"),
        (lambda f: f.lstsq(np.ones(3)), uqr.ShapeError, "lstsq of the factors of 5 x 3"),
        (lambda f: f.apply(np.ones(3, dtype=int)), uqr.DtypeError, "int64"),
        (lambda f: f.apply("nothing"), uqr.ForeignArrayError, "got builtins.str"),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call(uqr.qr_factor(drawn(5, 3)))


def test_the_other_factorization_is_named():
    with pytest.raises(uqr.ShapeError, match=r"QR factors of 3 x 5 matrices; expected those of lq_factor"):
        uqr.qr_factor(drawn(3, 5)).lstsq(np.ones(3))
    with pytest.raises(uqr.ShapeError, match=r"LQ factors of 5 x 3 matrices; expected those of qr_factor"):
        uqr.lq_factor(drawn(5, 3)).lstsq(np.ones(5))
    with pytest.raises(uqr.OptionError, match="mode='r' is unknown"):
        uqr.qr_factor(drawn(5, 3), mode="r")
    with pytest.raises(uqr.OptionError, match="CholeskyQR cannot pivot"):
        uqr.qr_factor(drawn(5, 3), pivoting=True, method="cholesky")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda f: f.apply(np.ones(3)), r"apply of the factors of 3 x 5 matrices got shape \(3,\)"),
        (lambda f: f.apply_adjoint(np.ones(5)), r"apply_adjoint of the factors of 3 x 5 matrices got shape \(5,\)"),
        (lambda f: f.lstsq(np.ones(5)), r"lstsq of the factors of 3 x 5 matrices got shape \(5,\)"),
    ],
)
def test_what_lq_refuses_names_the_matrix_that_was_given(call, message):
    with pytest.raises(uqr.ShapeError, match=message):
        call(uqr.lq_factor(drawn(3, 5)))


def test_arrays_of_two_frameworks_do_not_meet():
    torch = pytest.importorskip("torch")
    tf = pytest.importorskip("tensorflow")
    with pytest.raises(uqr.ForeignArrayError):
        uqr.qr_factor(torch.ones(3, 2)).apply(tf.ones(2))


def test_completion_that_does_not_fit_is_refused():
    Q, R = uqr.qr(drawn(5, 3))
    with pytest.raises(uqr.ShapeError, match="got WY of shapes"):
        rules.qr_apply_vjp(Q, R, np.ones((5, 1)), np.ones((5, 1)), WY=(np.eye(2), np.ones((1, 3))))
