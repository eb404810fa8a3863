"""``unifiedqr backends``: what is installed, in which version, and what to do for the rest."""

from importlib import import_module
from importlib.metadata import version

import pytest

discovery = import_module("unifiedqr.discovery")
DISTRIBUTIONS = {"numpy": "numpy", "torch": "torch", "mxnet": "mxnet", "jax": "jax", "mpmath": "mpmath"}


def test_every_framework_with_its_version(command):
    done = command("backends")
    assert done.status == 0
    rows = {cells[1].strip(): cells[2:4] for line in done.out.splitlines() if len(cells := line.split("│")) > 3}
    assert set(rows) == set(discovery.names())
    for name, distribution in DISTRIBUTIONS.items():
        assert [cell.strip() for cell in rows[name]] == [version(distribution), "yes"]


@pytest.mark.parametrize("verb", ["backend", "backends"])
def test_what_to_do_for_what_is_not_installed(command, monkeypatch, verb):
    installed = discovery._installed_version
    monkeypatch.setattr(discovery, "_installed_version", lambda p: None if p.name == "jax" else installed(p))
    done = command(verb)
    assert done.status == 0
    assert "jax: jax is not installed; pip install 'unifiedqr[jax]'" in done.out.splitlines()
    (row,) = (line for line in done.out.splitlines() if "│ jax" in line)
    assert "no" in row


def test_what_to_do_for_what_cannot_be_imported(command, monkeypatch):
    monkeypatch.setitem(discovery._failures, "jax", ImportError("libcudart.so: no such file"))
    monkeypatch.setattr(discovery, "loaded", {})
    monkeypatch.setattr(discovery, "names", lambda: ("numpy", "jax"))  # to import the others takes seconds
    done = command("backends", "--devices")
    assert done.status == 0
    (line,) = (line for line in done.out.splitlines() if line.startswith("jax:"))
    assert "libcudart.so: no such file" in line
    assert "Reinstall" in line
