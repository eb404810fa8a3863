"""Problems for every member of the table of decompositions under a transform, one matrix each.

Results are in a form that a framework can differentiate for every member: pivots and ranks are left out,
a basis that matters through its space alone becomes its projector (but for reverse mode, where the cotangent says so),
and what is real is handed over as real.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from unifiedqr._typing import Array, Arrays, Namespace
from unifiedqr.backend import Backend
from unifiedqr.decomposition import DECOMPOSITIONS, Primitive
from unifiedqr_lab.conformance.case_checks import projector, projector_dot
from unifiedqr_lab.conformance.factored import composed, free_of_factors
from unifiedqr_lab.conformance.golden import Golden, golden
from unifiedqr_lab.conformance.problems import Problem
from unifiedqr_lab.conformance.tolerance import condition_of, tolerance

REAL = ("residuals", "logabsdet")
"""Results that are real also for a complex matrix."""


def member_problem(decomposition: str, dtype: str, kind: str, *, batched: bool = False) -> Problem:
    """Make the problem of a member in a dtype for a kind of transform: one matrix, or a stack of it twice.

    Parameters
    ----------
    decomposition : str
        Name of the member.
    dtype : str
        One of `unifiedqr.backend.DTYPES`.
    kind : str
        One of `unifiedqr.backend.KINDS`.
    batched : bool
        Give every array a leading axis.

    Returns
    -------
    Problem
    """
    field = "complex" if "complex" in dtype else "real"
    found = (golden(decomposition).get(f"{decomposition}-random-{shape}-{field}") for shape in ("5x3", "3x5", "4x4"))
    case = next(case for case in found if case is not None)
    row = DECOMPOSITIONS[decomposition]()
    m, n = case.matrix.shape
    first, second = (tolerance(dtype, m, n, condition_of(row, case.matrix) ** order) for order in (1, 2))

    def stacked(arrays: Arrays) -> Arrays:
        return tuple(np.stack([X, X]) if batched else X for X in arrays)

    values, dots, bars = _forms(row, case, kind)
    single = np.finfo(dtype).dtype

    def free(arrays: Arrays) -> Arrays:
        return free_of_factors(row, arrays) if kind == "hvp" else arrays

    def cast(arrays: Arrays) -> Arrays:
        return tuple(X.astype(dtype if np.iscomplexobj(X) else single) for X in stacked(arrays))

    return Problem(
        primals=cast(free(case.inputs)),
        bars=cast(bars),
        dots=cast(free(case.input_dots)),
        truth={
            "value": stacked(values),
            "vjp": stacked(case.input_bars["both"]),
            "jvp": stacked(dots),
            "hvp": stacked(free(case.input_bar_dots) if case.input_bar_dots else ()),
        },
        bounds={"value": first, "vjp": first, "jvp": first, "hvp": second},
    )


def _forms(row: Primitive, case: Golden, kind: str) -> tuple[Arrays, Arrays, Arrays]:
    """Return values, tangents and cotangents of the results in the form of `member`."""
    if row.spans and kind != "vjp":
        (Q,), (Q_dot,) = case.factors, case.factor_dots
        return (projector(Q),), (projector_dot(Q, Q_dot),), (case.weight / 2,)
    kept = [i for i, name in enumerate(row.outputs[: row.results]) if name not in row.discrete]
    forms = ([case.factors[i], case.factor_dots[i], case.factor_bars[i]] for i in kept)
    real = (row.outputs[i] in REAL for i in kept)
    pairs = [[X.real if is_real else X for X in form] for form, is_real in zip(forms, real, strict=True)]
    values, dots, bars = zip(*pairs, strict=True)
    return values, dots, bars


def space(xp: Namespace, Q: Array, *, complex_: bool) -> Array:
    """Return the projector Q Q^H in a framework's arrays."""
    transposed = xp.matrix_transpose(Q)
    return Q @ (xp.conj(transposed) if complex_ else transposed)


def member(backend: Backend, row: Primitive, kind: str, *, complex_: bool) -> Callable[..., Arrays]:
    """Return a member's differentiable results, in the form of the problem, as a function of the framework's arrays.

    A second derivative is one with respect to what determines the results, factors of the matrix left out.
    """
    bound, xp = composed(backend, row) if kind == "hvp" else backend.bind(row), backend.xp

    def results(*inputs: Any) -> Arrays:
        found = bound(*inputs)[: row.results]
        if row.spans and kind != "vjp":
            return (space(xp, found[0], complex_=complex_),)
        named = zip(row.outputs, found, strict=False)
        return tuple(xp.real(X) if name in REAL and complex_ else X for name, X in named if name not in row.discrete)

    return results
