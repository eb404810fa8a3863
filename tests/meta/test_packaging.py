"""What is installed is what the checkout has: data, template, vectors, and one module per backend."""

import re
import tomllib
from importlib.metadata import distribution, entry_points
from importlib.resources import files
from pathlib import Path

import pytest

import unifiedqr
from unifiedqr.backend import ENTRY_POINT_GROUP
from unifiedqr.discovery import names, plugin

ROOT = Path(__file__).parents[2]

PACKAGES = ["unifiedqr", "unifiedqr_lab"] + [
    f"unifiedqr_{name}" for name in ("numpy", "torch", "tensorflow", "mxnet", "jax", "dask", "mpmath")
]


@pytest.mark.parametrize(
    ("package", "name"),
    [
        *((package, "py.typed") for package in PACKAGES),
        ("unifiedqr_lab.compare", "data/longley.csv"),
        ("unifiedqr_lab.compare", "report.html.j2"),
        *(("unifiedqr_lab.pages", name) for name in ("shell.html.j2", "macros.html.j2", "page.css", "page.js")),
        ("unifiedqr_lab.bench", "report.html.j2"),
        ("unifiedqr_lab.conformance", "vectors/qr.npz"),
        ("unifiedqr_lab.conformance", "vectors/lq.npz"),
    ],
)
def test_data_files_are_found_beside_the_code(package, name):
    assert (files(package) / name).is_file()


def test_metadata_names_the_version_the_extras_and_the_command():
    installed = distribution("unifiedqr")
    assert installed.version == unifiedqr.__version__
    extras = {"torch", "tensorflow", "mxnet", "jax", "dask", "lab", "gallery", "all"}
    assert extras == set(installed.metadata.get_all("Provides-Extra"))
    assert [entry.value for entry in installed.entry_points if entry.group == "console_scripts"] == [
        "unifiedqr_lab.cli:main"
    ]


def test_every_plugin_describes_itself_under_its_own_name():
    registered = {entry.name for entry in entry_points(group=ENTRY_POINT_GROUP)}
    assert {"numpy", "torch", "tensorflow", "mxnet", "jax", "dask", "mpmath"} <= registered
    for name in names():
        assert plugin(name).name == name


def test_the_library_requires_little_and_all_is_every_extra_but_mxnet_and_the_gallery():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.match("[a-z-]+", requirement)[0] for requirement in project["dependencies"]}
    assert names == {"array-api-compat", "numpy", "optree", "scipy"}
    assert project["optional-dependencies"]["all"] == ["unifiedqr[torch,tensorflow,jax,lab]"]


def test_every_requirement_has_its_version_in_the_constraints():
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [declared["project"]["dependencies"], *declared["project"]["optional-dependencies"].values()]
    needed = {canonical(re.match("[A-Za-z0-9-]+", text)[0]) for group in groups for text in group} - {"unifiedqr"}
    for constraints in ("constraints.txt", "constraints-latest.txt"):
        lines = (ROOT / "ci" / constraints).read_text().splitlines()
        pinned = {canonical(line.partition("==")[0]) for line in lines if "==" in line}
        assert needed - pinned <= {"tensorflow"}, constraints  # where there is no tensorflow-cpu


def canonical(name):
    return re.sub("[-_.]+", "-", name).lower()
