"""Calls that type checkers must refuse: an ignored error that is none is an error itself.

Nothing here is run. `ci/lint.sh` has mypy and pyright check it.
"""
# pyright: reportUnnecessaryTypeIgnoreComment=true

import torch

import unifiedqr as uqr


def unknown_options(t: torch.Tensor) -> None:
    uqr.qr(t, mode="oops")  # type: ignore[call-overload]
    uqr.qr([[1.0]], mode="oops")  # type: ignore[call-overload]
    uqr.qr(t, mode="l")  # type: ignore[call-overload]
    uqr.lq(t, mode="r")  # type: ignore[call-overload]
    uqr.rq(t, mode="complete")  # type: ignore[call-overload]
    uqr.ql([[1.0]], mode="complete")  # type: ignore[call-overload]
    uqr.qr(t, method="jacobi")  # type: ignore[call-overload]
    uqr.qr(t, economic=True)  # type: ignore[call-overload]
    uqr.rq(t, pivoting=True)  # type: ignore[call-overload]
    uqr.qr(A=t)  # type: ignore[call-overload]
    uqr.qr(t, "reduced")  # type: ignore[call-overload]


def options_that_exclude_each_other(t: torch.Tensor) -> None:
    uqr.qr(t, rank=2)  # type: ignore[call-overload]
    uqr.lq([[1.0]], rank=2)  # type: ignore[call-overload]
    uqr.qr(t, pivoting=True, method="cholesky")  # type: ignore[call-overload]
    uqr.lq(t, pivoting=True, rank=2.0)  # type: ignore[call-overload]


def options_of_what_is_kept(t: torch.Tensor) -> None:
    uqr.qr_factor(t, mode="r")  # type: ignore[call-overload]
    uqr.lq_factor(t, rank=2)  # type: ignore[call-overload]


def fields_that_are_not_there(t: torch.Tensor) -> None:
    print(uqr.qr(t).P)  # type: ignore[attr-defined]
    print(uqr.lq(t).R)  # type: ignore[attr-defined]
    print(uqr.qr(t, mode="r").Q)  # type: ignore[attr-defined]
    print(uqr.slogdet(t).det)  # type: ignore[attr-defined]
    _Q, _R, _P = uqr.qr(t)  # type: ignore[misc]


def what_is_no_matrix(t: torch.Tensor) -> None:
    uqr.qr()  # type: ignore[call-overload]
    uqr.orth(t, t)  # type: ignore[call-overload]
    uqr.lstsq(t)  # type: ignore[call-overload]
    uqr.lstsq(t, t, rcond="small")  # type: ignore[call-overload]


def updates_of_what_is_not_there(t: torch.Tensor) -> None:
    uqr.qr_update(t, t, t)  # type: ignore[call-overload]
    uqr.qr_insert(t, t, t, 0, "row")  # type: ignore[call-overload]
    uqr.qr_delete(t, t, 0.5)  # type: ignore[call-overload]
    uqr.qr_append_rows(t, t, "rows")  # type: ignore[call-overload]
