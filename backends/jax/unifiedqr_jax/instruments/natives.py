"""JAX's own functions, and functions as JAX's users run them over and over: what ours are measured against."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import scipy

from unifiedqr_jax.autodiff import JaxArrays
from unifiedqr_lab.instruments import GradientProgram

Function = Callable[..., JaxArrays]

NATIVES: dict[str, Function] = {
    "qr": lambda A: tuple(jnp.linalg.qr(A)),
    "qr-r": lambda A: (jnp.linalg.qr(A, mode="r"),),
    "qr-pivoted": lambda A: tuple(jax.lax.linalg.qr(A, pivoting=True, full_matrices=False)),
    "lstsq": lambda A, b: tuple(jnp.linalg.lstsq(A, b)),
    "slogdet": lambda A: tuple(jnp.linalg.slogdet(A)),
}


def gradient_program(f: Function) -> GradientProgram:
    """Return the function of primals and cotangents to outputs and gradients, `jax.vjp` in `jax.jit`."""

    @jax.jit
    def outputs_and_gradients(primals: JaxArrays, cotangents: JaxArrays) -> tuple[JaxArrays, JaxArrays]:
        outputs, pullback = jax.vjp(f, *primals)
        return outputs, pullback(cotangents)

    return outputs_and_gradients


def pullback_program(f: Function) -> Callable[[JaxArrays], Callable[[JaxArrays], JaxArrays]]:
    """Return the function that runs f and gives its pullback, two compiled programs: a pullback is a tree of arrays."""
    forward = jax.jit(lambda primals: jax.vjp(f, *primals)[1])
    backward = jax.jit(_apply)

    def pullback_at(primals: JaxArrays) -> Callable[[JaxArrays], JaxArrays]:
        pullback = forward(primals)
        return lambda cotangents: backward(pullback, cotangents)

    return pullback_at


def _apply(pullback: Any, cotangents: JaxArrays) -> JaxArrays:
    return pullback(cotangents)


def program(f: Function) -> Function:
    """Return f compiled."""
    return jax.jit(f)


def place(x: jax.Array, device: str) -> jax.Array:
    """Return x on a device, which is named by its platform and, after a colon, its number there."""
    platform, _, number = device.partition(":")
    return jax.device_put(x, jax.devices(platform)[int(number or 0)])


def wait(arrays: JaxArrays) -> None:
    """Return when the values of the arrays are computed."""
    jax.block_until_ready(arrays)


def release() -> None:
    """Drop every compiled program: each keeps memory maps, of which Linux allows a process 65530."""
    jax.clear_caches()


def blas() -> str:
    """Return what XLA calls on the host: the LAPACK of SciPy; its products are Eigen's."""
    built: Any = scipy.show_config(mode="dicts")
    library = built["Build Dependencies"]["lapack"]
    return f"Eigen; scipy: {library['name']} {library['version']}"
