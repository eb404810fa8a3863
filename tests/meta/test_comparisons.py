"""Formulas compare arrays by functions: what ``==`` of two arrays means, a user can switch."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for folder in ("arrays", "rules", "kernels") for path in ROOT.glob(f"unifiedqr/{folder}/*.py"))
for _names in ("arrays/namespaces.py", "rules/mirroring.py"):
    SOURCES.remove(ROOT / "unifiedqr" / _names)  # which compare names

SIZES = {"m", "n", "k", "r", "shape", "shapes"}
"""Names that stand for sizes alone."""

OF_NO_ARRAY = {"shape", "ndim", "dtype", "bits", "entries"}
"""Attributes, of an array or of limits, that are none."""

NAMES = {"name", "left_name", "method", "NOT_PLAIN"}
"""Names that stand for strings, or collections of them."""


def is_plain(node):
    """Return whether an operand is certainly no array."""
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str | bytes) or node.value is None
    if isinstance(node, ast.Name):
        return node.id in SIZES | NAMES
    return any(isinstance(part, ast.Attribute) and part.attr in OF_NO_ARRAY for part in ast.walk(node))


def comparisons_of_arrays(tree):
    """Return the lines that compare by equality or containment what may be an array."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            operands = [node.left, *node.comparators]
            for left, operation, right in zip(operands, node.ops, operands[1:], strict=False):
                by_equality = isinstance(operation, (ast.Eq, ast.NotEq, ast.In, ast.NotIn))
                if by_equality and not is_plain(left) and not is_plain(right):
                    yield f"line {node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_array_is_compared_by_an_operator(path):
    found = list(comparisons_of_arrays(ast.parse(path.read_text())))
    assert not found, "write xp.equal(X, Y), which compares by value everywhere"


@pytest.mark.parametrize(
    "line", ["places == j", "xp.where(diagonal == 0, X, Y)", "X != Y", "X in Y", "rows * columns == 1", "0 == X"]
)
def test_such_a_comparison_is_found(line):
    assert list(comparisons_of_arrays(ast.parse(line)))
