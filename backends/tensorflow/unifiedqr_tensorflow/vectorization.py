"""Operations for which `tf.vectorized_map` has no rule, or a wrong one: their creators attach the rule to it."""

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.ops.parallel_for.pfor import wrap  # what a rule must give; it has no public name


def vectorized(outputs: Sequence[tf.Tensor], on_stacks: Callable[..., Sequence[tf.Tensor]]) -> None:
    """Have the operation that gave `outputs` vectorized by calling a function on stacks of its inputs.

    A vectorizing map looks for ``pfor_converter`` on an operation before it looks into its own table.
    """
    if tf.executing_eagerly():
        return

    def convert(given: Any) -> list[Any]:
        given.stack_inputs()  # those that are the same for every element, such as a right-hand side, are not stacks yet
        return [wrap(X, True) for X in on_stacks(*(given.stacked_input(i) for i in range(given.num_inputs)))]

    operation: Any = outputs[0].op
    operation.pfor_converter = convert
