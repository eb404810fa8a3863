"""MXNet's ``grad_req="add"``, which many of its functions take for ``"write"``, in every name of the namespace."""

import json
from pathlib import Path

import numpy as np
import pytest

from unifiedqr_lab.conformance.namespace_table import RIGHT
from unifiedqr_lab.conformance.standard_names import SECTIONS, arrays_of
from unifiedqr_lab.conformance.tolerance import relative_error, tolerance
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.namespace import xp
from unifiedqr_mxnet.pair import ComplexArray

STORED = json.loads((Path(__file__).parents[2] / "docs/namespace.json").read_text())["table"]["mxnet"]
SMOOTH = {
    f"{field} {name}": (case, field)
    for subject, cases in SECTIONS.items()
    for name, case in cases.items()
    for field in case.fields
    if case.smooth and STORED[f"{subject}/{name}"][field] == RIGHT
}
"""What has a gradient, which the table says is right where it is written."""


def gradients_after(case, field, times):
    given = [xp.asarray(arrays_of(field)[letter]) for letter in case.arrays]
    varied = [x for x in given if isinstance(x, ComplexArray) or np.dtype(x.dtype).kind == "f"]
    for x in varied:
        x.attach_grad("add")
    with mx.autograd.record():
        found = case.call(xp, *given)
        total = 0.0
        for n, x in enumerate(found if isinstance(found, tuple) else (found,)):
            total = total + xp.sum(xp.real(x) * (n + 1) + 2 * xp.imag(x))
    for _ in range(times):
        total.backward(retain_graph=True)
    return [x.grad.asnumpy() for x in varied]


@pytest.mark.parametrize(("case", "field"), SMOOTH.values(), ids=SMOOTH)
@pytest.mark.filterwarnings("ignore::DeprecationWarning:mxnet")  # of NumPy, where MXNet takes indices
@mx.util.use_np
def test_gradients_add_up_where_that_is_asked_for(case, field):
    once = gradients_after(case, field, 1)
    for twice, single in zip(gradients_after(case, field, 2), once, strict=True):
        assert relative_error(twice, 2 * np.asarray(single)) <= tolerance("float64", 3, 4, 10.0)
