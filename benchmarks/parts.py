"""Measure the parts that forward + backward cannot do without, where the framework's own function is the faster one.

    python benchmarks/parts.py [torch] [tensorflow] [jax]

Each line is a program that does less than the last one, but for the first, which is the framework's own function, and
the last, which is ours. Milliseconds: the least mean of 15 blocks, all programs in turn.
"""

import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import unifiedqr as uqr
from unifiedqr.backend import Backend
from unifiedqr.decomposition import primitive

Programs = dict[str, Callable[[], object]]
BLOCKS, SECONDS = 15, 0.2


def show(title: str, programs: Programs) -> None:
    """Time the programs in turn, and print their times."""
    counts = dict.fromkeys(programs, 1)
    for name, run in programs.items():
        run()
        counts[name] = max(1, round(SECONDS / BLOCKS / seconds(run, 1)))
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(BLOCKS):
        for name, run in programs.items():
            times[name].append(seconds(run, counts[name]))
    print(f"\n{title}")
    for name, found in times.items():
        print(f"  {min(found) * 1e3:9.4f}  {name}")


def seconds(run: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        run()
    return (time.perf_counter() - start) / count


def inputs(backend: Backend, *shape: int) -> tuple[Any, tuple[Any, Any]]:
    """Return A and cotangents of its reduced factors."""
    rng = np.random.default_rng(0)
    *batch, m, n = shape
    bars = rng.standard_normal((*batch, m, min(m, n))), np.triu(rng.standard_normal((*batch, min(m, n), n)))
    return backend.from_numpy(rng.standard_normal(shape)), tuple(map(backend.from_numpy, bars))


def in_torch() -> None:
    import torch

    from unifiedqr_torch.namespace import glance

    def of_reflectors(A: Any) -> Any:
        Q, R = torch.linalg.qr(A)
        D = (R.diagonal().sgn() + 0.5).sgn()
        return Q.mul_(D), R.mul_(D[:, None])

    class Empty(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, A: Any) -> Any:
            found = A.clone(), A.clone()
            ctx.save_for_backward(*found)
            return found

        @staticmethod
        def backward(ctx: Any, *bars: Any) -> Any:
            del ctx
            return bars[0]

    class Bare(Empty):
        @staticmethod
        def forward(ctx: Any, A: Any) -> Any:
            found = of_reflectors(A)
            ctx.save_for_backward(*found)
            return found

        @staticmethod
        def backward(ctx: Any, *bars: Any) -> Any:
            (Q, R), (Q_bar, R_bar) = ctx.saved_tensors, bars
            P = Q.mT @ Q_bar - R_bar @ R.mT
            X = torch.linalg.solve_triangular(R, (P - P.mT).tril(-1).mT, upper=True).mT
            return Q @ (R_bar + X)  # (QR.3)

    class Guarded(Bare):
        @staticmethod
        def backward(ctx: Any, *bars: Any) -> Any:
            assert glance(ctx.saved_tensors[1]) is not None
            return Bare.backward(ctx, *bars)

    for n in (8, 64):
        A, bars = inputs(uqr.get_backend("torch"), n, n)
        A.requires_grad_()

        def both(f: Any, A: Any = A, bars: Any = bars) -> Callable[[], object]:
            return lambda: torch.autograd.grad(tuple(f(A)), A, bars)

        show(
            f"PyTorch, eager, {n} x {n}",
            {
                "torch.linalg.qr": both(torch.linalg.qr),
                "an autograd.Function that does nothing": both(Empty.apply),
                "one with torch.linalg.qr, unique signs, (QR.3) written out for this case": both(Bare.apply),
                "and looks whether R is regular": both(Guarded.apply),
                "unifiedqr.qr": both(uqr.qr),
            },
        )
    A, (Q_bar, R_bar) = inputs(uqr.get_backend("torch"), 20000, 128)
    A.requires_grad_()

    def products() -> None:
        beyond = uqr.get_backend("torch").xp.beyond
        with torch.no_grad():
            beyond.inner(A, A)
            beyond.combination((A, R_bar))
            beyond.inner(A, Q_bar)
            beyond.combination((A, R_bar), (Q_bar, R_bar))

    show(
        "PyTorch, 20000 x 128",
        {
            "torch.linalg.qr": lambda: torch.autograd.grad(tuple(torch.linalg.qr(A)), A, (Q_bar, R_bar)),
            "the five products of (CH.1) and (QR.5), as fast as PyTorch does them": products,
            "unifiedqr.qr": lambda: torch.autograd.grad(tuple(uqr.qr(A)), A, (Q_bar, R_bar)),
        },
    )


def in_tensorflow() -> None:
    import tensorflow as tf

    @tf.custom_gradient
    def bare(A: Any) -> Any:
        Q, R = tf.linalg.qr(A)
        D = tf.where(tf.linalg.diag_part(R) < 0, -tf.ones_like(R[:, 0]), tf.ones_like(R[:, 0]))
        Q, R = Q * D, R * D[:, None]
        k = R.shape[0]

        def backward(Q_bar: Any, R_bar: Any) -> Any:
            P = tf.matmul(Q, Q_bar, transpose_a=True) - tf.matmul(R_bar, R, transpose_b=True)
            X = tf.linalg.band_part(P - tf.transpose(P), -1, 0)
            inverse = tf.linalg.triangular_solve(R[:, :k], tf.eye(k, dtype=R.dtype), lower=False)
            X = tf.matmul(X, inverse, transpose_b=True)
            return tf.matmul(Q, tf.concat([R_bar[:, :k] + X, R_bar[:, k:]], axis=1))  # (QR.3)

        return (Q, R), backward

    for m, n in ((8, 8), (256, 4096)):
        A, bars = inputs(uqr.get_backend("tensorflow"), m, n)

        def both(f: Any, A: Any = A, bars: Any = bars) -> Callable[[], object]:
            def run(A: Any, *bars: Any) -> Any:
                with tf.GradientTape() as tape:
                    tape.watch(A)
                    found = tuple(f(A))
                return found, tape.gradient(found, A, output_gradients=list(bars))

            compiled = tf.function(run)
            return lambda: compiled(A, *bars)[1].numpy()

        show(
            f"TensorFlow, tf.function, {m} x {n}",
            {
                "tf.linalg.qr": both(tf.linalg.qr),
                "tf.linalg.qr with unique signs and (QR.3) written out, no guard": both(bare),
                "unifiedqr.qr": both(uqr.qr),
            },
        )


def in_jax() -> None:
    import jax

    backend = uqr.get_backend("jax")
    row = primitive("qr")
    for shape in ((10000, 3, 3), (10000, 4, 4), (1000, 8, 8), (8, 8)):
        A, bars = inputs(backend, *shape)
        own, ours = (lambda A: tuple(jax.numpy.linalg.qr(A))), (lambda A: tuple(uqr.qr(A)))

        def both(f: Any, A: Any = A, bars: Any = bars) -> Callable[[], object]:
            def run(A: Any, bars: Any) -> Any:
                found, pull = jax.vjp(f, A)
                return found, pull(bars)[0]

            return ready(run, A, bars)

        def ready(f: Any, *given: Any) -> Callable[[], object]:
            compiled = jax.jit(f)
            return lambda: jax.block_until_ready(compiled(*given))

        show(
            f"JAX, jit, {' x '.join(map(str, shape))}",
            {
                "jnp.linalg.qr": both(own),
                "its forward alone": ready(own, A),
                "our forward alone": ready(ours, A),
                "our rule alone": ready(lambda *given: row.vjp(backend.xp, given[:2], given[2:]), *ours(A), *bars),
                "unifiedqr.qr": both(ours),
            },
        )


PARTS = {"torch": in_torch, "tensorflow": in_tensorflow, "jax": in_jax}

if __name__ == "__main__":
    for name in sys.argv[1:] or PARTS:
        PARTS[name]()
