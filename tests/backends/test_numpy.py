"""What is specific to NumPy: every kind of array it has, and the explicit rules, which are all its derivatives."""

import ml_dtypes
import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr import rules
from unifiedqr.checks import checks
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.errors import CapabilityError, DtypeError, ForeignArrayError, ShapeError, SingularMatrixWarning
from unifiedqr_lab.conformance.case_checks import doubled
from unifiedqr_lab.conformance.golden import golden
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.problems import problem
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance
from unifiedqr_lab.instruments import instruments

BACKEND = uqr.get_backend("numpy")
TRANSFORMS = instruments(BACKEND.name).transforms()
FIELD = pytest.mark.parametrize("complex_", [False, True], ids=["real", "complex"])
DECOMPOSITION = pytest.mark.parametrize("name", ["qr", "lq"])


def read_only(X):
    """Return an array that cannot be written to."""
    X = X.copy()
    X.flags.writeable = False
    return X


def mapped(X, folder):
    """Return an array whose memory is a file, open for reading."""
    path = folder / f"{len(list(folder.iterdir()))}.npy"
    np.save(path, X)
    return np.load(path, mmap_mode="r")


class Marked(np.ndarray):
    """A subclass of plain numbers."""


LAYOUTS = {
    "read-only": read_only,
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "negatively strided": lambda X: X[::-1, ::-1].copy()[::-1, ::-1],
    "Fortran": np.asfortranarray,
    "transposed": lambda X: X.T.copy().T,
    "broadcast stack": lambda X: np.broadcast_to(X, (2, *X.shape))[1],
    "byte-swapped": lambda X: X.astype(X.dtype.newbyteorder()),
    "subclass": lambda X: X.view(Marked),
    "unaligned": lambda X: np.frombuffer(b"\0" + X.tobytes(), dtype=X.dtype, offset=1).reshape(X.shape),
}


@DECOMPOSITION
@FIELD
@pytest.mark.parametrize("layout", [*LAYOUTS, "memory-mapped"])
def test_every_layout_is_read_as_what_it_stands_for(name, complex_, layout, tmp_path):
    case = golden(name)[f"{name}-random-5x3-{'complex' if complex_ else 'real'}"]
    lay_out = LAYOUTS.get(layout, lambda X: mapped(X, tmp_path))
    bound = tolerance("float64", 5, 3, leading_condition(case.A, rows=name == "lq"))
    factors = getattr(uqr, name)(lay_out(case.A))
    for X, truth in zip(factors, case.factors, strict=True):
        assert type(X) is np.ndarray
        assert X.dtype == case.A.dtype
        assert X.dtype.isnative
        assert relative_error(X, truth) <= bound
    vjp, jvp = (getattr(rules, f"{name}_{kind}") for kind in ("vjp", "jvp"))
    A_bar = vjp(*map(lay_out, (*case.factors, *case.factor_bars)))
    assert relative_error(A_bar, case.A_bars["both"]) <= bound
    for X_dot, truth in zip(jvp(*map(lay_out, (*case.factors, case.A_dot))), case.factor_dots, strict=True):
        assert relative_error(X_dot, truth) <= bound


@DECOMPOSITION
def test_nothing_given_is_written_to(name):
    case = golden(name)[f"{name}-random-2x4x3-real"]
    given = [X.copy() for X in (case.A, *case.factors, *case.factor_bars, case.A_dot)]
    A, left, right, left_bar, right_bar, A_dot = given
    getattr(uqr, name)(A)
    getattr(rules, f"{name}_vjp")(left, right, left_bar, right_bar)
    getattr(rules, f"{name}_jvp")(left, right, A_dot)
    for X, before in zip(given, (case.A, *case.factors, *case.factor_bars, case.A_dot), strict=True):
        np.testing.assert_array_equal(X, before)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16], ids=["float16", "bfloat16"])
def test_half_precision_is_handed_back_in_kind(dtype):
    A = random((5, 3), complex_=False, seed=1).astype(dtype)
    Q, R = uqr.qr(A)
    assert Q.dtype == R.dtype == dtype
    eps = float(ml_dtypes.finfo(dtype).eps) / float(np.finfo(np.float16).eps)
    product = Q.astype(np.float32) @ R.astype(np.float32)
    assert relative_error(product, A.astype(np.float32)) <= eps * tolerance("float16", 5, 3)


@pytest.mark.parametrize(
    "dtype", [np.longdouble, np.clongdouble, object, bool, np.int64, "M8[s]", "U3", [("a", "f8")]], ids=str
)
def test_other_dtypes_are_refused(dtype):
    with pytest.raises(DtypeError, match=r"expected float32, float64, complex64, complex128"):
        uqr.qr(np.zeros((3, 2), dtype=dtype))


@pytest.mark.parametrize(
    "given",
    [np.array(1.0), np.array(object()), np.float64(3), np.ones(3)],
    ids=["0-d", "0-d object", "scalar", "vector"],
)
def test_what_is_no_matrix_is_refused(given):
    with pytest.raises((ShapeError, DtypeError)):
        uqr.qr(given)


class Meters(np.ndarray):
    """A subclass with an arithmetic of its own."""

    def __array_ufunc__(self, *args, **kwargs):
        raise NotImplementedError


@pytest.mark.parametrize(
    "kind",
    [np.ma.masked_array, lambda X: X.view(np.matrix), lambda X: X.view(Meters)],
    ids=["masked", "matrix", "unit"],
)
@DECOMPOSITION
def test_arrays_with_an_arithmetic_of_their_own_are_refused(kind, name):
    with pytest.raises(ForeignArrayError, match=r"numpy\.asarray"):
        getattr(uqr, name)(kind(np.eye(3)))


def test_there_is_no_autodiff():
    with pytest.raises(CapabilityError, match=r"unifiedqr\.rules"):
        BACKEND.vjp(lambda X: (X,), (np.eye(2),))
    with pytest.raises(CapabilityError, match=r"unifiedqr\.rules"):
        BACKEND.jvp(lambda X: (X,), (np.eye(2),), (np.eye(2),))


@pytest.mark.parametrize("name", ["qr", "lq"])
def test_checks(name):
    A = random((3, 4, 4), complex_=True, seed=1)
    A[1, :, 1] = A[1, :, 0]
    A = A if name == "qr" else np.swapaxes(A, -1, -2)
    factors = getattr(uqr, name)(A)
    vjp, jvp = (getattr(rules, f"{name}_{kind}") for kind in ("vjp", "jvp"))
    for derivative in (lambda: vjp(*factors, *factors), lambda: jvp(*factors, A)[0]):
        with checks("raise"), pytest.raises(uqr.SingularMatrixError, match=r"index \(1,\)"):
            derivative()
        with checks("warn"), pytest.warns(SingularMatrixWarning, match="1 of 3 matrices"):
            warned = derivative()
        with checks("off"):
            silent = derivative()
        for X in (warned, silent):
            assert np.isnan(X).any(axis=(-2, -1)).tolist() == [False, True, False]


def run(transform, row, given):
    """Run a transform of the joint decomposition of several matrices."""
    decompose = BACKEND.bind(row)
    return transform.run(lambda *matrices: tuple(X for A in matrices for X in decompose(A)), *given)


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda transform: transform.name)
@DECOMPOSITION
@pytest.mark.parametrize("dtype", ["float64", "complex128"])
def test_transform(transform, name, dtype):
    row, given = DECOMPOSITIONS[name](), problem(name, dtype, batched=transform.batched)
    kind, arguments = transform.kind, given.given(transform.kind)
    assert given.error(kind, run(transform, row, arguments)) <= given.bounds[kind]
    times = {"value": 1, "vjp": 2, "jvp": 2}[kind]
    assert given.error(kind, run(transform, doubled(row), arguments), times) <= given.bounds[kind]


def test_an_explicit_rule_does_not_follow_other_operations():
    given = problem("qr", "float64")
    (transform,) = (t for t in TRANSFORMS if t.name == "explicit rule, vjp")
    with pytest.raises(CapabilityError, match="factors of the arguments"):
        transform.run(lambda *matrices: tuple(2 * X for A in matrices for X in uqr.qr(A)), *given.given("vjp"))
    with pytest.raises(CapabilityError, match="factors of the arguments"):
        transform.run(lambda *matrices: tuple(X for A in matrices for X in uqr.qr(2 * A)), *given.given("vjp"))
