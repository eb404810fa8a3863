"""The truth about one matrix of any scale: 100-digit differences, with digits enough for columns of unlike size."""

from unittest import mock

import numpy as np

from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import get_backend


def truth(decomposition, A, bars, A_dot=None, *, digits=800):
    """Return factors, gradient and tangents of the factors in double precision.

    Parameters
    ----------
    decomposition : str
    A, A_dot : numpy.ndarray, shape (m, n)
        A_dot may be None, the tangents then are.
    bars : sequence of numpy.ndarray or None
    digits : int
        Some three times the orders of magnitude that lie between entries of the matrix; half go into the step.
    """
    backend, primitive = get_backend("mpmath"), DECOMPOSITIONS[decomposition]()
    from unifiedqr_mpmath import array, differences

    step = array.context.ldexp(array.context.one, -round(digits / 2 * np.log2(10)))
    with array.context.workdps(digits), mock.patch.object(differences, "STEP", step):
        function, primals = backend.bind(primitive), (backend.from_numpy(A),)
        factors, pull = backend.vjp(function, primals)
        gradients = pull(tuple(None if bar is None else backend.from_numpy(bar) for bar in bars))
        dots = () if A_dot is None else backend.jvp(function, primals, (backend.from_numpy(A_dot),))[1]
        with np.errstate(over="ignore"):  # some numbers of the truth have no place in a double
            *factors, A_bar = (backend.to_numpy(X) for X in (*factors, *gradients))
            dots = tuple(map(backend.to_numpy, dots))
    return tuple(factors), A_bar, dots or None
