"""Every function of the Array API standard 2024.12 with its ``linalg``, and every operator, as programs to be run.

A case takes a namespace and arrays, and returns an array or several. What the standard leaves open, such as the phases
of singular vectors, a case removes.
"""

# pyright: basic
# The arrays of these programs are of any framework, and their functions whatever a namespace has.
# ruff: noqa: ARG005 (a case takes a namespace, whether or not it asks it for a name)

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from unifiedqr._typing import Array, Namespace
from unifiedqr_lab.conformance.matrices import random

FIELDS = ("real", "complex")

Program = Callable[..., Any]


@dataclass(frozen=True)
class NameCase:
    """What one name must do.

    Attributes
    ----------
    call : callable
        Takes a namespace and arrays.
    arrays : str
        The arrays it takes, by their letters in `arrays_of`.
    fields : tuple of str
        Which of the `FIELDS` the arrays may have, by the standard.
    smooth : bool
        Whether the result has a derivative with respect to the arrays.
    truth : callable or None
        The same in NumPy, where its namespace lacks the name.
    """

    call: Program
    arrays: str = "X"
    fields: tuple[str, ...] = FIELDS
    smooth: bool = True
    truth: Program | None = None


def arrays_of(field: str) -> dict[str, Any]:
    """Return the arrays that cases take, by letter: of a field, and of integers (i, j, k) and booleans (b, c)."""
    complex_ = field == "complex"
    bounded = {
        letter: 0.5
        + 0.1
        * np.clip(random((3, 4), complex_=complex_, seed=seed).view(float), -2, 2).view(complex if complex_ else float)
        for letter, seed in (("U", 1), ("V", 2))
    }
    inf, nan = np.inf, np.nan
    return bounded | {
        "h": np.array([1.0, nan, inf, -inf]) if not complex_ else np.array([1j, complex(nan, 1), complex(inf, 1), -1]),
        "X": random((3, 4), complex_=complex_, seed=3),
        "Y": random((3, 4), complex_=complex_, seed=4),
        "S": random((3, 3), complex_=complex_, seed=5) + 2 * np.eye(3),
        "T": random((2, 3, 3), complex_=complex_, seed=6),
        "v": random((4,), complex_=complex_, seed=7),
        "i": np.array([[3, -1, 2, 0], [5, 5, -4, 1], [7, 2, 2, -3]]),
        "j": np.array([[1, 2, 3, 1], [2, 2, 1, 3], [1, 1, 2, 3]]),
        "k": np.array([2, 0, 1, 1]),
        "b": np.array([True, False, True, True]),
        "c": np.array([[True], [True], [False]]),
    }


def definite(xp: Namespace, S: Array) -> Array:
    """Return S S^H + 1, Hermitian and positive definite."""
    return xp.matmul(S, xp.conj(xp.matrix_transpose(S))) + xp.astype(xp.eye(3), S.dtype)


def doubled(xp: Namespace, x: Array) -> Array:
    """Return x, which has the framework's default dtype, in double precision."""
    return xp.astype(x, xp.float64)


def _named(names: str, arrays: str, **options: Any) -> dict[str, NameCase]:
    """Return cases that pass their arrays on to the function of that name."""
    return {
        name: NameCase(lambda xp, *args, name=name: getattr(xp, name)(*args), arrays, **options)
        for name in names.split()
    }


def _along(names: str, arrays: str, **options: Any) -> dict[str, NameCase]:
    """Return cases of reductions: over all axes, along one, along two of a stack, which stay with length one."""

    def case(name: str) -> NameCase:
        def call(xp: Namespace, X: Array, T: Array) -> Any:
            f = getattr(xp, name)
            return f(X), f(X, axis=0), f(X, axis=-1, keepdims=True), f(T, axis=(0, -1), keepdims=True)

        return NameCase(call, arrays, **options)

    return {name: case(name) for name in names.split()}


REAL: Any = {"fields": ("real",)}
STEPS: Any = {"fields": ("real",), "smooth": False}

ELEMENTWISE = {
    **_named("acos asin atan atanh log log10 log1p log2 reciprocal sqrt", "U"),
    "imag": NameCase(lambda xp, X: xp.imag(X), fields=("complex",)),
    "acosh": NameCase(lambda xp, U: xp.acosh(1 + U), "U"),
    **_named("abs asinh cos cosh exp expm1 negative positive real sign sin sinh square tan tanh conj", "X"),
    **_named("ceil floor trunc signbit", "X", **STEPS),
    "round": NameCase(lambda xp, X: xp.round(X), "X", smooth=False),
    **_named("isfinite isinf isnan", "h", smooth=False),
    "logical_not": NameCase(lambda xp, b: xp.logical_not(b), "b", **STEPS),
    "bitwise_invert": NameCase(lambda xp, i: xp.bitwise_invert(i), "i", **STEPS),
    **_named("add subtract multiply divide", "XY"),
    "pow": NameCase(lambda xp, U, X: (xp.pow(U, X), xp.pow(U, 2), xp.pow(X, 3), xp.pow(X, -2)), "UX"),
    **_named("atan2 copysign hypot logaddexp maximum minimum", "XY", **REAL),
    "remainder": NameCase(lambda xp, X, V: xp.remainder(X, V), "XV", **REAL),
    "floor_divide": NameCase(lambda xp, X, V, i, j: (xp.floor_divide(X, V), xp.floor_divide(i, j)), "XVij", **STEPS),
    "nextafter": NameCase(lambda xp, X, Y: xp.nextafter(X, Y), "XY", **STEPS),
    "equal": NameCase(lambda xp, X, Y: xp.equal(X, xp.where(xp.abs(X) > 1, X, Y)), "XY", smooth=False),
    "not_equal": NameCase(lambda xp, X, Y: xp.not_equal(X, xp.where(xp.abs(X) > 1, X, Y)), "XY", smooth=False),
    **_named("less less_equal greater greater_equal", "XY", **STEPS),
    **_named("logical_and logical_or logical_xor", "bc", **STEPS),
    **_named("bitwise_and bitwise_or bitwise_xor bitwise_left_shift bitwise_right_shift", "ij", **STEPS),
    "clip": NameCase(
        lambda xp, X, Y: (xp.clip(X, -0.5, 0.5), xp.clip(X, None, 0.1), xp.clip(X, max=xp.abs(Y))), "XY", **REAL
    ),
    "where": NameCase(lambda xp, X, Y, b: (xp.where(b, X, Y), xp.where(b, X, 0.0)), "XYb"),
}

REDUCTIONS = {
    **_along("sum mean prod", "XT"),
    **_along("max min", "XT", **REAL),
    **_along("std var", "XT", **REAL),
    **_along("all any count_nonzero", "XT", smooth=False),
    **{
        name: NameCase(
            lambda xp, X, name=name: (getattr(xp, name)(X), getattr(xp, name)(X, axis=1, keepdims=True)), **STEPS
        )
        for name in ("argmax", "argmin")
    },
    "cumulative_sum": NameCase(
        lambda xp, X, v: (xp.cumulative_sum(v), xp.cumulative_sum(X, axis=-2, include_initial=True)), "Xv"
    ),
    "cumulative_prod": NameCase(
        lambda xp, X, v: (xp.cumulative_prod(v), xp.cumulative_prod(X, axis=-2, include_initial=True)), "Xv"
    ),
    "diff": NameCase(lambda xp, X, Y: (xp.diff(X), xp.diff(X, axis=0, n=2), xp.diff(X, prepend=Y, append=Y)), "XY"),
}

SEARCHES = {
    "sort": NameCase(lambda xp, X: (xp.sort(X), xp.sort(X, axis=0, descending=True)), **REAL),
    "argsort": NameCase(lambda xp, X: (xp.argsort(X), xp.argsort(X, axis=0, descending=True)), **STEPS),
    "nonzero": NameCase(lambda xp, i: xp.nonzero(i), "i", **STEPS),
    "searchsorted": NameCase(lambda xp, v, X: xp.searchsorted(xp.sort(v), X[0, ...], side="right"), "vX", **STEPS),
    "isin": NameCase(lambda xp, i, k: (xp.isin(i, k), xp.isin(i, k, invert=True)), "ik", **STEPS),
    "unique_all": NameCase(lambda xp, i: tuple(xp.unique_all(i)), "i", **STEPS),
    "unique_counts": NameCase(lambda xp, i: tuple(xp.unique_counts(i)), "i", **STEPS),
    "unique_inverse": NameCase(lambda xp, i: tuple(xp.unique_inverse(i)), "i", **STEPS),
    "unique_values": NameCase(lambda xp, i: xp.unique_values(i), "i", **STEPS),
    "take": NameCase(lambda xp, X, v, k: (xp.take(X, k, axis=1), xp.take(v, k), xp.take(X, k, axis=-2)), "Xvk"),
    "take_along_axis": NameCase(lambda xp, X, k: xp.take_along_axis(X, k[None, :], axis=0), "Xk"),
}

SHAPES = {
    "reshape": NameCase(lambda xp, X: (xp.reshape(X, (2, -1)), xp.reshape(X, (-1,)))),
    "permute_dims": NameCase(lambda xp, T: xp.permute_dims(T, (2, 0, 1)), "T"),
    "matrix_transpose": NameCase(lambda xp, T: xp.matrix_transpose(T), "T"),
    "moveaxis": NameCase(lambda xp, T: (xp.moveaxis(T, 0, -1), xp.moveaxis(T, (0, 1), (-1, 0))), "T"),
    "expand_dims": NameCase(lambda xp, X: (xp.expand_dims(X, axis=1), xp.expand_dims(X, axis=-1))),
    "squeeze": NameCase(lambda xp, X: (xp.squeeze(X[None, ...], axis=0), xp.squeeze(X[None, :, None], axis=(0, 2)))),
    "concat": NameCase(
        lambda xp, X, Y: (xp.concat([X, Y]), xp.concat([X, Y], axis=-1), xp.concat([X, Y], axis=None)), "XY"
    ),
    "stack": NameCase(lambda xp, X, Y: (xp.stack([X, Y]), xp.stack([X, Y], axis=-1)), "XY"),
    "unstack": NameCase(lambda xp, X: (*xp.unstack(X), *xp.unstack(X, axis=-1))),
    "flip": NameCase(lambda xp, X: (xp.flip(X), xp.flip(X, axis=-1))),
    "roll": NameCase(lambda xp, X: (xp.roll(X, 2), xp.roll(X, 1, axis=1), xp.roll(X, (1, -1), axis=(0, 1)))),
    "tile": NameCase(lambda xp, X: (xp.tile(X, (2, 1)), xp.tile(X, (2, 1, 3)))),
    "repeat": NameCase(lambda xp, X, k: (xp.repeat(X, 2), xp.repeat(X, 2, axis=0), xp.repeat(X, k, axis=1)), "Xk"),
    "broadcast_to": NameCase(lambda xp, X: xp.broadcast_to(X, (2, 3, 4))),
    "broadcast_arrays": NameCase(lambda xp, X, v: tuple(xp.broadcast_arrays(X, v)), "Xv"),
    "tril": NameCase(lambda xp, X, T: (xp.tril(X), xp.tril(T, k=-1), xp.tril(X, k=1)), "XT"),
    "triu": NameCase(lambda xp, X, T: (xp.triu(X), xp.triu(T, k=-1), xp.triu(X, k=1)), "XT"),
    "meshgrid": NameCase(lambda xp, v: (*xp.meshgrid(v, 2 * v), *xp.meshgrid(v, v, indexing="ij")), "v"),
}

CREATION = {
    "arange": NameCase(
        lambda xp, k: (xp.arange(4), xp.arange(1, 7, 2), doubled(xp, xp.arange(5.0, 0.0, -1.5))), "k", **STEPS
    ),
    "asarray": NameCase(lambda xp, X: (xp.asarray(X), xp.asarray([[1.0, 2.0]], dtype=X.dtype))),
    "astype": NameCase(lambda xp, X, i: (xp.astype(X, xp.complex128), xp.astype(i, X.dtype)), "Xi"),
    "empty": NameCase(lambda xp, k: tuple(xp.empty((2, 3)).shape), "k", **STEPS),
    "empty_like": NameCase(lambda xp, X: tuple(xp.empty_like(X).shape), smooth=False),
    "eye": NameCase(lambda xp, X: (doubled(xp, xp.eye(3)), xp.eye(3, 4, k=1, dtype=X.dtype)), smooth=False),
    "from_dlpack": NameCase(lambda xp, X: xp.from_dlpack(X), **STEPS),
    "full": NameCase(lambda xp, X: (doubled(xp, xp.full((2,), 3.5)), xp.full((2, 3), 2, dtype=X.dtype)), smooth=False),
    "full_like": NameCase(lambda xp, X: xp.full_like(X, 2.5), smooth=False),
    "linspace": NameCase(
        lambda xp, k: (doubled(xp, xp.linspace(0.0, 1.0, 5)), doubled(xp, xp.linspace(0, 1, 4, endpoint=False))),
        "k",
        **STEPS,
    ),
    "ones": NameCase(lambda xp, X: (doubled(xp, xp.ones((2, 3))), xp.ones(2, dtype=X.dtype)), smooth=False),
    "ones_like": NameCase(lambda xp, X: xp.ones_like(X), smooth=False),
    "zeros": NameCase(lambda xp, X: (doubled(xp, xp.zeros((2, 3))), xp.zeros(2, dtype=X.dtype)), smooth=False),
    "zeros_like": NameCase(lambda xp, X: xp.zeros_like(X), smooth=False),
}

DTYPES = {
    "can_cast": NameCase(
        lambda xp, k: (xp.can_cast(xp.float32, xp.float64), xp.can_cast(xp.float64, xp.int32)), "k", **STEPS
    ),
    "finfo": NameCase(lambda xp, X: (xp.finfo(X.dtype).bits, float(xp.finfo(X.dtype).eps) < 1e-15), smooth=False),
    "iinfo": NameCase(lambda xp, k: (xp.iinfo(xp.int32).max, xp.iinfo(xp.int32).bits), "k", **STEPS),
    "isdtype": NameCase(
        lambda xp, X: tuple(xp.isdtype(X.dtype, k) for k in ("real floating", "complex floating", "numeric")),
        smooth=False,
    ),
    "result_type": NameCase(
        lambda xp, X: (xp.result_type(X, xp.float32) == X.dtype, xp.result_type(X, 1.0) == X.dtype), smooth=False
    ),
    "broadcast_shapes": NameCase(lambda xp, k: xp.broadcast_shapes((3, 1), (4,)), "k", **STEPS),
}

PRODUCTS = {
    "matmul": NameCase(
        lambda xp, X, S, T, v: (xp.matmul(S, X), xp.matmul(T, X), xp.matmul(X, v), xp.matmul(v, v)), "XSTv"
    ),
    "tensordot": NameCase(lambda xp, X, Y, T: (xp.tensordot(X, Y), xp.tensordot(T, X, axes=((1,), (0,)))), "XYT"),
    "vecdot": NameCase(lambda xp, X, Y, v: (xp.vecdot(X, v), xp.vecdot(X, Y, axis=-2)), "XYv"),
}


def _svd(xp: Namespace, X: Array) -> Any:
    U, S, Vh = xp.linalg.svd(X, full_matrices=False)
    U, first = U[..., :, None, :], Vh[..., :1, :]
    project = xp.matmul(xp.conj(xp.matrix_transpose(first)), first)
    return (
        S,
        xp.sum(U * xp.astype(S, X.dtype)[..., None, None, :] * xp.matrix_transpose(Vh)[..., None, :, :], axis=-1),
        project,
    )


def _eigh(xp: Namespace, S: Array) -> Any:
    values, vectors = xp.linalg.eigh(definite(xp, S))
    first = vectors[..., :1]
    return values, xp.matmul(first, xp.conj(xp.matrix_transpose(first)))


def _qr(xp: Namespace, S: Array, X: Array) -> Any:
    results: list[Any] = []
    for A, mode in ((S, "reduced"), (X, "reduced"), (X, "complete")):
        Q, R = xp.linalg.qr(A, mode=mode)
        results += [xp.matmul(Q, R), xp.matmul(xp.conj(xp.matrix_transpose(R)), R)]
    return tuple(results)


def _norms(name: str, orders: tuple[Any, ...], **options: Any) -> Program:
    def call(xp: Namespace, X: Array) -> Any:
        f = getattr(xp.linalg, name)
        return (f(X), *(f(X, ord=order, **options) for order in orders))

    return call


INFINITY = float("inf")

LINALG = {
    "cholesky": NameCase(
        lambda xp, S: (xp.linalg.cholesky(definite(xp, S)), xp.linalg.cholesky(definite(xp, S), upper=True)), "S"
    ),
    "cross": NameCase(lambda xp, S, T: (xp.linalg.cross(S, T[0, ...]), xp.linalg.cross(S, T[1, ...], axis=0)), "ST"),
    **{
        name: NameCase(lambda xp, S, T, name=name: (getattr(xp.linalg, name)(S), getattr(xp.linalg, name)(T)), "ST")
        for name in ("det", "inv")
    },
    "diagonal": NameCase(lambda xp, X, T: (xp.linalg.diagonal(T), xp.linalg.diagonal(X, offset=1)), "XT"),
    "eigh": NameCase(_eigh, "S"),
    "eigvalsh": NameCase(lambda xp, S: xp.linalg.eigvalsh(definite(xp, S)), "S"),
    "matmul": NameCase(lambda xp, X, S: xp.linalg.matmul(S, X), "XS"),
    "matrix_norm": NameCase(_norms("matrix_norm", ("fro", 1, -1, INFINITY, -INFINITY), keepdims=True), "X"),
    "matrix_norm, ord=2, -2, 'nuc'": NameCase(_norms("matrix_norm", (2, -2, "nuc"), keepdims=True), "X"),
    "matrix_power": NameCase(lambda xp, S: (xp.linalg.matrix_power(S, 3), xp.linalg.matrix_power(S, -2)), "S"),
    "matrix_rank": NameCase(
        lambda xp, X, S: (xp.linalg.matrix_rank(X), xp.linalg.matrix_rank(xp.triu(S, k=1))), "XS", smooth=False
    ),
    "matrix_transpose": NameCase(lambda xp, T: xp.linalg.matrix_transpose(T), "T"),
    "outer": NameCase(lambda xp, v, X: xp.linalg.outer(v, X[0, ...]), "vX"),
    "pinv": NameCase(lambda xp, X: xp.linalg.pinv(X), "X"),
    "qr": NameCase(_qr, "SX"),
    "slogdet": NameCase(lambda xp, S, T: (*xp.linalg.slogdet(S), *xp.linalg.slogdet(T)), "ST"),
    "solve": NameCase(
        lambda xp, S, X, T: (xp.linalg.solve(S, X), xp.linalg.solve(T, X), xp.linalg.solve(S, X[:, 0])), "SXT"
    ),
    "svd": NameCase(_svd, "X"),
    "svdvals": NameCase(lambda xp, X: xp.linalg.svdvals(X), "X"),
    "tensordot": NameCase(lambda xp, X, Y: xp.linalg.tensordot(X, Y, axes=1 if X.shape[-1] == Y.shape[0] else 2), "XY"),
    "trace": NameCase(lambda xp, X, T: (xp.linalg.trace(T), xp.linalg.trace(X, offset=-1)), "XT"),
    "vecdot": NameCase(lambda xp, X, v: xp.linalg.vecdot(X, v), "Xv"),
    "vector_norm": NameCase(_norms("vector_norm", (1, 2, 3, INFINITY, -INFINITY), axis=1), "X"),
}


def _operators() -> dict[str, NameCase]:
    def of_numbers(apply: Callable[[Any, Any], Any]) -> Program:
        return lambda xp, X, Y: (apply(X, Y), apply(X, 2.0), apply(2.0, X))

    arithmetic = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
    comparisons = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
    of_bits = {"&": operator.and_, "|": operator.or_, "^": operator.xor, "<<": operator.lshift, ">>": operator.rshift}
    return {
        **{f"x {sign} y": NameCase(of_numbers(apply), "UV") for sign, apply in arithmetic.items()},
        "x // y": NameCase(lambda xp, X, V: (X // V, X // 2.0), "XV", **STEPS),
        "x % y": NameCase(lambda xp, X, V: (X % V, X % 2.0), "XV", **REAL),
        "x ** y": NameCase(lambda xp, U, V: (U**V, U**2, U**-1, 2.0**U), "UV"),
        "x @ y": NameCase(lambda xp, S, T, X: (S @ X, T @ X), "STX"),
        "x == y": NameCase(lambda xp, X, Y: (xp.where(xp.abs(X) > 1, X, Y) == X, X == 1.0), "XY", smooth=False),
        "x != y": NameCase(lambda xp, X, Y: (xp.where(xp.abs(X) > 1, X, Y) != X, X != 1.0), "XY", smooth=False),
        **{f"x {sign} y": NameCase(of_numbers(apply), "XY", **STEPS) for sign, apply in comparisons.items()},
        **{f"x {sign} y": NameCase(lambda xp, i, j, f=f: f(i, j), "ij", **STEPS) for sign, f in of_bits.items()},
        "-x": NameCase(lambda xp, X: -X),
        "+x": NameCase(lambda xp, X: +X),
        "~x": NameCase(lambda xp, b: ~b, "b", **STEPS),
        "abs(x)": NameCase(lambda xp, X: abs(X)),
        "x + y, float32 and float64": NameCase(lambda xp, X, Y: xp.astype(X, xp.float32) + Y, "XY", **STEPS),
        "x * y, real and complex": NameCase(lambda xp, X: xp.real(X) * X, "X", fields=("complex",)),
        "x[0, 1:], x[..., None, ::2]": NameCase(lambda xp, X: (X[0, 1:], X[..., None, ::2])),
        "x[:, ::-1]": NameCase(lambda xp, X: X[:, ::-1]),
        "x[mask]": NameCase(lambda xp, v, b: v[b], "vb"),
        "x[indices]": NameCase(lambda xp, v, k: v[k], "vk"),
        "float(x)": NameCase(lambda xp, X: float(xp.sum(X)), **STEPS),
        "complex(x)": NameCase(lambda xp, X: complex(xp.sum(X)), smooth=False),
        "int(x)": NameCase(lambda xp, i: int(xp.sum(i)), "i", **STEPS),
        "bool(x)": NameCase(lambda xp, X: bool(xp.abs(X[0, 0]) > 1), **STEPS),
        "x.T": NameCase(lambda xp, X: X.T),
        "x.mT": NameCase(lambda xp, T: T.mT, "T", truth=lambda xp, T: xp.matrix_transpose(T)),
        "x.shape": NameCase(lambda xp, X: tuple(X.shape), smooth=False),
        "x.ndim": NameCase(lambda xp, X: X.ndim, smooth=False),
        "x.size": NameCase(lambda xp, X: X.size, smooth=False),
        "x.dtype": NameCase(
            lambda xp, X: X.dtype == (xp.complex128 if xp.isdtype(X.dtype, "complex floating") else xp.float64),
            smooth=False,
        ),
    }


SECTIONS: Mapping[str, Mapping[str, NameCase]] = {
    "Operators and attributes": _operators(),
    "Elementwise functions": ELEMENTWISE,
    "Reductions, sums and differences": REDUCTIONS,
    "Searching, sorting, sets and indexing": SEARCHES,
    "Shapes and joins": SHAPES,
    "Creation": CREATION,
    "Data types and shapes": DTYPES,
    "Products": PRODUCTS,
    "Linear algebra, xp.linalg": LINALG,
}
"""All cases by subject and name."""
