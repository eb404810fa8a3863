"""The suite on every backend, the suite on a backend that is wrong, and the table of support."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from unifiedqr import factors
from unifiedqr.arrays.namespaces import NAMESPACE
from unifiedqr.backend import DTYPES
from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import get_backend
from unifiedqr.errors import OptionError
from unifiedqr_lab.conformance import golden as golden_vectors
from unifiedqr_lab.conformance.case_checks import check_case, check_sentinel
from unifiedqr_lab.conformance.golden import FOLDER, cases, compute, golden
from unifiedqr_lab.conformance.inputs import with_matrix
from unifiedqr_lab.conformance.runner import SuiteResult, run_suite
from unifiedqr_lab.conformance.support import BEGIN, END, support_cell, support_table
from unifiedqr_lab.conformance.tolerance import condition_of, leading_condition, relative_error, tolerance

FRAMEWORKS = ("numpy", "torch", "tensorflow", "mxnet", "jax")
ROOT = Path(__file__).parents[1]
SUPPORT = ROOT / "docs" / "support.md"
CONSTRAINTS = ROOT / "ci" / "constraints.txt"

MEMBERS = list(DECOMPOSITIONS)


def is_another(name):
    """Return whether a row is another one but for an exchange of columns or a mirror image, from one table for all."""
    turned = DECOMPOSITIONS[name]().orientation
    mirrored = (turned.adjoint or turned.reversed) and name != "lq"
    return mirrored or (name in factors.ROWS and name.endswith("-pivoted"))


FEWER = [name for name in MEMBERS if not is_another(name)]
"""What `make test` runs where each takes seconds."""


def shown_cell(name, decomposition):
    """Return the cell of the table of support."""
    head, _, *rows = SUPPORT.read_text().partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    cells = {row.split(" | ")[0].strip("| "): [cell.strip("| ") for cell in row.split(" | ")] for row in rows}
    columns = [column.partition(" ")[0] for column in head.strip("| ").split(" | ")]
    return cells[decomposition][1 + columns.index(name)]


class Conformance:
    """One class a framework, so that each runs in a process of its own."""

    name: str
    members = MEMBERS
    dtypes = DTYPES
    """What `make test` runs; a framework that compiles anew for each matrix is run on fewer."""

    def run(self, decomposition, dtypes):
        result = run_suite([self.name], decompositions=(decomposition,), dtypes=dtypes)
        assert not result.failures, "\n".join(map(str, result.failures[:20]))
        assert {f.dtype for f in result.findings} == set(dtypes)
        return result

    def test_backend_conforms(self, decomposition):
        result = self.run(decomposition, self.dtypes)
        seen = [
            finding
            for finding in result.findings
            if finding.dtype in ("float64", "complex128")
            and finding.outcome.check.startswith("vjp")
            and finding.outcome.bound
            and condition_of(DECOMPOSITIONS[decomposition](), golden(decomposition)[finding.case].A) < 100
        ]
        assert seen
        assert max(finding.outcome.error for finding in seen) <= 1e-12
        if self.dtypes == DTYPES:
            assert shown_cell(self.name, decomposition) == support_cell(result, decomposition), "run `make support`"

    def test_other_dtypes_conform(self, other):
        """The rest of the suite, and the cell of the table of support."""
        result = self.run(other, DTYPES)
        assert shown_cell(self.name, other) == support_cell(result, other), "run `make support`"


def pytest_generate_tests(metafunc):
    if metafunc.cls and "decomposition" in metafunc.fixturenames:
        metafunc.parametrize("decomposition", metafunc.cls.members)
    if "other" in metafunc.fixturenames:
        whole = metafunc.cls.members == MEMBERS and metafunc.cls.dtypes == DTYPES
        cells = [] if whole else [pytest.param(name, marks=pytest.mark.exhaustive) for name in MEMBERS]
        metafunc.parametrize("other", cells)


class TestNumpy(Conformance):
    name = "numpy"


class TestTorch(Conformance):
    name = "torch"


class TestTensorFlow(Conformance):
    name, dtypes = "tensorflow", ("float64", "complex128")
    members = FEWER


class TestMXNet(Conformance):
    name, members = "mxnet", FEWER


class TestJax(Conformance):
    name, dtypes = "jax", ("float64", "complex128")
    members = ("qr", "null_space", "slogdet")


def test_the_head_of_the_support_table_names_the_versions_of_the_first_environment():
    pinned = dict(line.split("==") for line in CONSTRAINTS.read_text().splitlines() if "==" in line)
    versions = {name: pinned.get(name) or pinned["tensorflow_cpu"] for name in FRAMEWORKS}
    head = support_table({name: SuiteResult(()) for name in FRAMEWORKS}, versions).splitlines()[0]
    assert head in SUPPORT.read_text().splitlines()


def test_namespace_is_complete(backend):
    def has(name):
        found = backend.xp
        for part in name.split("."):
            found = getattr(found, part, None)
        return found is not None

    assert [name for name in NAMESPACE if not has(name)] == []


def test_the_truth_is_not_tested_against_itself():
    with pytest.raises(OptionError, match="mpmath is the truth"):
        run_suite(["mpmath"])


class SlightlyWrong:
    """A backend whose gradients are off by one part in 1e6 in one entry."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def bind(self, primitive):
        def vjp(xp, kept, cotangents):
            (A_bar,) = primitive.vjp(xp, kept, cotangents)
            A_bar = A_bar + 0.0
            A_bar[..., 0, 0] *= 1 + 1e-6
            return (A_bar,)

        return self.inner.bind(replace(primitive, vjp=vjp))


def test_the_suite_sees_a_gradient_that_is_slightly_wrong():
    case = golden("qr")["qr-random-5x3-real"]
    outcomes = list(check_case(SlightlyWrong(get_backend("torch")), case, "float64"))
    assert {o.check for o in outcomes if not o.passed} >= {"vjp both", "vjp left", "vjp right"}
    assert all(o.passed for o in outcomes if o.check.startswith("value"))


class Deaf:
    """A backend that ignores the rule it is given and runs the one of the table."""

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def bind(self, primitive):
        return self.inner.bind(DECOMPOSITIONS[primitive.name]())


def test_the_sentinel_sees_a_backend_that_does_not_run_our_rule():
    case = golden("qr")["qr-random-5x3-real"]
    outcomes = list(check_sentinel(Deaf(get_backend("torch")), case, "float64"))
    assert outcomes
    assert not any(o.passed for o in outcomes)


@pytest.mark.parametrize(
    "name",
    [
        *("qr-random-3x5-real", "lq-hilbert-6x9-real", "qr-random-2x4x3-complex", "qr-pivoted-random-3x5-complex"),
        *("lstsq-random-5x3-real", "orth-random-5x3-complex", "qr-complete-random-5x3-real"),
    ],
)
def test_golden_vectors_are_what_the_generator_gives(name):
    decomposition = name.rpartition("-random")[0] or name.partition("-")[0]
    A = dict(cases(decomposition))[name]
    with np.load(FOLDER / f"{decomposition}.npz", allow_pickle=False) as stored:
        for part, X in compute(name, decomposition, A).items():
            assert np.array_equal(stored[f"{name}/{part}"], X), part


@pytest.mark.parametrize("decomposition", MEMBERS)
def test_every_case_has_golden_vectors(decomposition):
    stored, row = golden(decomposition), DECOMPOSITIONS[decomposition]()
    assert list(stored) == [name for name, _ in cases(decomposition)]
    for name, A in cases(decomposition):
        # The matrix, or factors of it.
        assert np.array_equal(stored[name].inputs[0], with_matrix(row, A, stored[name].inputs)[0]), name
    assert golden_vectors.patterns_of(DECOMPOSITIONS[decomposition]()) == stored[name].patterns


def test_tolerance_grows_with_condition_and_never_admits_everything():
    assert tolerance("float64", 16, 4) == pytest.approx(50 * 4 * np.finfo(float).eps)
    assert tolerance("float64", 16, 4, 1e6) == pytest.approx(50e6 * np.finfo(float).eps)
    assert tolerance("float32", 16, 4, 1e30) == 1.0


def test_leading_condition_ignores_column_scaling_and_sees_dependence():
    A = np.random.default_rng(0).standard_normal((6, 3))
    scaled = leading_condition(A * [1e150, 1.0, 1e-150])
    assert scaled == pytest.approx(leading_condition(A))
    assert leading_condition(np.ones((3, 2)) * [1.0, 0.0]) == float("inf")
    assert leading_condition(A[:, [0, 1, 1]]) > 1e15


def test_relative_error_is_not_fooled():
    X = np.array([[1.0, 2.0], [3.0, 4.0]])
    assert relative_error(X, X) == 0.0
    assert relative_error(X + 1e-3, X) == pytest.approx(2e-3 / np.sqrt(30))
    assert relative_error(X * 1e200, X * 1e200) == 0.0
    assert relative_error(np.where(X > 3, np.nan, X), X) == float("inf")
    assert relative_error(X[:1], X) == float("inf")
    assert relative_error(np.stack([X, X + 1]), np.stack([X, X])) == pytest.approx(2 / np.sqrt(30))
