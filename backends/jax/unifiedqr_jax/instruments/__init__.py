"""What the laboratory runs and measures in Jax."""

from collections.abc import Callable, Mapping

from unifiedqr._typing import Array, Arrays
from unifiedqr_lab.instruments import GradientProgram, Instruments, PullbackProgram, Transform


class JaxInstruments(Instruments):
    """JAX as its users run it: in `jax.jit`."""

    environment: Mapping[str, str] = {"JAX_ENABLE_X64": "1"}
    threads = ("NPROC",)
    on_every_member = (
        "jax.jit of jax.vjp",
        "jax.vmap of jax.vjp",
        "jax.jit of jax.jvp",
        "jax.jit of jax.jvp of jax.vjp",
    )

    def transforms(self) -> tuple[Transform, ...]:
        from unifiedqr_jax.instruments.transforms import transforms

        return tuple(transforms())

    def natives(self) -> Mapping[str, Callable[..., Arrays]]:
        from unifiedqr_jax.instruments.natives import NATIVES

        return NATIVES

    def program(self, f: Callable[..., Arrays]) -> Callable[..., Arrays]:
        from unifiedqr_jax.instruments.natives import program

        return program(f)

    def gradient_program(self, f: Callable[..., Arrays]) -> GradientProgram:
        from unifiedqr_jax.instruments.natives import gradient_program

        return gradient_program(f)

    def pullback_program(self, f: Callable[..., Arrays]) -> PullbackProgram:
        from unifiedqr_jax.instruments.natives import pullback_program

        return pullback_program(f)

    def blas(self) -> str:
        from unifiedqr_jax.instruments.natives import blas

        return blas()

    def place(self, x: Array, device: str) -> Array:
        from unifiedqr_jax.instruments.natives import place

        return place(x, device)

    def wait(self, arrays: Arrays) -> None:
        from unifiedqr_jax.instruments.natives import wait

        wait(arrays)

    def release(self) -> None:
        from unifiedqr_jax.instruments.natives import release

        release()
