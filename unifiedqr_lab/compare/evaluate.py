"""One case in one backend: its value, VJP, JVP or Hessian-vector product, as NumPy arrays under fixed names.

Outputs are named by their field (``Q``, ``R``, ``L``) or position, gradients ``A_bar``, tangents ``Q_dot``. A backend
without any autodiff (NumPy) runs the explicit rules for decompositions, and says so.
"""

import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import unifiedqr as uqr
from unifiedqr._typing import Array, Arrays
from unifiedqr.arrays.namespaces import LackingFunctionError
from unifiedqr.backend import Backend
from unifiedqr.decomposition import DECOMPOSITIONS, REDUCED, Primitive
from unifiedqr.errors import CapabilityError, ShapeError, UnifiedQRError
from unifiedqr.trees import flatten_named
from unifiedqr_lab.compare.directions import cotangent, tangents
from unifiedqr_lab.compare.job import FUNCTION, ComparisonCase, Job
from unifiedqr_lab.conformance.case_checks import projector, projector_dot
from unifiedqr_lab.conformance.golden import TRUTH_BACKEND
from unifiedqr_lab.conformance.inputs import defined
from unifiedqr_lab.conformance.members import space

AUTODIFF = "autodiff"
RULE = "explicit rule"


@dataclass(frozen=True)
class Evaluation:
    """What one backend gave for one case and derivative.

    Attributes
    ----------
    status : str
        ``"ok"``, ``"cannot"`` (the framework has no such derivative) or ``"failed"``.
    reason : str
        Why not, if not.
    via : str
        How: the framework's autodiff, the explicit rule, or the kind of reference.
    arrays : dict of str to numpy.ndarray
        The results by name.
    seconds : float
        Time it took.
    """

    status: str
    reason: str = ""
    via: str = AUTODIFF
    arrays: dict[str, Array] = field(default_factory=dict[str, Array])
    seconds: float = 0.0


def outcome(
    backend: Backend, job: Job, case: ComparisonCase, derivative: str, f: Callable[..., Any] | None
) -> Evaluation:
    """Evaluate, and turn whatever goes wrong into an `Evaluation` that says so."""
    start = time.perf_counter()
    try:
        arrays, via = evaluate(backend, job, case, derivative, f)
    except Exception as error:
        # A name that a namespace lacks is a fault of the function, and no derivative that the framework lacks.
        if isinstance(error, CapabilityError) and not isinstance(error, LackingFunctionError):
            return Evaluation("cannot", str(error))
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if isinstance(error, UnifiedQRError) else f" ({Path(place.filename).name}, line {place.lineno})"
        lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["no message"]
        # MXNet's message is a whole C++ trace, with the error somewhere inside.
        told = next((line for line in lines if "Error: " in line), lines[0])
        return Evaluation("failed", f"{type(error).__name__}: {told}{where}")
    return Evaluation("ok", "", via, arrays, time.perf_counter() - start)


def evaluate(
    backend: Backend, job: Job, case: ComparisonCase, derivative: str, f: Callable[..., Any] | None
) -> tuple[dict[str, Array], str]:
    """Return the named results and how they were obtained."""
    inputs = job.inputs_of(case)
    primals = tuple(backend.from_numpy(A) for A in inputs)
    if case.target != FUNCTION and not backend.plugin.capabilities:
        return _by_rule(backend, job, case, derivative, primals), RULE
    names: list[str] = []
    flat = flattened(_target(backend, case, f), names)
    flat.__name__ = job.function.label if job.function and case.target == FUNCTION else case.target
    directions = tuple(backend.from_numpy(X) for X in tangents(job.seed, case.id, case.target, inputs))
    if derivative == "value":
        outputs = flat(*primals)
        _check_scalar(job, case, backend, outputs)
        return _named(backend, names, outputs), AUTODIFF
    if derivative == "vjp":
        outputs, pullback = uqr.vjp(flat, *primals)
        gradients = pullback(_cotangents(backend, job, case, names, outputs))
        return _named(backend, [f"{name}_bar" for name in argument_names(case)], gradients), AUTODIFF
    if derivative == "jvp":
        _, pushed = uqr.jvp(flat, primals, directions)
        return _named(backend, [f"{name}_dot" for name in names], pushed), AUTODIFF
    if "second-order" not in backend.plugin.capabilities:
        raise CapabilityError(f"{backend.name} cannot do second order")
    outputs = flat(*primals)
    if len(outputs) != 1 or tuple(outputs[0].shape) != () or "complex" in backend.dtype_name(outputs[0]):
        raise CapabilityError("a Hessian-vector product needs a function with one real scalar output")
    products = uqr.hvp(_only(flat), primals, directions)
    return _named(backend, [f"H_{name}_dot" for name in argument_names(case)], products), AUTODIFF


def _only(flat: Callable[..., Arrays]) -> Callable[..., Array]:
    """Return the first output of a flat function by itself, under the function's name."""

    def first(*arrays: Any) -> Array:
        return flat(*arrays)[0]

    first.__name__ = flat.__name__
    return first


def argument_names(case: ComparisonCase) -> list[str]:
    """Name the arguments: as the decomposition does; of a function A, or x0, x1, ... where there are several."""
    if case.target != FUNCTION:
        return list(DECOMPOSITIONS[case.target]().inputs)
    return ["A"] if len(case.inputs) == 1 else [f"x{i}" for i in range(len(case.inputs))]


def flattened(f: Callable[..., Any], names: list[str]) -> Callable[..., Arrays]:
    """Return f with its outputs in a flat tuple; `names` receives their names at each call."""

    def flat(*arrays: Any) -> Arrays:
        leaves, found = flatten_named(f(*arrays))
        names[:] = [name or "value" for name in found]
        return tuple(leaves)

    return flat


def _target(backend: Backend, case: ComparisonCase, f: Callable[..., Any] | None) -> Callable[..., Any]:
    if case.target == FUNCTION:
        assert f is not None
        return f
    if case.target in REDUCED:
        return getattr(uqr, case.target)
    row = DECOMPOSITIONS[case.target]()
    return partial(_results, backend, defined(row) if backend.name == TRUTH_BACKEND else row)


def _results(backend: Backend, row: Primitive, *inputs: Array) -> Any:
    """Return what users get of a decomposition by name; for a basis that matters through its space, the projector."""
    found = backend.bind(row)(*inputs)[: row.results]
    if row.spans:
        return {"projector": space(backend.xp, found[0], complex_="complex" in backend.dtype_name(found[0]))}
    return OrderedDict(zip(row.outputs, found, strict=False))


def _by_rule(backend: Backend, job: Job, case: ComparisonCase, derivative: str, primals: Arrays) -> dict[str, Array]:
    row, xp = DECOMPOSITIONS[case.target](), backend.xp
    outputs = row.forward(xp, *primals)
    names = ["projector"] if row.spans else list(row.outputs[: row.results])
    results = (projector(outputs[0]),) if row.spans else outputs[: row.results]
    if derivative == "value":
        return _named(backend, names, results)
    kept = row.kept(primals, outputs)
    if derivative == "vjp":
        bars = _cotangents(backend, job, case, names, results)
        if row.spans and bars[0] is not None:
            bars = ((bars[0] + np.conj(bars[0].swapaxes(-1, -2))) @ outputs[0],)
        hidden = [None] * (len(outputs) - row.results)
        gradients = row.gradients(xp, kept, (*bars, *hidden))
        return _named(backend, [f"{name}_bar" for name in row.inputs], gradients)
    directions = tangents(job.seed, case.id, case.target, job.inputs_of(case))
    dots = row.jvp(xp, kept, tuple(backend.from_numpy(X) for X in directions))[: row.results]
    if row.spans:
        dots = (projector_dot(outputs[0], dots[0]),)
    return _named(backend, [f"{name}_dot" for name in names], dots)


def _cotangents(
    backend: Backend, job: Job, case: ComparisonCase, names: list[str], outputs: Arrays
) -> tuple[Array | None, ...]:
    inputs = job.inputs_of(case)
    drawn: list[Array | None] = []
    for name, output in zip(names, outputs, strict=True):
        shaped = np.empty(tuple(output.shape), dtype=_numpy_dtype(backend, output, case))
        if case.target != FUNCTION and name in DECOMPOSITIONS[case.target]().discrete:
            drawn.append(None)
            continue
        X = cotangent(job.seed, case.id, name, shaped, inputs, case.target)
        drawn.append(None if X is None else backend.from_numpy(X))
    return tuple(drawn)


def _numpy_dtype(backend: Backend, output: Array, case: ComparisonCase) -> Any:
    """Return the dtype a cotangent is rounded to: the case's precision even where the arithmetic is wider."""
    kind = np.dtype(backend.dtype_name(output)).kind
    single = case.dtype in ("float32", "complex64")
    if kind not in "fc":
        return np.dtype(np.int64)
    return np.dtype({"f": "f4" if single else "f8", "c": "c8" if single else "c16"}[kind])


def _named(backend: Backend, names: list[str], arrays: Arrays) -> dict[str, Array]:
    return {name: np.asarray(backend.to_numpy(X)) for name, X in zip(names, arrays, strict=True)}


def _check_scalar(job: Job, case: ComparisonCase, backend: Backend, outputs: Arrays) -> None:
    if case.target != FUNCTION or job.function is None or not job.function.scalar:
        return
    first = outputs[0] if len(outputs) == 1 else None
    if first is None or tuple(getattr(first, "shape", (1,))) != () or "complex" in backend.dtype_name(first):
        came = f"{len(outputs)} outputs"
        if first is not None:
            came = f"shape {tuple(getattr(first, 'shape', '?'))}, dtype {backend.dtype_name(first)}"
        raise ShapeError(
            f"{job.function.label} must give a real scalar and gave {came}; reduce it with xp.sum or xp.real"
        )
