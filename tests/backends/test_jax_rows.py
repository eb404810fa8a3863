"""Rows of a matrix on eight devices of a JAX mesh, in the shards of `jax.shard_map`, and in two processes.

`tests.jax_rows` runs in processes of its own. What moves between devices is read from the compiled programs.
"""

import json
import os
import socket
import subprocess
import sys
from functools import cache

import pytest

from tests.jax_rows import LOSSES, N
from unifiedqr_lab.conformance.tolerance import FACTOR, tolerance

SECONDS = 240
"""How long a process may take, most of it compiling."""


def started(*arguments, devices):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    more = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo"}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.jax_rows", *map(str, arguments)]
    return subprocess.Popen(
        command, env={**os.environ, **more}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(processes):
    """Return what the first process said; end all of them if one fails or does not end."""
    try:
        said = [process.communicate(timeout=SECONDS) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, said, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [json.loads(line) for line in said[0][0].splitlines() if line.startswith("{")]  # Gloo speaks too


@cache
def section(name):
    return finished([started(name, devices=8)])


def of(found, **wanted):
    return [each for each in found if all(each.get(key) == value for key, value in wanted.items())]


def check(each, condition=1.0, dtype="float64", *, times=1):
    """Check that a derivative is right, has the sharding of its input, and moves no more than triangles."""
    assert each["error"] <= bound(condition, dtype), each
    assert each.get("stays", True), each
    assert each["largest"] <= 8 * times, each


def bound(condition=1.0, dtype="float64"):
    return tolerance(dtype, 1024, N, max(condition, 10), FACTOR)


@pytest.mark.parametrize(
    ("axes", "name"),
    [*(("automatic", name) for name in LOSSES), *(("explicit", name) for name in ("qr", "lq", "orth", "lstsq"))],
)
def test_no_row_leaves_its_device(axes, name):
    """A triangle of each device is the most that any operation moves, in whatever branch; m n / 8 would be 16 n^2."""
    found = of(section(axes), name=name)
    assert found
    for each in found:
        check(each)


def test_what_moves_where_the_first_guard_accepts():
    found = section("automatic")
    for name in ("qr", "lq", "lstsq"):
        (gradient,) = of(found, name=name, kind="grad")
        assert gradient["always"] <= 4, gradient  # 2 n^2 there and 2 n^2 back
    (value,), (gradient,) = of(found, name="qr", kind="value"), of(found, name="qr", kind="grad")
    assert value["always"] <= 2
    assert gradient["always"] - value["always"] <= 2
    for name in ("qr householder", "qr r householder"):
        (gradient,) = of(found, name=name, kind="grad")
        assert gradient["all"] <= 8 + 2, gradient  # p triangles, and what goes back


def test_memory_of_the_gradient():
    (found,) = of(section("difficult"), name="memory")
    assert found["temporary"] <= 5


@pytest.mark.parametrize("kappa", [1e4, 1e10, 1e13])
def test_ill_conditioned(kappa):
    (found,) = of(section("difficult"), name="qr", kappa=kappa)
    check(found, kappa)
    (found,) = of(section("difficult"), name="orthogonality", kappa=kappa)
    assert found["error"] <= bound()


@pytest.mark.parametrize("dtype", ["complex128", "float32", "complex64"])
def test_dtypes(dtype):
    found = of(section("difficult"), dtype=dtype)
    assert len(found) == 2
    for each in found:
        check(each, dtype=dtype)


def test_weighted_rows_are_sorted_where_they_are():
    (found,) = of(section("difficult"), weighted=True)
    check(found)


def test_short_shards_and_meshes_of_two_axes():
    (short,) = of(section("difficult"), short=True)
    check(short)
    found = [each for each in section("difficult") if "spec" in each]
    assert len(found) == 3
    for each in found:
        check(each)


def test_vmap():
    (found,) = of(section("difficult"), name="vmap")
    assert found["largest"] <= 3 * 8
    assert all(error <= bound(kappa) for error, kappa in zip(found["errors"], (1, 1e10, 1), strict=True))


def test_dependent_columns():
    assert of(section("difficult"), name="dependent", leading=True)
    assert of(section("difficult"), name="dependent", all=True)


@pytest.mark.parametrize("name", ["qr", "r", "delete"])
def test_rows_that_are_not_divided_evenly(name):
    (found,) = of(section("uneven"), name=name)
    assert found["error"] <= bound()


def test_types_say_where_results_are():
    (found,) = of(section("explicit"), name="specs")
    rows, same = "('w', None)", "(None, None)"
    assert [found[key] for key in ("Q", "orth", "R", "r", "x")] == [rows, rows, same, same, same]
    (batch,) = of(section("explicit"), name="batch")
    assert batch["spec"] == "('w', None, None)"


def test_a_matrix_that_must_move_is_reported_at_the_call():
    (found,) = of(section("advice"), name="qr")
    assert found["error"] <= bound()
    (message,), (file,) = found["messages"], found["files"]
    assert message.startswith("qr got a 1024 x 8 matrix spread as (None, 'w')")
    assert "P(axis, None)" in message
    assert file.endswith("jax_rows.py")
    (found,) = of(section("advice"), name="compiled")  # where the compiler alone knows how A is spread
    (message,), (file,) = found["messages"], found["files"]
    assert message.startswith("qr got a 512 x 8 matrix spread as (None, 'w')")
    assert file.endswith("jax_rows.py")
    for name in ("pivoting", "batch", "rows", "compiled rows"):  # asked for, or nothing moves
        assert of(section("advice"), name=name)[0]["messages"] == []
    assert of(section("advice"), name="exported")[0]["devices"] == 8  # for a mesh of none that are there
    assert "incompatible devices" in of(section("advice"), name="meshes")[0]["message"]


def test_shards_of_a_map():
    found = section("shards")
    for each in of(found, kind="value") + of(found, kind="grad") + of(found, kind="hvp"):
        check(each, each["kappa"])
    assert all(each["error"] <= bound(1e3) for each in of(found, kind="jvp"))  # a sum that cancels
    (gradient,) = of(found, name="qr auto", kind="grad", kappa=1)
    assert gradient["always"] <= 4
    for name in ("inside", "R in each shard", "r", "lq", "orth", "lstsq"):
        assert of(found, name=name)[0]["error"] <= bound(), name


def test_what_no_map_can_check_is_refused():
    found = section("shards")
    errors = {
        "unchecked": ("CapabilityError", "check_vma=True"),
        "replicated": ("ShardingError", "in_specs=P('w')"),
        "no map": ("OptionError", "jax.shard_map"),
        "wide": ("ShapeError", "8 rows over 8 holders and 16 columns"),
    }
    for name, (kind, words) in errors.items():
        (error,) = of(found, name=name)
        assert error["type"] == kind, error
        assert words in error["message"], error
    assert of(found, name="unchecked values")[0]["error"] <= bound()


def pair(section):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return [started(section, rank, port, devices=4) for rank in range(2)]


@pytest.fixture(scope="module")
def two_processes():
    return finished(pair("process"))


def test_a_process_that_dies():
    """The other one ends with an error: of the sum that fails, or of JAX, which misses its heartbeat and ends it."""
    survivor, dying = pair("dying")
    try:
        said, errors = survivor.communicate(timeout=SECONDS)
        assert dying.wait(SECONDS) == 0
    finally:
        survivor.kill()
        dying.kill()
        dying.communicate()
    assert "Error" in said or (survivor.returncode != 0 and "another task died" in errors), errors[-3000:]


def test_gradients_in_two_processes(two_processes):
    found = [each for each in two_processes if "kind" in each]
    assert {(each["name"], each["kind"], each["eager"]) for each in found} == {
        (name, *kind) for name in ("qr", "r", "lstsq") for kind in (("grad", True), ("grad", False), ("hvp", False))
    }
    assert all(each["error"] <= bound() and each["stays"] for each in found), found


def test_what_a_process_reaches(two_processes):
    assert of(two_processes, name="to_numpy")[0]["error"] <= bound()
    assert "process_allgather" in of(two_processes, name="to_numpy of Q")[0]["message"]
    (found,) = of(two_processes, name="diagnose")
    assert found["same"]
    assert abs(found["condition"] - 1) <= bound()
    (found,) = of(two_processes, name="dependent")
    assert found["at"] == found["expected"] == 5
    assert of(two_processes, name="checks")[0]["nan"]
