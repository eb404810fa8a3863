"""What is to be computed: matrices, cases, derivatives, and the user's function, in a form another process can read."""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unifiedqr._typing import Array
from unifiedqr.backend import DTYPES
from unifiedqr.decomposition import DECOMPOSITIONS, EXAMPLE_RANK, TRUNCATED, Primitive, shape_name
from unifiedqr.errors import InputError, OptionError
from unifiedqr_lab.conformance.inputs import DRAWN, REAL, inputs_of
from unifiedqr_lab.files import read_archive, write_archive

FORMAT = "unifiedqr-job"
DERIVATIVES = ("value", "vjp", "jvp", "hvp")
FUNCTION = "function"
SEED = 20240607
RIGHT = ("right-hand side: its own response", "right-hand side: two columns of fixed random numbers")


@dataclass(frozen=True)
class Matrix:
    """One input: what it is called, its entries, where it comes from, what was done to it, what goes with it.

    `right` is the right-hand side (m, s) for least squares; without one, two fixed random columns serve.
    """

    label: str
    values: Array
    source: str
    notes: tuple[str, ...] = ()
    decompositions: tuple[str, ...] | None = None
    right: Array | None = None


@dataclass(frozen=True)
class ComparisonCase:
    """One decomposition, or the user's function, of given inputs in one dtype.

    Attributes
    ----------
    id : str
        What tables and records call it.
    target : str
        A decomposition's name, or ``"function"``.
    dtype : str
        The dtype it runs in.
    inputs : tuple of str
        Keys of its arguments among the arrays of the job.
    """

    id: str
    target: str
    dtype: str
    inputs: tuple[str, ...]


@dataclass(frozen=True)
class Function:
    """A user's function: ``name`` in the file ``path``, or pickled in the job's array ``function``.

    Attributes
    ----------
    label : str
        What reports call it.
    path, name : str or None
        Where it is written; None for a pickled one.
    digest : str
        SHA-256 of the file or of the pickle.
    scalar : bool
        Whether it must give a real scalar.
    """

    label: str
    path: str | None
    name: str | None
    digest: str
    scalar: bool


@dataclass(frozen=True)
class Job:
    """Everything a worker needs to know, and all that two records must share to be comparable."""

    cases: tuple[ComparisonCase, ...]
    derivatives: tuple[str, ...]
    arrays: dict[str, Array]
    sources: tuple[dict[str, Any], ...]
    function: Function | None = None
    seed: int = SEED
    extra: dict[str, Any] = field(default_factory=dict[str, Any])

    def inputs_of(self, case: ComparisonCase) -> tuple[Array, ...]:
        """Return the arguments of a case as NumPy arrays."""
        return tuple(self.arrays[key] for key in case.inputs)

    def header(self) -> dict[str, Any]:
        """Return all but the arrays, ready for JSON."""
        return {
            "format": FORMAT,
            "cases": [asdict(case) for case in self.cases],
            "derivatives": list(self.derivatives),
            "sources": list(self.sources),
            "function": None if self.function is None else asdict(self.function),
            "seed": self.seed,
            "extra": self.extra,
        }

    def digest(self) -> str:
        """Return a hash of what is computed: cases, derivatives, seed, function and every bit of the inputs."""
        known = self.header()
        function = known["function"] and known["function"]["digest"]
        told = [known["cases"], known["derivatives"], known["seed"], function]
        hashed = hashlib.sha256(json.dumps(told).encode())
        for key in sorted(self.arrays):
            array = self.arrays[key]
            hashed.update(f"{key}{array.dtype.str}{array.shape}".encode() + np.ascontiguousarray(array).tobytes())
        return hashed.hexdigest()

    def write(self, path: Path, **extra: Any) -> None:
        """Write the job for a worker."""
        write_archive(path, {**self.header(), "extra": {**self.extra, **extra}}, self.arrays)

    @classmethod
    def read(cls, path: Path) -> "Job":
        """Read a job that `write` wrote."""
        return cls.from_header(*read_archive(path, FORMAT))

    @classmethod
    def from_header(cls, header: dict[str, Any], arrays: dict[str, Array]) -> "Job":
        """Make the job that `header` describes."""
        return cls(
            cases=tuple(
                ComparisonCase(case["id"], case["target"], case["dtype"], tuple(case["inputs"]))
                for case in header["cases"]
            ),
            derivatives=tuple(header["derivatives"]),
            arrays=arrays,
            sources=tuple(header["sources"]),
            function=None if header["function"] is None else Function(**header["function"]),
            seed=header["seed"],
            extra=header["extra"],
        )


def digest_of(*arrays: Array) -> str:
    """Return the SHA-256 of arrays: their dtypes, shapes and every bit of their entries."""
    hashed = hashlib.sha256()
    for A in arrays:
        hashed.update(f"{A.dtype.str}{A.shape}".encode())
        entries: Any = np.ascontiguousarray(A)
        hashed.update(entries)
    return hashed.hexdigest()


def choose(option: str, values: tuple[str, ...], choices: tuple[str, ...]) -> tuple[str, ...]:
    """Return the values in the order of the choices, or raise `OptionError` naming the first that is none of them."""
    if not values:
        raise OptionError(f"{option} names nothing; choose among {', '.join(choices)}.")
    for value in values:
        if value not in choices:
            raise OptionError(f"{option} {value!r} is unknown; choose among {', '.join(choices)}.")
    return tuple(choice for choice in choices if choice in values)


def matrix_job(
    matrices: tuple[Matrix, ...],
    *,
    decompositions: tuple[str, ...],
    dtypes: tuple[str, ...] | None,
    derivatives: tuple[str, ...],
    function: Function | None = None,
    strict: bool = True,
) -> Job:
    """Make the job of the command line: every matrix in every decomposition and dtype, and in the loss if there is one.

    A decomposition that does not admit a matrix's shape is an error if `strict`, otherwise it is left out with a note.

    Raises
    ------
    OptionError, InputError
        An unknown name, a shape that is not admitted, or a real dtype for a complex matrix.
    """
    decompositions = choose("decomposition", decompositions, tuple(DECOMPOSITIONS)) if decompositions else ()
    derivatives = choose("derivative", derivatives, DERIVATIVES)
    if "hvp" in derivatives and function is None:
        raise OptionError("derivative 'hvp' needs a loss: give --loss FILE.py:FUNC.")
    arrays: dict[str, Array] = {}
    cases: list[ComparisonCase] = []
    notes: list[list[str]] = []
    targets = (*decompositions, *((FUNCTION,) if function else ()))
    for position, matrix in enumerate(matrices):
        notes.append(list(matrix.notes))
        for target in targets:
            if target != FUNCTION and matrix.decompositions is not None and target not in matrix.decompositions:
                continue
            row = None if target == FUNCTION else DECOMPOSITIONS[target]()
            if reason := "" if row is None else why_not(target, matrix.values.shape):
                if strict:
                    size = " x ".join(map(str, matrix.values.shape))
                    raise OptionError(f"decomposition {target!r}: {reason}, and {matrix.label} is {size}.")
                notes[-1].append(f"left out: {reason}")
                continue
            if row is not None and "b" in row.inputs and RIGHT[matrix.right is None] not in notes[-1]:
                notes[-1].append(RIGHT[matrix.right is None])
            for dtype in _dtypes(matrix, target, dtypes):
                found = _inputs(matrix, row, dtype, position)
                keys = tuple(_kept(arrays, f"{name}_{position}_{dtype}", target, X) for name, X in found.items())
                name = function.label if function and target == FUNCTION else target
                cases.append(ComparisonCase(f"{name}({matrix.label}) {dtype}", target, dtype, keys))
    if not cases:
        raise OptionError(
            "nothing is left to compare: no matrix goes with the decompositions named. Some take deep, square or wide "
            "matrices only."
        )
    sources = tuple(
        {
            "label": matrix.label,
            "shape": list(matrix.values.shape),
            "source": matrix.source,
            "notes": told,
        }
        for matrix, told in zip(matrices, notes, strict=True)
    )
    return Job(tuple(cases), derivatives, arrays, sources, function)


def _kept(arrays: dict[str, Array], key: str, target: str, X: Array) -> str:
    """Keep an array, once for all targets that take the same one, and return its key."""
    if key in arrays and not np.array_equal(arrays[key], X):
        key = f"{target}_{key}"
    arrays.setdefault(key, X)
    return key


def why_not(name: str, shape: tuple[int, ...]) -> str:
    """Return why a decomposition does not take a matrix of some shape; empty if it does."""
    m, n = shape[-2:]
    shapes = DECOMPOSITIONS[name]().shapes
    if shape_name(m, n) not in shapes:
        return f"{name} needs a {' or '.join(shapes)} matrix"
    if name in TRUNCATED and min(m, n) < EXAMPLE_RANK:
        return f"{name} takes {EXAMPLE_RANK} steps, which needs as many rows and columns"
    return ""


def _inputs(matrix: Matrix, row: Primitive | None, dtype: str, position: int) -> dict[str, Array]:
    """Return what a row takes for a matrix, by name, in a dtype; a function takes the matrix alone."""
    A = _in_dtype(matrix.values, dtype, f"{position}")
    if row is None:
        return {"input": A}

    def draw(shape: tuple[int, ...], number: int) -> Array:
        return np.random.default_rng([SEED, number]).standard_normal(shape)

    found: dict[str, Array] = {}
    for name, X in zip(row.inputs, inputs_of(row, A.astype(np.result_type(A.dtype, np.float64)), draw), strict=True):
        if name == "A":
            found["input"] = A
        elif name in DRAWN and name not in REAL:
            own = matrix.right if name == "b" and row.sides["b"].startswith("m") else None
            given = X if own is None else own
            found[name] = _in_dtype(given, dtype, f"{name} {position}")
        else:
            found[name] = X.astype(dtype)
    return found


def _dtypes(matrix: Matrix, target: str, dtypes: tuple[str, ...] | None) -> tuple[str, ...]:
    complex_ = bool(np.iscomplexobj(matrix.values))
    if dtypes is None:
        if complex_:
            return ("complex128",)
        # A loss written for real matrices need not be real on complex ones.
        return ("float64",) if target == FUNCTION else ("float64", "complex128")
    for dtype in choose("dtype", dtypes, DTYPES):
        if complex_ and not dtype.startswith("complex"):
            raise InputError(f"{matrix.label} is complex and cannot be compared in {dtype}; choose a complex dtype.")
    return choose("dtype", dtypes, DTYPES)


def _in_dtype(values: Array, dtype: str, tag: str) -> Array:
    """Convert to a dtype; a real matrix becomes complex by a fixed random phase on every entry."""
    if dtype.startswith("complex") and not np.iscomplexobj(values):
        shape: tuple[int, ...] = values.shape
        phases = np.random.default_rng([SEED, *tag.encode()]).random(shape)
        return _in_dtype(values * np.exp(2j * np.pi * phases), dtype, tag)
    with np.errstate(over="ignore"):
        converted = values.astype(dtype)
    if not np.all(np.isfinite(converted)):
        raise InputError(f"an input has entries too large for {dtype}.")
    return converted
