"""What a notebook shows of results: shapes, dtypes, small values, and the gradient goes on."""

import re

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr.backend import DTYPES


def test_a_result_shows_its_arrays(backend, rng):
    A = rng.standard_normal((5, 3))
    told = uqr.qr(backend.from_numpy(A))._repr_html_()
    assert "<caption>QRResult</caption>" in told
    assert "5 × 3" in told
    assert "3 × 3" in told
    assert told.count("float64") >= 2
    R = backend.to_numpy(uqr.qr(backend.from_numpy(A)).R)
    assert f"{R[0, 0]:.2f}"[:4] in told


def test_every_kind_of_result_can_be_shown(rng):
    A = rng.standard_normal((4, 4))
    for result in (
        *(uqr.qr(A, pivoting=pivoting, mode=mode) for pivoting in (False, True) for mode in ("reduced", "complete")),
        *(uqr.lq(A), uqr.lq(A, pivoting=True), uqr.rq(A), uqr.ql(A), uqr.slogdet(A), uqr.lstsq(A, A)),
        *(uqr.qr(A, mode="r", pivoting=True), uqr.lq(A, mode="l", pivoting=True)),
    ):
        if isinstance(result, tuple):
            told = result._repr_html_()
            assert re.findall(r'<th scope="row">(\w+)</th>', told) == list(result._fields)
    assert "scalar" in uqr.slogdet(A)._repr_html_()
    assert "<script" not in told


def test_large_arrays_are_not_written_out(rng):
    told = uqr.qr(rng.standard_normal((100, 50)))._repr_html_()
    assert "100 × 50" in told
    assert len(told) < 1000


@pytest.mark.skipif("torch" not in uqr.backends() or not uqr.backends()["torch"].available, reason="needs torch")
def test_showing_a_result_does_not_cut_its_gradient(rng):
    import torch

    A = torch.tensor(rng.standard_normal((4, 3)), requires_grad=True)
    found = uqr.qr(A)
    assert "grad_fn" in found._repr_html_()
    (found.R**2).sum().backward()
    np.testing.assert_allclose(A.grad.numpy(), 2 * A.detach().numpy(), rtol=1e-12)  # the squares of R are those of A


def test_a_diagnosis_shows_its_sentences():
    found = uqr.diagnose([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
    told = found._repr_html_()
    assert found.dtype in DTYPES
    assert told.count("<li>") == len(found.sentences)
    assert "no derivative exists" in told
