"""The README and the site: snippets print what is shown, public names are in the reference, versions agree."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from itertools import groupby

import pytest

import unifiedqr
from tests.documentation import ROOT, SNIPPETS

NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
REFERENCE = "\n".join(path.read_text("utf-8") for path in ROOT.glob("docs/reference/*.md"))


def differs(printed, shown):
    """Return whether something else was printed; digits are compared to the precision of those that are shown."""
    if NUMBER.sub("#", printed).split() != NUMBER.sub("#", shown).split():
        return True
    pairs = zip(NUMBER.findall(printed), NUMBER.findall(shown), strict=True)
    return any(float(came) != pytest.approx(float(said), rel=1e-6, abs=1e-13) for came, said in pairs)


@pytest.mark.parametrize("frameworks", sorted({snippet.frameworks for snippet in SNIPPETS}))
def test_snippets_print_what_is_shown(frameworks):
    if lacking := [name for name in frameworks.split("+") if find_spec(name) is None]:
        pytest.skip(f"needs {' and '.join(lacking)}, which not everybody has")
    command = [sys.executable, ROOT / "tests" / "documentation.py", frameworks]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout.splitlines()[-1])
    snippets = [snippet for snippet in SNIPPETS if snippet.frameworks == frameworks]
    assert len(printed) == len(snippets)
    wrong = [snippet.place for snippet in snippets if differs(printed[snippet.place], snippet.shown or "")]
    assert not wrong, "\n\n".join(f"{place} printed\n{printed[place]}" for place in wrong)


def test_a_page_has_snippets_of_every_framework():
    of_pages = groupby(SNIPPETS, key=lambda snippet: snippet.document)
    frameworks = {page: {snippet.frameworks for snippet in snippets} for page, snippets in of_pages}
    assert frameworks["docs/start.md"] >= {"numpy", "torch", "tensorflow", "mxnet", "jax"}


@pytest.mark.parametrize("module", [unifiedqr, unifiedqr.rules], ids=lambda module: module.__name__)
def test_every_public_name_is_in_the_reference(module):
    entries = set(re.findall(r"^::: ([\w.]+)$", REFERENCE, re.MULTILINE))
    public = {f"{module.__name__}.{name}" for name in module.__all__} - {"unifiedqr.rules"}
    assert public <= entries, f"not in docs/reference: {sorted(public - entries)}"


def test_changelog_and_citation_name_the_version_and_its_day():
    version = unifiedqr.__version__
    (day,) = re.findall(
        rf"^## \[{re.escape(version)}\] - (\d{{4}}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.M
    )
    citation = (ROOT / "CITATION.cff").read_text()
    assert f"\nversion: {version}\n" in citation
    assert f"\ndate-released: {day}\n" in citation


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150
