"""What users of PyTorch do with a differentiable function: the rows of the table of capabilities.

A row is a route, perhaps *through* a wrapper, which then stands between the derivative and f, or with a wrapper
*around* it, which then holds the derivative too.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch.autograd.graph import save_on_cpu, saved_tensors_hooks

from unifiedqr_lab.instruments import Transform
from unifiedqr_torch.autodiff import Tensors
from unifiedqr_torch.instruments import routes, wrappers
from unifiedqr_torch.instruments.routes import Route
from unifiedqr_torch.instruments.wrappers import Function, Tracer, Wrapper, compiled


def through(wrapper: Wrapper, route: Route) -> Route:
    """Differentiate the wrapped function."""
    return lambda f, *given: route(wrapper(f), *given)


def around(wrapper: Wrapper, route: Route) -> Route:
    """Wrap the derivative, as a function of all that it takes."""

    def run(f: Function, *given: Any) -> Any:
        ends = [sum(map(len, given[:i])) for i in range(len(given) + 1)]
        slices = [slice(*pair) for pair in pairwise(ends)]
        flat = tuple(X for arrays in given for X in arrays)
        return wrapper(lambda *arrays: route(f, *(arrays[part] for part in slices)))(*flat)

    return run


def of_program(tracer: Tracer, route: Route) -> Route:
    """Differentiate what a tracer makes of the function."""
    return lambda f, primals, *given: route(tracer(f, wrappers.plain(primals)), primals, *given)


def within(context: Callable[[], AbstractContextManager[Any]], route: Route) -> Route:
    """Take the derivative inside a context."""

    def run(*given: Any) -> Any:
        with context():
            return route(*given)

    return run


def call(f: Function, primals: Tensors) -> Tensors:
    """Evaluate."""
    return f(*primals)


detect_anomaly = partial(torch.autograd.set_detect_anomaly, True)
autocast = partial(torch.autocast, "cpu", torch.bfloat16)
default_dtype = partial(wrappers.default_dtype, torch.float16)
default_device = partial(torch.device, "meta")
stored_elsewhere = partial(saved_tensors_hooks, lambda X: X.numpy(force=True), torch.from_numpy)
anomalies = partial(torch.autograd.detect_anomaly, check_nan=True)

graph = partial(compiled, backend="eager")
aot = partial(compiled, backend="aot_eager")
aot_dynamic = partial(compiled, backend="aot_eager", dynamic=True)
aot_or_eager = partial(compiled, backend="aot_eager", fullgraph=False)
inductor = partial(compiled, backend="inductor")
exported_strictly = partial(wrappers.exported, strict=True)
make_fx = wrappers.traced_by(wrappers.graph_made)
jacrev, jacfwd = routes.of_all(torch.func.jacrev), routes.of_all(torch.func.jacfwd)
jacobian = torch.autograd.functional.jacobian
hessian = torch.autograd.functional.hessian
forward_over_reverse = {"vectorize": True, "outer_jacobian_strategy": "forward-mode"}


def nested(outer: Callable[..., Any], inner: Callable[..., Any]) -> Callable[..., Any]:
    """Return the Hessian as a Jacobian of a Jacobian."""
    return lambda loss, parts: outer(lambda *at: inner(loss, at), parts)


def transforms() -> tuple[Transform, ...]:
    """Return the table's rows."""
    kinds = {"value": VALUES, "vjp": REVERSE, "jvp": FORWARD, "hvp": SECOND}
    takes_seconds = ("torch.compile", "torch.export", "make_fx", "linearize")
    return tuple(
        Transform(name, kind, route, batched="vmap" in name, slow=any(word in name for word in takes_seconds))
        for kind, rows in kinds.items()
        for name, route in rows.items()
    )


VALUES: dict[str, Route] = {
    "call": call,
    "torch.no_grad": within(torch.no_grad, call),
    "torch.inference_mode": within(torch.inference_mode, call),
    "torch.autocast": within(autocast, call),
    "torch.use_deterministic_algorithms": within(wrappers.deterministic, call),
    "torch.vmap": around(torch.vmap, call),
    "torch.vmap, in_dims and out_dims": around(wrappers.mapped_along_other_axes, call),
    "torch.vmap, chunk_size": around(partial(torch.vmap, chunk_size=1), call),
    "torch.vmap of torch.vmap": around(wrappers.mapped_twice, call),
    "torch.func.functionalize": around(torch.func.functionalize, call),
    "make_fx": around(make_fx, call),
    "torch.compile, eager": around(graph, call),
    "torch.compile, aot_eager": around(aot, call),
    "torch.compile, inductor": around(inductor, call),
    "torch.compile of torch.vmap": around(aot, around(torch.vmap, call)),
    "torch.vmap of torch.compile": around(torch.vmap, around(aot_or_eager, call)),
    "torch.export": of_program(wrappers.exported, call),
    "torch.export, strict": of_program(exported_strictly, call),
    "torch.export, saved and loaded": of_program(wrappers.exported_and_loaded, call),
    "torch.export, run_decompositions": of_program(wrappers.exported_and_decomposed, call),
    "torch.jit.trace": of_program(wrappers.traced, call),
    "torch.jit.trace, saved and loaded": of_program(wrappers.traced_and_loaded, call),
    "torch.jit.script": around(torch.jit.script, call),
    "torch.fx.symbolic_trace": of_program(wrappers.symbolically_traced, call),
}

REVERSE: dict[str, Route] = {
    "Tensor.backward": routes.backward,
    "torch.autograd.grad": routes.autograd_grad,
    "torch.autograd.grad, is_grads_batched": routes.batched_grad,
    "torch.autograd.functional.vjp": routes.functional_vjp,
    "torch.autograd.functional.jacobian": partial(routes.jacobian_rows, jacobian),
    "torch.autograd.functional.jacobian, vectorize": partial(routes.jacobian_rows, partial(jacobian, vectorize=True)),
    "torch.func.vjp": routes.func_vjp,
    "torch.func.grad": routes.func_grad,
    "torch.func.grad_and_value": routes.grad_and_value,
    "torch.func.jacrev": partial(routes.jacobian_rows, jacrev),
    "torch.func.jacrev, chunk_size": partial(routes.jacobian_rows, routes.of_all(torch.func.jacrev, chunk_size=2)),
    "torch.vmap of torch.func.vjp": around(torch.vmap, routes.func_vjp),
    "torch.vmap of torch.func.grad": around(torch.vmap, routes.func_grad),
    "torch.vmap of torch.func.jacrev": around(torch.vmap, partial(routes.jacobian_rows, jacrev)),
    "torch.func.vjp of torch.vmap": through(torch.vmap, routes.func_vjp),
    "backward through torch.vmap": through(torch.vmap, routes.backward),
    "backward through torch.vmap of torch.vmap": through(wrappers.mapped_twice, routes.backward),
    "backward to the parameters of a torch.nn.Module": routes.module_parameters,
    "torch.func.vjp of torch.func.functional_call": routes.functional_call,
    "backward through torch.utils.checkpoint": through(wrappers.checkpointed, routes.backward),
    "backward through torch.utils.checkpoint, reentrant": through(wrappers.checkpointed_reentrantly, routes.backward),
    "backward in saved_tensors_hooks": within(stored_elsewhere, routes.backward),
    "backward in save_on_cpu": within(save_on_cpu, routes.backward),
    "backward in torch.autocast": within(autocast, routes.backward),
    "backward after torch.set_default_dtype": within(default_dtype, routes.backward),
    "backward after torch.set_default_device": within(default_device, routes.backward),
    "backward in torch.autograd.set_detect_anomaly": within(detect_anomaly, routes.backward),
    "backward in torch.autograd.detect_anomaly": within(anomalies, routes.backward),
    "backward in torch.use_deterministic_algorithms": within(wrappers.deterministic, routes.backward),
    "torch.func.functionalize of torch.func.vjp": around(torch.func.functionalize, routes.func_vjp),
    "make_fx of torch.func.vjp": around(make_fx, routes.func_vjp),
    "backward through torch.compile, eager": through(graph, routes.backward),
    "backward through torch.compile, aot_eager": through(aot, routes.backward),
    "backward through torch.compile, aot_eager, dynamic": through(aot_dynamic, routes.backward),
    "backward through torch.compile, inductor": through(inductor, routes.backward),
    "torch.compile of torch.func.vjp": around(aot, routes.func_vjp),
    "torch.compile of torch.func.jacrev": around(aot, partial(routes.jacobian_rows, jacrev)),
    "torch.compile of torch.vmap of torch.func.vjp": around(aot, around(torch.vmap, routes.func_vjp)),
    "torch.compile of torch.autograd.grad": routes.compiled_grad,
    "torch.compile of Tensor.backward (compiled autograd)": routes.compiled_backward,
    "torch.func.vjp of torch.compile": through(aot_or_eager, routes.func_vjp),
    "backward through torch.export": of_program(wrappers.exported, routes.backward),
    "backward through torch.export, strict": of_program(exported_strictly, routes.backward),
    "backward through torch.export, saved and loaded": of_program(wrappers.exported_and_loaded, routes.backward),
    "backward through torch.jit.trace": of_program(wrappers.traced, routes.backward),
}

FORWARD: dict[str, Route] = {
    "torch.func.jvp": routes.func_jvp,
    "torch.func.linearize": routes.linearize,
    "torch.func.jacfwd": partial(routes.jacobian_columns, jacfwd),
    "torch.autograd.forward_ad": routes.dual_numbers,
    "torch.autograd.forward_ad in torch.no_grad": within(torch.no_grad, routes.dual_numbers),
    "torch.autograd.functional.jvp": routes.functional_jvp,
    "torch.autograd.functional.jacobian, forward-mode": partial(
        routes.jacobian_columns, partial(jacobian, vectorize=True, strategy="forward-mode")
    ),
    "torch.func.jvp in torch.autocast": within(autocast, routes.func_jvp),
    "torch.vmap of torch.func.jvp": around(torch.vmap, routes.func_jvp),
    "torch.func.jvp of torch.vmap": through(torch.vmap, routes.func_jvp),
    "torch.autograd.forward_ad through torch.vmap": through(torch.vmap, routes.dual_numbers),
    "make_fx of torch.func.jvp": around(make_fx, routes.func_jvp),
    "torch.compile of torch.func.jvp": around(aot, routes.func_jvp),
    "torch.compile of torch.func.jvp, inductor": around(inductor, routes.func_jvp),
    "torch.compile of torch.func.jacfwd": around(aot, partial(routes.jacobian_columns, jacfwd)),
    "torch.compile of torch.autograd.forward_ad": around(aot, routes.dual_numbers),
    "torch.compile of torch.vmap of torch.func.jvp": around(aot, around(torch.vmap, routes.func_jvp)),
    "torch.func.jvp of torch.compile": through(aot_or_eager, routes.func_jvp),
    "torch.func.jvp of torch.export": of_program(wrappers.exported, routes.func_jvp),
}

SECOND: dict[str, Route] = {
    "torch.autograd.grad twice": routes.twice,
    "torch.func.jvp of torch.func.grad": partial(routes.of_gradient, routes.func_jvp),
    "torch.func.linearize of torch.func.grad": partial(routes.of_gradient, routes.linearize),
    "torch.func.vjp of torch.func.grad": partial(routes.of_gradient, routes.func_vjp),
    "torch.func.vjp of torch.func.vjp": routes.vjp_of_vjp,
    "torch.func.grad of torch.func.jvp": routes.grad_of_jvp,
    "torch.autograd.forward_ad of torch.autograd.grad": routes.dual_numbers_over_backward,
    "torch.autograd.forward_ad of torch.func.grad": partial(routes.of_gradient, routes.dual_numbers),
    "torch.func.hessian": partial(routes.hessian_rows, routes.of_all(torch.func.hessian)),
    "torch.func.jacrev of torch.func.jacrev": partial(routes.hessian_rows, nested(jacrev, jacrev)),
    "torch.func.jacrev of torch.func.jacfwd": partial(routes.hessian_rows, nested(jacrev, jacfwd)),
    "torch.func.jacfwd of torch.func.jacfwd": partial(routes.hessian_rows, nested(jacfwd, jacfwd)),
    "torch.autograd.functional.hvp": partial(routes.functional_product, torch.autograd.functional.hvp),
    "torch.autograd.functional.vhp": partial(routes.functional_product, torch.autograd.functional.vhp),
    "torch.autograd.functional.hessian": partial(routes.hessian_rows, hessian),
    "torch.autograd.functional.hessian, forward-mode": partial(
        routes.hessian_rows, partial(hessian, **forward_over_reverse)
    ),
    "torch.vmap of torch.func.jvp of torch.func.grad": around(torch.vmap, partial(routes.of_gradient, routes.func_jvp)),
    "torch.vmap of torch.func.hessian": around(
        torch.vmap, partial(routes.hessian_rows, routes.of_all(torch.func.hessian))
    ),
    "torch.autograd.grad twice through torch.vmap": through(torch.vmap, routes.twice),
    "torch.autograd.grad twice through torch.utils.checkpoint": through(wrappers.checkpointed, routes.twice),
    "torch.autograd.grad twice in saved_tensors_hooks": within(stored_elsewhere, routes.twice),
    "make_fx of torch.func.jvp of torch.func.grad": around(make_fx, partial(routes.of_gradient, routes.func_jvp)),
    "torch.autograd.grad twice through torch.compile, eager": through(graph, routes.twice),
    "torch.autograd.grad twice through torch.compile, aot_eager": through(aot, routes.twice),
    "torch.compile of torch.func.jvp of torch.func.grad": around(aot, partial(routes.of_gradient, routes.func_jvp)),
    "torch.compile of torch.func.grad of torch.func.jvp": around(aot, routes.grad_of_jvp),
    "torch.compile of torch.func.hessian": around(aot, partial(routes.hessian_rows, routes.of_all(torch.func.hessian))),
    "torch.autograd.grad twice through torch.export": of_program(wrappers.exported, routes.twice),
}
