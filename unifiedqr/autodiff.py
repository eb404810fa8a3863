"""Framework-neutral autodiff: the same code gives the same gradients in every framework.

Everything pairs as <X_bar, dX> = Re tr(X_bar^H dX) (PR.1), so that the gradient of a real L is dL/dRe + i dL/dIm.

Arguments and results of the differentiated functions are pytrees: arrays, or tuples, lists, named tuples, dicts and
dataclasses of pytrees, and whatever is registered with optree. None is an empty pytree. In an argument

- a number is an array of shape ``()``, and a list or tuple of numbers, nested or not, is one array;
- a list or tuple of arrays (and numbers) that is an argument itself is one array too, stacked, as in every function of
  unifiedqr. To differentiate with respect to arrays of several shapes, pass them as several arguments, in a dict, a
  named tuple or a dataclass; lists and tuples of arrays inside these, or of containers, are pytrees;
- a dataclass is rebuilt by its constructor; fields marked ``field(metadata={"static": True})`` are passed through
  unchanged, and what ``__post_init__`` derives, with ``field(init=False)``, is derived again.

Gradients and tangents have the structure of the argument, one array for each leaf.
"""

from collections.abc import Callable, Sequence
from typing import Any

from unifiedqr._typing import Array, Arrays
from unifiedqr.arguments import resolve
from unifiedqr.backend import COMPLEX_OF_REAL, Backend
from unifiedqr.errors import CapabilityError, DtypeError, OptionError, ShapeError
from unifiedqr.outputs import Returned, flattened
from unifiedqr.sequences import entries
from unifiedqr.trees import (
    flatten_arguments,
    flatten_like,
    is_array,
    unflatten,
    unflatten_arguments,
)

NAMES = {"vjp": "reverse mode (vjp)", "jvp": "forward mode (jvp)", "second-order": "second order"}
INSTEAD = {
    "vjp": "Use the explicit rules of unifiedqr.rules, or select another backend.",
    "jvp": "Use unifiedqr.vjp, the explicit rule unifiedqr.rules.qr_jvp, or another backend.",
    "second-order": "Differentiate unifiedqr.grad by finite differences, or use another backend.",
}


def vjp(f: Callable[..., Any], *primals: Any, has_aux: bool = False, **keywords: Any) -> tuple[Any, ...]:
    """Evaluate f and return its pullback.

    Cotangents and gradients of complex arrays are X_bar = dL/dRe(X) + i dL/dIm(X), so that a real L changes by
    <X_bar, dX> = Re tr(X_bar^H dX), in every framework. Those of `jax.vjp` are the conjugates of these.

    Parameters
    ----------
    f : callable
        Takes pytrees of arrays of any shape, returns one.
    *primals : pytree
        Arguments of f, of arrays of one backend. A number, or a list of numbers, is one array; so is a list or tuple of
        arrays that is an argument itself, stacked, but not one inside a dict, named tuple or dataclass. None is a
        pytree without arrays.
    has_aux : bool
        Whether f returns (outputs, aux): aux, any object, is not differentiated but passed through unchanged.
    **keywords : object
        Keyword arguments of f, with respect to which it is not differentiated.

    Returns
    -------
    outputs : pytree
        As f returns them.
    pullback : callable
        Takes cotangents, a pytree with the structure of the outputs and arrays of their shapes (None for zero, in
        place of a leaf or of a container; a plain tuple or list for any sequence; a real one for a complex output),
        and returns a tuple with one gradient per primal, each with the structure of its primal.
    aux : object
        Only with `has_aux`.

    Raises
    ------
    CapabilityError
        The framework has no autodiff (NumPy).
    ForeignArrayError
        A leaf of the primals or outputs is not an array, or the arrays belong to several frameworks.
    ShapeError, DtypeError
        From the pullback: a cotangent does not fit its output.

    Examples
    --------
    >>> import torch, unifiedqr as uqr
    >>> A = torch.tensor([[3.0, 1.0], [4.0, 2.0]])
    >>> (Q, R), pullback = uqr.vjp(uqr.qr, A)
    >>> pullback((None, torch.eye(2)))
    (tensor([[ 0.9520, -0.8000],
            [ 0.5360,  0.6000]]),)
    >>> uqr.vjp(lambda model: model["A"] @ model["b"], {"A": A, "b": torch.ones(2)})[1](torch.ones(2))
    ({'A': tensor([[1., 1.],
                   [1., 1.]]), 'b': tensor([7., 3.])},)
    """
    leaves, structures = flatten_arguments(primals)
    backend, arrays = _resolve(leaves, "vjp")
    returns: list[Returned] = []
    found, pull = backend.vjp(flattened(f, backend, structures, keywords, returns, has_aux=has_aux), arrays)
    returned = returns[0]
    structure, outputs = returned.structure, found[: returned.count]

    def pullback(cotangents: Any) -> Arrays:
        bars = flatten_like(structure, cotangents, "cotangent", "output")
        pairs = zip(bars, outputs, strict=True)
        fitted = [_fitted(backend, "cotangent", bar, "output", output) for bar, output in pairs]
        return unflatten_arguments(structures, pull([*fitted, *[None] * (len(found) - len(outputs))]))

    value = unflatten(structure, iter(outputs))
    return (value, pullback, returned.aux_with(found)) if has_aux else (value, pullback)


def jvp(
    f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], *, has_aux: bool = False, **keywords: Any
) -> tuple[Any, ...]:
    """Evaluate f and push tangents of its arguments forward.

    A tangent of a complex array is its change dX, as in `jax.jvp`. It pairs with the gradient that `grad` returns,
    X_bar = dL/dRe(X) + i dL/dIm(X), as <X_bar, dX> = Re tr(X_bar^H dX); `jax.grad` returns the conjugate of X_bar.

    Parameters
    ----------
    f : callable
        Takes pytrees of arrays of any shape, returns one.
    primals : sequence of pytree
        Arguments of f, as in `vjp`.
    tangents : sequence of pytree
        Their tangents, of the same structure (None for zero), shape and dtype; real ones are accepted for complex
        arguments.
    has_aux : bool
        Whether f returns (outputs, aux): aux, any object, is not differentiated but passed through unchanged.
    **keywords : object
        Keyword arguments of f, with respect to which it is not differentiated.

    Returns
    -------
    outputs, output_tangents : pytree
        As f returns them.
    aux : object
        Only with `has_aux`.

    Raises
    ------
    CapabilityError
        The framework has no forward mode (NumPy, MXNet).
    ForeignArrayError
        A leaf of the primals or outputs is not an array, or the arrays belong to several frameworks.
    ShapeError, DtypeError
        A tangent does not fit its primal.

    Examples
    --------
    >>> import torch, unifiedqr as uqr
    >>> A = torch.tensor([[3.0, 1.0], [4.0, 2.0]])
    >>> uqr.jvp(lambda A: uqr.qr(A).R[0, 0], [A], [A])  # R scales with A
    (tensor(5.), tensor(5.))
    """
    if len(tangents) != len(primals):
        raise ShapeError(
            f"got {len(primals)} primals and {len(tangents)} tangents; expected one tangent for each primal."
        )
    leaves, structures = flatten_arguments(primals)
    pairs = zip(structures, tangents, strict=True)
    dots = [dot for structure, tree in pairs for dot in flatten_like(structure, tree, "tangent", "primal")]
    backend, resolved = _resolve([*leaves, *[dot for dot in dots if dot is not None]], "jvp")
    arrays, given = resolved[: len(leaves)], iter(resolved[len(leaves) :])
    fitted = [
        backend.xp.zeros_like(primal) if dot is None else _fitted(backend, "tangent", next(given), "primal", primal)
        for dot, primal in zip(dots, arrays, strict=True)
    ]
    returns: list[Returned] = []
    flat = flattened(f, backend, structures, keywords, returns, has_aux=has_aux)
    found, found_tangents = backend.jvp(flat, arrays, tuple(fitted))
    returned = returns[0]
    outputs, output_tangents = (unflatten(returned.structure, iter(part)) for part in (found, found_tangents))
    return (outputs, output_tangents, returned.aux_with(found)) if has_aux else (outputs, output_tangents)


def value_and_grad(
    f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """Return the function that evaluates a real scalar f together with its gradient.

    The gradient with respect to a complex A is dL/dRe(A) + i dL/dIm(A), as in `grad`, where dL = Re tr(A_bar^H dA);
    `jax.value_and_grad` returns its conjugate.

    Parameters
    ----------
    f : callable
        Takes pytrees of arrays of any shape, returns a real scalar (an array of shape ``()``).
    argnums : int or sequence of int
        The positional arguments with respect to which f is differentiated: pytrees of arrays, as in `vjp`. All others,
        and keyword arguments, are passed to f as they are.
    has_aux : bool
        Whether f returns (scalar, aux): aux, any object, is not differentiated but passed through unchanged.

    Returns
    -------
    callable
        Takes the arguments of f; returns the value, shape ``()``, and the gradient, which has the structure and shapes
        of the argument (a tuple of them if `argnums` is a sequence). With `has_aux`, (value, aux) replaces the value.

    Raises
    ------
    ShapeError, DtypeError
        On the call: f does not return a real scalar.
    OptionError
        On the call: there is no argument `argnums`, or f does not return (scalar, aux) although it `has_aux`.
    ForeignArrayError
        On the call: a leaf of the argument is not an array, or the arrays belong to several frameworks.
    CapabilityError
        On the call: the framework has no autodiff, or no second order where calls are nested.

    Examples
    --------
    >>> import torch, unifiedqr as uqr
    >>> uqr.value_and_grad(lambda A: uqr.qr(A).R[0, 0])(torch.tensor([[3.0], [4.0]]))
    (tensor(5.), tensor([[0.6000],
            [0.8000]]))
    >>> loss = lambda model, *, power: ((model["scale"] * uqr.qr(model["A"]).R[0, 0]) ** power, "a note")
    >>> model = {"A": torch.tensor([[3.0], [4.0]]), "scale": torch.tensor(2.0)}
    >>> uqr.value_and_grad(loss, has_aux=True)(model, power=2)
    ((tensor(100.), 'a note'), {'A': tensor([[24.], [32.]]), 'scale': tensor(100.)})
    """
    single = isinstance(argnums, int)
    positions = (argnums,) if single else tuple(argnums)

    def evaluate(*arguments: Any, **keywords: Any) -> Any:
        for position in positions:
            if not -len(arguments) <= position < len(arguments):
                raise OptionError(
                    f"got argnums {argnums} and {len(arguments)} positional arguments; expected argnums within them. "
                    f"Pass the arguments to differentiate by position."
                )

        def at(*varied: Any) -> Any:
            merged = list(arguments)
            for position, value in zip(positions, varied, strict=True):
                merged[position] = value
            return f(*merged, **keywords)

        value, pullback, *aux = vjp(at, *(arguments[position] for position in positions), has_aux=has_aux)
        if not is_array(value):
            raise ShapeError(
                f"got {type(value).__name__} from the function to differentiate; expected a real scalar, an array of "
                f"shape (). Use has_aux=True if it returns (scalar, aux), or unifiedqr.vjp."
            )
        backend, _ = resolve(value)
        if tuple(value.shape) != () or "complex" in backend.dtype_name(value):
            raise ShapeError(
                f"got shape {tuple(value.shape)}, dtype {backend.dtype_name(value)} from the function to "
                f"differentiate; expected a real scalar. Reduce it with xp.sum or xp.real, or use unifiedqr.vjp."
            )
        gradients = pullback(backend.xp.ones_like(value))
        return (value, *aux) if has_aux else value, gradients[0] if single else gradients

    return evaluate


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0, *, has_aux: bool = False) -> Callable[..., Any]:
    """Return the gradient of a real scalar f, as a function; it nests where the framework has second order.

    The gradient with respect to a complex A is dL/dRe(A) + i dL/dIm(A): with dL = Re tr(A_bar^H dA), the direction in
    which L increases fastest, in every framework. `jax.grad` returns its conjugate.

    Parameters
    ----------
    f : callable
        Takes pytrees of arrays of any shape, returns a real scalar (an array of shape ``()``).
    argnums : int or sequence of int
        The positional arguments with respect to which f is differentiated: pytrees of arrays, as in `vjp`. All others,
        and keyword arguments, are passed to f as they are.
    has_aux : bool
        Whether f returns (scalar, aux): aux, any object, is not differentiated but passed through unchanged.

    Returns
    -------
    callable
        Takes the arguments of f; returns the gradient, which has the structure and shapes of the argument (a tuple of
        them if `argnums` is a sequence). With `has_aux` it returns (gradient, aux).

    Raises
    ------
    ShapeError, DtypeError, OptionError, ForeignArrayError, CapabilityError
        On the call, as in `value_and_grad`.

    Examples
    --------
    >>> import torch, unifiedqr as uqr
    >>> uqr.grad(lambda A: uqr.qr(A).R[0, 0])(torch.tensor([[3.0], [4.0]]))
    tensor([[0.6000],
            [0.8000]])

    With respect to a dataclass:

    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Model:
    ...     A: torch.Tensor
    ...     b: torch.Tensor
    >>> model = Model(torch.tensor([[2.0, 0.0], [0.0, 4.0]]), torch.tensor([1.0, 1.0]))
    >>> uqr.grad(lambda model: uqr.lstsq(model.A, model.b).x.sum())(model).b
    tensor([0.5000, 0.2500])

    The gradient of |z|^2 at z = 3 + 4i is 2 z; `jax.grad` returns 2 conj(z):

    >>> import jax
    >>> z = jax.numpy.asarray(3 + 4j)
    >>> complex(uqr.grad(lambda z: abs(z) ** 2)(z)), complex(jax.grad(lambda z: abs(z) ** 2)(z))
    ((6+8j), (6-8j))
    """
    evaluate = value_and_grad(f, argnums, has_aux=has_aux)

    def gradient(*arguments: Any, **keywords: Any) -> Any:
        value, found = evaluate(*arguments, **keywords)
        return (found, value[1]) if has_aux else found

    return gradient


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], **keywords: Any) -> tuple[Any, ...]:
    """Multiply the Hessian of a real scalar f by a vector, by reverse over reverse.

    The product with complex tangents dX is the change, along dX, of the gradient dL/dRe(X) + i dL/dIm(X) that `grad`
    returns, not of its conjugate, which `jax.grad` returns.

    Parameters
    ----------
    f : callable
        Takes pytrees of arrays of any shape, returns a real scalar (an array of shape ``()``).
    primals : sequence of pytree
        Arguments of f, as in `vjp`.
    tangents : sequence of pytree
        The direction, of the same structure (None for zero), shape and dtype.
    **keywords : object
        Keyword arguments of f, with respect to which it is not differentiated.

    Returns
    -------
    tuple of pytree
        One per primal, with its structure and shapes.

    Raises
    ------
    CapabilityError
        The framework has no second order (NumPy, MXNet).
    ShapeError, DtypeError
        f does not return a real scalar, or a tangent does not fit its primal.

    Examples
    --------
    >>> import torch, unifiedqr as uqr
    >>> A = torch.tensor([[3.0], [4.0]])
    >>> uqr.hvp(lambda A: uqr.qr(A).R[0, 0] ** 2, [A], [A])  # R_11^2 = |A|^2 has Hessian 2 I
    (tensor([[6.],
            [8.]]),)
    """
    _resolve(flatten_arguments(primals)[0], "second-order")
    gradient = grad(f, argnums=tuple(range(len(primals))))
    _, pullback = vjp(gradient, *primals, **keywords)
    return pullback(tuple(tangents))


def _resolve(arrays: Sequence[Any], capability: str) -> tuple[Backend, Arrays]:
    backend, resolved = resolve(*arrays)
    if capability not in backend.plugin.capabilities:
        raise CapabilityError(f"{backend.name} cannot do {NAMES[capability]}. {INSTEAD[capability]}")
    for array in resolved:
        backend.dtype_name(array)  # which refuses what is no dense array
    return backend, resolved


def _fitted(backend: Backend, what: str, array: Any, owner_kind: str, owner: Array) -> Array | None:
    """Check that an array has the shape and dtype of its owner; a real one becomes complex where its owner is."""
    if array is None:
        return None
    if not is_array(array, backend.name):
        plain = not entries(array)
        _, (_, given) = resolve(owner, array)
        array = given
        if plain and "complex" not in backend.dtype_name(array):
            array = backend.xp.astype(array, owner.dtype)  # numbers count for no precision
    if tuple(array.shape) != tuple(owner.shape):
        raise ShapeError(
            f"got a {what} of shape {tuple(array.shape)}; expected that of its {owner_kind}, {tuple(owner.shape)}."
        )
    came, needed = backend.dtype_name(array), backend.dtype_name(owner)
    if came == needed:
        return array
    if COMPLEX_OF_REAL.get(came) == needed:
        return backend.xp.astype(array, owner.dtype)
    raise DtypeError(
        f"got a {what} of dtype {came}; expected that of its {owner_kind}, {needed}. Convert it with "
        f"unifiedqr.namespace(...).astype."
    )
