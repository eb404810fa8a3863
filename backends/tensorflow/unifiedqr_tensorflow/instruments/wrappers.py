"""Ways to call a function of tensors: each takes a function and gives one that does the same in another way."""

from collections.abc import Callable
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tensorflow as tf

Function = Callable[..., Any]


def of_unknown_sizes(f: Function, **keywords: Any) -> Function:
    """Make a `tf.function` that is traced once for matrices of every size."""

    def call(*arguments: Any) -> Any:
        specs = tf.nest.map_structure(lambda X: tf.TensorSpec([None] * X.shape.rank, X.dtype), arguments)
        return tf.function(f, input_signature=specs, **keywords)(*arguments)

    return call


def vectorized_map(f: Function) -> Function:
    """Map over leading axes, without the loop that TensorFlow falls back to."""
    return lambda *arguments: tf.vectorized_map(lambda each: f(*each), arguments, fallback_to_while_loop=False)


def map_fn(f: Function) -> Function:
    """Map over leading axes, one after another."""

    def call(*arguments: Any) -> Any:
        first = f(*tf.nest.map_structure(lambda X: X[0], arguments))
        signature = tuple(tf.TensorSpec(X.shape, X.dtype) for X in first)
        return tf.map_fn(lambda each: tuple(f(*each)), arguments, fn_output_signature=signature)

    return call


def dataset_map(f: Function) -> Function:
    """Map over leading axes, in a `tf.data` pipeline."""

    def call(*arguments: Any) -> Any:
        elements = tf.data.Dataset.from_tensor_slices(arguments)
        return elements.map(f).batch(elements.cardinality()).get_single_element()

    return call


def while_loop(f: Function) -> Function:
    """Call in the body of a loop, twice, in a `tf.function`."""

    def call(*arguments: Any) -> Any:
        zeros = tuple(map(tf.zeros_like, f(*arguments)))
        _, *outputs = tf.while_loop(lambda i, *_: i < 2, lambda i, *_: (i + 1, *f(*arguments)), (0, *zeros))
        return tuple(outputs)

    return tf.function(call)


def cond(f: Function) -> Function:
    """Call in a branch, in a `tf.function`."""

    def call(*arguments: Any) -> Any:
        flat = tf.nest.flatten(arguments)
        other = tf.nest.map_structure(lambda X: 2 * X, arguments)
        return tf.cond(tf.abs(flat[0][0, 0]) >= 0, lambda: tuple(f(*arguments)), lambda: tuple(f(*other)))

    return tf.function(call)


def py_function(f: Function) -> Function:
    """Call Python from a `tf.function`."""

    def call(*arguments: Any) -> Any:
        flat = tf.nest.flatten(arguments)
        like = f(*arguments)
        outputs = tf.py_function(lambda *Xs: f(*tf.nest.pack_sequence_as(arguments, Xs)), flat, [X.dtype for X in like])
        for X, Y in zip(outputs, like, strict=True):
            X.set_shape(Y.shape)
        return tuple(outputs)

    return tf.function(call)


def saved_model(f: Function) -> Function:
    """Save as a SavedModel, and load it again."""

    def call(*arguments: Any) -> Any:
        module: Any = tf.Module()
        module.f = tf.function(lambda *Xs: tuple(f(*Xs)))
        specs = tf.nest.map_structure(lambda X: tf.TensorSpec(X.shape, X.dtype), arguments)
        with TemporaryDirectory() as folder:
            tf.saved_model.save(module, folder, signatures={"f": module.f.get_concrete_function(*specs)})
            return tf.saved_model.load(folder).f(*arguments)

    return call


def strategy(f: Function) -> Function:
    """Call in a replica."""
    return lambda *arguments: tf.distribute.MirroredStrategy(["CPU:0"]).run(lambda *Xs: tuple(f(*Xs)), arguments)


def session(f: Function) -> Function:
    """Build a graph of placeholders, and run it in a session, as programs for TensorFlow 1 do."""

    def call(*arguments: Any) -> Any:
        values = tf.nest.map_structure(np.asarray, arguments)
        with tf.Graph().as_default(), tf.compat.v1.Session() as running:
            placeholders = tf.nest.map_structure(lambda X: tf.compat.v1.placeholder(X.dtype, X.shape), values)
            feed = dict(zip(*map(tf.nest.flatten, (placeholders, values)), strict=True))
            found = running.run(list(f(*placeholders)), feed)
        return tuple(map(tf.constant, found))

    return call


def identities(f: Function) -> Function:
    """Call where ``==`` of tensors compares identities, as in TensorFlow 1."""

    def call(*arguments: Any) -> Any:
        tf.compat.v1.disable_tensor_equality()
        try:
            return f(*arguments)
        finally:
            tf.compat.v1.enable_tensor_equality()

    return call


def run_eagerly(f: Function) -> Function:
    """Call a `tf.function` with `tf.config.run_functions_eagerly`."""

    def call(*arguments: Any) -> Any:
        before = tf.config.functions_run_eagerly()
        tf.config.run_functions_eagerly(True)
        try:
            return tf.function(f)(*arguments)
        finally:
            tf.config.run_functions_eagerly(before)

    return call
