"""The derivative formulas by themselves, on plain arrays of any Array API library; no autodiff is involved."""

from unifiedqr.rules.applied import (
    qr_apply_adjoint_jvp,
    qr_apply_adjoint_vjp,
    qr_apply_jvp,
    qr_apply_vjp,
)
from unifiedqr.rules.complete import qr_complete_jvp, qr_complete_vjp
from unifiedqr.rules.determinant import slogdet_jvp, slogdet_vjp
from unifiedqr.rules.least_squares import lstsq_jvp, lstsq_vjp
from unifiedqr.rules.lowrank import interpolative_jvp, interpolative_vjp, range_finder_jvp, range_finder_vjp
from unifiedqr.rules.lq import lq_jvp, lq_vjp
from unifiedqr.rules.mirrors import (
    lq_complete_jvp,
    lq_complete_vjp,
    lq_l_jvp,
    lq_l_vjp,
    lq_pivoted_jvp,
    lq_pivoted_vjp,
    null_space_vjp,
    ql_jvp,
    ql_vjp,
    rq_jvp,
    rq_vjp,
)
from unifiedqr.rules.pivoted import qr_pivoted_jvp, qr_pivoted_vjp
from unifiedqr.rules.qr import qr_jvp, qr_vjp
from unifiedqr.rules.spaces import left_null_space_vjp, orth_jvp, orth_vjp
from unifiedqr.rules.triangle_only import qr_r_jvp, qr_r_vjp
from unifiedqr.rules.updated import qr_append_jvp, qr_append_vjp, qr_update_jvp, qr_update_vjp
from unifiedqr.rules.weighted import lstsq_weighted_jvp, lstsq_weighted_vjp

__all__ = [
    "interpolative_jvp",
    "interpolative_vjp",
    "left_null_space_vjp",
    "lq_complete_jvp",
    "lq_complete_vjp",
    "lq_jvp",
    "lq_l_jvp",
    "lq_l_vjp",
    "lq_pivoted_jvp",
    "lq_pivoted_vjp",
    "lq_vjp",
    "lstsq_jvp",
    "lstsq_vjp",
    "lstsq_weighted_jvp",
    "lstsq_weighted_vjp",
    "null_space_vjp",
    "orth_jvp",
    "orth_vjp",
    "ql_jvp",
    "ql_vjp",
    "qr_append_jvp",
    "qr_append_vjp",
    "qr_apply_adjoint_jvp",
    "qr_apply_adjoint_vjp",
    "qr_apply_jvp",
    "qr_apply_vjp",
    "qr_complete_jvp",
    "qr_complete_vjp",
    "qr_jvp",
    "qr_pivoted_jvp",
    "qr_pivoted_vjp",
    "qr_r_jvp",
    "qr_r_vjp",
    "qr_update_jvp",
    "qr_update_vjp",
    "qr_vjp",
    "range_finder_jvp",
    "range_finder_vjp",
    "rq_jvp",
    "rq_vjp",
    "slogdet_jvp",
    "slogdet_vjp",
]
