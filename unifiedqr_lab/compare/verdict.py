"""Who agrees with whom: the error of every result against the reference and the others, and whether it passes.

Errors are relative in the Frobenius norm, the arrays of a decomposition in the units of the matrix (`in_units`). The
tolerance is that of the conformance suite, for the condition of the leading block; between two frameworks twice that.
Where there is a truth, who misses it disagrees and nobody else. Where there is none, or only along a few directions,
two frameworks that differ both disagree, unless one of them misses what is known. The factors must also reproduce
the matrix and be orthonormal to the tolerance of a perfectly conditioned one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from unifiedqr._typing import Array, Arrays
from unifiedqr.decomposition import DECOMPOSITIONS, EXAMPLE_RANK, REDUCED, TRUNCATED
from unifiedqr.discovery import get_backend
from unifiedqr.kernels.pivoting import greedy_pivots
from unifiedqr_lab.compare.directions import ORDERED, TRIANGLES, by_rows, in_units, sizes
from unifiedqr_lab.compare.evaluate import Evaluation
from unifiedqr_lab.compare.job import ComparisonCase, Job
from unifiedqr_lab.compare.record import Record
from unifiedqr_lab.compare.reference import probing_directions
from unifiedqr_lab.conformance.inputs import decomposed
from unifiedqr_lab.conformance.tolerance import (
    BACKWARD,
    MARGIN,
    condition_of,
    leading_condition,
    member_tolerance,
    relative_error,
    unit,
)

WHOLE = ("exact", "extended")
"""The kinds of reference that know every entry."""

BETWEEN = 2.0
"""Multiple of the tolerance that two frameworks may differ by, each being that far from the truth."""


@dataclass(frozen=True)
class Finding:
    """One framework, one case, one derivative.

    Attributes
    ----------
    framework, case, derivative, via : str
        What was computed and how.
    status : str
        ``"agrees"``, ``"disagrees"``, ``"cannot"``, ``"failed"``, or ``"undetermined"`` where the matrix is too
        ill-conditioned for the dtype.
    reason : str
        Why, where it does not agree.
    reference : str
        Kind of reference the error is against.
    tolerance : float
        The error allowed; twice that between frameworks.
    error, disagreement, backward : float or None
        Against the reference; the worst against another framework; the residual and loss of orthogonality of factors.
    opponent : str
        The framework of the worst disagreement.
    outputs : tuple of str
        The arrays that are wrong; empty if the result agrees, or the reference cannot say which are.
    """

    framework: str
    case: str
    derivative: str
    via: str
    status: str
    reason: str
    reference: str
    tolerance: float
    error: float | None = None
    disagreement: float | None = None
    backward: float | None = None
    opponent: str = ""
    outputs: tuple[str, ...] = ()

    @property
    def strain(self) -> float:
        """The error as a multiple of what is allowed; where it is not known, the disagreement likewise."""
        if self.error is not None:
            return self.error / self.tolerance
        return (self.disagreement or 0.0) / (BETWEEN * self.tolerance)


def judge(job: Job, records: Mapping[str, Record], truth: Record | None) -> list[Finding]:
    """Compare every result of every record."""
    findings: list[Finding] = []
    for case in job.cases:
        condition = case_condition(job, case)
        determined = case_tolerance(job, case, condition) < 1 and is_determined(job, case)
        for derivative in job.derivatives:
            limit = case_tolerance(job, case, condition, derivative)
            findings += _judge_case(job, case, derivative, records, truth, limit=limit, determined=determined)
    return findings


def case_condition(job: Job, case: ComparisonCase) -> float:
    """Return the condition that sets the tolerance: of the leading columns (rows for LQ), of both for a function."""
    matrices = [A for A in job.inputs_of(case) if A.ndim >= 2]
    if case.target == "lstsq-pivoted":  # the shortest solution depends on the scaling of the columns
        return max(1.0, float(np.max(np.linalg.cond(matrices[0])))) ** 2
    if case.target in DECOMPOSITIONS:
        row = DECOMPOSITIONS[case.target]()
        return condition_of(row, decomposed(row, job.inputs_of(case)))
    return max((leading_condition(A, rows=rows) for A in matrices for rows in (False, True)), default=1.0)


def case_tolerance(job: Job, case: ComparisonCase, condition: float | None = None, derivative: str = "vjp") -> float:
    """Return the tolerance of a case; that of a user's function is the widest, for what it amplifies is not known."""
    condition = case_condition(job, case) if condition is None else condition
    shapes = _shapes(job, case)
    return max(member_tolerance(case.target, case.dtype, m, n, condition, derivative) for m, n in shapes)


def _shapes(job: Job, case: ComparisonCase) -> list[tuple[int, int]]:
    return [A.shape[-2:] for A in job.inputs_of(case) if A.ndim >= 2] or [(1, 1)]


def is_determined(job: Job, case: ComparisonCase) -> bool:
    """Return whether a decomposition's factors, their signs included, are determined in the precision of its dtype."""
    if case.target not in DECOMPOSITIONS:
        return True
    row, xp = DECOMPOSITIONS[case.target](), get_backend("numpy").xp
    A = row.orientation.matrix(xp, decomposed(row, job.inputs_of(case)))
    if "b" in row.inputs and A.shape[-2] < A.shape[-1]:
        A = A.conj().swapaxes(-1, -2)
    m, n = A.shape[-2:]
    wide = A.astype(np.result_type(A.dtype, np.float64))
    if case.target in ORDERED:
        steps = EXAMPLE_RANK if case.target in TRUNCATED else min(m, n)
        if _has_ties(wide, steps, 10 * max(m, n) * float(np.finfo(case.dtype).eps)):
            return False
        wide = np.take_along_axis(wide, greedy_pivots(xp, wide, min(m, n)), axis=-1)
    R = np.abs(np.linalg.qr(wide / sizes(wide, rows=False), mode="r"))[..., : min(m, n)]
    pivots, norms = np.diagonal(R, axis1=-2, axis2=-1), np.linalg.norm(R, axis=-2)
    return bool(np.all(pivots > 10 * max(m, n) * np.finfo(case.dtype).eps * norms))


def _has_ties(A: Array, steps: int, roundoff: float) -> bool:
    """Return whether rounding, or the difference that gives a true derivative, chooses a pivot."""
    A = A / np.maximum(np.max(np.abs(A), axis=(-2, -1), keepdims=True), np.finfo(np.float64).tiny)
    R: Array = np.linalg.qr(np.take_along_axis(A, greedy_pivots(get_backend("numpy").xp, A, steps), axis=-1), mode="r")
    for j in range(min(steps, A.shape[-1] - 1)):
        lengths = np.linalg.norm(R[..., j:, j:], axis=-2)
        if np.any(lengths[..., 0] - np.max(lengths[..., 1:], axis=-1) <= roundoff * np.max(lengths, axis=-1)):
            return True
    return False


def _is_constant(job: Job, case: ComparisonCase, derivative: str) -> bool:
    """Return whether a derivative is zero by definition, so that what is computed is rounding."""
    m, n = job.inputs_of(case)[0].shape[-2:]
    return case.target == "orth" and derivative != "value" and m <= n


def _judge_case(
    job: Job,
    case: ComparisonCase,
    derivative: str,
    records: Mapping[str, Record],
    truth: Record | None,
    *,
    limit: float,
    determined: bool,
) -> list[Finding]:
    given = {name: record.outcomes.get((case.id, derivative), _ABSENT) for name, record in records.items()}
    reference = truth.outcomes.get((case.id, derivative), _ABSENT) if truth is not None else _ABSENT
    kind = reference.via if reference.status == "ok" else "none"
    present = {name: outcome for name, outcome in given.items() if outcome.status == "ok"}
    why_not = _why_undetermined(job, case, derivative, limit, determined=determined)
    errors: dict[str, float] = {}
    if not why_not and kind != "none":
        errors = {name: _reference_error(job, case, o, reference, kind) for name, o in present.items()}
    findings: list[Finding] = []
    for name, outcome in given.items():
        finding = Finding(name, case.id, derivative, outcome.via, outcome.status, outcome.reason, kind, limit)
        if name in present:
            backward = _backward_error(job, case, outcome) if derivative == "value" else None
            finding = replace(finding, status="undetermined", reason=why_not, backward=backward)
            if not why_not:
                others = {other: o.arrays for other, o in present.items() if other != name}
                apart = {other: _distance(job, case, outcome.arrays, arrays) for other, arrays in others.items()}
                opponent = max(apart, key=lambda other: apart[other], default="")
                status, reason, against = _verdict(name, errors, apart, limit, kind)
                wrong: tuple[str, ...] = ()
                if status == "disagrees":
                    bound = BETWEEN * limit if against else limit
                    wrong = _wrong_outputs(job, case, outcome.arrays, present.get(against, reference).arrays, bound)
                finding = replace(
                    finding,
                    status=status,
                    reason=_with_names(wrong, reason),
                    error=errors.get(name),
                    disagreement=apart.get(opponent),
                    opponent=opponent,
                    outputs=wrong,
                )
            if reason := _why_no_factors(job, case, outcome, backward):
                finding = replace(finding, status="disagrees", reason=_with_names(finding.outputs, reason))
        findings.append(finding)
    return findings


def _with_names(outputs: tuple[str, ...], reason: str) -> str:
    return f"{', '.join(outputs)}: {reason}" if outputs else reason


def _why_undetermined(job: Job, case: ComparisonCase, derivative: str, limit: float, *, determined: bool) -> str:
    """Return why rounding decides what a result is; empty if it does not."""
    if _is_constant(job, case, derivative):
        return "the range is everything and its derivative zero: what is computed is rounding"
    if determined:
        return ""
    if limit < 1 and case.target in ORDERED:
        return f"dependent columns, or two equally long: in {case.dtype} rounding alone chooses a pivot"
    return f"too ill-conditioned for {case.dtype}: rounding alone may change the result completely"


def _why_no_factors(job: Job, case: ComparisonCase, outcome: Evaluation, backward: float | None) -> str:
    """Return why results cannot be factors of the matrix, whatever the truth is; empty if they may be."""
    if not _is_triangular(case, outcome):
        return "the triangular factor, or its tangent, has an entry outside its triangle"
    limit = max(MARGIN * BACKWARD * unit(case.dtype, m, n) for m, n in _shapes(job, case))
    if backward is not None and not backward <= limit:
        return f"the factors do not reproduce the matrix: backward error {backward:.1e}"
    return ""


_ABSENT = Evaluation("cannot", "not recorded", "none")


def _verdict(
    name: str, errors: Mapping[str, float], apart: Mapping[str, float], limit: float, kind: str
) -> tuple[str, str, str]:
    """Judge one framework by its error if there is a truth, and by the others as far as the truth leaves it open.

    Returns the status, the reason, and the framework it disagrees with, which is empty for the reference.
    """
    if name in errors and not errors[name] <= limit:
        return "disagrees", f"error {errors[name]:.1e} against the reference exceeds the tolerance {limit:.1e}", ""
    if kind not in WHOLE:
        # A framework that misses the known slopes is no evidence against the others.
        witnesses = [other for other in apart if other not in errors or errors[other] <= limit]
        opponent = max(witnesses, key=lambda other: apart[other], default="")
        if opponent and not apart[opponent] <= BETWEEN * limit:
            told = f"differs from {opponent} by {apart[opponent]:.1e}, more than {BETWEEN * limit:.1e}"
            return "disagrees", f"{told}; without a truth it is open which of the two is wrong", opponent
    return "agrees", "", ""


def _reference_error(job: Job, case: ComparisonCase, outcome: Evaluation, reference: Evaluation, kind: str) -> float:
    if kind != "directions":
        return _distance(job, case, outcome.arrays, reference.arrays)
    gradients = tuple(outcome.arrays.values())
    probes = probing_directions(job, case)
    slopes = np.array([_pairing(gradients, direction) for direction in probes])
    lengths = np.array([np.sqrt(_pairing(scaled, scaled)) for scaled in _products(gradients, probes)])
    return float(np.max(np.abs(slopes - reference.arrays["slopes"]) / np.where(lengths > 0, lengths, 1.0)))


def _pairing(left: Arrays, right: Arrays) -> float:
    return float(sum(np.sum((X.conj() * Y).real.astype(np.float64)) for X, Y in zip(left, right, strict=True)))


def _products(gradients: Arrays, probes: list[Arrays]) -> list[Arrays]:
    """Return the terms whose sum a slope is: their length is what a slope's rounding error is relative to."""
    return [tuple(X.conj() * V for X, V in zip(gradients, direction, strict=True)) for direction in probes]


def _wrong_outputs(
    job: Job, case: ComparisonCase, results: Mapping[str, Array], others: Mapping[str, Array], limit: float
) -> tuple[str, ...]:
    """Return the names of the arrays that differ by more than a limit; where only the sum is known, of a single one."""
    if set(results) != set(others):
        return tuple(results) if len(results) == 1 else ()
    return tuple(name for name, error in _distances(job, case, results, others).items() if not error <= limit)


def _distance(job: Job, case: ComparisonCase, results: Mapping[str, Array], others: Mapping[str, Array]) -> float:
    if set(results) != set(others):
        return float("inf")
    return max(_distances(job, case, results, others).values(), default=0.0)


def _distances(
    job: Job, case: ComparisonCase, results: Mapping[str, Array], others: Mapping[str, Array]
) -> dict[str, float]:
    inputs = job.inputs_of(case)

    def error(name: str) -> float:
        X, Y = (in_units(Z[name], name, case.target, inputs) for Z in (results, others))
        return _relative(X, Y, _least(name, case.target, inputs))

    return {name: error(name) for name in results}


def _least(name: str, target: str, inputs: Arrays) -> float:
    """Return what an error is relative to where the result is smaller.

    The squared length of a residual that vanishes is rounding beside that of b, and the logarithm of a determinant near
    1 beside 1.
    """
    if target in DECOMPOSITIONS and "b" in DECOMPOSITIONS[target]().inputs and name.startswith("residuals"):
        return float(np.linalg.norm(inputs[1].astype(np.result_type(inputs[1].dtype, np.float64)))) ** 2
    return 1.0 if target == "slogdet" and name.startswith("logabsdet") else 0.0


def _relative(X: Array, Y: Array, least: float) -> float:
    if X.shape != Y.shape or not least or not (np.all(np.isfinite(X)) and np.all(np.isfinite(Y))):
        return relative_error(X, Y)
    size = float(np.max(np.abs(Y), initial=0.0))
    return relative_error(X, Y) if size >= least else float(np.linalg.norm(X - Y)) / least


def _is_triangular(case: ComparisonCase, outcome: Evaluation) -> bool:
    """Return whether a triangular factor, or its tangent, is exactly zero outside its triangle."""
    factor = TRIANGLES.get(case.target)
    if factor is None:
        return True
    orientation = DECOMPOSITIONS[case.target]().orientation
    triangles = [X for name, X in outcome.arrays.items() if name in (factor, f"{factor}_dot")]
    return not any(np.any(np.tril(orientation.triangle(get_backend("numpy").xp, X), -1)) for X in triangles)


def _backward_error(job: Job, case: ComparisonCase, outcome: Evaluation) -> float | None:
    factor = TRIANGLES.get(case.target)
    if factor is None or case.target not in REDUCED:  # only the truth can judge the others
        return None
    A = job.inputs_of(case)[0]
    rows = by_rows(case.target)
    wide = np.result_type(A.dtype, np.float64)
    s = sizes(A, rows=rows)
    try:
        orthonormal = outcome.arrays["Q"].astype(wide)
        triangle = outcome.arrays[factor].astype(wide) / s
        product = triangle @ orthonormal if rows else orthonormal @ triangle
        adjoint = np.swapaxes(orthonormal.conj(), -1, -2)
        gram = orthonormal @ adjoint if rows else adjoint @ orthonormal
    except (KeyError, ValueError):
        return float("inf")
    identity = np.broadcast_to(np.eye(gram.shape[-1]), gram.shape)
    return max(relative_error(product, A.astype(wide) / s), relative_error(gram, identity))
