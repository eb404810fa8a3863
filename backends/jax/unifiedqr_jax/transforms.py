"""The ways in which JAX's users take values and derivatives, for the table of capabilities."""

from collections.abc import Iterator

import jax

from unifiedqr.backend import Transform
from unifiedqr_jax import derivatives as d
from unifiedqr_jax.programs import BATCHED_PROGRAMS, PROGRAMS, Program

BY_THEMSELVES: dict[str, dict[str, d.Run]] = {
    "value": {"a call": d.value},
    "vjp": {
        "jax.vjp": d.vjp,
        "jax.grad": d.grad,
        "jax.value_and_grad(has_aux=True)": d.value_and_grad,
        "jax.jacrev": d.jacrev,
        "jax.jacrev in real and imaginary parts": d.in_parts(d.jacrev),
        "jax.linear_transpose of jax.linearize": d.linear_transpose,
        "jax.vmap of the pullback": d.vmap_of_pullback,
        "a pullback returned by jax.jit": d.pullback_from_jit,
        "jax.vjp inside jax.custom_vjp": d.custom_vjp,
    },
    "jvp": {
        "jax.jvp": d.jvp,
        "jax.linearize": d.linearize,
        "jax.jacfwd": d.jacfwd,
        "jax.jacfwd in real and imaginary parts": d.in_parts(d.jacfwd, forward=True),
        "jax.vmap of the pushforward": d.vmap_of_pushforward,
        "jax.jvp inside jax.custom_jvp": d.custom_jvp,
        "jax.experimental.jet": d.jet,
    },
    "hvp": {
        "jax.jvp of jax.vjp": d.jvp_of_vjp,
        "jax.vjp of jax.vjp": d.vjp_of_vjp,
        "jax.vjp of jax.jvp": d.vjp_of_jvp,
        "jax.jvp of jax.grad": d.jvp_of_grad,
        "jax.linearize of jax.grad": d.linearize_of_grad,
        "jax.hessian": d.hessian(jax.jacfwd, jax.jacrev),
        "jax.jacfwd of jax.jacfwd in real and imaginary parts": d.in_parts(d.hessian(jax.jacfwd, jax.jacfwd)),
        "jax.jacfwd of jax.jacrev in real and imaginary parts": d.in_parts(d.hessian(jax.jacfwd, jax.jacrev)),
        "jax.jacrev of jax.jacfwd in real and imaginary parts": d.in_parts(d.hessian(jax.jacrev, jax.jacfwd)),
        "jax.jacrev of jax.jacrev in real and imaginary parts": d.in_parts(d.hessian(jax.jacrev, jax.jacrev)),
    },
}

EVERY = (*PROGRAMS, *BATCHED_PROGRAMS)
CONTROL_FLOW = ("jax.lax.scan", "jax.lax.cond", "jax.lax.while_loop", "jax.lax.fori_loop")
MAPS = ("jax.vmap", "jax.lax.map", "jax.shard_map", "jax.pmap")

DERIVATIVES_OF_PROGRAMS: dict[str, tuple[str, d.Run, tuple[str, ...]]] = {
    "vjp": ("jax.vjp", d.vjp, EVERY),
    "jvp": ("jax.jvp", d.jvp, ("jax.jit", "jax.checkpoint", *CONTROL_FLOW, *MAPS, "jax.custom_batching", "jax.export")),
    "hvp": ("jax.vjp of jax.vjp", d.vjp_of_vjp, ("jax.jit", "jax.checkpoint", *CONTROL_FLOW, *MAPS, "jax.export")),
}
"""For each kind the derivative, and of which programs it is taken."""

PROGRAMS_OF_DERIVATIVES: dict[str, tuple[str, d.Run, tuple[str, ...]]] = {
    "vjp": ("jax.vjp", d.vjp, tuple(name for name in EVERY if "checkpoint" not in name)),
    "jvp": ("jax.jvp", d.jvp, ("jax.jit", "jax.disable_jit", *MAPS, "jax.export")),
    "hvp": ("jax.jvp of jax.vjp", d.jvp_of_vjp, ("jax.jit", "jax.disable_jit", *CONTROL_FLOW, *MAPS, "jax.export")),
}
"""For each kind the derivative, and which programs run it."""


def transforms() -> Iterator[Transform]:
    """Give values and derivatives by themselves, derivatives of programs, and programs of derivatives."""
    for kind, runs in BY_THEMSELVES.items():
        for name, run in runs.items():
            yield Transform(name, kind, run, slow=kind == "hvp")
    for program in EVERY:
        yield _transform(program, "value", _of(d.value, _made(program)), program)
    for kind, (name, derivative, programs) in DERIVATIVES_OF_PROGRAMS.items():
        for program in programs:
            yield _transform(f"{name} of {program}", kind, _of(derivative, _made(program)), program)
    for kind, (name, derivative, programs) in PROGRAMS_OF_DERIVATIVES.items():
        for program in programs:
            yield _transform(f"{program} of {name}", kind, _by(_made(program), derivative), program)


def _transform(name: str, kind: str, run: d.Run, program: str) -> Transform:
    return Transform(name, kind, run, batched=program in BATCHED_PROGRAMS, slow=True)  # every run is compiled anew


def _made(program: str) -> Program:
    return PROGRAMS[program] if program in PROGRAMS else BATCHED_PROGRAMS[program]


def _of(derivative: d.Run, program: Program) -> d.Run:
    return lambda f, *given: derivative(program(f), *given)


def _by(program: Program, derivative: d.Run) -> d.Run:
    return lambda f, *given: program(lambda *given: derivative(f, *given))(*given)
