"""What the laboratory runs and measures in NumPy."""

from collections.abc import Callable, Mapping

from unifiedqr._typing import Arrays
from unifiedqr_lab.engines import Engine
from unifiedqr_lab.instruments import Instruments, Transform


class NumPyInstruments(Instruments):
    """NumPy has no autodiff: values, and the explicit rules by hand."""

    def transforms(self) -> tuple[Transform, ...]:
        from unifiedqr_numpy.instruments.transforms import TRANSFORMS

        return TRANSFORMS

    def engines(self) -> tuple[Engine, ...]:
        return (Engine("rows_over, a sum of 2 processes", "unifiedqr_numpy.instruments.engines:by_a_sum", 2),)

    def scaled(self, workers: int) -> Engine | None:
        named = "rows_over, a sum", "unifiedqr_numpy.instruments.scaling:of_a_sum"
        return Engine(*named, workers) if workers <= 2 else None

    def natives(self) -> Mapping[str, Callable[..., Arrays]]:
        from unifiedqr_numpy.instruments.natives import NATIVES

        return NATIVES

    def blas(self) -> str:
        from unifiedqr_numpy.instruments.natives import blas

        return blas()
