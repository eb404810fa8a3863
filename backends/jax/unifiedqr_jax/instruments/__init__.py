"""What the laboratory runs and measures in Jax."""

from collections.abc import Callable, Mapping

from unifiedqr._typing import Array, Arrays
from unifiedqr_lab.engines import Engine
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

    def engines(self) -> tuple[Engine, ...]:
        module, variables = "unifiedqr_jax.instruments.engines", {"JAX_PLATFORMS": "cpu"}
        # Programs of small matrices run once: LLVM's optimizations would take most of the time.
        flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4 --xla_backend_optimization_level=0"}
        return (
            Engine("NamedSharding, 4 devices", f"{module}:on_mesh", 1, variables, flags),
            Engine("rows_over in jax.shard_map, 4 devices", f"{module}:in_shards", 1, variables, flags),
        )

    def scaled(self, workers: int) -> Engine:
        # Two processes have a device each; more devices are those of one process, of which no time is asked.
        processes, devices = (workers, 1) if workers <= 2 else (1, workers)
        variables = {"JAX_PLATFORMS": "cpu", "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo"}
        flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
        return Engine("NamedSharding", "unifiedqr_jax.instruments.scaling:on_devices", processes, variables, flags)

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
