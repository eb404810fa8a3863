"""Every way in which MXNet's users take values and derivatives: right, and by our rule, or refused."""

import pytest

import unifiedqr as uqr
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.errors import CapabilityError
from unifiedqr_lab.conformance.case_checks import doubled
from unifiedqr_lab.conformance.problems import problem
from unifiedqr_lab.instruments import instruments

BACKEND = uqr.get_backend("mxnet")
TRANSFORMS = instruments(BACKEND.name).transforms()
pytestmark = pytest.mark.usefixtures("semantics")


def run(transform, row, given):
    """Run a transform of the joint decomposition of several matrices."""
    decompose = BACKEND.bind(row)

    def factors(*matrices):
        return tuple(X for A in matrices for X in decompose(A))

    arrays = [tuple(map(BACKEND.from_numpy, part)) for part in given]
    return tuple(map(BACKEND.to_numpy, transform.run(factors, *arrays)))


@pytest.mark.parametrize("transform", TRANSFORMS, ids=lambda transform: transform.name)
@pytest.mark.parametrize(("decomposition", "dtype"), [("qr", "float64"), ("lq", "complex128")])
def test_transform(transform, decomposition, dtype):
    row, given = DECOMPOSITIONS[decomposition](), problem(decomposition, dtype, batched=transform.batched)
    kind, arguments = transform.kind, given.given(transform.kind)
    if kind in ("jvp", "hvp") and not transform.name.startswith("explicit rule"):
        with pytest.raises(CapabilityError, match="mxnet"):
            run(transform, row, arguments)
        return
    assert given.error(kind, run(transform, row, arguments)) <= given.bounds[kind]
    times = {"value": 1, "vjp": 2, "jvp": 2, "hvp": 4}[kind]
    assert given.error(kind, run(transform, doubled(row), arguments), times) <= given.bounds[kind]


def test_names_are_unique():
    assert len({transform.name for transform in TRANSFORMS}) == len(TRANSFORMS)
