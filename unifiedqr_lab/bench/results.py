"""What a benchmark found: per framework and case the timings, memory and operations, and how they are kept as JSON."""

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from unifiedqr.errors import InputError
from unifiedqr_lab.bench.cases import GROUPS, SUMMARIZED, groups_of
from unifiedqr_lab.bench.machine import Machine
from unifiedqr_lab.bench.rounds import Timing
from unifiedqr_lab.bench.sharded import ScalingResult
from unifiedqr_lab.files import write_json
from unifiedqr_lab.pages.page import fragment

FORMAT = "unifiedqr-benchmark"
VERSION = 1

QUANTITIES = {"forward": "forward", "backward": "backward", "both": "forward + backward"}
"""What is timed, and what it is called."""


@dataclass(frozen=True)
class Quantity:
    """One thing that was timed.

    Attributes
    ----------
    timing : Timing or None
        None where ours could not be timed.
    via : str
        How the framework's users do it where the framework lacks the function.
    reason : str
        Why there is no timing, or none of the framework's.
    """

    timing: Timing | None = None
    via: str = ""
    reason: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times as fast ours is."""
        return None if self.timing is None else self.timing.ratio

    @property
    def gain(self) -> float | None:
        """How many times as fast ours is as that of an earlier release."""
        return None if self.timing is None else self.timing.gain


@dataclass(frozen=True)
class Memory:
    """MiB at the peak, above what was in use before; `of` names the quantity, "both" or "forward"."""

    native: float | None
    ours: float
    of: str


@dataclass(frozen=True)
class CaseResult:
    """What was found for one case.

    Attributes
    ----------
    case : str
        Its id.
    forward, backward, both : Quantity
        The function, its derivative alone, and one after the other.
    forward_flops, backward_flops : float or None
        Operations of the model algorithms.
    memory : Memory or None
        Of both, or of the forward where there is no derivative; None where it was not measured.
    sha256 : str
        Of the inputs; "" in files of earlier versions.
    lacking : str
        Why a requested earlier release was not timed; "" if it was.
    """

    case: str
    forward: Quantity
    backward: Quantity
    both: Quantity
    forward_flops: float | None = None
    backward_flops: float | None = None
    memory: Memory | None = None
    sha256: str = ""
    lacking: str = ""

    def quantity(self, name: str) -> Quantity:
        """Return one of `QUANTITIES`."""
        return {"forward": self.forward, "backward": self.backward, "both": self.both}[name]

    @property
    def dtype(self) -> str:
        """The dtype of the case."""
        return self.case.rpartition(":")[2]


@dataclass(frozen=True)
class FrameworkResult:
    """What was found in one framework.

    Attributes
    ----------
    name : str
        The backend.
    versions : dict of str to str
        Of the framework and of NumPy.
    gemm : dict of str to float
        Operations per second of a large matrix product in the framework, by dtype.
    results : tuple of CaseResult
        In the order of the cases; fewer if it did not finish.
    failure : str
        Why it did not, or what else failed; "" if nothing did.
    blas : str
        Its linear algebra; "" if it does not say.
    """

    name: str
    versions: dict[str, str] = field(default_factory=dict[str, str])
    gemm: dict[str, float] = field(default_factory=dict[str, float])
    results: tuple[CaseResult, ...] = ()
    failure: str = ""
    blas: str = ""

    def fractions(self, result: CaseResult) -> dict[str, float | None]:
        """Return the fraction of the rate of a matrix product at which the forward and the backward of ours ran."""
        found: dict[str, float | None] = {}
        for name, flops in (("forward", result.forward_flops), ("backward", result.backward_flops)):
            timing = result.quantity(name).timing
            found[name] = None if timing is None else self._fraction(flops, timing.ours, result.dtype)
        return found

    def _fraction(self, flops: float | None, seconds: float, dtype: str) -> float | None:
        rate = self.gemm.get(dtype)
        return None if flops is None or rate is None or seconds <= 0 else flops / seconds / rate

    @property
    def compared(self) -> str:
        """The quantity whose ratios are summarized: both, or the forward where the framework has no derivative."""
        return "both" if any(result.both.timing for result in self.results) else "forward"

    def summary(self, *, gains: bool = False) -> tuple["Summary", ...]:
        """Return the ratios of each group of `SUMMARIZED` in two numbers, or the gains of every group."""
        found: list[Summary] = []
        for group in GROUPS if gains else SUMMARIZED:
            quantities = {result.case: result.quantity(self.compared) for result in self.results}
            told = {case: quantity.gain if gains else quantity.ratio for case, quantity in quantities.items()}
            ratios = {case: x for case, x in told.items() if x and group in groups_of(case)}
            if ratios:
                worst = min(ratios, key=lambda case: ratios[case])
                mean = statistics.geometric_mean(ratios.values())
                found.append(Summary(group, self.compared, len(ratios), mean, ratios[worst], worst))
        return tuple(found)


@dataclass(frozen=True)
class Summary:
    """The ratios of one quantity in a group: how many, their geometric mean, the worst and its case."""

    group: str
    quantity: str
    count: int
    mean: float
    worst: float
    case: str


@dataclass(frozen=True)
class Benchmark:
    """A machine and what was found on it, in every framework.

    Attributes
    ----------
    machine : Machine
        Where and when.
    seconds : float
        Given to each case.
    cases : tuple of str
        Their ids.
    frameworks : tuple of FrameworkResult
        In the order in which they ran.
    memory : str
        Why peaks of memory were not measured; "" if they were.
    command : str
        What was typed to measure it; "" if that is not known.
    sharded : ScalingResult or None
        The measurements of one matrix on several workers.
    against : str
        Version of the earlier release that was timed too; "" if none was.
    device : str
        Where it was measured; "" for each framework's default device.
    """

    machine: Machine
    seconds: float
    cases: tuple[str, ...]
    frameworks: tuple[FrameworkResult, ...]
    memory: str = ""
    command: str = ""
    sharded: ScalingResult | None = None
    against: str = ""
    device: str = ""

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of the inputs of each case, as far as they are known."""
        return {r.case: r.sha256 for framework in reversed(self.frameworks) for r in framework.results if r.sha256}

    def to_dict(self) -> dict[str, Any]:
        """Return everything, ready for JSON."""
        told: dict[str, Any] = {"format": FORMAT, "version": VERSION, **asdict(self)}
        for framework, of_framework in zip(self.frameworks, told["frameworks"], strict=True):
            for result, of_case in zip(framework.results, of_framework["results"], strict=True):
                of_case["groups"] = groups_of(result.case)
                of_case["gemm_fractions"] = framework.fractions(result)
        return told

    def _repr_html_(self) -> str:
        rows = [
            (f.name, s.group, QUANTITIES[s.quantity], str(s.count), f"{s.mean:.2f}", f"{s.worst:.2f}", s.case)
            for f in self.frameworks
            for s in f.summary()
        ]
        where = f"{self.machine.processor}, {self.machine.threads} threads, unifiedqr {self.machine.unifiedqr}"
        failed = [f"{f.name}: {f.failure}" for f in self.frameworks if f.failure]
        headings = ("framework", "group", "of", "cases", "geometric mean", "worst", "case of the worst")
        return fragment("Ratios native / ours: above 1 ours is faster", headings, rows, texts=3, after=[where, *failed])

    def to_json(self, path: Path) -> None:
        """Write everything as a JSON file, whole or not at all."""
        write_json(path, self.to_dict())

    @classmethod
    def read(cls, path: Path) -> "Benchmark":
        """Read what `to_json` wrote.

        Raises
        ------
        InputError
            The file is missing or something else.
        """
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            if told["format"] != FORMAT or told["version"] != VERSION:
                raise InputError(f"{path} is a {told['format']!r} of version {told['version']}; {VERSION} is read.")
            frameworks = tuple(map(framework_from, told["frameworks"]))
            kept = (told["seconds"], tuple(told["cases"]), frameworks, told["memory"])
            return cls(
                Machine(**told["machine"]),
                *kept,
                command=told.get("command", ""),
                sharded=None if told.get("sharded") is None else ScalingResult.read(told["sharded"]),
                against=told.get("against", ""),
                device=told.get("device", ""),
            )
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
        except (ValueError, KeyError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path} is not a {FORMAT} ({type(error).__name__}: {error}).") from error


def framework_from(told: Mapping[str, Any]) -> FrameworkResult:
    """Return the results of a framework from what `asdict` made of them."""
    results = tuple(map(_case_from, told["results"]))
    named = (told["name"], dict(told["versions"]), dict(told["gemm"]))
    return FrameworkResult(*named, results, told["failure"], told.get("blas", ""))


def with_peak(result: CaseResult, peaks: Mapping[str, Any]) -> CaseResult:
    """Return a result with the memory found for its case, if any was."""
    told = peaks.get(result.case)
    return replace(result, memory=None if told is None else Memory(**told))


def _case_from(told: Mapping[str, Any]) -> CaseResult:
    return CaseResult(
        told["case"],
        _quantity_from(told["forward"]),
        _quantity_from(told["backward"]),
        _quantity_from(told["both"]),
        told["forward_flops"],
        told["backward_flops"],
        None if told["memory"] is None else Memory(**told["memory"]),
        told.get("sha256", ""),
        told.get("lacking", ""),
    )


def _quantity_from(told: Mapping[str, Any]) -> Quantity:
    timing = None if told["timing"] is None else Timing(**told["timing"])
    return Quantity(timing, told["via"], told["reason"])
