"""What the laboratory runs and measures in MXNet."""

from collections.abc import Callable, Mapping

from unifiedqr._typing import Array, Arrays
from unifiedqr_lab.instruments import GradientProgram, Instruments, PullbackProgram, Transform


class MXNetInstruments(Instruments):
    """MXNet as its users run it: eagerly, recorded."""

    environment: Mapping[str, str] = {"MXNET_SUBGRAPH_VERBOSE": "0"}
    on_every_member = ("autograd.backward", "autograd.backward of HybridBlock.hybridize")

    def transforms(self) -> tuple[Transform, ...]:
        from unifiedqr_mxnet.instruments.transforms import transforms

        return transforms(self.backend)

    def natives(self) -> Mapping[str, Callable[..., Arrays]]:
        from unifiedqr_mxnet.instruments.natives import NATIVES

        return NATIVES

    def gradient_program(self, f: Callable[..., Arrays]) -> GradientProgram:
        from unifiedqr_mxnet.instruments.natives import gradient_program

        return gradient_program(f)

    def pullback_program(self, f: Callable[..., Arrays]) -> PullbackProgram:
        from unifiedqr_mxnet.instruments.natives import pullback_program

        return pullback_program(f)

    def blas(self) -> str:
        from unifiedqr_mxnet.instruments.natives import blas

        return blas()

    def place(self, x: Array, device: str) -> Array:
        from unifiedqr_mxnet.creation import to_device

        return to_device(x, device.replace("cuda", "gpu"))

    def wait(self, arrays: Arrays) -> None:
        from unifiedqr_mxnet.instruments.natives import wait

        wait(arrays)
