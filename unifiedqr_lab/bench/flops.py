"""How many operations a model algorithm takes: real additions and multiplications, leading order.

Forwards are LAPACK's, as counted in LAPACK Working Note 41: geqrf for R, orgqr for the reduced Q, k = min(m, n),

    deep, square:  2 m n^2 - 2/3 n^3  each            wide:  2 m^2 n - 2/3 m^3  and  4/3 m^3.

Backwards count the products (2 m n k) and triangular solves (m n^2) of the shortest known rule that is made of these,
with no savings for triangular factors: for Q and R of a deep matrix 5 m n^2 + 3 n^3, of a square one 7 n^3, of a
wide one 4 m^2 n + 3 m^3. Complex operations count four times. A model is a yardstick: an algorithm that does more work
at a higher rate shows a lower fraction of the GEMM rate than it attains.
"""

from unifiedqr_lab.bench.cases import BenchmarkCase

COMPLEX = 4
"""Real operations of a complex one, on average."""

SAME = {
    **dict.fromkeys(("qr-pivoted", "qr-compiled", "qr-cholesky"), "qr"),
    "r-alone": "qr-r",
    "lstsq-weighted": "lstsq",
}
"""Functions that are measured by the model of another with the same results."""

RIGHT_HAND_SIDES = 1
"""Of a least squares problem."""


def forward_flops(case: BenchmarkCase) -> float | None:
    """Count the operations of a forward; None for a function without a model."""
    return _of_all(case, _forward(*_oriented(case)))


def backward_flops(case: BenchmarkCase) -> float | None:
    """Count the operations of a backward alone, all outputs having cotangents; None for one without a model."""
    return _of_all(case, _backward(*_oriented(case)))


def matmul_flops(n: int, dtype: str) -> float:
    """Count the operations of a product of two square matrices."""
    return 2.0 * n**3 * (COMPLEX if dtype.startswith("complex") else 1)


def _of_all(case: BenchmarkCase, each: float | None) -> float | None:
    return None if each is None else each * case.batch * (COMPLEX if case.is_complex else 1)


def _oriented(case: BenchmarkCase) -> tuple[str, int, int]:
    """Return the QR decomposition that a case amounts to."""
    if case.name == "lq":
        return "qr", case.n, case.m
    return SAME.get(case.name, case.name), case.m, case.n


def _forward(name: str, m: int, n: int) -> float | None:
    triangle = 2 * m * n**2 - 2 / 3 * n**3 if m >= n else 2 * m**2 * n - 2 / 3 * m**3
    if name == "qr":
        return 2 * triangle if m >= n else triangle + 4 / 3 * m**3
    if name == "qr-r":
        return triangle
    if name == "lstsq":
        return triangle + 4 * m * n * RIGHT_HAND_SIDES
    return None


def _backward(name: str, m: int, n: int) -> float | None:
    if name == "qr":
        if m > n:
            return 5 * m * n**2 + 3 * n**3
        return 7 * n**3 if m == n else 4 * m**2 * n + 3 * m**3
    if name == "qr-r" and m >= n:
        return 2 * m * n**2 + 4 * n**3
    if name == "lstsq":
        return (6 * m * n + 2 * n**2) * RIGHT_HAND_SIDES
    return None
