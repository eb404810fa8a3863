"""Strategies of the random search: problems of every shape, dtype, scale and conditioning, with what must come out.

A matrix is made as QR sees it and turned for LQ. It is scaled by powers of two only, so that a repeated column stays an
exact multiple. Tangents are graded as the columns are, cotangents of the triangle against them: all that a derivative
consists of stays visible in one norm, that of A_bar with its columns multiplied by their sizes.
"""

import os
from dataclasses import dataclass

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from unifiedqr.backend import DTYPES
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, tolerance

EXAMPLES = os.environ.get("UNIFIEDQR_EXAMPLES")
"""How many examples `make fuzz` tries of each property and framework, with a seed of its own; None: the same 200."""

settings.register_profile(
    "search",
    max_examples=int(EXAMPLES or 200),
    derandomize=EXAMPLES is None,
    database=None,
    deadline=None,  # compilers pause
    suppress_health_check=[HealthCheck.too_slow],
)
SEARCH = settings.get_profile("search")
SAMPLE = settings(SEARCH, max_examples=max(1, SEARCH.max_examples // 10))
"""For the truth, which takes a hundred times as long."""

SMALL = ((1, 1), (2, 1), (1, 3), (2, 2), (3, 2), (2, 3), (3, 3))
SIZES = (*SMALL, (6, 1), (6, 4), (5, 5), (4, 6), (0, 2), (3, 0), (0, 0))
FEW = ((2, 2), (4, 3), (2, 3))
"""Sizes for a framework that compiles anew for each."""
BATCHES = ((), (2,), (2, 1), (0,))

SPREAD = {"float32": 30, "float64": 400}
"""Binary orders by which columns, and matrices of a batch, differ from the size of the problem."""
RANGE = {"float32": 60, "float64": 500}
"""Binary orders of the size of a problem, up and down."""

FLAWS = ("none", "near", "padding", "repeated column", "zero column", "zero matrix")


@dataclass(frozen=True, eq=False)
class Problem:
    """A stack of matrices, a tangent, cotangents, and what is known of the derivatives.

    Attributes
    ----------
    decomposition, dtype : str
        Name of the primitive and dtype of all arrays.
    positive : bool
        Whether the factors are in the positive gauge.
    A, A_dot : numpy.ndarray, shape (..., m, n)
    bars : tuple of numpy.ndarray or None
        Cotangents of the factors, None where left out.
    sizes : numpy.ndarray, shape (..., 1, n), or (..., m, 1) for LQ
        Powers of two by which columns (rows) were scaled.
    hopeless : numpy.ndarray of bool, shape (...)
        Where leading columns (rows) are dependent, so that no derivative exists.
    kinked : numpy.ndarray of bool, shape (...)
        Where the last pivot of a real square or wide matrix vanishes, so that a sign is undetermined (QR.6).
    """

    decomposition: str
    dtype: str
    positive: bool
    A: np.ndarray
    A_dot: np.ndarray
    bars: tuple
    sizes: np.ndarray
    hopeless: np.ndarray
    kinked: np.ndarray

    def condition(self, index):
        """Return the condition of what the derivatives of one matrix of the stack read (QR.6)."""
        m, n = self.A.shape[-2:]
        free = not self.dtype.startswith("complex") and (m <= n if self.decomposition == "qr" else n <= m)
        read = (self.A / self.sizes)[index]
        read = (read if self.decomposition == "qr" else read.T)[:, : min(m, n) - free]
        return leading_condition(read)

    def bound(self, index):
        """Return the largest admissible relative error of the derivatives of one matrix of the stack."""
        return tolerance(self.dtype, *self.A.shape[-2:], self.condition(index))

    def reach(self, index):
        """Return how large a gradient of one matrix can be, times sizes: by chance it can be far smaller.

        Its error is of the order of eps times condition times this, since rounding turns the factors under the
        cotangents: where the cotangents are blind to the direction that is nearly lost, what is left is less accurate.
        """
        graded = (
            bar[index] * (1 if name == "Q" else self.sizes[index])
            for name, bar in zip(DECOMPOSITIONS[self.decomposition]().outputs, self.bars, strict=True)
            if bar is not None
        )
        return self.condition(index) * sum(float(np.linalg.norm(bar)) for bar in graded)


@st.composite
def problems(draw, sizes=SIZES, batches=BATCHES, flaws=FLAWS, gauges=(True, False)):
    """Draw a problem of some of the sizes (m, n), batch shapes, flaws and gauges."""
    decomposition, dtype = draw(st.sampled_from(["qr", "lq"])), draw(st.sampled_from(DTYPES))
    (m, n), batch = draw(st.sampled_from(sizes)), draw(st.sampled_from(batches))
    k, single, complex_ = min(m, n), dtype in ("float32", "complex64"), dtype.startswith("complex")
    precision = "float32" if single else "float64"
    seed = draw(st.integers(0, 2**32 - 1))
    generator = np.random.default_rng(seed)

    A, A_dot = (random((*batch, m, n), complex_=complex_, seed=seed + i) for i in range(2))
    bars = [random((*batch, *shape), complex_=complex_, seed=seed + i) for i, shape in ((2, (m, k)), (3, (k, n)))]
    hopeless, kinked = np.zeros(batch, dtype=bool), np.zeros(batch, dtype=bool)
    nearness = np.finfo(dtype).eps ** draw(st.sampled_from([0.25, 0.5]))
    for index in np.ndindex(batch):
        flaw = draw(st.sampled_from(flaws))
        first = _spoil(A[index], flaw, nearness, generator)
        free = not complex_ and m <= n and first == k - 1
        hopeless[index], kinked[index] = first < k and not free, first < k and free

    spread = draw(st.sampled_from([0, SPREAD[precision]]))
    order = draw(st.integers(-RANGE[precision], RANGE[precision]))
    scales = 2.0 ** (order + generator.integers(-spread, spread + 1, (*batch, 1, n)))
    A, A_dot, bars[1] = A * scales, A_dot * scales, bars[1] / scales
    missing = draw(st.sampled_from([None, 0, 1]))
    if decomposition == "lq":
        A, A_dot, scales, *bars = (X.swapaxes(-1, -2) for X in (A, A_dot, scales, *reversed(bars)))
    return Problem(
        decomposition=decomposition,
        dtype=dtype,
        positive=draw(st.sampled_from(gauges)),
        A=A.astype(dtype),
        A_dot=A_dot.astype(dtype),
        bars=tuple(None if i == missing else bar.astype(dtype) for i, bar in enumerate(bars)),
        sizes=scales,
        hopeless=hopeless,
        kinked=kinked,
    )


def _spoil(A, flaw, nearness, generator):
    """Spoil a matrix in place; give the first of the k leading columns that depends on those before it, k if none."""
    k = min(A.shape)
    if k == 0:
        return k
    if flaw == "padding":
        A[:, k:] = 0
        return k
    if flaw == "zero matrix":
        A[...] = 0
        return 0
    column = int(generator.integers(k))
    if flaw == "zero column":
        A[:, column] = 0
        return column
    if column == 0:
        return k
    other = int(generator.integers(column))
    if flaw == "near":
        A[:, column] = A[:, other] + nearness * A[:, column]
    elif flaw == "repeated column":
        A[:, column] = A[:, other]
        return column
    return k
