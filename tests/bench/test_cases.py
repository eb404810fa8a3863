"""Cases as they are written, and their operations against numbers reckoned by hand."""

import pytest

from unifiedqr.errors import InputError, OptionError
from unifiedqr_lab.bench.cases import GROUPS, ON_DEMAND, BenchmarkCase, groups_of, read_case, select_cases
from unifiedqr_lab.bench.flops import backward_flops, forward_flops, matmul_flops

CASES = [(group, text) for group, texts in GROUPS.items() for text in texts]


@pytest.mark.parametrize(("group", "text"), CASES)
def test_a_case_of_the_table_is_read_as_it_is_written(group, text):
    case = read_case(text)
    assert case.id == text
    assert group in groups_of(case.id)


def test_sizes_of_a_stack():
    case = read_case("qr:10x64x8:complex64")
    assert case == BenchmarkCase("qr", (10, 64, 8), "complex64")
    assert (case.m, case.n, case.batch, case.is_complex, case.size) == (64, 8, 10, True, 10 * 64 * 8 * 8)


def test_a_case_in_two_groups_is_measured_once():
    ids = [case.id for case in select_cases()]
    assert len(ids) == len(set(ids))
    assert set(ids) == {text for group, text in CASES if group not in ON_DEMAND}
    assert {"small", "growth"} <= set(groups_of("qr:8x8:float64"))


def test_groups_and_texts_select():
    assert {case.id for case in select_cases(["small"])} == set(GROUPS["small"])
    assert all("complex" in case.id for case in select_cases(containing="complex"))
    assert [case.id for case in select_cases(shapes=["lq:3x4:float32"])] == ["lq:3x4:float32"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("qr:64x8", "NAME:SHAPE:DTYPE"),
        ("svd:64x8:float64", "choose one of qr, qr-r"),
        ("qr:64x8:float16", "choose one of float32, float64"),
        ("qr:64:float64", "not a shape"),
        ("qr:64x0:float64", "not a shape"),
        ("qr:64x-8:float64", "not a shape"),
        ("lstsq:8x64:float64", "at least as many rows"),
        ("lstsq-damped:8x64:float64", "lstsq-damped is measured for matrices with at least as many rows"),
        ("lstsq-weighted:8x8:float64", "more rows"),
        ("range-finder:64x8:float64", "20 rows and columns"),
        ("slogdet:8x64:float64", "square"),
    ],
)
def test_what_is_no_case_says_why(text, message):
    with pytest.raises(InputError, match=message):
        read_case(text)


def test_what_selects_nothing_tells_the_choices():
    with pytest.raises(OptionError, match="choose among tall, other"):
        select_cases(["large"])
    with pytest.raises(InputError, match="there are qr:8x8:float64"):
        select_cases(["small"], "float32")


@pytest.mark.parametrize(
    ("text", "forward", "backward"),
    [
        ("qr:10x3:float64", 4 * 90 - 4 / 3 * 27, 5 * 90 + 3 * 27),
        ("qr:3x3:float64", 8 / 3 * 27, 7 * 27),
        ("qr:3x10:float64", 2 * 90 - 2 / 3 * 27 + 4 / 3 * 27, 4 * 90 + 3 * 27),
        ("lq:3x10:float64", 4 * 90 - 4 / 3 * 27, 5 * 90 + 3 * 27),
        ("lq:10x3:float32", 2 * 90 - 2 / 3 * 27 + 4 / 3 * 27, 4 * 90 + 3 * 27),
        ("qr-pivoted:10x3:float64", 4 * 90 - 4 / 3 * 27, 5 * 90 + 3 * 27),
        ("qr-r:10x3:float64", 2 * 90 - 2 / 3 * 27, 2 * 90 + 4 * 27),
        ("qr-r:3x3:float64", 4 / 3 * 27, 6 * 27),
        ("lstsq:10x3:float64", 2 * 90 - 2 / 3 * 27 + 4 * 30, 6 * 30 + 2 * 9),
        ("qr:7x10x3:complex64", 28 * (4 * 90 - 4 / 3 * 27), 28 * (5 * 90 + 3 * 27)),
        ("qr-compiled:10x3:float64", 4 * 90 - 4 / 3 * 27, 5 * 90 + 3 * 27),
        ("r-alone:10x3:float64", 2 * 90 - 2 / 3 * 27, 2 * 90 + 4 * 27),
        ("slogdet:3x3:float64", None, None),
    ],
)
def test_operations(text, forward, backward):
    case = read_case(text)
    assert forward_flops(case) == pytest.approx(forward)
    assert backward_flops(case) == pytest.approx(backward)


def test_operations_of_a_product():
    assert matmul_flops(10, "float32") == 2000
    assert matmul_flops(10, "complex128") == 8000
