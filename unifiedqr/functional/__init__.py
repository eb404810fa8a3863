"""What users call: check the input, find its backend, bind the primitive, give the result its form."""

from unifiedqr.functional.least_squares import lstsq
from unifiedqr.functional.over import rows_over
from unifiedqr.functional.qr_lq import lq, qr
from unifiedqr.functional.rq_ql import ql, rq
from unifiedqr.functional.spaces import left_null_space, null_space, orth, slogdet
from unifiedqr.functional.updates import qr_append_rows, qr_delete, qr_insert, qr_update

__all__ = [
    "left_null_space",
    "lq",
    "lstsq",
    "null_space",
    "orth",
    "ql",
    "qr",
    "qr_append_rows",
    "qr_delete",
    "qr_insert",
    "qr_update",
    "rows_over",
    "rq",
    "slogdet",
]
