"""What the public rules refuse, and that they say what to do."""

import numpy as np
import pytest

import unifiedqr as uqr
from unifiedqr import rules

Q, R = np.linalg.qr(np.arange(12.0).reshape(4, 3) ** 2)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ((Q, R, Q[:, :2], None), uqr.ShapeError, r"Q_bar has shape \(4, 2\); expected shape \(4, 3\)"),
        ((Q, R, None, R.T[:2]), uqr.ShapeError, r"R_bar has shape \(2, 3\)"),
        ((Q, R, Q.astype(np.float32), None), uqr.DtypeError, "Q_bar has dtype float32; expected dtype float64"),
        ((Q, R.astype(np.complex128), None, None), uqr.DtypeError, "same real or complex"),
        ((Q.T, R, None, None), uqr.ShapeError, "are not reduced factors of one matrix"),
        ((Q[0], R, None, None), uqr.ShapeError, "are not reduced factors of one matrix"),
        ((Q.astype(int), R.astype(int), None, None), uqr.DtypeError, "real or complex floating"),
        ((Q.tolist(), R.tolist(), None, None), uqr.ForeignArrayError, "list, which have no Array API namespace"),
    ],
)
def test_qr_vjp_refuses(arguments, error, says):
    with pytest.raises(error, match=says):
        rules.qr_vjp(*arguments)


def test_jvp_refuses_a_tangent_of_another_shape():
    with pytest.raises(uqr.ShapeError, match=r"A_dot has shape \(3, 4\); expected shape \(4, 3\)"):
        rules.qr_jvp(Q, R, np.ones((3, 4)))
    with pytest.raises(uqr.ShapeError, match=r"A_dot has shape \(4, 3\); expected shape \(3, 4\)"):
        rules.lq_jvp(R.T, Q.T, np.ones((4, 3)))


def test_real_cotangents_and_tangents_do_for_complex_factors():
    Q_complex, R_complex = Q.astype(complex), R.astype(complex)
    mixed = rules.qr_vjp(Q_complex, R_complex, Q, 1j * R_complex)
    assert np.array_equal(mixed, rules.qr_vjp(Q_complex, R_complex, Q_complex, 1j * R_complex))
    tangents = (rules.qr_jvp(Q_complex, R_complex, A_dot) for A_dot in (Q @ R, (Q @ R).astype(complex)))
    for dot, other in zip(*tangents, strict=True):
        assert np.array_equal(dot, other)
    with pytest.raises(uqr.DtypeError, match="Q_bar has dtype float32; expected dtype complex128"):
        rules.qr_vjp(Q_complex, R_complex, Q.astype(np.float32), None)


@pytest.mark.parametrize("dtype", [np.float16, np.longdouble, np.clongdouble])
def test_other_precisions_are_refused(dtype):
    with pytest.raises(uqr.DtypeError, match="of single or double precision"):
        rules.qr_vjp(Q.astype(dtype), R.astype(dtype), None, None)


def test_arrays_that_hide_entries_are_refused():
    masked = np.ma.masked_less(R, 0)
    for arguments in ((np.ma.asarray(Q), R, None, None), (Q, R, None, masked)):
        with pytest.raises(uqr.ForeignArrayError, match=r"got a MaskedArray.*numpy\.ma\.filled"):
            rules.qr_vjp(*arguments)
