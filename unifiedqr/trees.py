"""Pytrees: arrays in nested containers, flattened and rebuilt by optree.

Tuples, lists, named tuples, dicts and whatever is registered with optree are containers. A dataclass of the standard
library is registered on first sight; ``field(metadata={"static": True})`` marks what is not an array, as in JAX. None
is an empty container.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from itertools import chain
from numbers import Number
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from unifiedqr._typing import Array
from unifiedqr.discovery import backend_name, owner_of
from unifiedqr.errors import ShapeError
from unifiedqr.sequences import SEQUENCES

if TYPE_CHECKING:
    from optree import PyTreeSpec

NAMESPACE = "unifiedqr"
"""Where optree keeps the dataclasses that are registered here."""

Structure: TypeAlias = "PyTreeSpec | None"
"""How leaves are nested; None for a single one."""

_registering = Lock()


def is_array(x: object, name: str = "") -> bool:
    """Return whether x is an array of a backend, or of the one of this name."""
    found = backend_name(type(x))
    return found == name if name else found is not None


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """Return the leaves of what a function returns, and how they are nested."""
    return ([tree], None) if is_array(tree) else _flattened(tree, _is_output_leaf)


def flatten_named(tree: Any) -> tuple[list[Any], list[str]]:
    """Return the leaves of what a function returns, and names for them.

    A name joins keys and fields by periods, as in ``qr.R``; the first entry of a tuple or list counts as ``output0``. A
    single leaf has the name "".
    """
    import optree

    accessors, leaves, _ = optree.tree_flatten_with_accessor(tree, _is_output_leaf, namespace=NAMESPACE)
    return leaves, [".".join(map(_named, accessor)) for accessor in accessors]


def _named(entry: Any) -> str:
    field = getattr(entry, "field", None)  # of a named tuple or dataclass
    return str(field) if field else f"output{entry.entry}" if isinstance(entry.entry, int) else str(entry.entry)


def flatten_arguments(arguments: Iterable[Any]) -> tuple[list[Any], list[Structure]]:
    """Return the leaves of all arguments, and how those of each are nested.

    A list or tuple of numbers, nested or not, is one leaf. So is one of numbers and arrays that is an argument itself.
    """
    leaves: list[Any] = []
    structures: list[Structure] = []
    for x in arguments:
        single = is_array(x) or (type(x) in SEQUENCES and _is_one_array(x, arrays=True))
        found, structure = ([x], None) if single else _flattened(x, _is_argument_leaf)
        leaves += found
        structures.append(structure)
    return leaves, structures


def unflatten(structure: Structure, leaves: Iterator[Any]) -> Any:
    """Put as many leaves together as the structure has."""
    if structure is None:
        return next(leaves)
    return structure.unflatten([next(leaves) for _ in range(structure.num_leaves)])


def unflatten_arguments(structures: Iterable[Structure], leaves: Iterable[Any]) -> tuple[Any, ...]:
    """Put the leaves of all arguments together."""
    remaining = iter(leaves)
    return tuple([unflatten(structure, remaining) for structure in structures])


def flatten_like(structure: Structure, tree: Any, what: str, owner: str) -> list[Array | None]:
    """Return the entries of a tree at a structure's leaves; a None means None at every leaf below.

    Parameters
    ----------
    structure : Structure
        That of the owner.
    tree : pytree
        With the same entries at each level; a plain tuple or list does for any sequence.
    what, owner : str
        For the error: what the tree consists of, and whose structure it must have.

    Returns
    -------
    list
        As long as there are leaves in the structure.

    Raises
    ------
    ShapeError
        The tree has other entries.
    """
    if structure is None or structure.is_leaf():
        return [tree]
    if tree is None:
        return [None] * structure.num_leaves
    expected, found = structure.entries(), _entries(tree)
    if found is None or len(found) != len(expected) or any(entry not in found for entry in expected):
        came = type(tree).__name__ if found is None else f"{type(tree).__name__} with {_listed(found)}"
        raise ShapeError(
            f"got {what}s as {came}; expected the entries of the {owner}, {_listed(expected)}: {len(expected)} {what}s "
            f"are needed, one per {owner} (None for zero)."
        )
    parts = zip(structure.children(), expected, strict=True)
    return [leaf for part, entry in parts for leaf in flatten_like(part, found[entry], what, owner)]


def _listed(entries: Collection[Any]) -> str:
    return ", ".join(map(repr, entries)) or "nothing"


def _entries(tree: Any) -> dict[Any, Any] | None:
    """Return the children of a container by index, key or field; None for a leaf."""
    if isinstance(tree, (tuple, list)):
        items = cast("Sequence[Any]", tree)
        return dict(enumerate(items))
    if _is_output_leaf(tree):
        return None
    import optree

    if optree.tree_is_leaf(tree, namespace=NAMESPACE):
        return None
    children, _, entries, _ = optree.tree_flatten_one_level(tree, namespace=NAMESPACE)
    return dict(zip(entries, children, strict=True))


def _flattened(tree: Any, is_leaf: Any) -> tuple[list[Any], Structure]:
    import optree  # only when there is a tree: it takes long to import

    return optree.tree_flatten(tree, is_leaf, namespace=NAMESPACE)


def _is_output_leaf(x: object) -> bool:
    if is_array(x):
        return True
    kind = type(x)
    if is_dataclass(kind):
        if owner_of(kind) is not None or hasattr(kind, "__array_namespace__"):
            return True  # an array of another library
        _register(kind)
    return False


def _is_argument_leaf(x: Any) -> bool:
    if type(x) in SEQUENCES:
        return bool(x) and _is_one_array(x, arrays=False)
    return _is_output_leaf(x)


def _is_one_array(x: Collection[Any], *, arrays: bool) -> bool:
    """Return whether a list or tuple consists of numbers, and of arrays if these may stand among them."""
    kinds = {*map(type, x)}
    for kind in kinds - SEQUENCES:
        array = arrays and (owner_of(kind) is not None or hasattr(kind, "__array_namespace__"))
        if not array and not issubclass(kind, Number):
            return False
    nested = [y for y in x if type(y) in SEQUENCES] if kinds & SEQUENCES else []
    return not nested or _is_one_array([*chain.from_iterable(nested)], arrays=arrays)


def _register(kind: Any) -> None:
    """Register a dataclass with optree. Its constructor rebuilds it, as in `dataclasses.replace`."""
    import optree

    if optree.register_pytree_node.get(kind, namespace=NAMESPACE) is not None:
        return
    arguments = [field for field in fields(kind) if field.init]
    varied = tuple(field.name for field in arguments if not field.metadata.get("static"))
    static = tuple(field.name for field in arguments if field.metadata.get("static"))

    def apart(x: Any) -> tuple[list[Any], tuple[Any, ...], tuple[str, ...]]:
        return [getattr(x, name) for name in varied], tuple([getattr(x, name) for name in static]), varied

    def together(fixed: Any, children: Iterable[Any], /) -> Any:
        return kind(**dict(zip(varied, children, strict=True)), **dict(zip(static, fixed, strict=True)))

    with _registering:
        if optree.register_pytree_node.get(kind, namespace=NAMESPACE) is None:
            optree.register_pytree_node(
                kind, apart, together, path_entry_type=optree.DataclassEntry, namespace=NAMESPACE
            )
