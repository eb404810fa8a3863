"""The decompositions of NumPy itself and, pivoted, of SciPy: what ours are measured against."""

from collections.abc import Callable

import numpy as np
import scipy.linalg

Arrays = tuple[np.ndarray, ...]


def _qr_r(A: np.ndarray) -> Arrays:
    R: np.ndarray = np.linalg.qr(A, mode="r")  # pyright: ignore[reportAssignmentType] NumPy's stubs say it is a pair
    return (R,)


def _qr_pivoted(A: np.ndarray) -> Arrays:
    return scipy.linalg.qr(A, mode="economic", pivoting=True)


def _lstsq(A: np.ndarray, b: np.ndarray) -> Arrays:
    return np.linalg.lstsq(A, b, rcond=None)


NATIVES: dict[str, Callable[..., Arrays]] = {
    "qr": np.linalg.qr,
    "qr-r": _qr_r,
    "qr-pivoted": _qr_pivoted,
    "lstsq": _lstsq,
    "slogdet": np.linalg.slogdet,
}
