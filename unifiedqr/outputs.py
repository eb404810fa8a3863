"""What the function to differentiate returns, as its backend takes it: a flat tuple of arrays, the rest kept aside."""

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
    """What a function returned apart from the arrays that its backend took: how `count` outputs are nested, and aux."""

    structure: Structure
    count: int
    aux: Any = None
    aux_leaves: tuple[Any, ...] = ()
    aux_structure: Structure = None

    def aux_with(self, found: Arrays) -> Any:
        """Return aux with its arrays, which the backend returned after the outputs."""
        if len(found) == self.count:
            return self.aux
        arrays = iter(found[self.count :])
        leaves = [next(arrays) if leaf is _ARRAY else leaf for leaf in self.aux_leaves]
        return unflatten(self.aux_structure, iter(leaves))


_ARRAY = object()
"""Placeholder in `aux_leaves` for an array that passes through the backend."""


def flattened(
    f: Callable[..., Any],
    backend: Backend,
    arguments: list[Structure],
    keywords: dict[str, Any],
    returns: list[Returned],
    *,
    has_aux: bool,
) -> Callable[..., Arrays]:
    """Return f as a function from the leaves of its arguments to a tuple of arrays; `returns` receives the rest.

    Arrays in aux are outputs too, since only what a framework returns itself is free of its trace.
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
        if not returns:  # finite differences evaluate f at other points too
            returns.append(returned)
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
    """Return an output of a function as its backend takes it; raise if it is not an array."""
    if is_array(x) or owner_of(type(x)) is not None:
        return x
    if isinstance(x, Number):
        return backend.xp.asarray(x)  # a constant
    expected = f"an array of {backend.name} from the function to differentiate"
    raise refusal(x, expected, "Return only arrays, or a pair (outputs, aux) with has_aux=True.")
