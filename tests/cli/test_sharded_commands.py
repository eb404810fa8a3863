"""Spread matrices, as ``unifiedqr conformance`` and ``unifiedqr compare --sharded`` run and show them."""

import json

import numpy as np

from unifiedqr_lab.conformance.capabilities import OURS, RIGHT
from unifiedqr_lab.engines import MEMBERS

KINDS = ("value", "vjp", "jvp")


def test_the_command_shows_them(command, tmp_path):
    done = command(
        "conformance", "--backends", "numpy", "--decomposition", "orth", "--dtype", "float64", "--json", "c.json"
    )
    assert done.status == 0, done.err
    assert "Spread matrices" in done.out
    told = json.loads((tmp_path / "c.json").read_text())
    assert {(each["member"], each["kind"], each["verdict"]) for each in told["sharded"]} == {
        ("orth", "value", RIGHT),
        ("orth", "vjp", OURS),
        ("orth", "jvp", OURS),
    }
    done = command(
        "conformance", "--backends", "numpy", "--decomposition", "orth", "--dtype", "float64", "--no-sharded"
    )
    assert "Spread matrices" not in done.out


def test_compare_runs_them_where_asked(command, tmp_path):
    np.save(tmp_path / "A.npy", np.random.default_rng(0).standard_normal((4, 3)))
    options = ("A.npy", "--backends", "numpy", "--decomposition", "qr", "--dtype", "float64")
    done = command("compare", *options, "--sharded", "--json", "c.json")
    assert done.status == 0, done.err
    assert "rows_over, a sum of 2" in done.out
    assert len(json.loads((tmp_path / "c.json").read_text())["sharded"]) == len(MEMBERS) * len(KINDS)


def test_bench_measures_them_where_asked(command, tmp_path):
    options = ("--sharded", "--backends", "numpy", "--json", "b.json")
    done = command("bench", *options, "--shape", "qr:4096x8:float64")
    assert done.status == 0, done.err
    assert "ours: forward + backward" in done.out
    told = json.loads((tmp_path / "b.json").read_text())
    assert told["sharded"]["case"] == "qr:4096x8:float64"
    assert {each["workers"] for each in told["sharded"]["found"]} == {1, 2}
    assert command("bench", *options, "--group", "tall").status == 2
