"""The derivative formulas by themselves, on plain arrays of any Array API library; no autodiff is involved."""

from unifiedqr.rules.lq import lq_jvp, lq_vjp
from unifiedqr.rules.ql import ql_jvp, ql_vjp
from unifiedqr.rules.qr import qr_jvp, qr_vjp
from unifiedqr.rules.rq import rq_jvp, rq_vjp

__all__ = ["lq_jvp", "lq_vjp", "ql_jvp", "ql_vjp", "qr_jvp", "qr_vjp", "rq_jvp", "rq_vjp"]
