"""What is specific to NumPy: it has the rules, and says so where it has no more."""

import numpy as np
import pytest

import unifiedqr as uqr


def test_factors_are_plain_arrays_of_the_same_dtype():
    A = np.eye(3, 2, dtype=np.complex64)
    Q, R = uqr.qr(A)
    assert type(Q) is np.ndarray
    assert Q.dtype == R.dtype == np.complex64


def test_subclasses_of_arrays_are_numpy_arrays():
    class Marked(np.ndarray):
        pass

    A = np.eye(2).view(Marked)
    assert uqr.get_backend(A).name == "numpy"
    assert uqr.qr(A).R.shape == (2, 2)


def test_no_autodiff():
    backend = uqr.get_backend("numpy")
    with pytest.raises(uqr.CapabilityError):
        backend.vjp(lambda X: (X,), (np.eye(2),))
    with pytest.raises(uqr.CapabilityError):
        backend.jvp(lambda X: (X,), (np.eye(2),), (np.eye(2),))
