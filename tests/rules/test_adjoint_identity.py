"""VJP and JVP are written apart; that they are adjoint to each other is searched for counterexamples."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from unifiedqr.conformance.matrices import random
from unifiedqr.conformance.tolerance import leading_condition, tolerance
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import get_backend

XP = get_backend("numpy").xp


def pairing(X, Y):
    return float(np.sum((np.conj(X) * Y).real))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    decomposition=st.sampled_from(list(DECOMPOSITIONS)),
    m=st.integers(1, 8),
    n=st.integers(1, 8),
    batch=st.sampled_from([(), (2,), (2, 1), (0,)]),
    complex_=st.booleans(),
    positive=st.booleans(),
    scale=st.sampled_from([1.0, 1e-100, 1e100]),
    missing=st.sampled_from([None, 0, 1]),
    seed=st.integers(0, 2**32 - 1),
)
def test_vjp_is_the_adjoint_of_jvp(decomposition, m, n, batch, complex_, positive, scale, missing, seed):
    A, A_dot = (scale * random((*batch, m, n), complex_=complex_, seed=seed + i) for i in range(2))
    primitive = DECOMPOSITIONS[decomposition](positive=positive)
    factors = primitive.forward(XP, A)
    bars = [random(X.shape, complex_=complex_, seed=seed + i) for i, X in enumerate(factors, start=2)]
    dots = primitive.jvp(XP, factors, (A_dot,))
    given_bars = [None if i == missing else X_bar for i, X_bar in enumerate(bars)]
    (A_bar,) = primitive.vjp(XP, factors, given_bars)
    pairs = [(bar, dot) for bar, dot in zip(given_bars, dots, strict=True) if bar is not None]
    size = sum(pairing(np.abs(bar), np.abs(dot)) for bar, dot in pairs) + pairing(np.abs(A_bar), np.abs(A_dot))
    difference = pairing(A_bar, A_dot) - sum(pairing(bar, dot) for bar, dot in pairs)
    bound = tolerance("float64", m, n, leading_condition(A, rows=decomposition == "lq"))
    assert abs(difference) <= bound * size
