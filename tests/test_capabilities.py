"""Every cell of docs/capabilities.md, run again: the document tells what is so, and no cell is green by bypass."""

import json
from pathlib import Path

import pytest

from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import backends, get_backend
from unifiedqr_lab.conformance.capabilities import OURS, RIGHT, capabilities_of, members_of
from unifiedqr_lab.conformance.capability_table import document
from unifiedqr_lab.conformance.sharded import LACKING, run_engines
from unifiedqr_lab.conformance.sharded_table import rows_of, section
from unifiedqr_lab.engines import MEMBERS
from unifiedqr_lab.instruments import instruments

DOCS = Path(__file__).parents[1] / "docs"
STORED = json.loads((DOCS / "capabilities.json").read_text())
VERSIONS = {name: (info.version or "").partition("+")[0] for name, info in backends().items()}


def pytest_generate_tests(metafunc):
    transforms = instruments(metafunc.cls.backend).transforms() if metafunc.cls else ()
    if "transform" in metafunc.fixturenames:
        # Each transform is tested by itself, with a planted rule, in tests/backends: what is run anew here are the
        # dtypes, members and the framework's own functions, for the document; one cell may take minutes.
        quick = metafunc.cls.backend == "numpy"
        cells = [pytest.param(X, marks=[] if quick else [pytest.mark.exhaustive]) for X in transforms]
        metafunc.parametrize("transform", cells, ids=[f"{X.kind}: {X.name}" for X in transforms])
    if "broad" in metafunc.fixturenames:
        chosen = [X for X in transforms if X.name in instruments(metafunc.cls.backend).on_every_member]
        compiling = metafunc.cls.backend in ("tensorflow", "jax")  # tests/test_conformance.py runs the members there
        cells = [
            pytest.param(X, marks=[pytest.mark.exhaustive] if i or compiling else []) for i, X in enumerate(chosen)
        ]
        metafunc.parametrize("broad", cells, ids=[X.name for X in chosen])


class Cells:
    """One class a framework, so that each runs in a process of its own."""

    backend: str

    def test_cells_are_what_the_document_says(self, transform):
        stored_rows = STORED["table"][self.backend]
        rows = [row for row in stored_rows if (row["name"], row["kind"]) == (transform.name, transform.kind)]
        assert len(rows) == 1, "run `make capabilities`"
        (stored,) = rows
        found = capabilities_of(get_backend(self.backend), transform)
        for decomposition in ("qr", "lq"):
            assert found.get(decomposition) == stored.get(decomposition)
        if "native" in found and VERSIONS[self.backend] == STORED["versions"][self.backend]:
            assert found["native"] == stored["native"]

    def test_every_member_is_what_the_document_says(self, broad):
        found = members_of(get_backend(self.backend), broad)
        assert found == STORED["members"][self.backend][broad.name], "run `make capabilities`"

    def test_the_document_has_no_other_rows(self):
        transforms = instruments(self.backend).transforms()
        assert [row["name"] for row in STORED["table"][self.backend]] == [transform.name for transform in transforms]


class TestNumpy(Cells):
    backend = "numpy"


class TestTorch(Cells):
    backend = "torch"


class TestTensorFlow(Cells):
    backend = "tensorflow"


class TestMXNet(Cells):
    backend = "mxnet"


class TestJax(Cells):
    backend = "jax"


def test_the_document_is_made_of_the_numbers():
    spread = section(STORED["sharded"], STORED["versions"])
    told = document(STORED["table"], STORED["versions"], STORED["members"], spread)
    assert (DOCS / "capabilities.md").read_text() == told


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "name", ["numpy", "dask", *(pytest.param(name, marks=pytest.mark.exhaustive) for name in ("torch", "jax"))]
)  # JAX compiles for minutes; tests/backends/test_jax_rows.py and test_torch_sharded.py look at what they do
def test_spread_matrices_are_what_the_document_says(name):
    assert rows_of(run_engines([name])) == STORED["sharded"][name], "run `make capabilities`"


def test_nothing_spread_is_wrong():
    rows = [row for of_backend in STORED["sharded"].values() for row in of_backend]
    assert all(set(row["verdicts"]) == set(MEMBERS) for row in rows)
    verdicts = {verdict for row in rows for verdict in row["verdicts"].values()}
    assert verdicts <= {OURS, RIGHT, *LACKING}
    seen = {
        (name, row["kind"])
        for name, found in STORED["sharded"].items()
        for row in found
        if row["verdicts"]["qr"] == OURS
    }
    assert {(name, "vjp") for name in STORED["sharded"]} <= seen
    assert {("jax", "hvp"), ("torch", "hvp"), ("numpy", "jvp"), ("dask", "jvp"), ("jax", "jvp")} <= seen


def test_nothing_of_ours_is_wrong():
    verdicts = {
        verdict
        for rows in STORED["table"].values()
        for row in rows
        for decomposition in ("qr", "lq")
        for verdict in row.get(decomposition, {}).values()
    }
    assert {OURS, RIGHT} <= verdicts
    of_members = [found for of_backend in STORED["members"].values() for found in of_backend.values()]
    assert all(set(found) == set(DECOMPOSITIONS) for found in of_members)
    assert {verdict for found in of_members for verdict in found.values()} == {OURS}
    assert not any("WRONG" in verdict for verdict in verdicts)
