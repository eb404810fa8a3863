"""The table of names: what each backend's namespace has of the Array API standard, found by running it.

Values are compared with NumPy's, gradients with central differences of NumPy's values.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from unifiedqr.autodiff import vjp
from unifiedqr.backend import Backend
from unifiedqr.discovery import get_backend
from unifiedqr_lab.conformance.standard_names import FIELDS, SECTIONS, NameCase, arrays_of
from unifiedqr_lab.conformance.tolerance import eps, relative_error, tolerance
from unifiedqr_lab.instruments import instruments

RIGHT, VALUE, LACKS, REFUSED = "right", "value", "-", "refused"
WRONG_VALUE, WRONG_GRADIENT = "WRONG value", "WRONG gradient"

CONDITION = 100.0
"""Bound of the conditions of the functions at the arrays of the cases."""

STEP = eps("float64") ** (1 / 3)
"""Of central differences, whose error is then of the order of its square times a third derivative."""

BY_DIFFERENCES = ("mpmath",)
"""Backends that take differences in 100 digits instead of derivatives."""

COMPILING = ("jax",)
"""Backends that compile every operation, so that a whole function takes no longer than one of them."""

ON_HOST: Any = (bool, int, float, complex, np.ndarray, np.generic)

Verdicts = dict[str, str]


def verdicts_of(
    backend: Backend, case: NameCase, *, fields: Sequence[str] = FIELDS, gradients: bool = True
) -> Verdicts:
    """Return a backend's verdict on a case, for each of these fields in which the standard has the function."""
    case = case if gradients else replace(case, smooth=False)
    return {field: _verdict(backend, case, field) for field in case.fields if field in fields}


def names_of(backend: Backend, *, fields: Sequence[str] = FIELDS, gradients: bool = True) -> dict[str, Verdicts]:
    """Return a backend's verdict on every case, by ``section/name``.

    Without `gradients`, right means right values.
    """
    return {
        f"{section}/{name}": verdicts_of(backend, case, fields=fields, gradients=gradients)
        for section, cases in SECTIONS.items()
        for name, case in cases.items()
    }


def _verdict(backend: Backend, case: NameCase, field: str) -> str:
    arrays: list[Any] = [arrays_of(field)[letter] for letter in case.arrays]
    given = [_given(backend, x) for x in arrays]
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = list(_leaves(get_backend("numpy"), (case.truth or case.call)(get_backend("numpy").xp, *arrays)))
        try:
            found = _ran(backend, lambda *arrays: case.call(backend.xp, *arrays), given)
            computed = list(_leaves(backend, found))
        except AttributeError:
            return LACKS
        except Exception as error:
            return f"{REFUSED}: {type(error).__name__}"
        if not _alike(computed, expected):
            return WRONG_VALUE
        if not case.smooth or "vjp" not in backend.plugin.capabilities or backend.name in BY_DIFFERENCES:
            return RIGHT
        try:
            return RIGHT if _is_gradient_right(backend, case, arrays) else WRONG_GRADIENT
        except Exception as error:
            return f"{VALUE}, gradient refused: {type(error).__name__}"


def _given(backend: Backend, x: Any) -> Any:
    """Return an array of the backend; integers and booleans beside 100-digit numbers are NumPy's."""
    return x if backend.name in BY_DIFFERENCES and x.dtype.kind in "bi" else backend.from_numpy(x)


def _leaves(backend: Backend, found: Any) -> Iterator[Any]:
    """Yield results one by one as NumPy arrays, those of Python too."""
    if _is_several(found):
        for leaf in found:
            yield from _leaves(backend, leaf)
    elif isinstance(found, ON_HOST):
        yield np.asarray(found)
    else:
        yield backend.to_numpy(found)


def _is_several(found: Any) -> bool:
    return isinstance(found, (tuple, list))


def _alike(computed: list[Any], expected: list[Any]) -> bool:
    if len(computed) != len(expected):
        return False
    return all(_is_value_right(X, reference) for X, reference in zip(computed, expected, strict=True))


def _is_value_right(X: Any, reference: Any) -> bool:
    if X.dtype.kind != reference.dtype.kind or X.shape != reference.shape:
        return False
    if X.dtype.kind not in "fc":
        return bool(np.all(reference == X))
    if X.dtype != reference.dtype:
        return False
    return relative_error(X, reference) <= tolerance("float64", 3, 4, CONDITION)


def _is_gradient_right(backend: Backend, case: NameCase, arrays: list[Any]) -> bool:
    """Compare the gradient of a random real function of the results with a difference, along a random direction."""
    varied = [n for n, x in enumerate(arrays) if x.dtype.kind in "fc"]

    def results(any_backend: Backend, *changed: Any) -> tuple[Any, ...]:
        given = [_given(any_backend, x) for x in arrays]
        for n, x in zip(varied, changed, strict=True):
            given[n] = x
        program = case.truth if case.truth and any_backend.name == "numpy" else case.call
        found = program(any_backend.xp, *given)
        return tuple(
            x
            for x in (found if _is_several(found) else (found,))
            if any_backend.dtype_name(x).startswith(("float", "complex"))
        )

    def moved(step: float) -> list[Any]:
        numpy = get_backend("numpy")
        return list(results(numpy, *(arrays[n] + step * dot for n, dot in zip(varied, directions, strict=True))))

    generator = np.random.default_rng(9)
    directions = [_like(generator, arrays[n]) for n in varied]
    slopes = [(up - down) / (2 * STEP) for up, down in zip(moved(STEP), moved(-STEP), strict=True)]
    cotangents = [_like(generator, slope) for slope in slopes]

    def pulled(*given: Any) -> tuple[Any, ...]:
        _, pullback = vjp(lambda *changed: results(backend, *changed), *given[: len(varied)])
        return pullback(given[len(varied) :])

    given = [backend.from_numpy(x) for x in (*(arrays[n] for n in varied), *cotangents)]
    gradients = [backend.to_numpy(x) for x in _ran(backend, pulled, given)]
    found, expected = _paired(gradients, directions), _paired(cotangents, slopes)
    sizes = sum(float(np.linalg.norm(bar) * np.linalg.norm(dot)) for bar, dot in zip(cotangents, slopes, strict=True))
    return bool(abs(found - expected) <= CONDITION**3 * STEP**2 * sizes)


def _paired(bars: Iterable[Any], dots: Iterable[Any]) -> float:
    """Return the sum of Re tr(X_bar^H dX)."""
    products: list[Any] = [np.vdot(bar, dot) for bar, dot in zip(bars, dots, strict=True)]
    return sum(float(product.real) for product in products)


def _ran(backend: Backend, f: Callable[..., Any], given: list[Any]) -> Any:
    """Run a function; where every operation would be compiled, as one program, unless it looks at values."""
    if backend.name in COMPILING:
        try:
            return instruments(backend.name).program(f)(*given)
        except (AttributeError, IndexError, TypeError, ValueError):
            pass  # a program has no values: run directly, the function may be right
    return f(*given)


def _like(generator: np.random.Generator, x: Any) -> Any:
    """Return random numbers in the shape and dtype of x."""
    numbers: Any = generator.standard_normal(np.shape(x))
    return np.asarray(numbers + 1j * generator.standard_normal(np.shape(x)) if np.iscomplexobj(x) else numbers)
