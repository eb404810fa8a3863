"""Sizes that are unknown while a `tf.function` is traced, and known when it runs.

Most of what is computed is the same for every size, and is traced once. What asks whether A is deep is traced anew,
once for each answer, on arrays cut to all that they are or to no rows and columns at all, and what the two give is
joined. `tf.cond` would trace as much, but cannot be differentiated in forward mode, nor always compiled; cutting and
joining can, to any order.
"""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from unifiedqr._typing import Namespace
from unifiedqr.arrays.namespaces import extend_namespace
from unifiedqr.arrays.operators import Shape
from unifiedqr.decomposition import Primitive
from unifiedqr.errors import UndecidedShapeError
from unifiedqr_tensorflow.namespace import xp as of_known_sizes
from unifiedqr_tensorflow.namespace.operations import TensorFlowOperations

Tensors = tuple[tf.Tensor, ...]
Groups = Sequence[tuple[Any, ...]]


def forward(primitive: Primitive, *inputs: tf.Tensor) -> Tensors:
    """Run a primitive on an A whose sizes may be unknown."""
    return _traced(primitive, lambda xp, arrays: primitive.forward(xp, *arrays), inputs[0], [inputs], _stacked)


def derivative(
    primitive: Primitive,
    rule: Callable[..., Tensors],
    A: tf.Tensor,
    kept: Tensors,
    given: tuple[Any, ...],
    *,
    like: Tensors,
) -> Tensors:
    """Run a derivative rule of a primitive at an A whose sizes may be unknown; it gives tensors shaped as `like`."""
    if tf.executing_eagerly():
        return rule(of_known_sizes, kept, given)

    def shaped(pieces: Tensors, Y: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.concat([tf.reshape(X, [-1]) for X in pieces], 0), tf.shape(Y))

    def join(results: list[Tensors], _: list[tf.Tensor]) -> Any:
        pairs = zip(zip(*results, strict=True), like, strict=True)
        return tuple(None if any(X is None for X in pieces) else shaped(pieces, Y) for pieces, Y in pairs)

    found = _traced(primitive, rule, A, [kept, given], join)
    for X, Y in zip(found, like, strict=True):
        if X is not None:
            X.set_shape(Y.shape)  # tf.ensure_shape has no derivative in forward mode
    return found


def _traced(
    primitive: Primitive,
    function: Callable[..., Tensors],
    A: tf.Tensor,
    groups: Groups,
    join: Callable[[list[Tensors], list[tf.Tensor]], Tensors],
) -> Tensors:
    """Trace a function of a namespace and groups of arrays: once, or once for each answer if it asks for one."""
    if None not in (A.shape[-2], A.shape[-1]):
        return function(of_known_sizes, *groups)
    try:
        return function(of_unknown_sizes, *groups)
    except UndecidedShapeError:
        m, n = tf.unstack(tf.shape(A)[-2:])
    # A square matrix goes with those that are not deep; for LQ it is A^H that is deep or not.
    deep = tf.cast(m >= n if primitive.orientation.adjoint else m > n, tf.int32)
    here, results = [deep, 1 - deep], []
    for namespace, counts in zip((of_deep, of_wide), here, strict=True):
        results.append(function(namespace, *(tuple(_cut(X, counts) for X in arrays) for arrays in groups)))
    return join(results, here)


def _cut(X: tf.Tensor | None, here: tf.Tensor) -> tf.Tensor | None:
    """Return X where `here` is 1, and where it is 0 a matrix without rows and columns."""
    if X is None:
        return None
    whole: Any = X
    sizes = tf.shape(X) * here
    return whole[..., : sizes[-2], : sizes[-1]]


def _stacked(results: list[Tensors], here: list[tf.Tensor]) -> Tensors:
    """Join the results for each answer, one of which counts: its sizes are those of the result."""

    def joined(pieces: Tensors) -> tf.Tensor:
        counting: list[Any] = [_cut(X, counts) for X, counts in zip(pieces, here, strict=True)]
        first, second = map(tf.shape, counting)
        sizes = tf.concat([first[:-2], first[-2:] + second[-2:]], 0)
        X = tf.reshape(tf.concat([tf.reshape(piece, [-1]) for piece in counting], 0), sizes)
        X.set_shape([*pieces[0].shape[:-2], None, None])
        return X

    return tuple(map(joined, zip(*results, strict=True)))


def _size(X: tf.Tensor, axis: int) -> Any:
    """Return a size, as a number where it is known."""
    return tf.shape(X)[axis] if X.shape[axis] is None else X.shape[axis]


class _Undecided:
    """Placeholder for an answer that is known only at run time."""

    def __bool__(self) -> bool:
        raise UndecidedShapeError


class _OfUnknownSizes(TensorFlowOperations):
    """Operations on arrays whose sizes, m and n at least, are known only at run time."""

    def shape_of_product(self, X: tf.Tensor, Y: tf.Tensor) -> Shape:
        m, n = X.shape[-2], Y.shape[-1]
        if type(m) is int and type(n) is int:
            return super().shape_of_product(X, Y)
        return self.told(X, _size(X, -2), _size(Y, -1))

    def told(self, X: tf.Tensor, m: Any, n: Any) -> Shape:
        longer = tf.cast(tf.maximum(m, n), X.dtype.real_dtype)
        return Shape(tf.minimum(m, n), longer, _Undecided(), _Undecided())


class _OfDeep(_OfUnknownSizes):
    """Operations for a trace that counts only where A is deep."""

    def told(self, X: tf.Tensor, m: Any, n: Any) -> Shape:
        return Shape(n, tf.cast(m, X.dtype.real_dtype), True, False)

    @property
    def of_adjoint(self) -> Namespace:
        return of_wide


class _OfWide(_OfUnknownSizes):
    """Operations for a trace that counts only where A is wide or square."""

    def told(self, X: tf.Tensor, m: Any, n: Any) -> Shape:
        return Shape(m, tf.cast(n, X.dtype.real_dtype), False, True)

    @property
    def of_adjoint(self) -> Namespace:
        return of_deep


def _namespace(name: str, operations: type[TensorFlowOperations]) -> Namespace:
    return extend_namespace(f"{of_known_sizes.__name__}.{name}", of_known_sizes, operations=operations)


of_unknown_sizes = _namespace("of_unknown_sizes", _OfUnknownSizes)
of_deep, of_wide = _namespace("of_deep", _OfDeep), _namespace("of_wide", _OfWide)
