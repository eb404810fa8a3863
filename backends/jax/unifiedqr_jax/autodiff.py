"""Primitives as `jax.custom_jvp` functions whose tangent map is one linear JAX primitive.

The tangent map is linear in the tangents, and JAX reverses it with the transpose rule it is given here. So the JVP rule
serves forward mode, the VJP rule reverse mode, and neither is derived from the other. Its own derivative with respect
to what was kept comes from differentiating the rules, which are ordinary array code, to any order.

JAX pairs tr(X_bar^T dX) without conjugation: cotangents are conjugated on the way in and out, here and nowhere else.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import jax
import jax.core
import jax.extend.core
import jax.numpy as jnp
from jax.interpreters import ad, batching, mlir

from unifiedqr.decomposition import Primitive
from unifiedqr_jax.namespace import xp

JaxArrays = tuple[jax.Array, ...]


@cache
def bind(primitive: Primitive) -> Callable[..., JaxArrays]:
    """Give the primitive as a differentiable function of JAX arrays."""
    pushforward = _linear(primitive)

    def call(*inputs: jax.Array) -> JaxArrays:
        return primitive.forward(xp, *inputs)

    def call_with_tangents(inputs: JaxArrays, tangents: JaxArrays) -> tuple[JaxArrays, JaxArrays]:
        outputs = differentiable(*inputs)
        return outputs, tuple(pushforward.bind(*primitive.kept(inputs, outputs), *tangents))

    call.__name__ = f"unifiedqr_{primitive.name}"
    differentiable = jax.custom_jvp(call)
    differentiable.defjvp(call_with_tangents)
    return jax.jit(differentiable)


def _linear(primitive: Primitive) -> jax.extend.core.Primitive:
    """Give the tangent map (kept, tangents) -> output tangents as a JAX primitive, linear in the tangents."""
    count = len(primitive.keeps)

    def push(*arguments: jax.Array) -> list[jax.Array]:
        return list(primitive.jvp(xp, arguments[:count], arguments[count:]))

    linear = jax.extend.core.Primitive(f"unifiedqr_{primitive.name}_tangent")
    linear.multiple_results = True
    linear.def_impl(jax.jit(push))

    def abstract(*arguments: Any) -> list[Any]:
        results = jax.eval_shape(push, *(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arguments))
        return [jax.core.ShapedArray(result.shape, result.dtype) for result in results]

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
            terms.append(jax.jvp(lambda *kept: push(*kept, *inner), tuple(kept), dots)[1])
        return outputs, [sum(parts[1:], parts[0]) for parts in zip(*terms, strict=True)]

    def transpose(cotangents: Sequence[Any], *arguments: Any) -> list[Any]:
        kept = arguments[:count]
        pulled = [None if isinstance(bar, ad.Zero) else jnp.conj(bar) for bar in cotangents]
        return [None] * count + [jnp.conj(bar) for bar in primitive.vjp(xp, kept, pulled)]

    def batch(arguments: Any, axes: Any) -> tuple[Any, Any]:
        size = next(a.shape[axis] for a, axis in zip(arguments, axes, strict=True) if axis is not None)
        moved = [batching.bdim_at_front(a, axis, size) for a, axis in zip(arguments, axes, strict=True)]
        results = linear.bind(*moved)
        return results, [0] * len(results)

    linear.def_abstract_eval(abstract)
    ad.primitive_jvps[linear] = derivative
    ad.primitive_transposes[linear] = transpose
    batching.primitive_batchers[linear] = batch
    mlir.register_lowering(linear, mlir.lower_fun(push, multiple_results=True))
    return linear
