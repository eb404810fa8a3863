"""One case in one framework: what is run, and what is said where something cannot be."""

import numpy as np
import pytest

from unifiedqr.discovery import get_backend
from unifiedqr_lab.bench import measure as measuring
from unifiedqr_lab.bench import memory
from unifiedqr_lab.bench.cases import NAMES, BenchmarkCase, read_case
from unifiedqr_lab.bench.machine import Machine, gemm_rates
from unifiedqr_lab.bench.measure import brief, measure, measure_memory
from unifiedqr_lab.bench.ours import OURS, ours
from unifiedqr_lab.bench.subjects import candidates, cotangents_of, inputs_of, taken
from unifiedqr_lab.instruments import instruments

SIZES = {"lq": "4x12", "slogdet": "4x4", "range-finder": "40x25"}


def small(name, dtype="float64"):
    return read_case(f"{name}:{SIZES.get(name, '12x4')}:{dtype}")


@pytest.mark.parametrize("name", NAMES)
def test_ours_and_the_frameworks_own_have_the_same_results(backend, name):
    """Up to signs: moduli are compared. What is measured is the same problem."""
    case = small(name)
    inputs, program = tuple(map(backend.from_numpy, inputs_of(case))), instruments(backend.name).program
    mine = [np.abs(backend.to_numpy(y)) for y in program(ours(name))(*taken(name, inputs))]
    for candidate in candidates(backend, name):
        theirs = [np.abs(backend.to_numpy(y)) for y in program(candidate.run)(*inputs[candidate.takes])]
        assert len(theirs) == len(mine)
        for X, Y in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(X, Y, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_programs_are_those_of_vjp(autodiff_backend, name):
    backend, case = autodiff_backend, small(name)
    inputs = taken(name, tuple(map(backend.from_numpy, inputs_of(case))))
    outputs, pullback = backend.vjp(ours(name), inputs)
    bars = tuple(map(backend.from_numpy, cotangents_of(case, tuple(map(backend.to_numpy, outputs)))))
    truth = [backend.to_numpy(x) for x in pullback(bars)]
    values, gradients = instruments(backend.name).gradient_program(ours(name))(inputs, bars)
    instruments(backend.name).wait((*values, *gradients))
    alone = instruments(backend.name).pullback_program(ours(name))
    several = [gradients] if alone is None else [gradients, alone(inputs)(bars)]
    for found in several:
        for x, true in zip(found, truth, strict=True):
            np.testing.assert_allclose(backend.to_numpy(x), true, rtol=1e-10, atol=1e-12)


def test_a_pullback_runs_again_and_again(autodiff_backend):
    backend, case = autodiff_backend, small("qr")
    program = instruments(backend.name).pullback_program(ours("qr"))
    if program is None:
        assert backend.name == "tensorflow"
        return
    inputs = tuple(map(backend.from_numpy, inputs_of(case)))
    bars = tuple(map(backend.from_numpy, cotangents_of(case, inputs_of(read_case("qr:12x4:float64")) * 2)[:1]))
    bars += (backend.from_numpy(np.triu(np.ones((4, 4)))),)
    pullback = program(inputs)
    first, second = (backend.to_numpy(pullback(bars)[0]) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("name", ["qr", "lq", "lstsq"])
def test_everything_that_runs_is_timed(autodiff_backend, name):
    found = measure(autodiff_backend, small(name), 0.0)
    assert found.forward.timing.ours > 0
    assert found.both.timing.ours > 0
    assert found.forward_flops > 0
    assert found.backward_flops > 0
    if autodiff_backend.name in ("torch", "jax") or name == "qr":
        assert found.both.timing.ratio > 0
    assert found.forward.via == (
        "by its qr" if name == "lq" and autodiff_backend.name != "mxnet" else found.forward.via
    )


def test_without_autodiff_the_forward_alone_is_timed():
    found = measure(get_backend("numpy"), small("qr"), 0.0)
    assert found.forward.timing.ratio > 0
    assert found.both.timing is None
    assert found.both.reason == found.backward.reason == "numpy has no autodiff"


def test_r_without_a_derivative_goes_through_the_reduced_factors():
    found = measure(get_backend("torch"), small("qr-r"), 0.0)
    assert found.forward.via == ""
    assert found.both.via == found.backward.via == "through its reduced factors"


def test_a_function_the_framework_has_not_is_timed_alone_with_the_reason():
    found = measure(get_backend("torch"), small("qr-pivoted"), 0.0)
    assert found.both.timing.native is None
    assert found.both.reason == "torch has no qr-pivoted of its own"


def test_another_way_of_ours_is_measured_against():
    for name, via in (("r-alone", "by our qr(A).R"), ("qr-cholesky", "by our method='householder'")):
        found = measure(get_backend("torch"), small(name), 0.0)
        assert found.both.via == via
        assert found.both.timing.ratio > 0


@pytest.mark.filterwarnings("ignore")  # Inductor warns of itself
def test_what_is_compiled_is_measured_against_what_is_compiled(monkeypatch):
    torch = pytest.importorskip("torch")
    compiled, compile_ = [], torch.compile
    monkeypatch.setattr(torch, "compile", lambda f, **options: compiled.append(f) or compile_(f, **options))
    found = measure(get_backend("torch"), small("qr-compiled"), 0.0)
    assert found.both.timing.ratio > 0
    assert len(compiled) >= 6  # ours and PyTorch's own: forward, backward, both
    for name in ("numpy", "jax"):
        found = measure(get_backend(name), small("qr-compiled"), 0.0)
        assert found.forward.timing is None
        assert found.both.reason == f"{name} has no compiler besides that of its programs"


def test_parts_of_a_matrix_are_measured_against_all_of_it(monkeypatch):
    """Appending rows by a QR decomposition that starts afresh, in the place of the function for it."""
    case = BenchmarkCase("append-rows", (12, 4), "float64")
    R, B, A = inputs_of(case)
    assert np.allclose(R.T @ R + B.T @ B, A.T @ A)

    def append_rows(R, B):
        return (np.linalg.qr(np.concatenate([R, B]), mode="r"),)

    monkeypatch.setitem(OURS, "append-rows", append_rows)
    found = measure(get_backend("numpy"), case, 0.0)
    assert found.forward.timing.ratio > 0
    assert found.forward.via == "by our qr(mode='r') of all rows"


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_appended_rows_are_measured_against_the_stacked_ones(name):
    case = BenchmarkCase("append-stacked", (12, 4), "float64")
    R, B = inputs_of(case)
    assert (R.shape, B.shape) == ((4, 4), (8, 4))
    found = measure(get_backend(name), case, 0.0)
    assert found.forward.timing.ratio > 0
    assert found.forward.via == "by our qr(mode='r') of the stacked rows"


def test_an_update_is_measured_against_scipys_and_a_new_decomposition():
    case = BenchmarkCase("update", (12, 4), "complex128")
    *given, A = inputs_of(case)
    Q, R = OURS["update"](*given)
    assert np.allclose(Q @ R, A)
    for name, via in {"numpy": "by SciPy's qr_update", "torch": "by our qr of the new matrix"}.items():
        found = measure(get_backend(name), case, 0.0)
        assert found.forward.timing.ratio > 0
        assert found.forward.via == via


def test_mxnet_has_no_complex_numbers():
    found = measure(get_backend("mxnet"), small("qr", "complex64"), 0.0)
    assert found.both.timing.ours > 0
    assert found.both.reason == "mxnet has no complex numbers of its own"


def test_ours_that_raises_costs_the_case_and_says_why(monkeypatch):
    def broken(A):
        raise ArithmeticError("no such luck\nand more")

    monkeypatch.setattr(measuring, "ours", lambda name: broken)
    found = measure(get_backend("numpy"), small("qr"), 0.0)
    assert found.forward.timing is None
    assert found.forward.reason == found.both.reason == "no such luck"


def test_messages_become_one_short_line():
    assert brief(ValueError("in user code:\n\n    File x\n    ValueError: no gradient\n")) == "ValueError: no gradient"
    assert brief(RuntimeError()) == "RuntimeError"
    assert len(brief(RuntimeError("x" * 1000))) < 120


def test_the_peak_of_a_large_array_is_seen():
    if reason := memory.why_not():
        pytest.skip(reason)

    def within():
        return float(np.ones(2**23).sum())

    assert 63 < memory.peak(within) < 80
    assert 63 < memory.peak(lambda: np.ones(2**23)) < 80
    assert memory.peak(lambda: None) < 8


def test_peaks_of_a_case_are_of_both_or_of_the_forward():
    if reason := memory.why_not():
        pytest.skip(reason)
    assert measure_memory(get_backend("torch"), small("qr")).of == "both"
    assert measure_memory(get_backend("torch"), small("qr-pivoted")).native is None
    assert measure_memory(get_backend("numpy"), small("qr")).of == "forward"


def test_the_rate_of_products_and_the_machine(backend):
    sizes = dict.fromkeys(("float32", "float64"), 8)
    assert set(gemm_rates(backend, sizes, sizes)) == set(sizes)
    assert gemm_rates(backend, ["float8"], {"float8": 8}) == {}
    machine = Machine.here(2, "0")
    assert machine.processor
    assert machine.cores >= 1
