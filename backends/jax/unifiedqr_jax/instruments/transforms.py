"""The ways in which JAX's users take values and derivatives, for the table of capabilities."""

from collections.abc import Iterator

from unifiedqr_jax.instruments.derivatives import DERIVATIVES, Run
from unifiedqr_jax.instruments.programs import BATCHED_PROGRAMS, PROGRAMS, Program
from unifiedqr_lab.instruments import Transform

EVERY = (*PROGRAMS, *BATCHED_PROGRAMS)
MAPS = ("jax.vmap", "jax.shard_map", "jax.pmap")

OF_PROGRAMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "vjp": ("jax.vjp", EVERY),
    "jvp": ("jax.jvp", ("jax.jit", "jax.checkpoint", "jax.lax.scan", "jax.lax.while_loop", *MAPS, "jax.export")),
    "hvp": ("jax.vjp of jax.vjp", ("jax.jit", "jax.checkpoint", "jax.lax.scan", "jax.lax.cond", *MAPS, "jax.export")),
}
"""For each kind a derivative, and of which programs it is taken."""

RUN_BY_PROGRAMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "vjp": ("jax.vjp", tuple(name for name in EVERY if "checkpoint" not in name and name != "jax.lax.cond")),
    "jvp": ("jax.jvp", ("jax.jit", *MAPS)),
    "hvp": ("jax.jvp of jax.vjp", ("jax.jit", "jax.lax.while_loop", *MAPS)),
}
"""For each kind a derivative, and which programs run it."""


def transforms() -> Iterator[Transform]:
    """Return values and derivatives by themselves, derivatives of programs, and programs of derivatives."""
    for kind, runs in DERIVATIVES.items():
        for name, run in runs.items():
            yield Transform(name, kind, run, slow=True)  # each run compiles what it runs
    for program in EVERY:
        yield _transform(program, "value", _of(DERIVATIVES["value"]["a call"], _made(program)), program)
    for kind, (name, programs) in OF_PROGRAMS.items():
        for program in programs:
            yield _transform(f"{name} of {program}", kind, _of(DERIVATIVES[kind][name], _made(program)), program)
    for kind, (name, programs) in RUN_BY_PROGRAMS.items():
        for program in programs:
            yield _transform(f"{program} of {name}", kind, _by(_made(program), DERIVATIVES[kind][name]), program)


def _transform(name: str, kind: str, run: Run, program: str) -> Transform:
    return Transform(name, kind, run, batched=program in BATCHED_PROGRAMS, slow=True)


def _made(program: str) -> Program:
    return {**PROGRAMS, **BATCHED_PROGRAMS}[program]


def _of(derivative: Run, program: Program) -> Run:
    return lambda f, *given: derivative(program(f), *given)


def _by(program: Program, derivative: Run) -> Run:
    return lambda f, *given: program(lambda *given: derivative(f, *given))(*given)
