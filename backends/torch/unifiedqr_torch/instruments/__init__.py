"""What the laboratory runs and measures in Torch."""

from collections.abc import Callable, Mapping

from unifiedqr._typing import Array, Arrays
from unifiedqr_lab.engines import Engine
from unifiedqr_lab.instruments import GradientProgram, Instruments, PullbackProgram, Transform


class TorchInstruments(Instruments):
    """PyTorch as its users run it: eagerly."""

    on_every_member = (
        "torch.vmap of torch.func.vjp",
        "backward through torch.compile, aot_eager",
        "torch.func.jvp of torch.vmap",
        "torch.func.jvp of torch.func.grad",
    )

    def transforms(self) -> tuple[Transform, ...]:
        from unifiedqr_torch.instruments.transforms import transforms

        return transforms()

    def engines(self) -> tuple[Engine, ...]:
        variables = {"GLOO_SOCKET_IFNAME": "lo"}
        return (Engine("DTensor, 2 processes", "unifiedqr_torch.instruments.engines:dtensors", 2, variables),)

    def scaled(self, workers: int) -> Engine:
        variables = {"GLOO_SOCKET_IFNAME": "lo"}
        return Engine("DTensor", "unifiedqr_torch.instruments.scaling:of_processes", workers, variables)

    def natives(self) -> Mapping[str, Callable[..., Arrays]]:
        from unifiedqr_torch.instruments.natives import NATIVES

        return NATIVES

    def compiled(self, f: Callable[..., Arrays]) -> Callable[..., Arrays]:
        from unifiedqr_torch.instruments.natives import compiled

        return compiled(f)

    def gradient_program(self, f: Callable[..., Arrays]) -> GradientProgram:
        from unifiedqr_torch.instruments.natives import gradient_program

        return gradient_program(f)

    def pullback_program(self, f: Callable[..., Arrays]) -> PullbackProgram:
        from unifiedqr_torch.instruments.natives import pullback_program

        return pullback_program(f)

    def blas(self) -> str:
        from unifiedqr_torch.instruments.natives import blas

        return blas()

    def place(self, x: Array, device: str) -> Array:
        return x.to(device)

    def wait(self, arrays: Arrays) -> None:
        from unifiedqr_torch.instruments.natives import wait

        wait(arrays)

    def release(self) -> None:
        from unifiedqr_torch.instruments.natives import release

        release()
