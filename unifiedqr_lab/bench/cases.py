"""What is measured: one table of groups, and how a case is written, ``NAME:SHAPE:DTYPE``."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from unifiedqr.backend import DTYPES
from unifiedqr.errors import InputError, OptionError
from unifiedqr_lab.bench.ours import OURS

NAMES = tuple(OURS)
"""The functions that are measured, against those of the same names in `Instruments.natives`."""

SKETCH = 20
"""Columns that the range finder looks for."""

APPENDED = 8
"""Rows of a matrix that are appended to R of the others."""

APPENDING = ("append-rows", "append-stacked")
"""Functions that append them: against a decomposition of the matrix, and against one of the stacked rows."""

PARTS = {"append-rows": 2, "update": 4}
"""Functions of what determines a matrix, which is measured too, by the number of their inputs."""

TALLER = ("lstsq", "lstsq-weighted", "lstsq-damped")
"""Functions of matrices with at least as many rows as columns."""

_SINGLE = tuple(
    (s * n, n) for n in (4, 16, 64, 256, 1024) for s in (2, 4, 16, 128, 1024, 2**16) if 2**4 < s * n * n <= 2**24
)
_STACKED = (
    (1000, 8, 4),
    (1000, 64, 4),
    (1000, 32, 16),
    (1000, 256, 16),
    (100, 128, 64),
    (100, 1024, 64),
    (10000, 16, 4),
)

GROUPS: dict[str, tuple[str, ...]] = {
    "tall": (
        "qr:100000x32:float32",
        "qr:100000x64:float64",
        "qr:100000x16:float64",
        "qr:20000x128:float64",
        "qr:100000x64:complex64",
        "qr:200x1000x16:float32",
    ),
    "other": (
        "qr:64x64:float64",
        "qr:512x512:float64",
        "qr:2048x512:float64",
        "qr:256x4096:float64",
        "qr:1000x16x8:float32",
        "qr:64x64x64:float64",
    ),
    "small": ("qr:8x8:float64", "qr:32x32:float64", "qr:64x64:float64"),
    "tiny": ("qr:10000x3x3:float64", "qr:10000x4x4:float64", "qr:1000x8x8:float64", "qr:1000x16x8:float32"),
    "compiled": ("qr-compiled:100000x64:float64", "qr-compiled:20000x128:float64", "qr-compiled:200x1000x16:float32"),
    "triangle": (
        "r-alone:7x4:float64",
        "r-alone:64x3x3:float64",
        "r-alone:20000x7x4:float64",
        "r-alone:400x100:float64",
    ),
    "family": (
        "qr-r:100000x32:float64",
        "lstsq:20000x50:float64",
        "lq:32x100000:float64",
        "lq:256x4096:float64",
        "qr-pivoted:2000x64:float64",
        "qr-pivoted:512x512:float64",
        "qr:256x256:complex128",
        "qr:512x512:float32",
    ),
    "solutions": (
        "lstsq-weighted:20000x50:float64",
        "lstsq-damped:20000x50:float64",
        "range-finder:4000x1000:float64",
        *(("append-rows:1008x64:float64", "append-stacked:1000x14x6:float64") if "append-rows" in OURS else ()),
        *(("update:10000x100:float64", "update:100x100:float64") if "update" in OURS else ()),
    ),
    "growth": (
        *(f"qr:{m}x16:float64" for m in (1000, 10_000, 100_000, 1_000_000)),
        *(f"qr:{n}x{n}:float64" for n in (8, 32, 128, 512, 2048)),
    ),
    "limits": tuple(
        f"qr-cholesky:{'x'.join(map(str, shape))}:{dtype}"
        for dtype in ("float32", "float64")
        for shape in (*_SINGLE, *_STACKED)
    ),
}
"""Cases by what they are meant to show; one that is in two groups is measured once."""

ON_DEMAND = ("limits",)
"""The groups that are measured only if they or a device are named."""

SUMMARIZED = ("tall", "other", "small", "tiny", "compiled", "triangle")
"""The groups for which a geometric mean is given."""


@dataclass(frozen=True)
class BenchmarkCase:
    """A function, the shape of its first input, and the dtype.

    Attributes
    ----------
    name : str
        One of `NAMES`.
    shape : tuple of int
        Of A, (..., m, n).
    dtype : str
        One of `unifiedqr.backend.DTYPES`.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str

    @property
    def id(self) -> str:
        """The case as it is written, and shown."""
        return f"{self.name}:{'x'.join(map(str, self.shape))}:{self.dtype}"

    @property
    def m(self) -> int:
        """Rows of a matrix."""
        return self.shape[-2]

    @property
    def n(self) -> int:
        """Columns of a matrix."""
        return self.shape[-1]

    @property
    def batch(self) -> int:
        """Number of matrices."""
        return math.prod(self.shape[:-2])

    @property
    def is_complex(self) -> bool:
        """Whether the matrices are complex."""
        return self.dtype.startswith("complex")

    @property
    def size(self) -> int:
        """Bytes of A."""
        width = {"float32": 4, "float64": 8, "complex64": 8, "complex128": 16}[self.dtype]
        return math.prod(self.shape) * width


def read_case(text: str) -> BenchmarkCase:
    """Read a case as it is written.

    Raises
    ------
    InputError
        It has another form, or names a function, dtype or size that does not exist.
    """
    name, *rest = text.split(":")
    if len(rest) != 2:
        raise InputError(f"{text!r} is not of the form NAME:SHAPE:DTYPE, such as qr:10x64x8:float64.")
    if name not in NAMES:
        raise InputError(f"{text!r}: {name!r} is not measured; choose one of {', '.join(NAMES)}.")
    if rest[1] not in DTYPES:
        raise InputError(f"{text!r}: dtype {rest[1]!r} is unknown; choose one of {', '.join(DTYPES)}.")
    sizes = rest[0].split("x")
    if len(sizes) < 2 or not all(size.isdecimal() and int(size) > 0 for size in sizes):
        raise InputError(f"{text!r}: {rest[0]!r} is not a shape; give two sizes or more, such as 64x8 or 10x64x8.")
    case = BenchmarkCase(name, tuple(map(int, sizes)), rest[1])
    if name in TALLER and case.m < case.n:
        raise InputError(f"{text!r}: {name} is measured for matrices with at least as many rows as columns.")
    if name == "lstsq-weighted" and case.m == case.n:
        raise InputError(f"{text!r}: lstsq-weighted is measured for matrices with more rows than columns.")
    if name == "range-finder" and min(case.m, case.n) < SKETCH:
        raise InputError(f"{text!r}: range-finder is measured for matrices with at least {SKETCH} rows and columns.")
    if name in APPENDING and case.m < case.n + APPENDED:
        raise InputError(f"{text!r}: {name} is measured for matrices with at least {APPENDED} more rows than columns.")
    if name == "slogdet" and case.m != case.n:
        raise InputError(f"{text!r}: slogdet is measured for square matrices.")
    return case


def select_cases(
    groups: Sequence[str] | None = None, containing: str | None = None, shapes: Sequence[str] = ()
) -> tuple[BenchmarkCase, ...]:
    """Return the cases to measure, each once.

    Parameters
    ----------
    groups : sequence of str, optional
        Some of `GROUPS`; by default all but those `ON_DEMAND`.
    containing : str, optional
        Keep the cases whose text has this in it.
    shapes : sequence of str
        Cases instead of the groups.

    Raises
    ------
    OptionError
        A group is unknown.
    InputError
        A shape is not written as cases are, or no case is left.
    """
    chosen = tuple(group for group in GROUPS if group not in ON_DEMAND) if groups is None else groups
    for group in chosen:
        if group not in GROUPS:
            raise OptionError(f"group {group!r} is unknown; choose among {', '.join(GROUPS)}.")
    texts = shapes or [text for group in chosen for text in GROUPS[group]]
    cases = tuple(dict.fromkeys(map(read_case, texts)))
    kept = tuple(case for case in cases if containing is None or containing in case.id)
    if not kept:
        raise InputError(f"no case contains {containing!r}; there are {', '.join(case.id for case in cases)}.")
    return kept


def groups_of(case_id: str) -> tuple[str, ...]:
    """Return the groups a case is in."""
    return tuple(group for group, texts in GROUPS.items() if case_id in texts)
