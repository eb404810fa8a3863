"""Framework-neutral autodiff: the same code gives the same gradients in every framework.

Everything pairs as <X_bar, dX> = Re tr(X_bar^H dX) (1), so that the gradient of a real L is dL/dRe + i dL/dIm.
A function may return an array or nested tuples and lists of arrays.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

from unifiedqr._typing import Array, Arrays
from unifiedqr.arguments import resolve
from unifiedqr.backend import COMPLEX_OF_REAL, Backend
from unifiedqr.errors import CapabilityError, DtypeError, ShapeError

NAMES = {"vjp": "reverse mode (vjp)", "jvp": "forward mode (jvp)", "second-order": "second order"}
INSTEAD = {
    "vjp": "It can run the explicit rules of unifiedqr.rules, or another backend can be selected.",
    "jvp": "Use unifiedqr.vjp, the explicit rule unifiedqr.rules.qr_jvp, or another backend.",
    "second-order": "Differentiate unifiedqr.grad by finite differences, or use another backend.",
}


def vjp(f: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[[Any], Arrays]]:
    """Evaluate f and return its pullback.

    Cotangents and gradients of complex arrays are X_bar = dL/dRe(X) + i dL/dIm(X), so that a real L changes by
    <X_bar, dX> = Re tr(X_bar^H dX), in every framework. Those of `jax.vjp` are the conjugates of these.

    Parameters
    ----------
    f : callable
        Takes arrays, returns an array or nested tuples of arrays.
    *primals : array
        Arguments of f, of one backend.

    Returns
    -------
    outputs : as f returns them
    pullback : callable
        Takes cotangents shaped as the outputs (None for zero; a real one does for a complex output), gives a tuple with
        one gradient per primal.

    Raises
    ------
    CapabilityError
        The framework has no autodiff (NumPy).
    ShapeError, DtypeError
        From the pullback: a cotangent does not fit its output.

    Examples
    --------
    >>> import torch, unifiedqr as uqr
    >>> (Q, R), pullback = uqr.vjp(uqr.qr, torch.tensor([[3.0, 1.0], [4.0, 2.0]]))
    >>> pullback((None, torch.eye(2)))
    (tensor([[ 0.9520, -0.8000],
            [ 0.5360,  0.6000]]),)
    """
    backend, arrays = _resolve(primals, "vjp")
    structure: list[Any] = []
    outputs, pull = backend.vjp(_flattened(f, structure), arrays)

    def pullback(cotangents: Any) -> Arrays:
        flat = _flatten_like(structure[0], cotangents)
        pairs = zip(flat, outputs, strict=True)
        return pull([_fitted(backend, "cotangent", bar, "output", output) for bar, output in pairs])

    return _unflatten(structure[0], iter(outputs)), pullback


def jvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    """Evaluate f and push tangents of its arguments forward.

    A tangent of a complex array is its change dX, as in `jax.jvp`. It pairs with the gradient that `grad` gives,
    X_bar = dL/dRe(X) + i dL/dIm(X), as <X_bar, dX> = Re tr(X_bar^H dX); `jax.grad` returns the conjugate of X_bar.

    Parameters
    ----------
    f : callable
        Takes arrays, returns an array or nested tuples of arrays.
    primals, tangents : sequence of array
        Arguments of f and their tangents, alike in shape and dtype; a real tangent does for a complex argument.

    Returns
    -------
    outputs, output_tangents : as f returns them

    Raises
    ------
    CapabilityError
        The framework has no forward mode (NumPy, MXNet).
    ShapeError, DtypeError
        A tangent does not fit its primal.

    Examples
    --------
    >>> import torch, unifiedqr as uqr
    >>> A = torch.tensor([[3.0, 1.0], [4.0, 2.0]])
    >>> uqr.jvp(lambda A: uqr.qr(A).R[0, 0], [A], [A])  # R scales with A
    (tensor(5.), tensor(5.))
    """
    backend, arrays = _resolve((*primals, *tangents), "jvp")
    count = len(primals)
    if len(tangents) != count:
        raise ShapeError(f"{count} primals and {len(tangents)} tangents came; there must be one tangent per primal.")
    primals, tangents = arrays[:count], arrays[count:]
    pairs = zip(tangents, primals, strict=True)
    fitted = tuple(_fitted(backend, "tangent", dot, "primal", primal) for dot, primal in pairs)
    structure: list[Any] = []
    outputs, output_tangents = backend.jvp(_flattened(f, structure), primals, fitted)
    return _unflatten(structure[0], iter(outputs)), _unflatten(structure[0], iter(output_tangents))


def value_and_grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., tuple[Array, Any]]:
    """Return the function that evaluates a real scalar f together with its gradient.

    The gradient by a complex A is dL/dRe(A) + i dL/dIm(A), as `grad` has it, where dL = Re tr(A_bar^H dA);
    `jax.value_and_grad` returns the conjugate of that.

    Parameters
    ----------
    f : callable
        Takes arrays, returns a real scalar (an array of shape ``()``).
    argnums : int or sequence of int
        The arguments to differentiate.

    Returns
    -------
    callable
        Takes the arguments of f, gives the value and the gradient (a tuple of them if `argnums` is a sequence).

    Raises
    ------
    ShapeError, DtypeError
        On the call: f does not return a real scalar.
    CapabilityError
        On the call: the framework has no autodiff, or no second order where calls are nested.

    Examples
    --------
    >>> import torch, unifiedqr as uqr
    >>> uqr.value_and_grad(lambda A: uqr.qr(A).R[0, 0])(torch.tensor([[3.0], [4.0]]))
    (tensor(5.), tensor([[0.6000],
            [0.8000]]))
    """
    single = isinstance(argnums, int)
    positions = (argnums,) if single else tuple(argnums)

    def evaluate(*arguments: Any) -> tuple[Array, Any]:
        def at(*varied: Any) -> Any:
            merged = list(arguments)
            for position, value in zip(positions, varied, strict=True):
                merged[position] = value
            return f(*merged)

        value, pullback = vjp(at, *(arguments[position] for position in positions))
        backend, (value,) = resolve(value)
        if tuple(value.shape) != () or "complex" in backend.dtype_name(value):
            raise ShapeError(
                f"a gradient needs a real scalar, and f gave shape {tuple(value.shape)}, dtype "
                f"{backend.dtype_name(value)}. Reduce it with xp.sum or xp.real, or use unifiedqr.vjp."
            )
        gradients = pullback(backend.xp.ones_like(value))
        return value, gradients[0] if single else gradients

    return evaluate


def grad(f: Callable[..., Any], argnums: int | Sequence[int] = 0) -> Callable[..., Any]:
    """Return the gradient of a real scalar f, as a function; it nests where the framework has second order.

    The gradient by a complex A is dL/dRe(A) + i dL/dIm(A): with dL = Re tr(A_bar^H dA), the direction in which L rises
    most, in every framework. `jax.grad` returns the conjugate of that.

    Parameters
    ----------
    f : callable
        Takes arrays, returns a real scalar.
    argnums : int or sequence of int
        The arguments to differentiate.

    Returns
    -------
    callable
        Takes the arguments of f, gives the gradient (a tuple of them if `argnums` is a sequence).

    Raises
    ------
    ShapeError, DtypeError, CapabilityError
        On the call, as in `value_and_grad`.

    Examples
    --------
    >>> import torch, unifiedqr as uqr
    >>> uqr.grad(lambda A: uqr.qr(A).R[0, 0])(torch.tensor([[3.0], [4.0]]))
    tensor([[0.6000],
            [0.8000]])

    The derivative of |z|^2 by a complex z = 3 + 4i is 2 z; `jax.grad` has 2 conj(z):

    >>> import jax
    >>> z = jax.numpy.asarray(3 + 4j)
    >>> complex(uqr.grad(lambda z: abs(z) ** 2)(z)), complex(jax.grad(lambda z: abs(z) ** 2)(z))
    ((6+8j), (6-8j))
    """
    evaluate = value_and_grad(f, argnums)
    return lambda *arguments: evaluate(*arguments)[1]


def hvp(f: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Arrays:
    """Multiply the Hessian of a real scalar f by a vector, by reverse over reverse.

    The product by complex tangents dX is the change of `grad`, the gradient dL/dRe(X) + i dL/dIm(X), along dX; of
    `jax.grad` it is that of the conjugate gradient.

    Parameters
    ----------
    f : callable
        Takes arrays, returns a real scalar.
    primals, tangents : sequence of array
        Arguments of f and the direction, alike in shape and dtype.

    Returns
    -------
    tuple of array
        Shaped as the primals.

    Raises
    ------
    CapabilityError
        The framework has no second order (NumPy, MXNet).

    Examples
    --------
    >>> import torch, unifiedqr as uqr
    >>> A = torch.tensor([[3.0], [4.0]])
    >>> uqr.hvp(lambda A: uqr.qr(A).R[0, 0] ** 2, [A], [A])  # R_11^2 = |A|^2 has Hessian 2 I
    (tensor([[6.],
            [8.]]),)
    """
    _resolve(primals, "second-order")
    _, pullback = vjp(grad(f, argnums=tuple(range(len(primals)))), *primals)
    return pullback(tuple(tangents))


def _resolve(arrays: Sequence[Any], capability: str) -> tuple[Backend, Arrays]:
    backend, resolved = resolve(*arrays)
    if capability not in backend.plugin.capabilities:
        raise CapabilityError(f"{backend.name} cannot do {NAMES[capability]}. {INSTEAD[capability]}")
    for array in resolved:
        if not backend.is_symbolic(array):
            backend.dtype_name(array)  # which refuses what is no dense array
    return backend, resolved


def _fitted(backend: Backend, what: str, array: Array | None, owner_kind: str, owner: Array) -> Array | None:
    """Check that an array has the shape and dtype of its owner; a real one becomes complex where its owner is."""
    if array is None:
        return None
    if tuple(array.shape) != tuple(owner.shape):
        raise ShapeError(
            f"a {what} has shape {tuple(array.shape)}; its {owner_kind} has {tuple(owner.shape)}. Give it that."
        )
    came, needed = backend.dtype_name(array), backend.dtype_name(owner)
    if came == needed:
        return array
    if COMPLEX_OF_REAL.get(came) == needed:
        return backend.xp.astype(array, owner.dtype)
    raise DtypeError(
        f"a {what} has dtype {came}; its {owner_kind} has {needed}. Convert it with unifiedqr.namespace(...).astype."
    )


def _flattened(f: Callable[..., Any], structure: list[Any]) -> Callable[..., Arrays]:
    """Give f with its outputs in a flat tuple; `structure` receives the outputs' nesting at the first call."""

    def flat(*arguments: Any) -> Arrays:
        leaves: list[Array] = []
        structure[:] = [_skeleton(f(*arguments), leaves)]
        return tuple(leaves)

    return flat


def _is_nested(x: Any) -> TypeGuard[Sequence[Any]]:
    return isinstance(x, (tuple, list))


def _skeleton(nested: Any, leaves: list[Array]) -> Any:
    """Append the arrays of a nested tuple to `leaves` and give the nesting, with None for each array."""
    if _is_nested(nested):
        return _rebuilt(nested, [_skeleton(item, leaves) for item in nested])
    leaves.append(nested)
    return None


def _rebuilt(sequence: Sequence[Any], items: list[Any]) -> Any:
    kind: Any = type(sequence)
    return kind(*items) if hasattr(kind, "_fields") else kind(items)


def _unflatten(skeleton: Any, leaves: Any) -> Any:
    if skeleton is None:
        return next(leaves)
    return _rebuilt(skeleton, [_unflatten(item, leaves) for item in skeleton])


def _flatten_like(skeleton: Any, cotangents: Any) -> list[Array | None]:
    """Flatten cotangents along the nesting of the outputs; a None stands for zeros below it."""
    if skeleton is None:
        return [cotangents]
    items: Any = [None] * len(skeleton) if cotangents is None else cotangents
    if not _is_nested(items) or len(items) != len(skeleton):
        came = f"{len(items)}" if _is_nested(items) else type(items).__name__
        raise ShapeError(f"{len(skeleton)} cotangents are needed, one per output (None for zero), and {came} came.")
    return [leaf for part, item in zip(skeleton, items, strict=True) for leaf in _flatten_like(part, item)]
