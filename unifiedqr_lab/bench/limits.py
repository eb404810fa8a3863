"""For which matrices CholeskyQR is faster: the limits that fit what was measured, for an adapter."""

import itertools
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from unifiedqr.arrays.operations import Limits
from unifiedqr_lab.bench.cases import GROUPS, read_case
from unifiedqr_lab.bench.results import Benchmark, FrameworkResult


def best_limits(ratios: Mapping[str, float]) -> Limits | None:
    """Return the limits within which CholeskyQR gains most, over cases with their ratios Householder / CholeskyQR.

    The gain is the product of the ratios within them, so that a loss counts as much as a gain. None if there are
    no limits within which anything is gained.
    """
    shapes = [read_case(case).shape for case in ratios]
    gains: Any = np.array([math.log(ratio) for ratio in ratios.values()])
    m, n = (_array(shape[place] for shape in shapes) for place in (-2, -1))
    sizes = _array(math.prod(shape) for shape in shapes)

    def masks(values: Iterable[int], *, most: bool, of: Any) -> list[tuple[int, Any]]:
        return [(int(x), of <= x if most else of >= x) for x in sorted({*values}, reverse=most)]

    best, found = 0.0, None
    for (columns, a), (narrowest, b), (slenderness, c), (rows, d), (entries, e) in itertools.product(
        masks(n.tolist(), most=True, of=n),
        masks(n.tolist(), most=False, of=n),
        masks((m // n).tolist(), most=False, of=m // n),
        masks(m.tolist(), most=False, of=m),
        masks((0, *sizes.tolist()), most=False, of=sizes),
    ):
        gained = float(gains[a & b & c & d & e].sum())
        if gained > best * (1 + 1e-12):
            best, found = gained, Limits(slenderness, columns, rows, narrowest, entries)
    return found


def _array(numbers: Iterable[int]) -> Any:
    return np.array(list(numbers), dtype=int)


def limits_told(benchmark: Benchmark, framework: FrameworkResult) -> str:
    """Return the line to be pasted, "" where it was not measured."""
    quantities = {result.case: result.quantity(framework.compared).ratio for result in framework.results}
    ratios = {case: ratio for case, ratio in quantities.items() if ratio and case in GROUPS["limits"]}
    if not ratios:
        return ""
    place = benchmark.device or "cpu"
    found = best_limits(ratios)
    if found is None:
        return f"limits = None  # CholeskyQR is not faster in {framework.name} on {place}"
    told = ", ".join(f"{name}={value}" for name, value in found._asdict().items())
    return f"limits = Limits({told})  # measured in {framework.name} on {place}"
