"""The fixed random cotangents and tangents, the same numbers in every process.

They are standard normal in the units of the matrix: with s_j = 2^round(log2 ||A[:, j]||) the size of column j (of row i
for LQ, RQ), a tangent of A and of R has the factor s_j and a cotangent of A and of R the factor 1 / s_j. So no column
drowns the others, however the data are scaled, and `in_units` measures errors the same way.
"""

import zlib
from collections.abc import Sequence

import numpy as np

from unifiedqr._typing import Array
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import get_backend
from unifiedqr.kernels.pivoting import greedy_pivots
from unifiedqr_lab.conformance.inputs import decomposed

TRIANGLES = {name: row().triangle for name, row in DECOMPOSITIONS.items()}
"""The factor that scales with A, where there is one."""

ORDERED = tuple(name for name, row in DECOMPOSITIONS.items() if "P" in row().outputs)
"""The decompositions whose triangle has its columns (rows) in the order of the pivots."""


def by_rows(target: str) -> bool:
    """Return whether the rows of A are what a decomposition orthonormalizes; the columns otherwise."""
    return target in DECOMPOSITIONS and DECOMPOSITIONS[target]().orientation.adjoint


def sizes(A: Array, *, rows: bool) -> Array:
    """Return the norms of the columns (rows) of A rounded to powers of two, in a shape that broadcasts against A."""
    if A.ndim < 2:
        return np.ones((), dtype=np.float64)
    wide = np.abs(A).astype(np.float64)
    largest = np.max(wide, axis=-1 if rows else -2, keepdims=True, initial=0.0)
    safe = np.where(largest > 0, largest, 1.0)
    norms = safe * np.sqrt(np.sum((wide / safe) ** 2, axis=-1 if rows else -2, keepdims=True))
    return np.where(largest > 0, 2.0 ** np.round(np.log2(np.where(norms > 0, norms, 1.0))), 1.0)


def triangle_sizes(target: str, inputs: Sequence[Array]) -> Array:
    """Return the `sizes` of the columns (rows) of A in the order that the triangular factor of a target has."""
    rows, A = by_rows(target), decomposed(DECOMPOSITIONS[target](), tuple(inputs))
    s = sizes(A, rows=rows)
    if target not in ORDERED:
        return s
    xp = get_backend("numpy").xp
    turned = DECOMPOSITIONS[target]().orientation.matrix(xp, A.astype(np.result_type(A.dtype, np.float64)))
    order = greedy_pivots(xp, turned, min(A.shape[-2:]))
    return np.take_along_axis(s, order.swapaxes(-1, -2) if rows else order, -2 if rows else -1)


def draw(seed: int, tag: str, shape: Sequence[int], dtype: str) -> Array:
    """Return standard normal numbers that depend on the seed, the tag and the shape alone; complex as the dtype is."""
    generator = np.random.Generator(np.random.PCG64([seed, zlib.crc32(tag.encode())]))
    real: Array = generator.standard_normal(tuple(shape))
    return real + 1j * generator.standard_normal(tuple(shape)) if dtype.startswith("complex") else real


def tangents(seed: int, case_id: str, target: str, inputs: Sequence[Array]) -> tuple[Array, ...]:
    """Return one tangent per input, in its dtype."""
    return tuple(
        (draw(seed, f"{case_id} tangent {i}", A.shape, A.dtype.name) * sizes(A, rows=by_rows(target))).astype(A.dtype)
        for i, A in enumerate(inputs)
    )


def cotangent(seed: int, case_id: str, name: str, output: Array, inputs: Sequence[Array], target: str) -> Array | None:
    """Return the cotangent of one output, in its dtype: 1 for a real scalar, None for one that is not floating."""
    if output.dtype.kind not in "fc":
        return None
    if output.shape == () and output.dtype.kind == "f":
        return np.ones((), dtype=output.dtype)
    X = draw(seed, f"{case_id} cotangent {name}", output.shape, output.dtype.name)
    if TRIANGLES.get(target) == name:
        return (X / triangle_sizes(target, inputs)).astype(output.dtype)
    return X.astype(output.dtype)


def in_units(X: Array, name: str, target: str, inputs: Sequence[Array]) -> Array:
    """Scale an array of a decomposition's case, named as `evaluate` names it, so that all columns (rows) are alike."""
    if target not in TRIANGLES or not X.size:
        return X
    triangle, wide = TRIANGLES[target], X.astype(np.result_type(X.dtype, np.float64))
    if name == "A_bar":
        return wide * sizes(inputs[0], rows=by_rows(target))
    if triangle and name in (triangle, f"{triangle}_dot"):
        return wide / triangle_sizes(target, inputs)
    if name in ("x", "x_dot") and DECOMPOSITIONS[target]().sides["x"].startswith("n"):
        return wide * sizes(inputs[0], rows=False).swapaxes(-1, -2)
    return wide
