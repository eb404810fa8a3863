"""What a function to differentiate returns, as its backend takes it: a flat tuple of arrays, and the rest apart."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Number
from typing import Any, cast

from unifiedqr._typing import Arrays
from unifiedqr.backend import Backend, refusal
from unifiedqr.discovery import owner_of
from unifiedqr.errors import OptionError
from unifiedqr.trees import Structure, flatten, is_array, unflatten, unflatten_arguments


@dataclass(frozen=True)
class Returned:
    """What a function returned besides the arrays that its backend took: how `count` outputs are nested, and aux."""

    structure: Structure
    count: int
    aux: Any = None
    aux_leaves: tuple[Any, ...] = ()
    aux_structure: Structure = None

    def aux_with(self, found: Arrays) -> Any:
        """Return aux, with the arrays of it that the backend found behind the outputs."""
        if len(found) == self.count:
            return self.aux
        arrays = iter(found[self.count :])
        leaves = [next(arrays) if leaf is _ARRAY else leaf for leaf in self.aux_leaves]
        return unflatten(self.aux_structure, iter(leaves))


_ARRAY = object()
"""Stands in `aux_leaves` for an array that is handed on through the backend."""


def flattened(
    f: Callable[..., Any],
    backend: Backend,
    arguments: list[Structure],
    keywords: dict[str, Any],
    told: list[Returned],
    *,
    has_aux: bool,
) -> Callable[..., Arrays]:
    """Return f as a function of the leaves of its arguments, to a tuple of arrays; `told` receives what else it gave.

    Arrays in aux are outputs as well, since frameworks hand their own outputs on without the trace they belong to.
    """

    def flat(*leaves: Any) -> Arrays:
        given = f(*unflatten_arguments(arguments, leaves), **keywords)
        outputs, aux = _pair(given) if has_aux else (given, None)
        found, structure = flatten(outputs)
        found = [_output(backend, x) for x in found]
        if not has_aux:
            returned = Returned(structure, len(found))
        else:
            aux_leaves, aux_structure = flatten(aux)
            taken = [is_array(leaf, backend.name) for leaf in aux_leaves]
            pairs = [*zip(aux_leaves, taken, strict=True)]
            left = tuple([_ARRAY if is_taken else leaf for leaf, is_taken in pairs])
            returned = Returned(structure, len(found), aux, left, aux_structure)
            found += [leaf for leaf, is_taken in pairs if is_taken]
        if not told:  # differences evaluate f elsewhere too
            told.append(returned)
        return tuple(found)

    return flat


def _pair(given: Any) -> Any:
    if not isinstance(given, tuple) or len(cast("tuple[Any, ...]", given)) != 2:
        raise OptionError(
            f"got {type(cast('object', given)).__name__} from the function to differentiate; expected (outputs, aux), "
            f"as has_aux=True says. Return such a pair, or leave out has_aux."
        )
    return cast("Any", given)


def _output(backend: Backend, x: object) -> Any:
    """Return an output of a function as its backend takes it; raise if it is no array."""
    if is_array(x) or owner_of(type(x)) is not None:
        return x
    if isinstance(x, Number):
        return backend.xp.asarray(x)  # a constant
    expected = f"an array of {backend.name} from the function to differentiate"
    raise refusal(x, expected, "Return arrays alone, or a pair (outputs, aux) with has_aux=True.")
