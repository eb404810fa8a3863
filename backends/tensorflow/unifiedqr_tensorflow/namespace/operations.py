"""What TensorFlow does better than the portable forms of the operations beyond the Array API standard."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.ops.control_flow_util import GraphOrParentsInXlaContext  # TensorFlow says it nowhere else

from unifiedqr import host
from unifiedqr.arrays.operations import ON_DEVICES, Limits, Operations
from unifiedqr.arrays.stacks import Tiny
from unifiedqr_tensorflow.namespace import bits
from unifiedqr_tensorflow.namespace.dtypes import finfo
from unifiedqr_tensorflow.namespace.linalg import solve_triangular, vector_norm

State = tuple[tf.Tensor, ...]

TINY = Tiny(longest=8, shortest=4, matrices=256)
"""Stacks that XLA fuses, measured on two cores of a CPU; TensorFlow's own kernels gain nothing."""

FUSED = 16
"""The largest size of matrices whose products XLA fuses with profit, measured likewise."""

INVERTED = 128
"""Size of a triangle up to which its inverse and a product are quicker than a solve between two transpositions, each
of which takes 0.05 ms whatever the size; of a stack of triangles they are not."""


class TensorFlowOperations(Operations):
    """Operations of eager tensors and of graphs whose sizes are known."""

    traces = True
    has_cholesky = True
    limits = Limits(slenderness=4, columns=512, rows=256)  # measured on two cores of a CPU

    @property
    def tiny(self) -> Tiny | None:
        return None if tf.executing_eagerly() or not _is_for_xla() else TINY

    def solve_triangular(self, A: tf.Tensor, B: tf.Tensor, *, upper: bool) -> tf.Tensor:
        return solve_triangular(A, B, upper=upper)

    def inverse_upper(self, U: tf.Tensor) -> tf.Tensor:
        if U.shape.is_fully_defined():
            sizes: list[Any] = U.shape.as_list()
            identity = tf.eye(sizes[-1], batch_shape=sizes[:-2], dtype=U.dtype)
        else:
            identity = tf.linalg.diag(tf.ones_like(tf.linalg.diag_part(U)))
        return tf.linalg.triangular_solve(U, identity, lower=False)

    def quotients(self, U: tf.Tensor, *dividends: tf.Tensor) -> State:
        n: Any = U.shape[-1] if U.shape.rank == 2 else None
        if len(dividends) == 1 and n is not None and n <= INVERTED:
            return (tf.linalg.matmul(dividends[0], self.inverse_upper(U), adjoint_b=True),)
        return super().quotients(U, *dividends)

    @property
    def fused(self) -> int:
        return 0 if tf.executing_eagerly() or not _is_for_xla() else FUSED

    def inner(self, X: tf.Tensor, Y: tf.Tensor) -> tf.Tensor:
        return super().inner(X, Y) if self.fused else tf.linalg.matmul(X, Y, adjoint_a=True)

    def pivoted_qr(self, A: tf.Tensor, rank: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor] | None:
        values = self.seen(A)
        if values is None or A.dtype.name not in host.PREFIXES:
            return None
        Q, R, P = host.pivoted_qr(values, rank)
        with tf.device(A.device):
            P = tf.convert_to_tensor(P[..., None, :].astype(Q.dtype))
            return tf.convert_to_tensor(Q), tf.convert_to_tensor(R), P

    def try_cholesky(self, G: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        # TensorFlow's Cholesky factorization of such a matrix is an error, for the batch and for the program. Its QR
        # decomposition is none, and tells the smallest eigenvalue: at least 1 / ||G^-1||_F.
        identity = tf.linalg.diag(tf.ones_like(tf.linalg.diag_part(G)))
        finite = tf.reduce_all(tf.math.is_finite(tf.abs(G)), axis=(-2, -1), keepdims=True)
        R = tf.linalg.qr(tf.where(finite, G, identity))[1]
        pivots = tf.abs(tf.linalg.diag_part(R))
        regular = tf.reduce_all(pivots > 0, axis=-1)[..., None, None]
        inverse = tf.linalg.triangular_solve(tf.where(regular, R, identity), identity, lower=False)
        bound = vector_norm(inverse, axis=(-2, -1), keepdims=True) * vector_norm(G, axis=(-2, -1), keepdims=True)
        n: Any = G.shape[-1]
        definite = finite & regular & (bound * (8 * n * finfo(G.dtype).eps) < 1)
        return tf.linalg.adjoint(tf.linalg.cholesky(tf.where(definite, G, identity))), definite

    def limits_of(self, A: tf.Tensor) -> Limits | None:
        on_cpu = "/device:CPU:" in A.device if tf.executing_eagerly() else _is_cpu_the_default()
        return self.limits if on_cpu else ON_DEVICES

    def sign_of_det(self, Q: tf.Tensor) -> tf.Tensor | None:
        return tf.linalg.slogdet(Q)[0] if tf.executing_eagerly() else None  # XLA cannot compile it

    def repeat(self, count: Any, step: Callable[[Any, State], State], state: State) -> State:
        if tf.executing_eagerly():
            return super().repeat(count, step, state)

        def body(j: tf.Tensor, *before: tf.Tensor) -> State:
            after = step(j, before)
            for X, like in zip(after, before, strict=True):
                X.set_shape(like.shape)
            return j + 1, *after

        return tf.while_loop(lambda j, *_: j < count, body, (tf.constant(0), *state), maximum_iterations=count)[1:]

    def branch(self, predicate: tf.Tensor, then: Callable[[], State], otherwise: Callable[[], State]) -> State:
        if tf.executing_eagerly():
            return then() if predicate else otherwise()
        return tuple(tf.cond(predicate, then, otherwise))

    def seen(self, x: tf.Tensor) -> np.ndarray | None:
        at_hand = (
            isinstance(x, tf.__internal__.EagerTensor)  # not a symbol of a graph being traced
            and x.device.startswith("/job:localhost/")
            and "/device:CPU:" in x.device
            and tf.config.experimental.get_synchronous_execution()
        )
        return x.numpy() if at_hand else None

    def glance(self, R: tf.Tensor) -> tuple[float, float] | None:
        values = self.seen(R)
        return None if values is None else host.glance(values)

    def power_of_two(self, exponents: tf.Tensor) -> tf.Tensor:
        return bits.power_of_two(exponents)


def _is_for_xla() -> bool:
    return GraphOrParentsInXlaContext(tf.compat.v1.get_default_graph())


@cache
def _is_cpu_the_default() -> bool:
    return not tf.config.list_physical_devices("GPU")
