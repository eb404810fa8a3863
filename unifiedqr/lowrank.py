"""Rows of the table of low rank: interpolative decompositions and the randomized range finder."""

from functools import partial

from unifiedqr._typing import Array, Arrays, Cotangents, Namespace
from unifiedqr.arrays.triangle import frame_singular
from unifiedqr.kernels import lowrank as kernels
from unifiedqr.primitive import Orientation, Primitive, on_demand
from unifiedqr.rules.lowrank import (
    chain_pullback,
    chain_pushforward,
    chain_singular,
    interpolative_pullback,
    interpolative_pushforward,
)


def _interpolative_vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
    T_bar, _, Q_bar, G_bar = cotangents
    return (interpolative_pullback(xp, *kept, T_bar, Q_bar, G_bar),)


def _interpolative_jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
    T_dot, *frame_dots = interpolative_pushforward(xp, *kept, *tangents)
    return T_dot, xp.zeros_like(kept[2]), *frame_dots


def _interpolative_singular(xp: Namespace, kept: Arrays) -> Array:
    return frame_singular(xp, kept[-1])


@on_demand
def interpolative(rank: int) -> Primitive:
    """Return the row of interpolative decompositions after `rank` steps."""
    return Primitive(
        name="interpolative",
        options=(f"rank {rank}",),
        orientation=Orientation(),
        inputs=("A",),
        outputs=("T", "P", "Q", "G"),
        sides={"A": "mn", "T": "1n", "P": "1n", "Q": "m1", "G": "11"},
        results=2,
        discrete=("P",),
        keeps=("A", "T", "P", "Q", "G"),
        forward=partial(kernels.interpolative, rank=rank),
        vjp=_interpolative_vjp,
        jvp=_interpolative_jvp,
        singular=_interpolative_singular,
        pivots=True,
    )


def _in_order(kept: Arrays) -> Arrays:
    """Return Q_0, R_0, Q_1, ... of (LR.2) from a row's outputs, where those of the last step come first."""
    return (*kept[2:], *kept[:2])


def _chain_vjp(xp: Namespace, kept: Arrays, cotangents: Cotangents) -> Arrays:
    A, Omega, *factors = kept
    return chain_pullback(xp, A, Omega, _in_order(tuple(factors)), _in_order(tuple(cotangents)))


def _chain_jvp(xp: Namespace, kept: Arrays, tangents: Arrays) -> Arrays:
    A, Omega, *factors = kept
    dots = chain_pushforward(xp, A, Omega, _in_order(tuple(factors)), *tangents)
    return *dots[-2:], *dots[:-2]


def _chain_singular(xp: Namespace, kept: Arrays) -> Array:
    return chain_singular(xp, _in_order(kept[2:]))


@on_demand
def range_finder(iterations: int) -> Primitive:
    """Return the row of the randomized range finder with this many power iterations."""
    before = tuple(f"{name}{i}" for i in range(2 * iterations) for name in "QR")
    outputs = ("Q", "R", *before)
    sides = {name: ("11" if name[0] == "R" else "n1" if name in before[2::4] else "m1") for name in outputs}
    return Primitive(
        name="range_finder",
        options=(f"iterations {iterations}",),
        orientation=Orientation(),
        inputs=("A", "Omega"),
        outputs=outputs,
        sides={"A": "mn", "Omega": "n1", **sides},
        results=1,
        discrete=(),
        keeps=("A", "Omega", *outputs),
        forward=partial(kernels.range_finder, iterations=iterations),
        vjp=_chain_vjp,
        jvp=_chain_jvp,
        singular=_chain_singular,
    )
