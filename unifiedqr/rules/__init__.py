"""The derivative formulas by themselves, on plain arrays of any Array API library; no autodiff is involved."""

from unifiedqr.rules.lq import lq_jvp, lq_vjp
from unifiedqr.rules.qr import qr_jvp, qr_vjp

__all__ = ["lq_jvp", "lq_vjp", "qr_jvp", "qr_vjp"]
