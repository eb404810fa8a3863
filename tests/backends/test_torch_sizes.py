"""`torch.export` for named sizes that are known only later."""

import pytest
import torch
from torch.export import Dim

import unifiedqr as uqr
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance


class Factors(torch.nn.Module):
    def forward(self, A):
        return tuple(uqr.qr(A))


@pytest.mark.parametrize(
    ("sizes", "shape"),
    [({1: Dim("rows", min=4)}, (2, 9, 3)), ({2: Dim("columns", min=2, max=5)}, (2, 6, 5))],
    ids=["rows", "columns"],
)
def test_a_stack_is_exported_for_any_rows_or_columns(sizes, shape):
    A = torch.asarray(random((2, 6, 3), complex_=True, seed=1))
    program = torch.export.export(Factors(), (A,), dynamic_shapes=(sizes,)).module()
    B = torch.asarray(random(shape, complex_=True, seed=2))
    bound = tolerance("complex128", *shape[1:], leading_condition(B))
    for X, Y in zip(program(B), uqr.qr(B), strict=True):
        assert relative_error(X.numpy(), Y.numpy()) <= bound
