"""Our functions, as they are measured. This file needs a release of unifiedqr, this or an earlier one, only."""

from collections.abc import Callable
from typing import Any, TypeAlias

import unifiedqr as uqr

Array: TypeAlias = Any
Arrays: TypeAlias = tuple[Array, ...]
Function = Callable[..., Arrays]

DIFFERENTIABLE = {
    "qr-pivoted": slice(0, 2),
    **dict.fromkeys(("lstsq", "lstsq-weighted", "lstsq-damped"), slice(0, 1)),
    "slogdet": slice(1, 2),
}
"""Which of a function's results are measured, if not all: pivots, ranks, singular values and signs are left out."""


# Functions, not lambdas: TensorFlow reads their source, and finds no single one of several lambdas.
def _qr(A: Array) -> Arrays:
    return tuple(uqr.qr(A))


def _qr_r(A: Array) -> Arrays:
    return (uqr.qr(A, mode="r"),)


def _qr_pivoted(A: Array) -> Arrays:
    return tuple(uqr.qr(A, pivoting=True))


def _qr_cholesky(A: Array) -> Arrays:
    return tuple(uqr.qr(A, method="cholesky"))


def _lq(A: Array) -> Arrays:
    return tuple(uqr.lq(A))


def _lstsq(A: Array, b: Array) -> Arrays:
    return tuple(uqr.lstsq(A, b))


def _lstsq_weighted(A: Array, b: Array, w: Array) -> Arrays:
    return tuple(uqr.lstsq(A, b, weights=w))


def _lstsq_damped(A: Array, b: Array, d: Array) -> Arrays:
    return tuple(uqr.lstsq(A, b, damping=d))


def _slogdet(A: Array) -> Arrays:
    return tuple(uqr.slogdet(A))


def _range_finder(A: Array, Omega: Array) -> Arrays:
    return (uqr.range_finder(A, Omega.shape[-1], sketch=Omega, power_iterations=1),)


def _append_rows(R: Array, B: Array) -> Arrays:
    append: Any = getattr(uqr, "qr_append_rows")  # noqa: B009  not every release has it
    return (append(R, B),)


def _update(Q: Array, R: Array, U: Array, V: Array) -> Arrays:
    update: Any = getattr(uqr, "qr_update")  # noqa: B009  nor this
    return tuple(update(Q, R, U, V))


OURS: dict[str, Function] = {
    "qr": _qr,
    "qr-r": _qr_r,
    "r-alone": _qr_r,
    "qr-pivoted": _qr_pivoted,
    "qr-compiled": _qr,
    "qr-cholesky": _qr_cholesky,
    "lq": _lq,
    "lstsq": _lstsq,
    "lstsq-weighted": _lstsq_weighted,
    "lstsq-damped": _lstsq_damped,
    "slogdet": _slogdet,
    "range-finder": _range_finder,
    **(dict.fromkeys(("append-rows", "append-stacked"), _append_rows) if hasattr(uqr, "qr_append_rows") else {}),
    **({"update": _update} if hasattr(uqr, "qr_update") else {}),
}
"""By the names of `unifiedqr_lab.bench.cases`."""

COMPILED = ("qr-compiled",)
"""Those given to the framework's compiler where functions otherwise run eagerly."""


def measured(name: str, function: Function) -> Function:
    """Return a function, ours or another with the same results, restricted to the results that are measured."""
    part = DIFFERENTIABLE.get(name, slice(None))

    def measured(*inputs: Array) -> Arrays:
        return tuple(function(*inputs))[part]

    return measured


def ours(name: str) -> Function:
    """Return our function, restricted to the results that are measured."""
    return measured(name, OURS[name])
