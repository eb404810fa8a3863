"""The ways in which TensorFlow's users take values and derivatives of a function, for the table of capabilities.

A run may be given a wrapped function, as in a tape around a `tf.function`, or be wrapped itself, as in a `tf.function`
around a tape.
"""

from collections.abc import Callable, Iterator
from functools import partial

import tensorflow as tf

from unifiedqr_lab.instruments import Transform
from unifiedqr_tensorflow.instruments import runs, wrappers
from unifiedqr_tensorflow.instruments.runs import Run
from unifiedqr_tensorflow.instruments.wrappers import Function

FUNCTION = {"tf.function": tf.function}
UNKNOWN = {"tf.function of unknown sizes": wrappers.of_unknown_sizes}
XLA = {"XLA function": partial(tf.function, jit_compile=True)}
XLA_UNKNOWN = {"XLA function of unknown sizes": partial(wrappers.of_unknown_sizes, jit_compile=True)}
CALLS = {
    "tf.while_loop": wrappers.while_loop,
    "tf.cond": wrappers.cond,
    "tf.recompute_grad": tf.recompute_grad,
    "tf.py_function": wrappers.py_function,
    "function run eagerly": wrappers.run_eagerly,
    "saved model": wrappers.saved_model,
}
REPLICA = {"MirroredStrategy.run": wrappers.strategy}
VECTORIZED = {"tf.vectorized_map": wrappers.vectorized_map}
MAPS = VECTORIZED | {"tf.map_fn": wrappers.map_fn}
DATASET = {"tf.data map": wrappers.dataset_map}

FIRST_ORDER = {"vjp": ("GradientTape", runs.tape), "jvp": ("ForwardAccumulator", runs.accumulator)}
SECOND_ORDER = {
    "GradientTape of GradientTape": runs.tape_of_tape,
    "ForwardAccumulator of GradientTape": runs.accumulator_of_tape,
    "GradientTape of ForwardAccumulator": runs.tape_of_accumulator,
}


def transforms() -> tuple[Transform, ...]:
    """Return all of them."""
    return (*_values(), *_first_order(), *_second_order())


def _values() -> Iterator[Transform]:
    yield Transform("call", "value", runs.value)
    yield Transform("tf.compat.v1.Session", "value", _of(wrappers.session, runs.value), slow=True)
    for name, wrapper in (FUNCTION | UNKNOWN | XLA | XLA_UNKNOWN | CALLS | REPLICA | MAPS | DATASET).items():
        yield _transform(name, "value", _of(wrapper, runs.value))


def _first_order() -> Iterator[Transform]:
    for kind, (run_name, run) in FIRST_ORDER.items():
        yield Transform(run_name, kind, run)
        for name, wrapper in (FUNCTION | UNKNOWN | XLA | CALLS | MAPS).items():
            yield _transform(f"{run_name} around {name}", kind, _of(wrapper, run))
        for name, wrapper in (FUNCTION | UNKNOWN | XLA | XLA_UNKNOWN | REPLICA | MAPS | DATASET).items():
            yield _transform(f"{name} around {run_name}", kind, _within(wrapper, run))
    yield Transform("persistent GradientTape", "vjp", runs.persistent_tape)
    yield Transform("GradientTape on variables", "vjp", runs.variables)
    yield Transform("tf.gradients in tf.function", "vjp", _within(tf.function, runs.gradients))
    yield Transform("tf.gradients in tf.compat.v1.Session", "vjp", _within(wrappers.session, runs.gradients), slow=True)
    yield Transform(
        "GradientTape after tf.compat.v1.disable_tensor_equality", "vjp", _within(wrappers.identities, runs.tape)
    )
    yield Transform("GradientTape.jacobian", "vjp", partial(runs.jacobian, experimental_use_pfor=True))
    yield Transform("GradientTape.jacobian without pfor", "vjp", partial(runs.jacobian, experimental_use_pfor=False))
    yield Transform("GradientTape.batch_jacobian", "vjp", runs.batch_jacobian, batched=True)
    yield Transform("GradientTape of the pullback", "jvp", runs.transposed_tape)


def _second_order() -> Iterator[Transform]:
    for run_name, run in SECOND_ORDER.items():
        yield Transform(run_name, "hvp", run)
        for name, wrapper in (FUNCTION | XLA).items():
            yield _transform(f"{run_name} around {name}", "hvp", _of(wrapper, run))
        for name, wrapper in (FUNCTION | UNKNOWN | XLA | VECTORIZED).items():
            yield _transform(f"{name} around {run_name}", "hvp", _within(wrapper, run))
    yield Transform("GradientTape.jacobian of GradientTape", "hvp", runs.jacobian_of_tape)
    yield Transform("tf.hessians in tf.function", "hvp", _within(tf.function, runs.hessians))


def _of(wrapper: Callable[[Function], Function], run: Run) -> Run:
    """Return the run of a wrapped function."""
    return lambda f, *given: run(wrapper(f), *given)


def _within(wrapper: Callable[[Function], Function], run: Run) -> Run:
    """Return the run, wrapped."""
    return lambda f, *given: tuple(wrapper(partial(run, f))(*given))


def _transform(name: str, kind: str, run: Run) -> Transform:
    batched = any(mapping in name for mapping in MAPS | DATASET)
    wrappers_of_graphs = FUNCTION | UNKNOWN | XLA | XLA_UNKNOWN | CALLS | REPLICA | MAPS | DATASET
    builds_a_graph = any(wrapper in name for wrapper in wrappers_of_graphs)
    return Transform(name, kind, run, batched, slow=builds_a_graph)
