"""What the laboratory runs in Dask."""

from unifiedqr_lab.engines import Engine
from unifiedqr_lab.instruments import Instruments


class DaskInstruments(Instruments):
    """Dask as its users run it: matrices of many blocks."""

    def engines(self) -> tuple[Engine, ...]:
        return (Engine("blocks of rows", "unifiedqr_dask.instruments.engines:in_blocks"),)

    def scaled(self, workers: int) -> Engine:
        del workers
        return Engine("blocks of rows", "unifiedqr_dask.instruments.scaling:of_threads")
