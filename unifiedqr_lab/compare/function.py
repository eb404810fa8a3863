"""The user's own function: found in a file or pickled by the caller, and called as it was written."""

import ast
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from unifiedqr._typing import Array, Namespace
from unifiedqr.errors import InputError
from unifiedqr_lab.compare.job import Function

PICKLED = "function"
"""Key of the pickled function among a job's arrays."""


def function_in_file(text: str) -> Function:
    """Return the function that ``FILE.py:FUNC`` names, without running the file.

    Raises
    ------
    InputError
        The text has no such form, the file cannot be read or parsed, or does not define the function.
    """
    path_text, colon, name = text.rpartition(":")
    if not colon or not name.isidentifier() or not path_text:
        raise InputError(f"--loss {text!r} has not the form FILE.py:FUNC.")
    path = Path(path_text)
    try:
        source = path.read_bytes()
        tree = ast.parse(source)
    except OSError as error:
        raise InputError(f"--loss: {path} cannot be read: {error.strerror}.") from error
    except (SyntaxError, ValueError) as error:
        raise InputError(f"--loss: {path} is no Python file: {error}.") from error
    defined = _defined_names(tree)
    if name not in defined:
        raise InputError(f"--loss: {path} defines no {name!r}; it defines {', '.join(sorted(defined)) or 'nothing'}.")
    return Function(name, str(path.resolve()), name, hashlib.sha256(source).hexdigest(), scalar=True)


def _defined_names(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update(alias.asname or alias.name for alias in node.names)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return names


def load(function: Function, arrays: dict[str, Array], xp: Namespace) -> Callable[..., Any]:
    """Return the function of a job as a function of arrays alone, with `xp` bound where it takes one.

    Raises
    ------
    InputError
        Its file fails when run, or the function is not callable.
    """
    if function.path is None:
        return import_module("cloudpickle").loads(arrays[PICKLED].tobytes())
    path = Path(function.path)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # as if the file were run: it may import its neighbours
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    try:
        spec.loader.exec_module(module)
        found = getattr(module, str(function.name))
    except Exception as error:
        raise InputError(f"{path.name} fails when it is run: {type(error).__name__}: {error}") from error
    if not callable(found):
        raise InputError(f"{path.name}: {function.name} is not a function.")
    return (lambda *inputs: found(xp, *inputs)) if takes_namespace(found) else found


def takes_namespace(f: Callable[..., Any]) -> bool:
    """Return whether f is written as f(xp, A) rather than f(A)."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    positional = [p for p in inspect.signature(f).parameters.values() if p.kind in kinds]
    required = [p for p in positional if p.default is inspect.Parameter.empty]
    return len(required) >= 2 or bool(positional and positional[0].name == "xp")
