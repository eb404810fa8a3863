"""Routes: what users of PyTorch call to take derivatives of a function f of several tensors to a tuple of them.

A route takes f and tuples of arrays as `Transform.run` does. The gradient of the pairing <bars, f(primals)> is the VJP,
so that routes for scalar losses serve as well. Jacobians are those of the function of real and imaginary parts: PyTorch
takes Jacobians of no other complex function.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch.autograd import forward_ad

from unifiedqr_torch.autodiff import Tensors
from unifiedqr_torch.instruments.wrappers import Function, Module, compiled

Route = Callable[..., Tensors]


def watched(arrays: Tensors) -> Tensors:
    """Return copies that a graph can be recorded from."""
    return tuple(X.detach().clone().requires_grad_() for X in arrays)


def pairing(Xs: Tensors, Ys: Tensors) -> torch.Tensor:
    """Return the sum of Re tr(X^H Y), in float32 at least."""
    wide = [(torch.promote_types(X.dtype, torch.float32), X, Y) for X, Y in zip(Xs, Ys, strict=True)]
    return torch.stack([(X.to(kind).conj() * Y.to(kind)).real.sum() for kind, X, Y in wide]).sum()


def loss_of(f: Function, bars: Tensors) -> Callable[..., torch.Tensor]:
    """Return the scalar function whose gradient is the VJP."""
    return lambda *primals: pairing(bars, f(*primals))


def positions(arrays: Tensors) -> tuple[int, ...]:
    """Return the numbers of the arguments to differentiate: all."""
    return tuple(range(len(arrays)))


def of_all(transform: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    """Return a transform of `torch.func` in the manner of `torch.autograd.functional`: of f, at a tuple of arrays."""
    return lambda f, arrays: transform(f, argnums=positions(arrays), **options)(*arrays)


def gradients(inputs: Tensors) -> Tensors:
    """Return what was accumulated, zero where nothing was."""
    return tuple(torch.zeros_like(A) if A.grad is None else A.grad for A in inputs)


def gradient_of(f: Function, bars: Tensors) -> Function:
    """Return the VJP as a function of the primals, by `torch.func.grad`."""
    return lambda *primals: torch.func.grad(loss_of(f, bars), argnums=positions(primals))(*primals)


def real(arrays: Tensors) -> Tensors:
    """Return complex arrays as real ones with a last axis of two."""
    return tuple(torch.view_as_real(X.resolve_conj()) if X.is_complex() else X for X in arrays)


def like(parts: Tensors, arrays: Tensors) -> Tensors:
    """Return what `real` took apart, each in the dtype of the array of the same place."""
    pairs = zip(parts, arrays, strict=True)
    return tuple((torch.view_as_complex(X.contiguous()) if Y.is_complex() else X).to(Y.dtype) for X, Y in pairs)


def contracted(jacobian: Any, *, outputs: Tensors | None = None, inputs: Tensors | None = None) -> Tensors:
    """Contract a Jacobian, a tuple of rows per output with a block per input, with cotangents or with tangents."""
    if inputs is not None:
        products = [[product(J, X, X.ndim) for J, X in zip(row, inputs, strict=True)] for row in jacobian]
    else:
        columns = zip(*jacobian, strict=True)
        products = [[product(X, J, X.ndim) for X, J in zip(outputs or (), c, strict=True)] for c in columns]
    return tuple(torch.stack(terms).sum(0) for terms in products)


def product(X: torch.Tensor, Y: torch.Tensor, axes: int) -> torch.Tensor:
    """Sum over the last axes of X and the first of Y, in float32 at least."""
    wide = torch.promote_types(torch.promote_types(X.dtype, Y.dtype), torch.float32)
    return torch.tensordot(X.to(wide), Y.to(wide), axes)


def real_function(f: Function, primals: Tensors) -> Function:
    """Return f as a function of, and to, real and imaginary parts."""
    return lambda *parts: real(f(*like(parts, primals)))


# Reverse mode.


def backward(f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Accumulate."""
    inputs = watched(primals)
    torch.autograd.backward(f(*inputs), bars)
    return gradients(inputs)


def autograd_grad(f: Function, primals: Tensors, bars: Tensors, **options: Any) -> Tensors:
    """Call `torch.autograd.grad`."""
    inputs = watched(primals)
    return torch.autograd.grad(f(*inputs), inputs, bars, **options)


def batched_grad(f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Pull several cotangents back at once."""
    twice = tuple(torch.stack([-X, X]) for X in bars)
    return tuple(X[1] for X in autograd_grad(f, primals, twice, is_grads_batched=True))


def functional_vjp(f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Call `torch.autograd.functional.vjp`."""
    return torch.autograd.functional.vjp(f, primals, bars)[1]


def func_vjp(f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Call `torch.func.vjp`."""
    return torch.func.vjp(f, *primals)[1](bars)


def func_grad(f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Call `torch.func.grad`."""
    return gradient_of(f, bars)(*primals)


def grad_and_value(f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Call `torch.func.grad_and_value`."""
    return torch.func.grad_and_value(loss_of(f, bars), argnums=positions(primals))(*primals)[0]


def jacobian_rows(jacobian: Callable[..., Any], f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Contract a Jacobian with the cotangents."""
    found = jacobian(real_function(f, primals), real(primals))
    return like(contracted(found, outputs=real(bars)), primals)


def module_parameters(f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Accumulate in the parameters of a module."""
    module = Module(f, watched(primals))
    torch.autograd.backward(module(), bars)
    return gradients(tuple(module.matrices))


def functional_call(f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Differentiate a module as a function of its parameters."""
    module = Module(f, primals)
    names = [name for name, _ in module.named_parameters()]

    def at(*parameters: torch.Tensor) -> Tensors:
        return torch.func.functional_call(module, dict(zip(names, parameters, strict=True)), ())

    return func_vjp(at, primals, bars)


def compiled_backward(f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Compile the backward pass with the forward pass."""
    inputs = watched(primals)

    def train(*matrices: torch.Tensor) -> None:
        torch.autograd.backward(f(*matrices), bars)

    with torch._dynamo.config.patch(compiled_autograd=True):
        compiled(train, backend="aot_eager", fullgraph=False)(*inputs)
    return gradients(inputs)


def compiled_grad(f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Compile a function that calls `torch.autograd.grad`."""

    def gradient(*matrices: torch.Tensor) -> Tensors:
        return torch.autograd.grad(f(*matrices), matrices, bars)

    with torch._dynamo.config.patch(trace_autograd_ops=True):
        return compiled(gradient, backend="aot_eager")(*watched(primals))


# Forward mode.


def func_jvp(f: Function, primals: Tensors, dots: Tensors) -> Tensors:
    """Call `torch.func.jvp`."""
    return torch.func.jvp(f, primals, dots)[1]


def linearize(f: Function, primals: Tensors, dots: Tensors) -> Tensors:
    """Call `torch.func.linearize`."""
    return torch.func.linearize(f, *primals)[1](*dots)


def dual_numbers(f: Function, primals: Tensors, dots: Tensors) -> Tensors:
    """Push dual numbers through f."""
    with forward_ad.dual_level():
        outputs = f(*(forward_ad.make_dual(A, A_dot) for A, A_dot in zip(primals, dots, strict=True)))
        return tuple(tangent_of(X) for X in outputs)


def tangent_of(X: torch.Tensor) -> torch.Tensor:
    """Return the tangent of a dual number, zero where there is none."""
    tangent = forward_ad.unpack_dual(X).tangent
    return torch.zeros_like(X) if tangent is None else tangent


def functional_jvp(f: Function, primals: Tensors, dots: Tensors) -> Tensors:
    """Call `torch.autograd.functional.jvp`, which transposes the VJP."""
    return torch.autograd.functional.jvp(f, primals, dots)[1]


def jacobian_columns(jacobian: Callable[..., Any], f: Function, primals: Tensors, dots: Tensors) -> Tensors:
    """Contract a Jacobian with the tangents."""
    found = jacobian(real_function(f, primals), real(primals))
    return like(contracted(found, inputs=real(dots)), f(*primals))


# Second order.


def twice(f: Function, primals: Tensors, bars: Tensors, dots: Tensors) -> Tensors:
    """Call `torch.autograd.grad` on the gradient."""
    inputs = watched(primals)
    A_bars = torch.autograd.grad(f(*inputs), inputs, bars, create_graph=True)
    return torch.autograd.grad(A_bars, inputs, dots)


def of_gradient(route: Route, f: Function, primals: Tensors, bars: Tensors, dots: Tensors) -> Tensors:
    """Take the derivative of `torch.func.grad` by a route of the first order; a Hessian is symmetric."""
    return route(gradient_of(f, bars), primals, dots)


def dual_numbers_over_backward(f: Function, primals: Tensors, bars: Tensors, dots: Tensors) -> Tensors:
    """Push dual numbers through a backward pass."""
    inputs = watched(primals)
    return dual_numbers(lambda *duals: torch.autograd.grad(f(*duals), duals, bars), inputs, dots)


def grad_of_jvp(f: Function, primals: Tensors, bars: Tensors, dots: Tensors) -> Tensors:
    """Take the gradient of the output tangents, paired with the cotangents."""
    return gradient_of(lambda *at: func_jvp(f, at, dots), bars)(*primals)


def vjp_of_vjp(f: Function, primals: Tensors, bars: Tensors, dots: Tensors) -> Tensors:
    """Pull the tangents back through a pullback: a Hessian is symmetric."""
    return func_vjp(lambda *at: func_vjp(f, at, bars), primals, dots)


def functional_product(product: Callable[..., Any], f: Function, primals: Tensors, bars: Tensors, dots: Tensors) -> Any:
    """Multiply the Hessian by the tangents."""
    return product(loss_of(f, bars), primals, dots)[1]


def hessian_rows(hessian: Callable[..., Any], f: Function, primals: Tensors, bars: Tensors, dots: Tensors) -> Tensors:
    """Contract a Hessian with the tangents."""

    def loss(*parts: torch.Tensor) -> torch.Tensor:
        return pairing(real(bars), real_function(f, primals)(*parts))

    return like(contracted(hessian(loss, real(primals)), inputs=real(dots)), primals)
