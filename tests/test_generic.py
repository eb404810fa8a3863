"""Libraries without a plugin, by their strictest one: NumPy's values, explicit rules, and what is refused."""

import subprocess
import sys
from types import ModuleType

import array_api_strict as strict
import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr import rules
from unifiedqr.arrays.namespaces import LackingFunctionError, plain_namespace
from unifiedqr.checks import checks
from unifiedqr.decomposition import shape_name
from unifiedqr.generic import GenericBackend, backend_by_standard
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import tolerance

SHAPE = pytest.mark.parametrize("shape", [(5, 3), (4, 4), (3, 5), (2, 4, 2)], ids=str)
DTYPE = pytest.mark.parametrize("dtype", ["float32", "complex128"])
EMPTY = [(0, 3), (3, 0), (0, 0), (2, 0, 3, 2), (0, 3, 3)]


FUNCTIONS = {
    "qr": uqr.qr,
    "qr raw": lambda A: uqr.qr(A, positive=False),
    "qr complete": lambda A: uqr.qr(A, mode="complete"),
    "qr r": lambda A: uqr.qr(A, mode="r"),
    "qr pivoted": lambda A: uqr.qr(A, pivoting=True),
    "qr pivoted complete": lambda A: uqr.qr(A, mode="complete", pivoting=True),
    "qr pivoted r": lambda A: uqr.qr(A, mode="r", pivoting=True),
    "qr truncated": lambda A: uqr.qr(A, pivoting=True, rank=min(2, *A.shape[-2:])),
    "lq": uqr.lq,
    "lq complete": lambda A: uqr.lq(A, mode="complete"),
    "lq l": lambda A: uqr.lq(A, mode="l"),
    "lq pivoted": lambda A: uqr.lq(A, pivoting=True),
    "lq truncated": lambda A: uqr.lq(A, pivoting=True, rank=min(2, *A.shape[-2:])),
    "rq": uqr.rq,
    "ql": uqr.ql,
    "lstsq": lambda A: uqr.lstsq(A, A**2),
    "lstsq of a vector": lambda A: uqr.lstsq(A, A[..., 0] ** 2) if A.shape[-1] else (),
    "lstsq pivoted": lambda A: uqr.lstsq(A, A**2, pivoting=True),
    "orth": uqr.orth,
    "interpolative": lambda A: uqr.interpolative(A, min(2, *A.shape[-2:])),
    "interpolative by tolerance": lambda A: uqr.interpolative(A, rtol=0.3),
    "range finder": lambda A: uqr.range_finder(A, min(2, *A.shape[-2:]), sketch=0, power_iterations=1),
    "null_space": lambda A: uqr.null_space(A) if A.shape[-2] else (),
    "left_null_space": lambda A: uqr.left_null_space(A) if A.shape[-1] else (),
    "slogdet": lambda A: uqr.slogdet(A @ _adjoint(A)),
    "qr_update": lambda A: uqr.qr_update(*uqr.qr(A), A[..., :1], A[..., 0, :]) if 0 not in A.shape[-2:] else (),
    "qr_insert": lambda A: uqr.qr_insert(*uqr.qr(A), A[..., :2], 0, "columns") if 0 not in A.shape[-2:] else (),
    "qr_delete": lambda A: uqr.qr_delete(*uqr.qr(A), 0) if A.shape[-2] > 1 and A.shape[-1] else (),
    "qr_append_rows": lambda A: uqr.qr_append_rows(A, A),
}
FUNCTION = pytest.mark.parametrize("name", FUNCTIONS)


def _adjoint(X):
    X = X.mT if hasattr(X, "mT") else X.swapaxes(-1, -2)
    return np.conj(X) if isinstance(X, np.ndarray) else strict.conj(X)


def same(found, expected, bound):
    """Return whether arrays of the library, one or several, are NumPy's, in shape, dtype and values."""
    pairs = zip(*((X if isinstance(X, tuple) else (X,)) for X in (found, expected)), strict=True)
    for X, Y in pairs:
        assert isinstance(X, type(strict.asarray(0)))
        X = np.asarray(X)
        assert (X.shape, X.dtype) == (Y.shape, Y.dtype)
        assert np.allclose(X, Y, rtol=bound, atol=bound, equal_nan=True)
    return True


@FUNCTION
@SHAPE
@DTYPE
def test_functions_give_what_they_give_in_numpy(name, shape, dtype):
    A = random(shape, complex_="complex" in dtype, seed=1).astype(dtype)
    found, expected = FUNCTIONS[name](strict.asarray(A)), FUNCTIONS[name](A)
    assert same(found, expected, tolerance(dtype, *shape[-2:], 100))


@FUNCTION
@pytest.mark.parametrize("shape", EMPTY, ids=str)
def test_functions_of_zero_size(name, shape):
    A = np.zeros(shape)
    assert same(FUNCTIONS[name](strict.asarray(A)), FUNCTIONS[name](A), 0)


def _frame(A):
    return uqr.qr(_adjoint(A) if A.shape[-2] < A.shape[-1] else A)


def _least_squares(A):
    b = random((*A.shape[:-1], 2), complex_=np.iscomplexobj(A), seed=0).astype(A.dtype)
    return (A, b, *_frame(A)), uqr.lstsq(A, b)[:2]


def _weighted(A):
    b = random((*A.shape[:-1], 2), complex_=np.iscomplexobj(A), seed=0).astype(A.dtype)
    w = abs(b[..., 0])
    return (A, b, w, *uqr.qr(np.sqrt(w)[..., None] * A)), uqr.lstsq(A, b, weights=w)[:2]


def _updated(A):
    Q, R = uqr.qr(A)
    U, V = A[..., :2], R.swapaxes(-1, -2)[..., :1] * np.ones(A[..., :2].shape[-1], dtype=A.dtype)
    found = uqr.qr_update(Q, R, U, V)
    return (Q, R, U, V, *found), found


def _appended(A):
    R = uqr.qr_append_rows(A, A[..., :1, :])
    return (A, A[..., :1, :], R), (R,)


def _of_factors(decompose, **options):
    return lambda A: (decompose(A, **options), decompose(A, **options)[:2])


def _applied(A):
    Q, R = uqr.qr(A)
    X = R[..., :2]
    return (Q, R, X), (Q @ X,)


def _applied_adjoint(A):
    Q, R = uqr.qr(A)
    X = A[..., :2]
    return (Q, R, X), (_adjoint(Q) @ X,)


def _interpolative(A):
    P, T = uqr.interpolative(A, 2)
    return (A, P, T, *uqr.qr(np.take_along_axis(A, P[..., None, :], axis=-1))), (T,)


def _range_finder(A):
    Omega = random((*A.shape[:-2], A.shape[-1], 2), complex_=np.iscomplexobj(A), seed=0).astype(A.dtype)
    factors = uqr.qr(A @ Omega)
    for B in (_adjoint(A), A):
        factors += uqr.qr(B @ factors[-2])
    return (A, Omega, tuple(factors)), (factors[-2],)


RULES = {
    "qr": _of_factors(uqr.qr),
    "lq": _of_factors(uqr.lq),
    "rq": _of_factors(uqr.rq),
    "ql": _of_factors(uqr.ql),
    "qr_pivoted": _of_factors(uqr.qr, pivoting=True),
    "lq_pivoted": _of_factors(uqr.lq, pivoting=True),
    "qr_complete": _of_factors(uqr.qr, mode="complete"),
    "lq_complete": _of_factors(uqr.lq, mode="complete"),
    "qr_r": lambda A: ((A, uqr.qr(A).R), (uqr.qr(A).R,)),
    "lq_l": lambda A: ((A, uqr.lq(A).L), (uqr.lq(A).L,)),
    "lstsq": _least_squares,
    "lstsq_weighted": _weighted,
    "interpolative": _interpolative,
    "range_finder": _range_finder,
    "orth": lambda A: (uqr.qr(A), (uqr.qr(A).Q,)),
    "left_null_space": lambda A: ((uqr.left_null_space(A), *uqr.qr(A)), (uqr.left_null_space(A),)),
    "null_space": lambda A: ((uqr.null_space(A), *uqr.lq(A)), (uqr.null_space(A),)),
    "slogdet": lambda A: ((*uqr.qr(A), uqr.slogdet(A).sign), uqr.slogdet(A)),
    "qr_update": _updated,
    "qr_append": _appended,
    "qr_apply": _applied,
    "qr_apply_adjoint": _applied_adjoint,
}
"""What the rules of a decomposition read, and what its cotangents are of."""

ONLY = {
    "qr_complete": "deep square",
    "left_null_space": "deep",
    "lstsq_weighted": "deep",
    "lq_complete": "wide square",
    "null_space": "wide",
    "slogdet": "square",
}

TANGENTS = {"lstsq": 2, "lstsq_weighted": 3, "range_finder": 2, "qr_update": 4, "qr_append": 2}
"""How many of what a rule reads vary, where more than the matrix does."""


def varying(name, A, read):
    """Return the arrays of which a rule takes tangents."""
    return (A, read[2]) if "apply" in name else read[: TANGENTS[name]] if name in TANGENTS else (A,)


RULE = pytest.mark.parametrize("name", RULES)


def like(arrays, seed):
    """Return random arrays of the same shapes and dtypes."""
    return tuple(
        random(X.shape, complex_=np.iscomplexobj(X), seed=seed + i).astype(X.dtype) for i, X in enumerate(arrays)
    )


def both(rule, *given, **named):
    """Return what a rule says of the library's arrays, and of NumPy's."""
    named_strictly = {key: strict.asarray(X) for key, X in named.items()}
    strictly = (tuple(map(strict.asarray, X)) if isinstance(X, tuple) else strict.asarray(X) for X in given)
    return rule(*strictly, **named_strictly), rule(*given, **named)


def test_every_rule_is_tried():
    assert {f"{name}_{kind}" for name in RULES for kind in ("vjp", "jvp")} >= set(rules.__all__)


@RULE
@SHAPE
@DTYPE
@pytest.mark.usefixtures("unchecked")
def test_rules_give_what_they_give_in_numpy(name, shape, dtype):
    if shape_name(*shape[-2:]) not in ONLY.get(name, "deep square wide"):
        return
    A, bound = random(shape, complex_="complex" in dtype, seed=1).astype(dtype), tolerance(dtype, *shape[-2:], 1000)
    read, results = RULES[name](A)
    assert same(*both(getattr(rules, f"{name}_vjp"), *read, *like(results, 10)), bound)
    if hasattr(rules, f"{name}_jvp"):
        tangents = like(varying(name, A, read), 20)
        assert same(*both(getattr(rules, f"{name}_jvp"), *read, *tangents), bound)


@pytest.mark.parametrize("decompose", [uqr.qr, uqr.lq], ids=["qr", "lq"])
@DTYPE
def test_rules_of_truncated_decompositions(decompose, dtype):
    A = random((2, 4, 5), complex_="complex" in dtype, seed=3).astype(dtype)
    *factors, P = decompose(A, pivoting=True, rank=2)
    vjp, jvp = (getattr(rules, f"{decompose.__name__}_pivoted_{kind}") for kind in ("vjp", "jvp"))
    bound = tolerance(dtype, 4, 5, 1000)
    assert same(*both(vjp, *factors, P, *like(factors, 10), A=A), bound)
    assert same(*both(jvp, *factors, P, *like([A], 20), A=A), bound)


def test_selection():
    A = strict.asarray([[3.0, 1.0], [4.0, 2.0]])
    backend = uqr.get_backend(A)
    assert isinstance(backend, GenericBackend)
    assert backend is uqr.get_backend(uqr.qr(A).Q)
    assert repr(backend) == "<unifiedqr backend 'array_api_strict'>"
    assert (backend.dtype_name(A), backend.device(A)) == ("float64", str(A.device))
    assert set(backend.devices()) >= {str(A.device)}
    with uqr.use_backend("torch"):
        assert uqr.get_backend(uqr.qr(A).R) is backend
    assert "array_api_strict" not in uqr.backends()
    xp = uqr.namespace(A)
    assert float(xp.linalg.trace(xp.ones((2, 2)))) == 2.0
    assert dir(xp) == sorted(dir(strict))
    assert isinstance(uqr.to_numpy(A), np.ndarray)


def test_a_list_follows_and_a_numpy_array_does_not():
    A = strict.asarray([[3.0, 1.0], [4.0, 2.0]])
    assert same(uqr.lstsq(A, [7.0, 10.0]).x, np.array([2.0, 1.0]), 1e-14)
    with pytest.raises(uqr.ForeignArrayError, match="Array of array_api_strict, ndarray of numpy in one call"):
        uqr.lstsq(A, np.ones(2))


def test_results_stay_on_the_device():
    A = strict.asarray(random((4, 3), complex_=True, seed=0), device=strict.Device("device1"))
    assert {X.device for X in (*uqr.qr(A, pivoting=True), uqr.orth(A))} == {A.device}
    assert np.array_equal(uqr.to_numpy(A), random((4, 3), complex_=True, seed=0))


def test_an_array_that_is_not_handed_over():
    with pytest.raises(uqr.CapabilityError, match="exports this array on cpu neither by __array__ nor by DLPack"):
        uqr.to_numpy(of_library())


def test_no_autodiff():
    A = strict.asarray(np.eye(2))
    for call in (lambda: uqr.vjp(uqr.qr, A), lambda: uqr.jvp(uqr.qr, [A], [A]), lambda: uqr.grad(strict.sum)(A)):
        with pytest.raises(uqr.CapabilityError, match=r"array_api_strict.*explicit rule.* unifiedqr\.rules"):
            call()
    backend = uqr.get_backend(A)
    for kind, arguments in (("vjp", (uqr.qr, (A,))), ("jvp", (uqr.qr, (A,), (A,)))):
        with pytest.raises(uqr.CapabilityError, match=rf"no plugin for array_api_strict.*unifiedqr\.rules\.qr_{kind}"):
            getattr(backend, kind)(*arguments)


def test_checks_are_silent():
    with checks("raise"):
        Q, R = uqr.qr(strict.asarray(np.ones((3, 2))))
        assert np.isnan(np.asarray(rules.qr_vjp(Q, R, Q, R))).all()


class _Array:
    """An array of a library that has only what `namespace` has."""

    namespace: object
    dtype, shape, ndim, device = np.dtype("float64"), (3, 2), 2, "cpu"

    def __init__(self, shape=(3, 2)):
        self.shape = shape

    def __array_namespace__(self, api_version=None):
        return self.namespace


def library(name="library", **names):
    """Return a namespace of these names."""
    namespace = ModuleType(name)
    namespace.__dict__.update(names)
    return namespace


def of_library(**names):
    """Return an array of a library with these names, of its own type."""
    return type("Array", (_Array,), {"namespace": library(**names), "__module__": "library"})()


def test_what_a_library_lacks_is_named():
    A = of_library(float64=np.float64, isdtype=lambda dtype, kind: False)
    with pytest.raises(uqr.CapabilityError, match=r"lacks linalg, which this needs.*unifiedqr\.backends\(\)"):
        uqr.qr(A)
    linalg = library("library.linalg")
    with pytest.raises(LackingFunctionError, match=r"lacks linalg\.qr, which this needs"):
        uqr.qr(of_library(float64=np.float64, isdtype=lambda dtype, kind: False, linalg=linalg))
    linalg.solve_triangular, linalg.solve = max, min  # whatever the first does, it is not the one that rules know
    xp = plain_namespace(library(linalg=linalg, sum=sum, flip=lambda X, axis: X))
    assert xp.sum is sum
    assert xp.beyond.solve_triangular(3, 2, upper=True) == 2
    assert "beyond" not in dir(xp)
    assert not hasattr(xp, "__array_namespace_info__")


def test_explicit_rules_name_what_a_library_lacks():
    A = of_library(isdtype=lambda dtype, kind: True)
    A.shape = (2, 2)
    with pytest.raises(uqr.CapabilityError, match="library lacks finfo, which this needs"):
        rules.qr_vjp(A, A, None, None)


def test_what_dask_gets_wrong_is_refused():
    found = plain_namespace(library("dask.array", linalg=library(qr=np.linalg.qr))).linalg.qr

    class Chunked(np.ndarray):
        chunks = ((4,), (2, 2))

    assert len(found(np.eye(4).view(Chunked))) == 2
    with pytest.raises(uqr.CapabilityError, match=r"complex matrix wrongly .* here \(2, 2\)"):
        found(np.eye(4, dtype=complex).view(Chunked))


def test_unknown_sizes_are_refused():
    A = of_library(float64=np.float64)
    A.shape = (float("nan"), 2)
    with pytest.raises(uqr.ShapeError, match=r"array of shape \(nan, 2\); expected known sizes"):
        uqr.qr(A)


@pytest.mark.parametrize("name", ["MaskedArray", "MArray", "Quantity"])
def test_masks_and_units_are_refused(name):
    A = type(name, (_Array,), {"namespace": library()})()
    with pytest.raises(uqr.ForeignArrayError, match=f"{name} has an arithmetic of its own"):
        uqr.qr(A)


def test_what_has_no_namespace_is_refused():
    for x in (None, {1.0}, "A", 1.0, type(strict.asarray(0)), np.ma.ones((2, 2))):
        if not isinstance(x, np.ndarray):
            assert backend_by_standard(x) is None
        if not isinstance(x, (float, str)):
            with pytest.raises(uqr.ForeignArrayError):
                uqr.qr(x)


def test_an_integer_array_is_refused_by_name():
    with pytest.raises(uqr.DtypeError, match="array_api_strict array of dtype int64; expected float32"):
        uqr.qr(strict.asarray([[1, 2], [3, 4]]))


def test_importing_unifiedqr_imports_no_array_library():
    code = (
        "import sys, unifiedqr.generic; print(sorted({'numpy', 'array_api_strict', 'dask', 'cupy'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
