"""MXNet's ``grad_req="add"``, which many of its functions take for ``"write"``, in every name of the namespace."""

import numpy as np
import pytest

from unifiedqr.conformance.standard_names import SECTIONS, arrays_of
from unifiedqr.conformance.tolerance import relative_error, tolerance
from unifiedqr.errors import CapabilityError
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.namespace import xp
from unifiedqr_mxnet.pair import ComplexArray

SMOOTH = {
    f"{field} {name}": (case, field)
    for cases in SECTIONS.values()
    for name, case in cases.items()
    for field in case.fields
    if case.smooth and case.truth is None and (hasattr(xp, name) or hasattr(xp.linalg, name) or "x " in name)
}


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
@mx.util.use_np
def test_gradients_add_up_where_that_is_asked_for(case, field):
    try:
        once = gradients_after(case, field, 1)
    except (CapabilityError, TypeError):
        pytest.skip("this name is refused while a computation is recorded, or of complex arrays: see docs/namespace.md")
    for twice, single in zip(gradients_after(case, field, 2), once, strict=True):
        assert relative_error(twice, 2 * np.asarray(single)) <= tolerance("float64", 3, 4, 10.0)
