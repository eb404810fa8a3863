"""Primitives as pairs of JAX primitives: the decomposition, and its tangent map.

The tangent map is linear in the tangents, and JAX reverses it with the transpose rule it is given here. So the JVP rule
serves forward mode, the VJP rule reverse mode, and neither is derived from the other. Its own derivative with respect
to what was kept comes from differentiating the rules, which are ordinary array code, to any order.

The decomposition is no `jax.custom_jvp`: JAX drops that at second order inside `jax.lax.scan` and differentiates the
kernel instead.

JAX pairs tr(X_bar^T dX) without conjugation: cotangents are conjugated on the way in and out, here and nowhere else.

A function that is compiled as a whole differentiates fastest, but no rule in it sees a value. So where a derivative is
taken eagerly the values of small factors are awaited, and if a part of them has no derivative, or they are large, each
rule is run by itself: compiled if all derivatives exist, and else step by step, so that it can report.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import jax
import jax.core
import jax.numpy as jnp
from jax.extend.core import Primitive as JaxPrimitive
from jax.interpreters import ad, batching, mlir

from unifiedqr._typing import Namespace
from unifiedqr.checks import mode
from unifiedqr.decomposition import Primitive
from unifiedqr_jax.alone import xp_alone
from unifiedqr_jax.gathering import reporting
from unifiedqr_jax.meshes import is_alone, on_meshes
from unifiedqr_jax.namespace import xp
from unifiedqr_jax.sizes import settled, xp_exported
from unifiedqr_jax.values import seen, value_at_hand

JaxArrays = tuple[jax.Array, ...]
config: Any = jax.config

LARGE = 2**13
"""Number of entries from which on waiting for factors takes longer than dispatching the rules one by one."""


@cache
def bind(primitive: Primitive) -> Callable[..., JaxArrays]:
    """Return the primitive as a differentiable function of JAX arrays."""
    primitive = on_meshes(primitive)
    decomposition = _decomposition(primitive)

    def decompose(*inputs: jax.Array) -> JaxArrays:
        return tuple(decomposition.bind(*inputs))

    def decompose_and_look(*inputs: jax.Array) -> tuple[JaxArrays, jax.Array]:
        outputs = decompose(*inputs)
        constants = tuple(map(jax.lax.stop_gradient, primitive.kept(inputs, outputs)))
        return outputs, primitive.singular(xp, constants)

    def function(*inputs: jax.Array) -> JaxArrays:
        inputs = (reporting(primitive, inputs[0]), *inputs[1:])
        if not _is_differentiated_eagerly(inputs):
            return compiled(*inputs)
        # What depends on an arbitrary basis is seen by the rule itself, if it is not compiled.
        if sum(x.size for x in inputs) >= LARGE or primitive.spans:
            return decompose(*inputs)
        outputs, nowhere = compiled_and_looking(*inputs)
        marks = seen(nowhere)
        return outputs if marks is None or not marks.any() else decompose(*inputs)

    decompose.__name__ = decomposition.name
    compiled, compiled_and_looking = jax.jit(decompose), jax.jit(decompose_and_look)
    return function


def _is_differentiated_eagerly(inputs: JaxArrays) -> bool:
    """Return whether a derivative is being taken of inputs with available values, and checks are on."""
    return any(isinstance(x, jax.core.Tracer) for x in inputs) and mode() != "off" and _are_at_hand(inputs)


def _are_at_hand(arrays: Sequence[jax.Array]) -> bool:
    # With compilation disabled the rules see all values by themselves.
    return all(value_at_hand(x) is not None for x in arrays) and not config.jax_disable_jit


def _decomposition(primitive: Primitive) -> JaxPrimitive:
    """Return the forward (inputs) -> outputs as a JAX primitive."""

    def forward(*inputs: jax.Array, xp: Namespace = xp) -> list[jax.Array]:
        return settled(lambda xp: list(primitive.forward(xp, *inputs)), primitive.orientation, inputs[0], xp=xp)

    def derivative(inputs: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        outputs = decomposition.bind(*inputs)
        kept = primitive.kept(tuple(inputs), tuple(outputs))
        return outputs, tangent_map.bind(*kept, *map(ad.instantiate_zeros, tangents))

    tangent_map = _tangent_map(primitive)
    decomposition = _indivisible(
        f"unifiedqr_{primitive.name}",
        forward,
        alone=partial(forward, xp=xp_alone),
        exported=partial(forward, xp=xp_exported),
    )
    ad.primitive_jvps[decomposition] = derivative
    return decomposition


def _tangent_map(primitive: Primitive) -> JaxPrimitive:
    """Return the map (kept, tangents) -> output tangents as a JAX primitive, linear in the tangents."""
    count = len(primitive.keeps)

    def push(*arguments: jax.Array) -> list[jax.Array]:
        kept, tangents = arguments[:count], arguments[count:]
        return settled(lambda xp: list(primitive.jvp(xp, kept, tangents)), primitive.orientation, tangents[0])

    def pull(xp: Namespace, kept: JaxArrays, cotangents: list[jax.Array | None]) -> list[jax.Array | None]:
        return conjugated(primitive.vjp(xp, kept, conjugated(cotangents)))

    def conjugated(bars: Sequence[jax.Array | None]) -> list[jax.Array | None]:
        return [None if bar is None else jnp.conj(bar) for bar in bars]

    compiled_push, compiled_pull = jax.jit(push), jax.jit(partial(pull, xp))
    singular = jax.jit(partial(primitive.singular, xp))

    def is_sound(kept: Sequence[jax.Array]) -> bool:
        """Return whether the kept values are available, and either every matrix has all derivatives or checks are off.

        Elsewhere the rule is not compiled, and reports by itself.
        """
        if not _are_at_hand(kept):
            return False
        with jax.core.eval_context():
            marks = seen(singular(tuple(map(value_at_hand, kept)))) if mode() != "off" else None
        return marks is None or not marks.any()

    def push_or_look(*arguments: jax.Array) -> list[jax.Array]:
        return (compiled_push if is_sound(arguments[:count]) else push)(*arguments)

    def derivative(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Differentiate the rule with respect to what was kept, and apply the map to the tangents' tangents."""
        kept, inner = primals[:count], primals[count:]
        kept_dots, inner_dots = tangents[:count], tangents[count:]
        outputs = linear.bind(*primals)
        terms: list[Sequence[Any]] = []
        if not all(isinstance(dot, ad.Zero) for dot in inner_dots):
            terms.append(linear.bind(*kept, *map(ad.instantiate_zeros, inner_dots)))
        if not all(isinstance(dot, ad.Zero) for dot in kept_dots):
            dots = tuple(map(ad.instantiate_zeros, kept_dots))
            rule = compiled_push if _are_at_hand(kept) else push
            terms.append(jax.jvp(lambda *kept: rule(*kept, *inner), tuple(kept), dots)[1])
        return outputs, [sum(parts[1:], parts[0]) for parts in zip(*terms, strict=True)]

    def transpose(cotangents: Sequence[Any], *arguments: Any) -> list[Any]:
        kept, A_dot = arguments[:count], arguments[count]
        bars = [None if isinstance(bar, ad.Zero) else bar for bar in cotangents]
        if all(bar is None for bar in bars):
            return [None] * len(arguments)
        if is_sound(kept) and not primitive.spans:
            return [None] * count + compiled_pull(kept, bars)
        A_dot = A_dot.aval if ad.is_undefined_primal(A_dot) else A_dot
        return [None] * count + settled(lambda xp: pull(xp, kept, bars), primitive.orientation, A_dot)

    linear = _indivisible(f"unifiedqr_{primitive.name}_tangent", push)
    linear.def_impl(push_or_look)
    ad.primitive_jvps[linear] = derivative
    ad.primitive_transposes[linear] = transpose
    return linear


def _indivisible(
    name: str,
    function: Callable[..., list[jax.Array]],
    *,
    alone: Callable[..., list[jax.Array]] | None = None,
    exported: Callable[..., list[jax.Array]] | None = None,
) -> JaxPrimitive:
    """Return a function of stacks of matrices as one JAX primitive, which still lacks its derivative.

    `alone` takes its place in programs for one device, `exported` in those of `jax.export`, which are to run elsewhere.
    """
    compiled = jax.jit(function)

    def abstract(*arguments: Any) -> list[Any]:
        # Traced from the abstract values themselves: they also say on which axes of a device mesh the values vary.
        return list(compiled.trace(*arguments).jaxpr.out_avals)

    def batch(arguments: Any, axes: Any) -> tuple[Any, Any]:
        size = next(a.shape[axis] for a, axis in zip(arguments, axes, strict=True) if axis is not None)
        moved = [batching.bdim_at_front(a, axis, size) for a, axis in zip(arguments, axes, strict=True)]
        results = made.bind(*moved)
        return results, [0] * len(results)

    def lower(ctx: Any, *args: Any, **kw: Any) -> Any:
        for_export = ctx.module_context.lowering_parameters.for_export
        chosen: Any = (exported if for_export else alone if is_alone(ctx) else None) or function
        return mlir.lower_fun(chosen, multiple_results=True)(ctx, *args, **kw)

    made = JaxPrimitive(name)
    made.multiple_results = True
    made.def_impl(compiled)
    made.def_abstract_eval(abstract)
    batching.primitive_batchers[made] = batch
    mlir.register_lowering(made, lower)
    return made
