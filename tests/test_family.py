"""Every public function in every framework: forms of the results, agreement with NumPy's, gradients, bad input."""

import warnings

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.checks import checks
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

CALLS = {
    "qr r": lambda A: (uqr.qr(A, mode="r"),),
    "qr complete": lambda A: uqr.qr(A, mode="complete"),
    "qr pivoted": lambda A: uqr.qr(A, pivoting=True),
    "qr pivoted r": lambda A: uqr.qr(A, pivoting=True, mode="r"),
    "qr pivoted complete": lambda A: uqr.qr(A, pivoting=True, mode="complete"),
    "qr truncated": lambda A: uqr.qr(A, pivoting=True, rank=2),
    "lq l": lambda A: (uqr.lq(A, mode="l"),),
    "lq complete": lambda A: uqr.lq(A, mode="complete"),
    "lq pivoted": lambda A: uqr.lq(A, pivoting=True),
    "lq pivoted l": lambda A: uqr.lq(A, pivoting=True, mode="l"),
    "lq pivoted complete": lambda A: uqr.lq(A, pivoting=True, mode="complete"),
    "lq truncated": lambda A: uqr.lq(A, pivoting=True, rank=2),
    "rq": uqr.rq,
    "ql": uqr.ql,
    "orth": lambda A: (uqr.orth(A),),
    "null_space": lambda A: (uqr.null_space(A),),
    "left_null_space": lambda A: (uqr.left_null_space(A),),
}
SHAPES = [(5, 3), (4, 4), (3, 5), (2, 4, 3)]


def product(name, A, result):
    """Multiply the factors of a result, and permute A as they do."""
    factors = [getattr(result, X) for X in result._fields if X != "P"]
    if "P" not in result._fields:
        return A, factors[0] @ factors[1]
    P = result.P[..., None, :] if name.startswith("qr") else result.P[..., :, None]
    return np.take_along_axis(A, P, -1 if name.startswith("qr") else -2), factors[0] @ factors[1]


@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", CALLS)
def test_all_frameworks_give_what_numpy_gives(name, shape, complex_, backend):
    A = random(shape, complex_=complex_, seed=1)
    truth, found = CALLS[name](A), CALLS[name](backend.from_numpy(A))
    assert type(found) is type(truth)
    bound = tolerance("float64", *shape[-2:], leading_condition(A) * leading_condition(A, rows=True))
    for X, Y in zip(found, truth, strict=True):
        X = backend.to_numpy(X)
        assert X.dtype.kind == Y.dtype.kind
        if Y.dtype.kind == "i":
            assert np.array_equal(X, Y)
        else:
            assert X.dtype == Y.dtype
            assert relative_error(X, Y) <= bound


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ["qr complete", "qr pivoted", "qr pivoted complete"])
@pytest.mark.parametrize("mirror", [False, True], ids=["qr", "lq"])
def test_factors_are_factors(name, mirror, shape):
    name = name.replace("qr", "lq") if mirror else name
    A = random(shape, complex_=True, seed=2)
    result, bound = CALLS[name](A), tolerance("complex128", *shape[-2:], 1.0)
    permuted, multiplied = product(name, A, result)
    assert relative_error(multiplied, permuted) <= bound
    Q = result.Q if name.startswith("qr") else np.conj(result.Q.swapaxes(-1, -2))
    assert relative_error(np.conj(Q.swapaxes(-1, -2)) @ Q, np.eye(Q.shape[-1]) + 0 * A[..., :1, :1]) <= bound
    if "complete" in name and (shape[-2] > shape[-1]) == name.startswith("qr"):
        assert result.Q.shape[-2:] == (max(shape[-2:]),) * 2


@pytest.mark.parametrize("m", [1, 4, 7])
def test_truncation_is_the_beginning_of_the_whole(m):
    A = random((7, m), complex_=False, seed=3)
    whole = uqr.qr(A, pivoting=True)
    for rank in range(m + 1):
        part = uqr.qr(A, pivoting=True, rank=rank)
        assert (part.Q.shape, part.R.shape) == ((7, rank), (rank, m))
        assert relative_error(part.Q, whole.Q[:, :rank]) <= tolerance("float64", 7, m, leading_condition(A))
        assert np.array_equal(part.P[:rank], whole.P[:rank])


def test_a_batch_has_a_permutation_for_each_matrix(backend):
    A = random((6, 5, 4), complex_=False, seed=4)
    P = backend.to_numpy(uqr.qr(backend.from_numpy(A), pivoting=True).P)
    assert np.array_equal(P, np.stack([uqr.qr(X, pivoting=True).P for X in A]))
    assert len({tuple(p) for p in P}) > 1


LOSSES = {
    "qr complete": lambda xp, A: xp.sum(xp.abs(uqr.qr(A, mode="complete").Q) ** 2 * xp.asarray(WEIGHTS[:, :5])),
    "qr pivoted": lambda xp, A: sum(xp.sum(xp.abs(X) ** 3) for X in uqr.qr(A, pivoting=True)[:2]),
    "lq truncated": lambda xp, A: sum(xp.sum(xp.abs(X) ** 3) for X in uqr.lq(A, pivoting=True, rank=2)[:2]),
    "qr r": lambda xp, A: xp.sum(xp.abs(uqr.qr(A, mode="r")) ** 3),
    "lstsq": lambda xp, A: sum(xp.sum(xp.abs(X) ** 2) for X in uqr.lstsq(A, xp.asarray(WEIGHTS[:, 0] + 0.0))[:2]),
    "slogdet": lambda xp, A: xp.abs(uqr.slogdet(A[:3, :]).logabsdet) ** 2,
}
WEIGHTS = random((5, 5), complex_=False, seed=6)


def differences(f, A, step=2.0**-14):
    """Return central differences of a real loss, in double precision."""
    gradient = np.zeros_like(A)
    for index in np.ndindex(A.shape):
        for unit in (1.0, 1j) if np.iscomplexobj(A) else (1.0,):
            E = np.zeros_like(A)
            E[index] = unit * step
            gradient[index] += unit * (float(f(A + E)) - float(f(A - E))) / (2 * step)
    return gradient


@pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_differences(name, complex_, autodiff_backend):
    A, xp = random((5, 3), complex_=complex_, seed=5), autodiff_backend.xp
    gradient = uqr.grad(lambda A: LOSSES[name](xp, A))(autodiff_backend.from_numpy(A))
    expected = differences(lambda A: LOSSES[name](uqr.namespace("numpy"), A), A)
    # Central differences with step h are wrong by h^2 times the third derivative.
    assert relative_error(autodiff_backend.to_numpy(gradient), expected) <= 2.0**-14


@pytest.mark.parametrize("field", ["real", "complex"])
def test_complete_qr_of_what_is_triangular_already(field, autodiff_backend):
    """The identity and a triangle: LAPACK does not reflect, and other libraries divide by zero."""
    xp = autodiff_backend.xp
    for A in (
        np.eye(5, 3),
        np.triu(random((5, 3), complex_=field == "complex", seed=7)),
        np.diag([-1.0, 1, -1])[:, :2],
    ):
        A = A.astype(complex if field == "complex" else float)
        given = autodiff_backend.from_numpy(A)
        Q = autodiff_backend.to_numpy(uqr.qr(given, mode="complete").Q)
        assert relative_error(np.conj(Q.T) @ Q, np.eye(len(Q))) <= tolerance("float64", *A.shape)
        gradient = uqr.grad(lambda A: xp.sum(xp.abs(uqr.qr(A, mode="complete").Q[:, -1:] + 1) ** 4))(given)
        assert np.all(np.isfinite(autodiff_backend.to_numpy(gradient)))


def test_least_squares_takes_vectors_stacks_and_mixed_dtypes(backend):
    A, b = random((2, 5, 3), complex_=False, seed=8), random((5, 2), complex_=True, seed=9)
    given, bound = backend.from_numpy(A), tolerance("float64", 5, 3, 50.0)
    for right in (b, b[:, 0]):
        expected = np.stack([np.linalg.lstsq(X, right, rcond=None)[0] for X in A])
        squares = np.stack([np.sum(np.abs(right - X @ x) ** 2, axis=0) for X, x in zip(A, expected, strict=True)])
        right = right[None] if right.ndim == 2 else right
        x, residuals, rank = map(backend.to_numpy, uqr.lstsq(given, backend.from_numpy(right)))
        assert relative_error(x, expected) <= bound
        assert relative_error(residuals, squares) <= bound
        assert rank.tolist() == [3, 3]


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_rank_deficient_least_squares_is_of_minimum_norm(rank, backend):
    A = random((6, rank), complex_=True, seed=10) @ random((rank, 4), complex_=True, seed=11)
    b = random((6,), complex_=True, seed=12)
    solution = uqr.lstsq(backend.from_numpy(A), backend.from_numpy(b), pivoting=True)
    expected = np.linalg.lstsq(A, b, rcond=1e-10)[0]
    assert relative_error(backend.to_numpy(solution.x), expected) <= tolerance("complex128", 6, 4, 50.0)
    assert int(backend.to_numpy(solution.rank)) == rank


def test_the_derivative_at_constant_rank(autodiff_backend):
    """Along X Y^H the rank stays: the chain rule through it against differences of the minimum norm solution."""
    X, Y = random((6, 2), complex_=True, seed=13), random((2, 4), complex_=True, seed=14)
    b, xp = random((6,), complex_=True, seed=15), autodiff_backend.xp
    b_given = autodiff_backend.from_numpy(b)

    def loss(A):
        x, residuals, _ = uqr.lstsq(A, b_given, pivoting=True, rcond=1e-10)
        return xp.sum(xp.abs(x) ** 2) + residuals

    A_bar = autodiff_backend.to_numpy(uqr.grad(loss)(autodiff_backend.from_numpy(X @ Y)))

    def value(X, Y):
        x = np.linalg.pinv(X @ Y, rcond=1e-10) @ b
        return np.sum(np.abs(x) ** 2) + np.sum(np.abs(b - X @ Y @ x) ** 2)

    for computed, expected in (
        (A_bar @ np.conj(Y.T), differences(lambda X: value(X, Y), X)),
        (np.conj(X.T) @ A_bar, differences(lambda Y: value(X, Y), Y)),
    ):
        assert relative_error(computed, expected) <= 2.0**-14


def test_a_basis_that_matters_is_reported(autodiff_backend):
    A, xp = autodiff_backend.from_numpy(random((5, 2), complex_=False, seed=16)), autodiff_backend.xp

    def harmless(A):
        N = uqr.left_null_space(A)
        return xp.sum(xp.matmul(N, xp.matrix_transpose(N)) ** 3)

    def arbitrary(A):
        return xp.sum(uqr.left_null_space(A) ** 3)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        uqr.grad(harmless)(A)
    with pytest.warns(uqr.GaugeWarning, match=r"\(CQ\.6\)"):
        uqr.grad(arbitrary)(A)
    with checks("raise"), pytest.raises(uqr.GaugeError):
        uqr.grad(arbitrary)(A)


def test_rank_deficient_without_pivoting_is_nan(backend, unchecked):
    A = random((2, 5, 3), complex_=False, seed=17)
    A[1, :, 2] = A[1, :, 0]
    x, residuals, rank = map(backend.to_numpy, uqr.lstsq(backend.from_numpy(A), backend.from_numpy(A[..., 0])))
    assert np.all(np.isfinite(x[0]))
    assert np.all(np.isnan(x[1]))
    assert np.isnan(residuals[1])
    assert rank.tolist() == [3, 2]


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
def test_determinants_neither_overflow_nor_underflow(dtype, backend):
    for scale in (1e30, 1e-30):
        A = (scale * random((20, 20), complex_="complex" in dtype, seed=18)).astype(dtype)
        sign, logabsdet = map(backend.to_numpy, uqr.slogdet(backend.from_numpy(A)))
        expected = np.linalg.slogdet(A.astype("complex128" if "complex" in dtype else "float64"))
        bound = tolerance(dtype, 20, 20, leading_condition(A))
        assert abs(sign - expected[0]) <= bound
        assert abs(logabsdet - expected[1]) <= bound * abs(expected[1])
    sign, logabsdet = uqr.slogdet(backend.from_numpy(np.zeros((2, 2), dtype)))
    assert (backend.to_numpy(sign), backend.to_numpy(logabsdet)) == (0, -np.inf)


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda A: uqr.qr(A, rank=1), uqr.OptionError, "pivoting=True"),
        (lambda A: uqr.qr(A, pivoting=True, rank=4), uqr.OptionError, r"from 0 to min\(m, n\) = 3"),
        (lambda A: uqr.qr(A, pivoting=True, rank=-1), uqr.OptionError, "from 0 to"),
        (lambda A: uqr.qr(A, pivoting=True, rank=1.5), uqr.OptionError, "from 0 to"),
        (lambda A: uqr.qr(A, pivoting=True, rank=True), uqr.OptionError, "from 0 to"),
        (lambda A: uqr.qr(A, pivoting=True, rank=1, mode="r"), uqr.OptionError, "Leave mode out"),
        (lambda A: uqr.qr(A, pivoting="yes"), uqr.OptionError, "True or False"),
        (lambda A: uqr.qr(A, mode="l"), uqr.OptionError, "'r'"),
        (lambda A: uqr.lq(A, mode="r"), uqr.OptionError, "'l'"),
        (lambda A: uqr.lstsq(A, A[:2]), uqr.ShapeError, "b must be"),
        (lambda A: uqr.lstsq(A, A, rcond=0.1), uqr.OptionError, "pivoting=True"),
        (lambda A: uqr.lstsq(A, A, pivoting=True, rcond=-1.0), uqr.OptionError, "a number that is not negative"),
        (
            lambda A: uqr.lstsq(A, A, pivoting=True, rcond=float("nan")),
            uqr.OptionError,
            "a number that is not negative",
        ),
        (lambda A: uqr.lstsq(A, A, pivoting=True, rcond="small"), uqr.OptionError, "expected a number"),
        (lambda A: uqr.slogdet(A), uqr.ShapeError, "square"),
        (lambda A: uqr.null_space(A[0]), uqr.ShapeError, "matrix"),
    ],
)
def test_bad_input_is_told(call, error, said):
    with pytest.raises(error, match=said):
        call(random((5, 3), complex_=False, seed=19))


@pytest.mark.parametrize("shape", [(0, 0), (3, 0), (0, 3), (2, 3, 0), (2, 0, 3)], ids=str)
def test_matrices_without_entries(shape, backend):
    A = backend.from_numpy(np.zeros(shape))
    *batch, m, n = shape
    P = uqr.qr(A, pivoting=True).P
    assert tuple(P.shape) == (*batch, n)
    assert tuple(uqr.qr(A, mode="r").shape) == (*batch, min(m, n), n)
    assert tuple(uqr.lstsq(A, backend.from_numpy(np.zeros((*batch, m, 2)))).x.shape) == (*batch, n, 2)
    assert tuple(uqr.orth(A).shape) == (*batch, m, 0)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_comes_back_in_kind(dtype, autodiff_backend):
    xp = autodiff_backend.xp
    if not hasattr(xp, dtype):
        pytest.skip(f"{autodiff_backend.name} has no {dtype}")
    A = xp.astype(autodiff_backend.from_numpy(random((5, 3), complex_=False, seed=20)), getattr(xp, dtype))
    Q, R, P = uqr.qr(A, pivoting=True)
    assert {autodiff_backend.dtype_name(X) for X in (Q, R)} == {dtype}
    assert autodiff_backend.to_numpy(P).dtype.kind == "i"
    solution = uqr.lstsq(A, A[:, 0])
    assert autodiff_backend.dtype_name(solution.x) == dtype
