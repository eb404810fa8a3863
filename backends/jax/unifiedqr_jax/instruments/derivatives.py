"""Derivatives as JAX's users take them, each contracted with what `unifiedqr.backend.Transform` hands over.

JAX pairs without conjugation: cotangents and gradients are conjugated here, as in the adapter.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import jet as taylor

from unifiedqr_jax.instruments.programs import Function

Arrays = tuple[Any, ...]
Run = Callable[..., Arrays]


def _value(f: Function, primals: Arrays) -> Arrays:
    return f(*primals)


def _vjp(f: Function, primals: Arrays, bars: Arrays) -> Arrays:
    return _conjugates(jax.vjp(f, *primals)[1](_conjugates(bars)))


def _grad(f: Function, primals: Arrays, bars: Arrays) -> Arrays:
    return _conjugates(jax.grad(_loss(f, bars), argnums=_all(primals))(*primals))


def _value_and_grad(f: Function, primals: Arrays, bars: Arrays) -> Arrays:
    def loss(*primals: Any) -> tuple[Any, Arrays]:
        outputs = f(*primals)
        return _paired(bars, outputs), outputs

    return _conjugates(jax.value_and_grad(loss, argnums=_all(primals), has_aux=True)(*primals)[1])


def _jacrev(f: Function, primals: Arrays, bars: Arrays) -> Arrays:
    columns = zip(*jax.jacrev(f, argnums=_all(primals))(*primals), strict=True)
    return tuple(
        sum(jnp.tensordot(bar, J, bar.ndim) for bar, J in zip(bars, column, strict=True)) for column in columns
    )


def _linear_transpose(f: Function, primals: Arrays, bars: Arrays) -> Arrays:
    _, push = jax.linearize(f, *primals)
    return _conjugates(jax.linear_transpose(push, *primals)(_conjugates(bars)))


def _vmap_of_pullback(f: Function, primals: Arrays, bars: Arrays) -> Arrays:
    _, pull = jax.vjp(f, *primals)
    stacks = tuple(jnp.stack([0 * bar, bar]) for bar in _conjugates(bars))
    return _conjugates(X[1] for X in jax.vmap(pull)(stacks))


def _pullback_from_jit(f: Function, primals: Arrays, bars: Arrays) -> Arrays:
    _, pull = jax.jit(lambda *primals: jax.vjp(f, *primals))(*primals)
    return _conjugates(pull(_conjugates(bars)))


def _custom_vjp(f: Function, primals: Arrays, bars: Arrays) -> Arrays:
    @jax.custom_vjp
    def outer(*primals: Any) -> Arrays:
        return f(*primals)

    outer.defvjp(lambda *primals: jax.vjp(f, *primals), lambda pull, bars: pull(bars))
    return _vjp(outer, primals, bars)


def _strict_vjp(f: Function, primals: Arrays, bars: Arrays) -> Arrays:
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        return _vjp(f, primals, bars)


def _strict_jvp(f: Function, primals: Arrays, dots: Arrays) -> Arrays:
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        return _jvp(f, primals, dots)


def _jvp(f: Function, primals: Arrays, dots: Arrays) -> Arrays:
    return jax.jvp(f, primals, dots)[1]


def _linearize(f: Function, primals: Arrays, dots: Arrays) -> Arrays:
    return jax.linearize(f, *primals)[1](*dots)


def _jacfwd(f: Function, primals: Arrays, dots: Arrays) -> Arrays:
    return _contracted(jax.jacfwd(f, argnums=_all(primals))(*primals), dots)


def _vmap_of_pushforward(f: Function, primals: Arrays, dots: Arrays) -> Arrays:
    stacks = tuple(jnp.stack([0 * dot, dot]) for dot in dots)
    return tuple(X[1] for X in jax.vmap(lambda *dots: _jvp(f, primals, dots))(*stacks))


def _custom_jvp(f: Function, primals: Arrays, dots: Arrays) -> Arrays:
    @jax.custom_jvp
    def outer(*primals: Any) -> Arrays:
        return f(*primals)

    outer.defjvp(partial(jax.jvp, f))
    return _jvp(outer, primals, dots)


def _jet(f: Function, primals: Arrays, dots: Arrays) -> Arrays:
    _, series = taylor.jet(f, primals, tuple([dot] for dot in dots))
    return tuple(terms[0] for terms in series)


def _jvp_of_vjp(f: Function, primals: Arrays, bars: Arrays, dots: Arrays) -> Arrays:
    return _jvp(_gradient(f, bars), primals, dots)


def _vjp_of_vjp(f: Function, primals: Arrays, bars: Arrays, dots: Arrays) -> Arrays:
    return _vjp(_gradient(f, bars), primals, dots)  # the Hessian is symmetric


def _vjp_of_jvp(f: Function, primals: Arrays, bars: Arrays, dots: Arrays) -> Arrays:
    return _vjp(lambda *primals: _jvp(f, primals, dots), primals, bars)


def _jvp_of_grad(f: Function, primals: Arrays, bars: Arrays, dots: Arrays) -> Arrays:
    return _jvp(lambda *primals: _grad(f, primals, bars), primals, dots)


def _linearize_of_grad(f: Function, primals: Arrays, bars: Arrays, dots: Arrays) -> Arrays:
    return _linearize(lambda *primals: _grad(f, primals, bars), primals, dots)


def _hessian(outer: Callable[..., Any], inner: Callable[..., Any]) -> Run:
    """Return the run that takes the whole Hessian of a loss by two of JAX's Jacobians."""

    def contract(f: Function, primals: Arrays, bars: Arrays, dots: Arrays) -> Arrays:
        gradient = inner(_loss(f, bars), argnums=_all(primals))
        return _contracted(outer(gradient, argnums=_all(primals))(*primals), dots)

    return contract


def _in_parts(run: Run, *, forward: bool = False) -> Run:
    """Run on real and imaginary parts, since JAX takes Jacobians of holomorphic or of real functions only.

    What comes back is like the outputs of f from a forward mode, and otherwise like the primals.
    """

    def run_on_parts(f: Function, primals: Arrays, *given: Arrays) -> Arrays:
        def of_parts(*parts: Any) -> Arrays:
            return _parts(f(*_whole(parts, primals)))

        like = jax.eval_shape(f, *primals) if forward else primals
        return _whole(run(of_parts, _parts(primals), *map(_parts, given)), like)

    return run_on_parts


def _all(primals: Arrays) -> tuple[int, ...]:
    return tuple(range(len(primals)))


def _conjugates(arrays: Any) -> Arrays:
    return tuple(map(jnp.conj, arrays))


def _paired(bars: Arrays, outputs: Arrays) -> Any:
    return sum(jnp.sum(jnp.real(jnp.conj(bar) * X)) for bar, X in zip(bars, outputs, strict=True))


def _loss(f: Function, bars: Arrays) -> Callable[..., Any]:
    """Return the function of the primals that pairs the outputs with these cotangents."""
    return lambda *primals: _paired(bars, f(*primals))


def _gradient(f: Function, bars: Arrays) -> Function:
    """Return the function of the primals that pulls these cotangents back."""
    return lambda *primals: _vjp(f, primals, bars)


def _contracted(jacobians: Any, dots: Arrays) -> Arrays:
    return tuple(sum(jnp.tensordot(J, dot, dot.ndim) for J, dot in zip(row, dots, strict=True)) for row in jacobians)


def _parts(arrays: Any) -> Arrays:
    return tuple(part for X in arrays for part in ((X.real, X.imag) if jnp.iscomplexobj(X) else (X,)))


def _whole(parts: Any, like: Any) -> Arrays:
    rest = iter(parts)
    return tuple(jax.lax.complex(next(rest), next(rest)) if X.dtype.kind == "c" else next(rest) for X in like)


DERIVATIVES: dict[str, dict[str, Run]] = {
    "value": {"a call": _value},
    "vjp": {
        "jax.vjp": _vjp,
        "jax.grad": _grad,
        "jax.value_and_grad(has_aux=True)": _value_and_grad,
        "jax.jacrev": _jacrev,
        "jax.jacrev in real and imaginary parts": _in_parts(_jacrev),
        "jax.linear_transpose of jax.linearize": _linear_transpose,
        "jax.vmap of the pullback": _vmap_of_pullback,
        "a pullback returned by jax.jit": _pullback_from_jit,
        "jax.vjp inside jax.custom_vjp": _custom_vjp,
        "jax.vjp under strict promotion of dtypes and ranks": _strict_vjp,
    },
    "jvp": {
        "jax.jvp": _jvp,
        "jax.linearize": _linearize,
        "jax.jacfwd": _jacfwd,
        "jax.jacfwd in real and imaginary parts": _in_parts(_jacfwd, forward=True),
        "jax.vmap of the pushforward": _vmap_of_pushforward,
        "jax.jvp inside jax.custom_jvp": _custom_jvp,
        "jax.jvp under strict promotion of dtypes and ranks": _strict_jvp,
        "jax.experimental.jet": _jet,
    },
    "hvp": {
        "jax.jvp of jax.vjp": _jvp_of_vjp,
        "jax.vjp of jax.vjp": _vjp_of_vjp,
        "jax.vjp of jax.jvp": _vjp_of_jvp,
        "jax.jvp of jax.grad": _jvp_of_grad,
        "jax.linearize of jax.grad": _linearize_of_grad,
        "jax.hessian": _hessian(jax.jacfwd, jax.jacrev),
        "jax.jacfwd of jax.jacfwd in real and imaginary parts": _in_parts(_hessian(jax.jacfwd, jax.jacfwd)),
        "jax.jacfwd of jax.jacrev in real and imaginary parts": _in_parts(_hessian(jax.jacfwd, jax.jacrev)),
        "jax.jacrev of jax.jacfwd in real and imaginary parts": _in_parts(_hessian(jax.jacrev, jax.jacfwd)),
        "jax.jacrev of jax.jacrev in real and imaginary parts": _in_parts(_hessian(jax.jacrev, jax.jacrev)),
    },
}
"""By the kind of a transform."""
