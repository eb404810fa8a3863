"""Ways to take values and derivatives: each takes a function and tuples of tensors, as `Transform.run` does."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from unifiedqr_tensorflow.instruments.wrappers import Function, vectorized_map

Tensors = tuple[tf.Tensor, ...]
Run = Callable[..., Tensors]


def value(f: Function, primals: Tensors) -> Tensors:
    """Call the function."""
    return tuple(f(*primals))


def tape(f: Function, primals: Tensors, bars: Tensors, *, unconnected: str = "none") -> Tensors:
    """Pull cotangents back by a gradient tape.

    A None that stands for a lost derivative is an error, unless `unconnected` is "zero".
    """
    unreached = tf.UnconnectedGradients(unconnected)
    with tf.GradientTape() as tape:
        tape.watch(primals)
        outputs = list(f(*primals))
    return _dense(tape.gradient(outputs, primals, output_gradients=list(bars), unconnected_gradients=unreached))


def persistent_tape(f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Pull cotangents back by a tape that is asked once for each output."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(primals)
        outputs = tuple(f(*primals))
    parts = [
        tape.gradient([y], primals, output_gradients=[bar], unconnected_gradients=tf.UnconnectedGradients.ZERO)
        for y, bar in zip(outputs, bars, strict=True)
    ]
    return tuple(tf.add_n(list(of_primal)) for of_primal in zip(*parts, strict=True))


def variables(f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Pull cotangents back to variables, which a tape watches by itself."""
    held = tuple(map(tf.Variable, primals))
    with tf.GradientTape() as tape:
        outputs = list(f(*held))
    return _dense(tape.gradient(outputs, held, output_gradients=list(bars)))


def gradients(f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Walk the graph of a `tf.function` backwards."""
    return _dense(tf.gradients(f(*primals), primals, grad_ys=bars))


def jacobian(f: Function, primals: Tensors, bars: Tensors, *, experimental_use_pfor: bool) -> Tensors:
    """Contract the cotangents with whole Jacobians, of real and imaginary parts."""
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(primals)
        parts = _row_of_parts(f(*primals))
    jacobians = tape.jacobian(parts, primals, experimental_use_pfor=experimental_use_pfor)
    return tuple(tf.tensordot(tf.cast(_row_of_parts(bars), J.dtype), J, 1) for J in jacobians)


def batch_jacobian(f: Function, primals: Tensors, bars: Tensors) -> Tensors:
    """Contract the cotangents with the Jacobian of each matrix of a batch."""
    rows = vectorized_map(lambda *arrays: _row_of_parts(arrays))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(primals)
        parts = rows(*vectorized_map(f)(*primals))
    jacobians = [tape.batch_jacobian(parts, A) for A in primals]
    return tuple(tf.einsum("bi,bi...->b...", tf.cast(rows(*bars), J.dtype), J) for J in jacobians)


def accumulator(f: Function, primals: Tensors, dots: Tensors) -> Tensors:
    """Push tangents forward."""
    with tf.autodiff.ForwardAccumulator(primals, dots) as accumulator:
        outputs = tuple(f(*primals))
    return accumulator.jvp(outputs)


def transposed_tape(f: Function, primals: Tensors, dots: Tensors) -> Tensors:
    """Push tangents forward by reverse mode alone: the pullback is linear in the cotangents, and is pulled back."""
    with tf.GradientTape() as outer:
        cotangents = tuple(map(tf.zeros_like, f(*primals)))
        outer.watch(cotangents)
        pulled = list(tape(f, primals, cotangents))
    return _dense(outer.gradient(pulled, cotangents, output_gradients=list(dots)))


def tape_of_tape(f: Function, primals: Tensors, bars: Tensors, dots: Tensors) -> Tensors:
    """Differentiate by reverse over reverse."""
    return tape(lambda *inner: tape(f, inner, bars), primals, dots)


def accumulator_of_tape(f: Function, primals: Tensors, bars: Tensors, dots: Tensors) -> Tensors:
    """Differentiate by forward over reverse."""
    return accumulator(lambda *inner: tape(f, inner, bars), primals, dots)


def tape_of_accumulator(f: Function, primals: Tensors, bars: Tensors, dots: Tensors) -> Tensors:
    """Differentiate by reverse over forward: the Hessian of <bars, f> is symmetric."""
    return tape(lambda *inner: accumulator(f, inner, dots), primals, bars)


def jacobian_of_tape(f: Function, primals: Tensors, bars: Tensors, dots: Tensors) -> Tensors:
    """Contract the tangents with whole Hessians, which are symmetric."""
    return jacobian(lambda *inner: tape(f, inner, bars), primals, dots, experimental_use_pfor=True)


def hessians(f: Function, primals: Tensors, bars: Tensors, dots: Tensors) -> Tensors:
    """Contract the tangents with `tf.hessians`, for outputs that each depend on one primal."""
    loss = tf.add_n([tf.reduce_sum(part * bar) for part, bar in zip(_parts(f(*primals)), _parts(bars), strict=True)])
    return tuple(tf.tensordot(H, dot, 2) for H, dot in zip(tf.hessians(loss, list(primals)), dots, strict=True))


def _dense(gradients: Any) -> Tensors:
    """Return gradients as tensors; one that does not exist is an error."""
    return tuple(map(tf.convert_to_tensor, gradients))


def _parts(arrays: Tensors) -> Tensors:
    parts = ((tf.math.real(X), tf.math.imag(X)) if X.dtype.is_complex else (X,) for X in arrays)
    return tuple(part for pair in parts for part in pair)


def _row_of_parts(arrays: Tensors) -> tf.Tensor:
    """Return all entries in one row, real parts and imaginary parts apart."""
    return tf.concat([tf.reshape(part, [-1]) for part in _parts(arrays)], 0)
