"""What is installed is what the checkout has: data, template, vectors, and one module per backend."""

from importlib.metadata import distribution, entry_points
from importlib.resources import files

import pytest

import unifiedqr
from unifiedqr.backend import ENTRY_POINT_GROUP
from unifiedqr.discovery import names, plugin


@pytest.mark.parametrize(
    ("package", "name"),
    [
        ("unifiedqr", "py.typed"),
        ("unifiedqr_lab.compare", "data/longley.csv"),
        ("unifiedqr_lab.compare", "report.html.j2"),
        ("unifiedqr_lab.compare", "page.css"),
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
    assert {"torch", "tensorflow", "mxnet", "jax", "all"} <= set(installed.metadata.get_all("Provides-Extra"))
    assert [entry.value for entry in installed.entry_points if entry.group == "console_scripts"] == [
        "unifiedqr_lab.cli:main"
    ]


def test_every_plugin_describes_itself_under_its_own_name():
    registered = {entry.name for entry in entry_points(group=ENTRY_POINT_GROUP)}
    assert {"numpy", "torch", "tensorflow", "mxnet", "jax", "mpmath"} <= registered
    for name in names():
        assert plugin(name).name == name
