"""The decompositions of NumPy itself and, pivoted, of SciPy: what ours are measured against."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy
import scipy.linalg

Arrays = tuple[np.ndarray, ...]


def _qr_r(A: np.ndarray) -> Arrays:
    R: Any = np.linalg.qr(A, mode="r")
    return (R,)


def _qr_pivoted(A: np.ndarray) -> Arrays:
    factors: Any = scipy.linalg.qr(A, mode="economic", pivoting=True)
    return factors


def _lstsq(A: np.ndarray, b: np.ndarray) -> Arrays:
    solution: Any = np.linalg.lstsq(A, b, rcond=None)
    return solution


def _update(Q: np.ndarray, R: np.ndarray, U: np.ndarray, V: np.ndarray) -> Arrays:
    linalg: Any = scipy.linalg  # whose types lack it
    return linalg.qr_update(Q, R, U, V)


NATIVES: dict[str, Callable[..., Arrays]] = {
    "qr": np.linalg.qr,
    "qr-r": _qr_r,
    "qr-pivoted": _qr_pivoted,
    "lstsq": _lstsq,
    "slogdet": np.linalg.slogdet,
    "update": _update,
}


def blas() -> str:
    """Return what NumPy multiplies with, and SciPy decomposes with."""
    told = {module.__name__: module.show_config(mode="dicts")["Build Dependencies"] for module in (np, scipy)}
    named = {name: built["blas" if name == "numpy" else "lapack"] for name, built in told.items()}
    return "; ".join(f"{name}: {library['name']} {library['version']}" for name, library in named.items())
