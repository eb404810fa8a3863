"""Every way in which users of PyTorch take values and derivatives: right, and by our rules.

The rest of the dtypes and shapes are run for the table of capabilities.
"""

import pytest
from torch.fx.proxy import TraceError

from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import get_backend
from unifiedqr_lab.conformance.capabilities import TIMES
from unifiedqr_lab.conformance.case_checks import doubled
from unifiedqr_lab.conformance.problems import problem
from unifiedqr_lab.instruments import instruments

BACKEND = get_backend("torch")

REFUSED = {
    "torch.func.functionalize": "NYI: Functionalize rule for custom_function_call",
    "torch.func.functionalize of torch.func.vjp": "NYI: Functionalize rule for custom_function_call",
    "torch.jit.trace, saved and loaded": "Could not export Python function call 'unifiedqr_qr'",
    "torch.jit.script": "TorchScript compiles a part of Python that has no functions with any number of arguments",
    "torch.fx.symbolic_trace": "a symbolic trace has no values to choose by",
    "torch.autograd.grad twice through torch.compile, aot_eager": "AOT Autograd gives no double backward",
}
"""What PyTorch does not do, and what it says."""

BY_THE_NATIVE_RULE = {
    "backward through torch.export",
    "backward through torch.export, strict",
    "backward through torch.export, saved and loaded",
    "torch.func.jvp of torch.export",
    "torch.autograd.grad twice through torch.export",
}
"""An exported program is made of PyTorch's operators alone, and is differentiated as they are."""

TRANSFORMS = [transform for transform in instruments(BACKEND.name).transforms() if "inductor" not in transform.name]


def factors_of(primitive):
    function = BACKEND.bind(primitive)
    return lambda *matrices: tuple(X for A in matrices for X in function(A))


RUNS = [(transform, dtype) for transform in TRANSFORMS for dtype in ("float64", "complex128")[: 2 - transform.slow]]


# PyTorch warns of what it deprecates, of anomaly mode, and of itself.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("transform", "dtype"), RUNS, ids=[f"{transform.name}, {dtype}" for transform, dtype in RUNS])
def test_our_rule_is_what_runs(transform, dtype):
    """A rule that gives twice the derivative doubles it, and quadruples a second one."""
    shapes = ["wide"] if transform.slow else ["deep", "square", "wide"]
    given = problem("qr", dtype, shapes, batched=transform.batched)
    arrays = [tuple(map(BACKEND.from_numpy, part)) for part in given.given(transform.kind)]

    def error(primitive, times=1):
        results = transform.run(factors_of(primitive), *arrays)
        return given.error(transform.kind, tuple(map(BACKEND.to_numpy, results)), times)

    primitive, bound = DECOMPOSITIONS["qr"](), given.bounds[transform.kind]
    if transform.name in REFUSED:
        with pytest.raises((RuntimeError, TraceError)):
            error(primitive)
        return
    times = 1 if transform.name in BY_THE_NATIVE_RULE else TIMES[transform.kind]
    assert error(doubled(primitive), times) <= bound


def test_names_are_unique_and_the_listed_ones_exist():
    names = [transform.name for transform in TRANSFORMS]
    assert len(names) == len(set(names))
    assert {*names} >= {*REFUSED, *BY_THE_NATIVE_RULE}
