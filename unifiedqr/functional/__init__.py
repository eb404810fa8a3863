"""What users call: check the input, find its backend, bind the primitive, give the result its form."""

from unifiedqr.functional.factor import LQFactor, QRFactor, lq_factor, qr_factor
from unifiedqr.functional.least_squares import lstsq
from unifiedqr.functional.lowrank import interpolative, range_finder
from unifiedqr.functional.over import rows_over
from unifiedqr.functional.qr_lq import lq, qr
from unifiedqr.functional.rq_ql import ql, rq
from unifiedqr.functional.spaces import left_null_space, null_space, orth, slogdet
from unifiedqr.functional.updates import qr_append_rows, qr_delete, qr_insert, qr_update

__all__ = [
    "LQFactor",
    "QRFactor",
    "interpolative",
    "left_null_space",
    "lq",
    "lq_factor",
    "lstsq",
    "null_space",
    "orth",
    "ql",
    "qr",
    "qr_append_rows",
    "qr_delete",
    "qr_factor",
    "qr_insert",
    "qr_update",
    "range_finder",
    "rows_over",
    "rq",
    "slogdet",
]
