"""The house keeps its own rules: sizes, tags, and nothing of one machine in it."""

import ast
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*ROOT.glob("unifiedqr/**/*.py"), *ROOT.glob("backends/**/*.py")])


def tracked_text():
    """Return every file of the checkout that is not ignored, if it is text."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        try:
            yield name, (ROOT / name).read_text(encoding="utf-8")
        except (UnicodeDecodeError, FileNotFoundError):  # binary, or deleted in the work tree
            continue


def test_equation_tags_of_the_rules_stand_in_the_docs():
    pages = [path.read_text() for path in ROOT.glob("docs/mathematics/*.md")]
    tags = [tag for page in pages for tag in re.findall(r"\\tag\{([A-Z]+\.\d+)\}", page)]
    assert len(tags) == len(set(tags)), "a tag names one formula"
    documented = set(tags)
    used = {
        tag
        for path in [
            *ROOT.glob("unifiedqr/arrays/*.py"),
            *ROOT.glob("unifiedqr/rules/*.py"),
            *ROOT.glob("unifiedqr/kernels/*.py"),
            *ROOT.glob("unifiedqr/*.py"),
        ]
        for tag in re.findall(r"(?<![\w.])\(([A-Z]+\.\d+)\)", path.read_text())
    }
    assert used
    assert used <= documented, f"tags without a derivation in docs/mathematics: {sorted(used - documented)}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_has_a_docstring_and_is_not_too_long(path):
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "a module says what it is for"
    assert len(text.splitlines()) <= 400


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a source distribution is no checkout: git cannot list it")
def test_no_package_index_and_no_machine_path_in_the_repository():
    index = re.compile(r"https?://[^\s\"']*/(simple|packages)/|--(extra-)?index-url|--find-links")
    machine = re.compile(r"(^|[^A-Za-z0-9._/-])/(tmp|work|root|home)/[A-Za-z0-9]", re.MULTILINE)
    for name, text in tracked_text():
        if name != "tests/meta/test_repository.py":
            assert not index.search(text), name
            assert not machine.search(text), name


def test_version_stands_in_one_place_and_the_changelog_knows_it():
    import unifiedqr

    assert f"## [{unifiedqr.__version__}]" in (ROOT / "CHANGELOG.md").read_text()
    assert "version" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dynamic"]
    assert f"\nversion: {unifiedqr.__version__}\n" in (ROOT / "CITATION.cff").read_text()
