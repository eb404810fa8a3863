r"""What can be said about a matrix before its decomposition is differentiated: rank, condition, error, gauge.

A derivative inherits from the computed factors a relative error of the order of eps κ_c, however the rule is arranged,
where

    (ER.1)  κ_c = κ(A_1 D),   D the diagonal matrix that gives the columns of A_1 unit length,

and A_1 holds the leading columns that a derivative reads: all k, or all but the last for a real square or wide matrix
(QR.6). Scaling columns is harmless, so κ(A) itself is too pessimistic.

References
----------
N. J. Higham (2002), Accuracy and Stability of Numerical Algorithms, chapters 7 (A. van der Sluis) and 19.
"""

import html
from dataclasses import dataclass
from typing import Any

import numpy as np

from unifiedqr.arguments import resolve
from unifiedqr.backend import Backend
from unifiedqr.decomposition import DECOMPOSITIONS, REDUCED, Primitive
from unifiedqr.discovery import get_backend
from unifiedqr.errors import OptionError, ShapeError
from unifiedqr.functional.inputs import computed_dtype

ERROR_PER_CONDITION = 1.5
"""Relative error of a gradient in units of eps κ_c: the largest seen over graded, Vandermonde, Hilbert, Kahan,
Laeuchli, nearly deficient and 1e±150-scaled matrices, deep, square and wide."""


@dataclass(frozen=True)
class Diagnosis:
    """The result of `diagnose`; for a stack of matrices every number is an array of the batch's shape.

    Attributes
    ----------
    decomposition : str
        The decomposition in question.
    dtype : str
        The dtype in which it is computed.
    rank : int or numpy.ndarray
        Numerical rank of A with its columns (rows, for LQ and RQ) scaled to unit length.
    dependent : int or numpy.ndarray
        Number of the first leading column (row, for LQ and RQ; counted from the last one for RQ and QL) that depends on
        those before it; -1 if there is none.
    condition : float or numpy.ndarray
        Condition κ_c (ER.1) of the leading block that a derivative reads; inf if a column (row) of it vanishes.
    expected_error : float or numpy.ndarray
        Relative error to expect of a gradient in the Frobenius norm; NaN where no derivative exists.
    gauge_violation : float, numpy.ndarray or None
        How much the loss depends on the phases of the factors (PR.4), relative to its cotangents; None for a real A and
        without cotangents.
    size : tuple of int
        Rows and columns of A, exchanged for LQ.
    read : int
        How many of the leading columns (rows) a derivative reads: k, or k - 1 for a real square or wide matrix (QR.6).
    """

    decomposition: str
    dtype: str
    rank: Any
    dependent: Any
    condition: Any
    expected_error: Any
    gauge_violation: Any
    size: tuple[int, int]
    read: int

    @property
    def sentences(self) -> tuple[str, ...]:
        """The numbers in words, one sentence each; of a batch, its worst matrix."""
        if np.size(self.rank) == 0:
            return ("The batch has no matrices.",)
        of_batch = f" in the worst of {np.size(self.rank)} matrices" if np.ndim(self.rank) else ""
        lines = DECOMPOSITIONS[self.decomposition]().orientation.lines
        said = [f"The rank is {np.min(self.rank)} of {min(self.size)}{of_batch}."]
        bad = np.asarray(self.dependent) >= 0
        if np.any(bad):
            which = f", in {np.sum(bad)} of {bad.size} matrices," if of_batch else ""
            first = np.asarray(self.dependent)[bad].flat[0]
            said.append(
                f"Of the {lines}, number {first} (counted from 0, as the decomposition reads them) depends on those "
                f"before it{which}: no derivative exists, and it comes back as NaN."
            )
        else:
            said.append(f"The {self.read} {lines} that a derivative reads are independent: it exists.")
            said.append(f"Scaled to unit length, they have condition {np.max(self.condition):.1e}.")
        if not np.all(bad):
            said.append(f"Expect a relative error of {np.nanmax(self.expected_error):.1e} in a gradient.")
        if self.gauge_violation is not None:
            said.append(_gauge_sentence(float(np.max(self.gauge_violation)), self.dtype))
        return tuple(said)

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def _repr_html_(self) -> str:
        told = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.sentences)
        return f"<p>{self.decomposition} in {self.dtype}</p><ul>{told}</ul>"


def diagnose(
    A: Any, Q_bar: Any = None, R_bar: Any = None, *, L_bar: Any = None, decomposition: str = "qr"
) -> Diagnosis:
    """Return whether a decomposition can be differentiated, how accurately, and whether the loss depends on its gauge.

    Parameters
    ----------
    A : array, shape (..., m, n)
        As in `qr`, of any backend; it is examined on the host. If a deep matrix (wide, for LQ and RQ) is spread over
        several devices or processes, only R is examined, which has the same rank and condition.
    Q_bar, R_bar, L_bar : array, optional
        Cotangents of the factors, in their shapes: of Q and R for "qr" and "rq", of L and Q for "lq" and "ql".
    decomposition : {"qr", "lq", "rq", "ql"}
        The decomposition to be differentiated.

    Returns
    -------
    Diagnosis
        Rank, first dependent column, condition, expected error and gauge violation, in numbers and in sentences.

    Raises
    ------
    ShapeError, DtypeError, ForeignArrayError
        As in `qr`, or a cotangent does not fit its factor.
    OptionError
        `decomposition` is not among its choices, or does not have the factor of a cotangent.

    Notes
    -----
    Condition (ER.1); gauge (PR.4): ||Im diag P|| / (||Q^H Q_bar|| + ||R_bar R^H||), P = Q^H Q_bar - R_bar R^H. It costs
    a singular value decomposition and is not differentiable.

    References
    ----------
    N. J. Higham (2002), Accuracy and Stability of Numerical Algorithms, chapter 19.

    Examples
    --------
    >>> import unifiedqr as uqr
    >>> print(uqr.diagnose([[1.0, 2.0, 0.0], [1.0, 2.0, 1.0], [1.0, 2.001, 3.0], [1.0, 2.0, 7.0]]))
    The rank is 3 of 3.
    The 3 leading columns that a derivative reads are independent: it exists.
    Scaled to unit length, they have condition 1.1e+04.
    Expect a relative error of 3.5e-12 in a gradient.
    """
    if decomposition not in REDUCED:
        choices = ", ".join(map(repr, REDUCED))
        raise OptionError(f"decomposition={decomposition!r} is unknown; choose one of {choices}.")
    backend, (A,) = resolve(A)
    dtype = computed_dtype(backend, A, "diagnose")
    primitive = DECOMPOSITIONS[decomposition]()
    turn, (rows, columns) = primitive.orientation, A.shape[-2:]
    m, n = (columns, rows) if turn.adjoint else (rows, columns)
    given = {"Q": Q_bar, "R": R_bar, "L": L_bar}
    matrix, Q, R, Q_bar, R_bar = (_of_parts if backend.is_spread(A) and m > n else _of_whole)(
        backend,
        A if backend.dtype_name(A) == dtype else backend.xp.astype(A, getattr(backend.xp, dtype)),
        primitive,
        given,
    )
    read = min(m, n) - (m <= n and matrix.dtype.kind == "f" and m > 0)  # (QR.6)
    eps = float(np.finfo(dtype).eps)
    dependent, condition = _first_dependent(R[..., :read], 4 * max(m, n) * eps), conditions(matrix[..., :read])
    return Diagnosis(
        decomposition=decomposition,
        dtype=dtype,
        rank=_plain(_rank(matrix, eps)),
        dependent=_plain(dependent),
        condition=_plain(condition),
        expected_error=_plain(np.where(dependent < 0, ERROR_PER_CONDITION * eps * condition, np.nan)),
        gauge_violation=_plain(_phase_dependence(Q, R, Q_bar, R_bar)),
        size=(m, n),
        read=read,
    )


def _triangle_of(primitive: Primitive) -> str:
    return "L" if "L" in primitive.outputs else "R"


def _of_whole(backend: Backend, A: Any, primitive: Primitive, given: dict[str, Any]) -> tuple[Any, ...]:
    """Return A, Q, R and their cotangents on the host, turned to a QR decomposition."""
    xp, turn = get_backend("numpy").xp, primitive.orientation
    matrix = backend.to_numpy(A)
    factors = dict(zip(primitive.outputs, primitive.forward(xp, matrix), strict=True))
    bars = {
        name: None if bar is None else _on_host(bar) for name, bar in _cotangents(primitive, factors, given).items()
    }
    triangle = _triangle_of(primitive)
    return (
        turn.matrix(xp, matrix),
        turn.matrix(xp, factors["Q"]),
        turn.triangle(xp, factors[triangle]),
        None if bars["Q"] is None else turn.matrix(xp, bars["Q"]),
        None if bars[triangle] is None else turn.triangle(xp, bars[triangle]),
    )


def _of_parts(backend: Backend, A: Any, primitive: Primitive, given: dict[str, Any]) -> tuple[Any, ...]:
    """Return the same of R in the place of a deep A in parts, which has its condition and rank: I, R, Q^H Q_bar, R_bar.

    Nothing that has the rows of A leaves them.
    """
    xp, host, turn = backend.xp, get_backend("numpy").xp, primitive.orientation
    factors = dict(zip(primitive.outputs, backend.bind(primitive)(A), strict=True))
    bars, triangle = _cotangents(primitive, factors, given), _triangle_of(primitive)
    R = turn.triangle(host, backend.to_numpy(factors[triangle]))
    Q_bar, R_bar = bars["Q"], bars[triangle]
    if Q_bar is not None:
        Q_bar = backend.to_numpy(xp.beyond.inner(turn.matrix(xp, factors["Q"]), turn.matrix(xp, Q_bar)))
    R_bar = None if R_bar is None else turn.triangle(host, _on_host(R_bar))
    return R, np.broadcast_to(np.eye(R.shape[-1], dtype=R.dtype), R.shape), R, Q_bar, R_bar


def conditions(A: Any) -> Any:
    """Return the 2-norm condition of each matrix of a stack, its columns scaled to unit length (ER.1).

    Parameters
    ----------
    A : numpy.ndarray, shape (..., m, k)
        With m >= k.

    Returns
    -------
    numpy.ndarray, shape (...)
        inf where a column vanishes or is not finite, 1 for zero-size matrices.
    """
    if 0 in A.shape[-2:]:
        return np.ones(A.shape[:-2])
    scaled, usable = _equilibrated(A)
    usable = np.all(usable, axis=(-2, -1))
    values = np.linalg.svd(np.where(usable[..., None, None], scaled, 0), compute_uv=False)
    largest, smallest = values[..., 0], values[..., -1]
    return np.where(smallest > 0, largest / np.where(smallest > 0, smallest, 1), np.inf)


def _equilibrated(A: Any) -> tuple[Any, Any]:
    """Return A in double precision with columns of unit length, and which columns can be scaled so, (..., 1, k)."""
    A = A.astype(np.result_type(A.dtype, np.float64))
    largest = np.max(np.abs(A), axis=-2, keepdims=True)
    usable = (largest > 0) & np.isfinite(largest)
    A = np.where(usable, A / np.where(usable, largest, 1), 0)  # before squaring: entries may be 1e+150
    length = np.linalg.norm(A, axis=-2, keepdims=True)
    return A / np.where(usable, length, 1), usable


def _rank(A: Any, eps: float) -> Any:
    if A.shape[-2] == 0 or A.shape[-1] == 0:
        return np.zeros(A.shape[:-2], dtype=int)
    values = np.linalg.svd(_equilibrated(A)[0], compute_uv=False)
    return np.sum(values > max(A.shape[-2:]) * eps * values[..., :1], axis=-1)


def _first_dependent(R: Any, threshold: float) -> Any:
    """Return the first j with |R_jj| <= threshold ||R[:, j]||, -1 without one; a NaN counts."""
    if 0 in R.shape[-2:]:
        return np.full(R.shape[:-2], -1)
    largest = np.max(np.abs(R), axis=-2)
    scale = np.where(largest > 0, largest, 1)
    length = scale * np.linalg.norm(R / scale[..., None, :], axis=-2)
    marks = ~(np.abs(np.diagonal(R, axis1=-2, axis2=-1)) > threshold * length)
    return np.where(np.any(marks, axis=-1), np.argmax(marks, axis=-1), -1)


def _phase_dependence(Q: Any, R: Any, Q_bar: Any, R_bar: Any) -> Any:
    if not np.iscomplexobj(Q) or (Q_bar is None and R_bar is None):
        return None
    of_Q = 0 * Q[..., :1, :] if Q_bar is None else _adjoint(Q) @ Q_bar
    of_R = 0 * Q[..., :1, :] if R_bar is None else R_bar @ _adjoint(R)
    violation = np.linalg.norm(np.diagonal(of_Q - of_R, axis1=-2, axis2=-1).imag, axis=-1)
    size = np.linalg.norm(of_Q, axis=(-2, -1)) + np.linalg.norm(of_R, axis=(-2, -1))
    return np.where(size > 0, violation / np.where(size > 0, size, 1), 0.0)


def _gauge_sentence(violation: float, dtype: str) -> str:
    if violation <= ERROR_PER_CONDITION * 100 * np.finfo(dtype).eps:
        return "The loss does not depend on the phases of the factors: its gradient is the same in every gauge."
    return (
        f"The loss depends on the phases of the factors, by {violation:.1e} of its cotangents: its gradient belongs to "
        f"the gauge with a real diagonal, and differs in a library that chooses other phases."
    )


def _cotangents(primitive: Primitive, factors: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    for name, bar in given.items():
        if bar is not None and name not in factors:
            raise OptionError(f"{name}_bar was given, but {primitive.name} has the factors {' and '.join(factors)}.")
    return {name: _cotangent(name, given[name], factor) for name, factor in factors.items()}


def _cotangent(name: str, bar: Any, factor: Any) -> Any:
    if bar is None:
        return None
    _, (bar,) = resolve(bar)
    if tuple(bar.shape) != tuple(factor.shape):
        shapes = tuple(bar.shape), tuple(factor.shape)
        raise ShapeError(f"cotangent {name}_bar has shape {shapes[0]}; expected shape {shapes[1]}.")
    return bar


def _on_host(x: Any) -> Any:
    backend, (x,) = resolve(x)
    return backend.to_numpy(x)


def _adjoint(X: Any) -> Any:
    return np.conj(np.swapaxes(X, -1, -2))


def _plain(x: Any) -> Any:
    """Return a Python number for a single matrix."""
    return x if x is None or np.ndim(x) else np.asarray(x).item()
