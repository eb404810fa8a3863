"""One case in one framework: what runs is timed, ours and the framework's alternately; what does not says why."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from unifiedqr._typing import Array, Arrays
from unifiedqr.backend import Backend
from unifiedqr_lab.bench import memory
from unifiedqr_lab.bench.cases import PARTS, BenchmarkCase
from unifiedqr_lab.bench.flops import backward_flops, forward_flops
from unifiedqr_lab.bench.machine import putting
from unifiedqr_lab.bench.ours import COMPILED, Function, ours
from unifiedqr_lab.bench.release import Release
from unifiedqr_lab.bench.results import CaseResult, Memory, Quantity
from unifiedqr_lab.bench.rounds import Elsewhere, Timing, timing
from unifiedqr_lab.bench.subjects import Candidate, candidates, cotangents_of, inputs_of, taken
from unifiedqr_lab.compare.job import digest_of
from unifiedqr_lab.instruments import instruments

Run = Callable[[], object]
Maker = Callable[[Candidate], Run]

BY_DIFFERENCE = "by difference"
"""How a backward is timed where a framework runs it only together with the forward."""

LONGEST_REASON = 110
"""Characters of a framework's message that are shown."""


class Prepared(NamedTuple):
    """What has run once, so that it is compiled; or why not."""

    run: Run | None
    via: str = ""
    reason: str = ""


def measure(
    backend: Backend, case: BenchmarkCase, seconds: float, release: Release | None = None, device: str = ""
) -> CaseResult:
    """Time one case.

    Parameters
    ----------
    backend : Backend
        The framework.
    case : BenchmarkCase
        What to run.
    seconds : float
        Divided among forward, backward, and both.
    release : Release, optional
        An earlier one, timed in the same rounds: its forward, and both.
    device : str
        Where the arrays are, unless the framework chooses.

    Returns
    -------
    CaseResult
    """
    given = inputs_of(case)
    put = putting(backend, device)
    inputs = tuple(map(put, given))
    makers, reason, bars = _makers(backend, case, inputs, put)
    previous, lacking = release.prepare(case.name, taken(case.name, given), bars) if release and makers else ({}, "")
    share = seconds / 3
    timed = {what: _timed(_pair(backend, case, make), share, previous.get(what)) for what, make in makers.items()}
    forward, both, backward = (timed.get(what, Quantity(reason=reason)) for what in ("forward", "both", "backward"))
    if "both" in timed and "backward" not in timed:
        backward = _difference(both, forward)
    flops = (forward_flops(case), backward_flops(case))
    return CaseResult(case.id, forward, backward, both, *flops, sha256=digest_of(*given), lacking=lacking)


def measure_memory(backend: Backend, case: BenchmarkCase) -> Memory | None:
    """Measure the peaks of one case, of forward and backward or, where there is no derivative, of the forward.

    Parameters
    ----------
    backend : Backend
        The framework, in a process that returns memory as soon as it is freed.
    case : BenchmarkCase
        What to run.

    Returns
    -------
    Memory or None
        None where ours does not run.
    """
    put = putting(backend, "")
    makers, *_ = _makers(backend, case, tuple(map(put, inputs_of(case))), put)
    for what in ("both", "forward"):
        if what in makers:
            mine, theirs = (prepared.run for prepared in _pair(backend, case, makers[what]))
            if mine is not None:
                return Memory(None if theirs is None else memory.peak(theirs), memory.peak(mine), what)
    return None


def _makers(
    backend: Backend, case: BenchmarkCase, inputs: Arrays, put: Callable[[Any], Array]
) -> tuple[dict[str, Maker], str, Arrays]:
    """Return what makes a run of each quantity from a function, why some are missing, and the cotangents."""
    compiled, mine = instruments(backend.name).compiled, taken(case.name, inputs)
    if case.name in COMPILED and compiled(ours(case.name)) is None:
        return {}, f"{backend.name} has no compiler besides that of its programs", ()

    def made(f: Function) -> Function:
        return f if case.name not in COMPILED else compiled(f) or f

    def forward(candidate: Candidate) -> Run:
        program, given = instruments(backend.name).program(made(candidate.run)), inputs[candidate.takes]

        def run() -> Arrays:
            outputs = program(*given)
            instruments(backend.name).wait(tuple(outputs))
            return outputs

        return run

    try:
        outputs: Arrays = instruments(backend.name).program(ours(case.name))(*mine)
        bars = cotangents_of(case, tuple(map(backend.to_numpy, outputs)))
    except Exception as error:  # whatever a framework raises is what is shown
        return {}, brief(error), ()
    cotangents = tuple(map(put, bars))

    def both(candidate: Candidate) -> Run:
        program, given = instruments(backend.name).gradient_program(made(candidate.run)), inputs[candidate.takes]

        def run() -> tuple[Arrays, Arrays]:
            outputs, gradients = program(given, cotangents)
            instruments(backend.name).wait((*outputs, *gradients))
            return outputs, gradients

        return run

    def backward(candidate: Candidate) -> Run:
        program = instruments(backend.name).pullback_program(made(candidate.run))
        assert program is not None
        pullback = program(inputs[candidate.takes])

        def run() -> Arrays:
            gradients = pullback(cotangents)
            instruments(backend.name).wait(tuple(gradients))
            return gradients

        return run

    if "vjp" not in backend.plugin.capabilities:
        return {"forward": forward}, f"{backend.name} has no autodiff", bars
    together = instruments(backend.name).pullback_program(ours(case.name)) is None
    return {"forward": forward, "both": both, **({} if together else {"backward": backward})}, "", bars


def _pair(backend: Backend, case: BenchmarkCase, make: Maker) -> tuple[Prepared, Prepared]:
    """Prepare ours and the first of the framework's ways that runs."""
    takes = slice(PARTS.get(case.name))
    mine = _prepared((Candidate(ours(case.name), takes=takes),), make, "")
    theirs = _prepared(candidates(backend, case.name), make, f"{backend.name} has no {case.name} of its own")
    return mine, theirs


def _prepared(functions: Sequence[Candidate], make: Maker, otherwise: str) -> Prepared:
    reasons: list[str] = []
    for candidate in functions:
        try:
            run = make(candidate)
            run()
        except Exception as error:  # whatever a framework raises is what is shown
            reasons.append(brief(error))
        else:
            return Prepared(run, candidate.via)
    return Prepared(None, reason=next(iter(reasons), otherwise))


def _timed(pair: tuple[Prepared, Prepared], seconds: float, previous: Elsewhere | None) -> Quantity:
    mine, theirs = pair
    if mine.run is None:
        return Quantity(reason=mine.reason)
    return Quantity(timing(mine.run, theirs.run, seconds, previous=previous), theirs.via, theirs.reason)


def _difference(both: Quantity, forward: Quantity) -> Quantity:
    """Return the backward as what both take beyond the forward; noise may leave nothing of it."""
    if both.timing is None or forward.timing is None:
        return Quantity(reason=both.reason or forward.reason)
    mine = both.timing.ours - forward.timing.ours
    if mine <= 0:
        return Quantity(reason="too short to be told from the forward")
    theirs, ratio = None, None
    if both.timing.native is not None and forward.timing.native is not None and both.via == forward.via:
        theirs = max(0.0, both.timing.native - forward.timing.native)
        ratio = theirs / mine
    rounds = min(both.timing.rounds, forward.timing.rounds)
    return Quantity(Timing(mine, theirs, ratio, None, None, rounds), BY_DIFFERENCE, both.reason)


def brief(error: Exception) -> str:
    """Return what an error says in one short line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    told = lines[-1] if lines[0].endswith(":") else lines[0]  # TensorFlow's begin with where it was
    return told if len(told) <= LONGEST_REASON else f"{told[: LONGEST_REASON - 1]}…"
