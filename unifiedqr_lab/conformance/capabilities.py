"""The table of capabilities: what each framework does with our decompositions and with its own, found by running it.

Every `Transform` of a backend is run on problems whose truth is known. A planted wrong rule, twice the right
derivative, shows whether our rule ran: a first derivative must double, a second one quadruple.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from unifiedqr._typing import Arrays
from unifiedqr.backend import DTYPES, HALF_DTYPES, Backend
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.functional import lq, ql, qr, rq
from unifiedqr_lab.conformance.case_checks import doubled
from unifiedqr_lab.conformance.members import member, member_problem
from unifiedqr_lab.conformance.problems import SHAPES, Problem, problem
from unifiedqr_lab.conformance.tolerance import FACTOR, eps, relative_error
from unifiedqr_lab.instruments import Transform, instruments

FUNCTIONS: dict[str, Callable[..., Arrays]] = {"qr": qr, "lq": lq, "rq": rq, "ql": ql}

FIELDS = {"real": "float64", "complex": "complex128"}

OURS, RIGHT, BYPASS, WRONG = "ours", "right", "right, by the native rule", "WRONG"
TIMES = {"value": 1, "vjp": 2, "jvp": 2, "hvp": 4}
"""What a rule of twice the derivative multiplies each kind by."""

Verdicts = dict[str, str]

PLANTED_SHOWS = 0.1
"""Relative change from which a planted rule counts as seen."""

OF_MEMBERS = "complex128"
"""The dtype in which transforms are run on every decomposition."""


ALL = {"qr": DTYPES, "lq": DTYPES, "native": tuple(f"{shape} {field}" for field in FIELDS for shape in SHAPES)}
"""What is run for a transform."""

SLOW = {"qr": ("float64",), "native": ("deep real",)}
"""What is run for one whose runs take seconds."""


def capabilities_of(backend: Backend, transform: Transform) -> dict[str, Verdicts]:
    """Run one transform on everything.

    Parameters
    ----------
    backend : Backend
        The framework.
    transform : Transform
        One of its transforms.

    Returns
    -------
    dict of str to dict
        For each of our decompositions a verdict per dtype: ``"ours"`` (right, and by our rule), ``"right"`` (a value),
        ``"right, by the native rule"``, ``"WRONG"`` or ``"refused: "`` and the class of the error. Under ``"native"`` a
        verdict on the framework's own function per shape and field, if it has one.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # frameworks warn of their own functions here
        wanted = SLOW if transform.slow else ALL
        found = {
            name: _verdicts_on_ours(backend, transform, name, wanted[name]) for name in DECOMPOSITIONS if name in wanted
        }
        native = instruments(backend.name).natives().get("qr")
        if native is not None:
            found["native"] = _verdicts_on_native(backend, transform, native, wanted["native"])
    return found


def members_of(backend: Backend, transform: Transform) -> Verdicts:
    """Run one transform on every member of the table, the planted rule first: if that is seen, the true one was right.

    Parameters
    ----------
    backend : Backend
        The framework.
    transform : Transform
        One of its transforms.

    Returns
    -------
    dict of str to str
        A verdict per member, as `capabilities_of` gives them.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # frameworks warn of their own functions here
        verdicts = {name: _verdict(partial(_judge_member, backend, transform, name)) for name in DECOMPOSITIONS}
    instruments(backend.name).release()
    return verdicts


def _judge_member(backend: Backend, transform: Transform, name: str) -> str:
    kind, row = transform.kind, DECOMPOSITIONS[name]()
    given = member_problem(name, OF_MEMBERS, kind, batched=transform.batched)
    planted = _run(backend, transform, member(backend, doubled(row), kind, complex_=True), given.given(kind))
    if kind != "value" and given.error(kind, planted, TIMES[kind]) <= given.bounds[kind]:
        return OURS
    results = _run(backend, transform, member(backend, row, kind, complex_=True), given.given(kind))
    if given.error(kind, results) > given.bounds[kind]:
        return WRONG
    if kind == "value":
        return RIGHT
    # Where a rule reads the matrix itself, a planted second derivative mixes twice and four times the true one.
    return OURS if kind == "hvp" and given.error(kind, planted) > PLANTED_SHOWS else BYPASS


def _verdicts_on_ours(backend: Backend, transform: Transform, decomposition: str, dtypes: tuple[str, ...]) -> Verdicts:
    verdicts: Verdicts = {}
    for dtype in dtypes:
        given = problem(decomposition, dtype, batched=transform.batched)
        verdicts[dtype] = _verdict(lambda given=given: _judge(backend, transform, decomposition, given))
    for dtype in () if transform.slow else HALF_DTYPES:
        if hasattr(backend.xp, dtype):
            verdicts[dtype] = _verdict(lambda dtype=dtype: _judge_half(backend, transform, decomposition, dtype))
    return verdicts


def _verdict(judge: Callable[[], str]) -> str:
    try:
        return judge()
    except Exception as error:  # whatever a framework raises is its verdict, shown in the table
        return f"refused: {type(error).__name__}"


def _judge(backend: Backend, transform: Transform, decomposition: str, given: Problem) -> str:
    kind = transform.kind
    if given.error(kind, _run(backend, transform, _ours(decomposition), given.given(kind))) > given.bounds[kind]:
        return WRONG
    if kind == "value":
        return RIGHT
    wrong_rule = _joined(backend.bind(doubled(DECOMPOSITIONS[decomposition]())))
    results = _run(backend, transform, wrong_rule, given.given(kind))
    if given.error(kind, results, TIMES[kind]) <= given.bounds[kind]:
        return OURS
    return BYPASS if given.error(kind, results) <= given.bounds[kind] else f"{BYPASS} in part"


def _judge_half(backend: Backend, transform: Transform, decomposition: str, dtype: str) -> str:
    """Compare half precision with single precision for the same rounded numbers, and check its dtype.

    It is computed in single precision: its error is one rounding of the results, not 50 of them.
    """
    given, xp, function = problem(decomposition, "float32", batched=transform.batched), backend.xp, _ours(decomposition)
    half = [
        tuple(xp.astype(backend.from_numpy(X), getattr(xp, dtype)) for X in arrays)
        for arrays in given.given(transform.kind)
    ]
    single = [tuple(xp.astype(X, xp.float32) for X in arrays) for arrays in half]
    results, truth = transform.run(function, *half), transform.run(function, *single)
    bound = given.bounds[transform.kind] * eps(dtype) / eps("float32") / FACTOR
    pairs = zip(results, truth, strict=True)
    right = all(relative_error(backend.to_numpy(X), backend.to_numpy(true)) <= bound for X, true in pairs)
    return RIGHT if right and all(backend.dtype_name(X) == dtype for X in results) else WRONG


def _verdicts_on_native(
    backend: Backend, transform: Transform, function: Callable[..., Arrays], cells: tuple[str, ...]
) -> Verdicts:
    """Judge the framework's own QR, shape by shape, in the gauge of the truth: its signs are made constants."""
    verdicts: Verdicts = {}
    for cell in cells:
        shape, field = cell.split()
        given = problem("qr", FIELDS[field], (shape,), batched=transform.batched)
        verdicts[cell] = _verdict(lambda given=given: _judge_native(backend, transform, function, given))
    return verdicts


def _judge_native(backend: Backend, transform: Transform, function: Callable[..., Arrays], given: Problem) -> str:
    A = given.primals[0]
    alone = A[0] if transform.batched else A
    _, R = function(backend.from_numpy(alone))
    diagonal = np.diagonal(backend.to_numpy(R))
    signs = np.where(diagonal.real < 0, -1.0, 1.0).astype(A.dtype)
    columns, rows = backend.from_numpy(signs[None, :]), backend.from_numpy(signs[:, None])

    def in_positive_gauge(X: Any) -> Arrays:
        Q, R = function(X)
        return Q * columns, rows * R

    results = transform.run(in_positive_gauge, *_handed_over(backend, given.given(transform.kind)))
    error = given.error(transform.kind, tuple(map(backend.to_numpy, results)))
    return RIGHT if error <= given.bounds[transform.kind] else WRONG


def _run(backend: Backend, transform: Transform, function: Callable[..., Arrays], given: Any) -> Arrays:
    return tuple(map(backend.to_numpy, transform.run(function, *_handed_over(backend, given))))


def _handed_over(backend: Backend, given: Any) -> list[Arrays]:
    return [tuple(map(backend.from_numpy, arrays)) for arrays in given]


def _ours(decomposition: str) -> Callable[..., Arrays]:
    return _joined(FUNCTIONS[decomposition])


def _joined(decompose: Callable[..., Arrays]) -> Callable[..., Arrays]:
    """Return the function of several matrices that gives the factors of all of them."""

    def factors(*matrices: Any) -> Arrays:
        return tuple(X for A in matrices for X in decompose(A))

    return factors
