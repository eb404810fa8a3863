"""`qr` and `lq` as users call them: results, inputs that decide nothing, and what is refused."""

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

DECOMPOSE = pytest.mark.parametrize("decompose", [uqr.qr, uqr.lq], ids=["qr", "lq"])


def test_named_tuples(backend):
    A = backend.from_numpy(random((5, 3), complex_=False, seed=0))
    assert uqr.qr(A)._fields == ("Q", "R")
    assert uqr.lq(A)._fields == ("L", "Q")


@DECOMPOSE
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize("shape", [(6, 4), (4, 4), (4, 6), (2, 3, 5, 3)], ids=str)
def test_the_kernels_own_signs_reconstruct_too(backend, decompose, dtype, shape):
    A = random(shape, complex_="complex" in dtype, seed=1).astype(dtype)
    X, Y = (backend.to_numpy(Z) for Z in decompose(backend.from_numpy(A), positive=False))
    assert relative_error(X @ Y, A) <= tolerance(dtype, *shape[-2:])
    Q = X if decompose is uqr.qr else np.conj(Y.swapaxes(-1, -2))
    eye = np.broadcast_to(np.eye(Q.shape[-1], dtype=dtype), (*shape[:-2], Q.shape[-1], Q.shape[-1]))
    assert relative_error(np.conj(Q.swapaxes(-1, -2)) @ Q, eye) <= tolerance(dtype, *shape[-2:])


@DECOMPOSE
def test_frameworks_agree_on_the_positive_factors(backend, decompose):
    A = random((7, 4), complex_=True, seed=2)
    bound = tolerance("complex128", 7, 4, leading_condition(A, rows=decompose is uqr.lq))
    for X, Y in zip(decompose(backend.from_numpy(A)), decompose(A), strict=True):
        assert relative_error(backend.to_numpy(X), Y) <= bound


def test_an_already_triangular_matrix_comes_back_unchanged(backend):
    eye = np.eye(3)
    Q, R = uqr.qr(backend.from_numpy(eye))
    assert np.array_equal(backend.to_numpy(Q), eye)
    assert np.array_equal(backend.to_numpy(R), eye)


def test_half_precision_is_computed_in_single_and_handed_back_in_kind(backend):
    if backend.name == "mxnet":
        dtypes = ["float16"]  # MXNet 1.9.1 has no bfloat16 arrays
    elif backend.name == "numpy":
        dtypes = ["float16"]  # NumPy has no bfloat16
    else:
        dtypes = ["float16", "bfloat16"]
    A = random((5, 3), complex_=False, seed=3).astype("float16")
    for name in dtypes:
        given = backend.xp.astype(backend.from_numpy(A), getattr(backend.xp, name))
        Q, R = uqr.qr(given)
        assert {backend.dtype_name(Q), backend.dtype_name(R)} == {name}
        Q, R = (backend.to_numpy(X).astype(np.float64) for X in (Q, R))
        eps = 2.0**-10 if name == "float16" else 2.0**-7
        assert relative_error(Q @ R, A.astype(np.float64)) <= 10 * eps


@DECOMPOSE
@pytest.mark.parametrize(
    ("A", "error", "says"),
    [
        (np.arange(6).reshape(2, 3), uqr.DtypeError, "dtype int64; expected float32, float64, complex64, complex128"),
        (np.ones((2, 2), dtype=bool), uqr.DtypeError, "dtype bool"),
        (np.array([[1, "a"]], dtype=object), uqr.DtypeError, "dtype object"),
        (np.ones(3), uqr.ShapeError, r"shape \(3,\); expected a matrix"),
        (3.0, uqr.ShapeError, r"shape \(\)"),
        ([[1.0, 2.0], [3.0]], uqr.ForeignArrayError, "rectangular list of numbers"),
        ([["a"]], uqr.ForeignArrayError, "got builtins.str; expected an array of"),
        (None, uqr.ForeignArrayError, "got builtins.NoneType; expected an array of"),
        ("matrix", uqr.ForeignArrayError, "got builtins.str; expected an array of"),
        ({1: 2}, uqr.ForeignArrayError, "got builtins.dict; expected an array of"),
    ],
)
def test_refused(decompose, A, error, says):
    with pytest.raises(error, match=says):
        decompose(A)


def test_integer_arrays_are_refused_by_every_framework(backend):
    integers = backend.xp.astype(backend.from_numpy(np.ones((3, 3), dtype="float32")), backend.xp.int32)
    with pytest.raises(uqr.DtypeError, match=f"{backend.name} array of dtype int32"):
        uqr.qr(integers)


@pytest.mark.parametrize("option", [{"mode": "economic"}, {"method": "jacobi"}, {"mode": None}])
@DECOMPOSE
def test_unknown_options_name_the_choices(decompose, option):
    ((name, value),) = option.items()
    with pytest.raises(uqr.OptionError, match=f"{name}={value!r} is unknown; choose one of '"):
        decompose(np.eye(2), **option)


def test_every_error_is_also_the_builtin_a_caller_expects():
    expected = {
        uqr.ShapeError: ValueError,
        uqr.DtypeError: TypeError,
        uqr.OptionError: ValueError,
        uqr.InputError: ValueError,
        uqr.UnknownBackendError: ValueError,
        uqr.BackendUnavailableError: ImportError,
        uqr.BackendConflictError: ValueError,
        uqr.ForeignArrayError: TypeError,
        uqr.CapabilityError: NotImplementedError,
    }
    for error, builtin in expected.items():
        assert issubclass(error, uqr.UnifiedQRError)
        assert issubclass(error, builtin)


def test_integers_written_in_a_list_are_numbers():
    assert np.array_equal(uqr.qr([[3, 1], [4, 2]]).R, uqr.qr([[3.0, 1.0], [4.0, 2.0]]).R)


def test_inputs_are_not_written_to_even_if_read_only_or_strided():
    A = random((8, 6), complex_=False, seed=4)
    A.setflags(write=False)
    strided = A[::-2, ::-1]
    Q, R = uqr.qr(strided)
    assert relative_error(Q @ R, strided) <= tolerance("float64", 4, 6)
