"""What type checkers know of a decomposition: its result is of the array type of the input.

Nothing here is run. `ci/lint.sh` has mypy and pyright check it.
"""

from typing import Any, assert_type

import jax
import numpy as np
import torch
from numpy.typing import NDArray

import unifiedqr as uqr


def the_array_decides(t: torch.Tensor, j: jax.Array, x: NDArray[np.complex64]) -> None:
    assert_type(uqr.qr(t), uqr.QRResult[torch.Tensor])
    assert_type(uqr.qr(t).Q, torch.Tensor)
    assert_type(uqr.qr(j).R, jax.Array)
    assert_type(uqr.qr(x).R, NDArray[np.complex64])
    assert_type(uqr.lq(t), uqr.LQResult[torch.Tensor])
    assert_type(uqr.rq(j).R, jax.Array)
    assert_type(uqr.ql(x).L, NDArray[np.complex64])
    Q, R = uqr.qr(t)
    assert_type(Q, torch.Tensor)
    assert_type(R, torch.Tensor)


def a_parameter_is_decomposed_into_tensors(p: torch.nn.Parameter) -> None:
    assert_type(uqr.qr(p), uqr.QRResult[torch.Tensor])
    assert_type(uqr.qr(p, mode="r"), torch.Tensor)
    assert_type(uqr.orth(p), torch.Tensor)


def options(t: torch.Tensor) -> None:
    assert_type(uqr.qr(t, mode="complete", positive=False, method="householder"), uqr.QRResult[torch.Tensor])
    assert_type(uqr.qr(t, mode="r", method="cholesky"), torch.Tensor)
    assert_type(uqr.qr(t, pivoting=True), uqr.PivotedQRResult[torch.Tensor])
    assert_type(uqr.qr(t, pivoting=True, rank=2).Q, torch.Tensor)
    assert_type(uqr.qr(t, mode="complete", pivoting=True), uqr.PivotedQRResult[torch.Tensor])
    assert_type(uqr.qr(t, mode="r", pivoting=True), uqr.PivotedRResult[torch.Tensor])
    assert_type(uqr.lq(t, mode="l"), torch.Tensor)
    assert_type(uqr.lq(t, pivoting=True, rank=2), uqr.PivotedLQResult[torch.Tensor])
    assert_type(uqr.lq(t, mode="l", pivoting=True).L, torch.Tensor)
    assert_type(uqr.rq(t, mode="reduced", positive=False), uqr.RQResult[torch.Tensor])


def built_on_a_decomposition(t: torch.Tensor, j: jax.Array, x: NDArray[np.float64]) -> None:
    assert_type(uqr.lstsq(t, t), uqr.LstsqResult[torch.Tensor])
    assert_type(uqr.lstsq(t, [1.0, 2.0], pivoting=True, rcond=1e-9).x, torch.Tensor)
    assert_type(uqr.lstsq([[1.0], [2.0]], j).x, jax.Array)
    assert_type(uqr.interpolative(t, 3), uqr.InterpolativeResult[torch.Tensor])
    assert_type(uqr.interpolative(j, rtol=1e-6).T, jax.Array)
    assert_type(uqr.interpolative([[1.0]], 1), uqr.InterpolativeResult[Any])
    assert_type(uqr.range_finder(x, 3, sketch=0), NDArray[np.float64])
    assert_type(uqr.range_finder(t, 3, sketch=t, power_iterations=2), torch.Tensor)
    assert_type(uqr.orth(x), NDArray[np.float64])
    assert_type(uqr.null_space(j), jax.Array)
    assert_type(uqr.left_null_space(t), torch.Tensor)
    assert_type(uqr.slogdet(t), uqr.SlogdetResult[torch.Tensor])
    assert_type(uqr.slogdet(x).sign, NDArray[np.float64])


def updated_factors(t: torch.Tensor, j: jax.Array, x: NDArray[np.float64]) -> None:
    assert_type(uqr.qr_update(t, t, t, [1.0, 2.0]), uqr.QRResult[torch.Tensor])
    assert_type(uqr.qr_insert(j, j, [1.0, 2.0], 0).Q, jax.Array)
    assert_type(uqr.qr_insert(x, x, x, [0, 2], "columns", positive=False).R, NDArray[np.float64])
    assert_type(uqr.qr_delete(t, t, range(2)), uqr.QRResult[torch.Tensor])
    assert_type(uqr.qr_delete(x, x, np.int64(1), which="rows"), uqr.QRResult[NDArray[np.float64]])
    assert_type(uqr.qr_append_rows(t, t, positive=False), torch.Tensor)
    assert_type(uqr.qr_append_rows([[1.0]], [2.0]), Any)


def factors_that_are_kept(t: torch.Tensor, j: jax.Array, x: NDArray[np.float64]) -> None:
    assert_type(uqr.qr_factor(t), uqr.QRFactor[torch.Tensor])
    assert_type(uqr.qr_factor(j, mode="complete", pivoting=True).apply([1.0]), jax.Array)
    assert_type(uqr.lq_factor(x).L, NDArray[np.float64])
    assert_type(uqr.lq_factor(t).lstsq(t), uqr.LstsqResult[torch.Tensor])
    assert_type(uqr.qr_factor([[1.0]]).solve([1.0]), Any)


def what_has_another_dtype_is_any(t: torch.Tensor, x: NDArray[np.float64]) -> None:
    assert_type(uqr.qr(x, pivoting=True).P, Any)
    assert_type(x[:, uqr.qr(x, pivoting=True).P], NDArray[np.float64])
    assert_type(uqr.slogdet(t).logabsdet, Any)
    assert_type(uqr.lstsq(t, t).rank, Any)


def numbers_and_what_is_unknown_are_any(unknown: Any, pivoting: bool, t: torch.Tensor) -> None:
    assert_type(uqr.qr([[1.0, 2.0], [3.0, 4.0]]), Any)
    assert_type(uqr.qr([[1.0, 2.0]], pivoting=True, rank=1), Any)
    assert_type(uqr.qr([[1.0, 2.0]], mode="r"), Any)
    assert_type(uqr.qr([t, t]), Any)
    assert_type(uqr.qr(t, pivoting=pivoting), Any)
    assert_type(uqr.rq(((1.0, 2.0),)).Q, Any)
    assert_type(uqr.orth([[1.0]]), Any)
    assert_type(uqr.lstsq([[1.0]], [1.0]).x, Any)
    assert_type(uqr.qr(unknown).Q, Any)
