"""DTensors: matrices whose rows live in several processes, here on gloo; `tests.shards` is what each of them runs."""

import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from functools import cache

import pytest

from tests.shard_functions import FUNCTIONS, WHOLE
from tests.shards import CASES, HIGHER, WORLDS
from unifiedqr_lab.conformance.tolerance import tolerance

CONDITION = 10.0
"""More than that of the random matrices of programs that have one of their own."""

SECONDS = 280
"""After which processes are ended: that nothing waits for ever is part of what is tested."""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    @cache
    def run(group):
        directory = tmp_path_factory.mktemp(group)
        environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
        with ExitStack() as started:
            processes = []
            for rank in range(WORLDS[group]):
                told = started.enter_context((directory / f"{rank}.txt").open("w"))
                command = [sys.executable, "-m", "tests.shards", group, str(rank), str(directory)]
                process = subprocess.Popen(command, env=environment, stdout=told, stderr=subprocess.STDOUT)
                started.callback(process.wait)
                started.callback(process.kill)
                processes.append(process)
            codes = [process.wait(SECONDS) for process in processes]
        said = "\n".join((directory / f"{rank}.txt").read_text()[-3000:] for rank in range(len(processes)))
        assert codes == [0] * len(codes), said
        return json.loads((directory / "found.json").read_text())

    return lambda group, name: _sound(run(group)[name])


def _sound(case):
    assert "failed" not in case, case["failed"]
    return case


def same(found):
    first, second = found["bounds"]
    assert max(found["outputs"], found["first"]) <= first
    assert found["second"] <= second
    assert set(found["of gradients"]) == {found["expected of gradients"]}
    assert "Partial" not in str(found["placements"])


@pytest.mark.parametrize("dtype", ["float64", "complex128", "float32"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_as_of_the_whole_matrix(found, name, dtype):
    same(found("two", f"{name} {dtype}"))


@pytest.mark.parametrize("kind", ["uneven", "short", "empty"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_shards_of_any_size(found, name, kind):
    same(found("three", f"{name} {kind}"))


@pytest.mark.parametrize("name", ["qr", "lq", "lstsq", "orth"])
def test_a_square_matrix(found, name):
    same(found("three", f"{name} square"))


@pytest.mark.parametrize(
    ("name", "long"),
    [("qr", 0), ("qr householder", 0), ("ql", 0), ("lq", 1), ("rq", 1), ("orth", 0), ("minimum norm", 0)],
)
def test_factors_stay_where_the_matrix_is(found, name, long):
    side = "(Shard(dim=1),)" if name in ("lq", "rq") else "(Shard(dim=0),)"
    assert found("two", f"{name} float64")["placements"][long] == side


@pytest.mark.exhaustive  # four processes for as many seconds as all of two take
@pytest.mark.parametrize("case", ["rows twice", "rows once", "batch and rows"])
def test_meshes_of_two_axes(found, case):
    for each in found("four", case).values():
        same(each)


@pytest.mark.parametrize("name", ["qr", "lq", "orth"])
def test_batches_without_communication(found, name):
    case = found("two", f"{name} batch")
    same(case)
    assert case["moved"] == []


@pytest.mark.parametrize("name", FUNCTIONS)
def test_communication_does_not_grow_with_the_long_side(found, name):
    case = found("two", f"{name} communication")
    n_squared = case["squares"]
    assert sum(case["forward"]) <= 2 * n_squared
    assert sum(case["backward"]) <= 2 * n_squared
    assert sum(case["second"]) <= 10 * n_squared


@pytest.mark.parametrize("name", HIGHER)
def test_the_third_order(found, name):
    assert max(found("two", f"{name} higher")["errors"]) <= tolerance("float64", 12, 3, CONDITION**3)


@pytest.mark.parametrize("name", WHOLE)
def test_what_needs_the_whole_matrix(found, name):
    case = found("two", f"{name} whole")
    same(case)
    assert case["warned"] == []
    gathered = found("two", f"{name} gathered")
    same(gathered)
    assert gathered["warned"] == ["ShardingWarning"]


@pytest.mark.parametrize("dtype", ["float64", "complex128", "float32"])
def test_columns_that_no_gram_matrix_resolves(found, dtype):
    case = found("two", f"rejected {dtype}")
    assert max(case.values()) <= tolerance(dtype, 40, 4)


@pytest.mark.parametrize("group", ["two", "three"])
def test_rows_of_unlike_size(found, group):
    assert found(group, "weighted")["error"] <= tolerance("float64", 12, 3, CONDITION)


def test_dependent_columns(found):
    assert found("two", "dependent") == {"dead": True, "alive": True, "warned": ["SingularMatrixWarning"]}


def test_a_wrong_rule_is_seen(found):
    assert found("two", "planted")["error"] <= tolerance("float64", 12, 3)


def test_all_processes_take_one_branch(found):
    assert found("two", "one branch")["error"] <= tolerance("float64", 12, 3)


def test_modules_of_data_parallel_training(found):
    case = found("two", "modules")
    assert case.pop("placements") == "(Shard(dim=0),)"
    assert max(case.values()) <= tolerance("float64", 12, 3, CONDITION)


@pytest.mark.parametrize("backend", ["eager", "aot_eager", "inductor"])
def test_compiled(found, backend):
    if f"compiled {backend}" not in CASES["two"]:
        pytest.skip("Inductor needs a C++ compiler")
    assert found("two", f"compiled {backend}")["error"] <= tolerance("float64", 12, 3, CONDITION)


@pytest.mark.parametrize("name", ["b whole", "A whole"])
def test_a_gradient_where_its_input_is(found, name):
    case = found("two", "replicated b")[name]
    assert case["error"] <= tolerance("float64", 12, 3, CONDITION)
    assert case["placements"] == [True, True]


def test_as_numbers(found):
    case = found("two", "numbers")
    assert case.pop("condition") <= tolerance("float64", 12, 3)
    assert case == {"to_numpy": True, "rank": True, "sent": True}


REFUSED = {
    "columns of a deep matrix": r"ShardingError: qr got A, 12 x 4, as .*; expected Shard\(0\), its rows.*Redistribute",
    "rows of a wide matrix": r"ShardingError: qr got A, 4 x 12, as .*; expected Shard\(0\), its rows.*Redistribute",
    "rows of a deep matrix for LQ": r"ShardingError: lq got A, .*; expected Shard\(1\), its columns.*Redistribute",
    "partial sums": "ShardingError: qr got A, 12 x 3, as sums that are still partial.*Redistribute",
    "columns of b": "ShardingError: lstsq got b, 12 x 4, as .*Redistribute",
    "different meshes": "ForeignArrayError: lstsq got DTensors on .*; expected one mesh",
    "rows that grow": "ForeignArrayError: qr-append got B as a plain tensor beside a DTensor",
    "rows to append to": r"ShardingError: qr-append got T, 12 x 3, as .*; expected Replicate\(\)",
    "a plain b": "ForeignArrayError: lstsq got b as a plain tensor beside a DTensor",
    "a plain cotangent": "ForeignArrayError: got a plain tensor as the cotangent of Q; expected a DTensor on the mesh",
    "unifiedqr.vjp": "CapabilityError",
    "unifiedqr.grad": "CapabilityError",
    "unifiedqr.jvp": "CapabilityError",
    "torch.func.grad": "CapabilityError",
    "torch.vmap": "CapabilityError",
    "forward mode": "NotImplementedError",  # of PyTorch, which makes no dual number of a DTensor
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(found, name):
    assert re.match(REFUSED[name], found("two", "refused")[name])


def test_a_process_that_dies(found):
    assert "Error" in found("dying", "dying")["said"]
