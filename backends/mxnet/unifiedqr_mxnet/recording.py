"""A node of our own in MXNet's record: outputs, inputs, and the pullback between their cotangents.

`mxnet.autograd.Function` hands its backward arrays of the legacy class under legacy semantics, drops a gradient that is
to be added to another, and stops at the first input that needs none. This node does none of that. The two callbacks are
made once; MXNet names the node to them by its key.

MXNet runs a pullback in a thread of its own, which it stops at exit before it waits for what is still to be done: a
process that ends right after ``backward()`` would abort, or hang. It does so at a fork too, with Python's lock held,
which the pullback needs: both would wait for ever. So a process waits here first. What a pullback raises surfaces at
the next wait, as MXNet's errors do.
"""

import atexit
import ctypes
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from unifiedqr.checks import Line, asked_at, line_of_user, reports_later
from unifiedqr_mxnet.compat import mx
from unifiedqr_mxnet.failures import keep, translate_errors
from unifiedqr_mxnet.pair import RealArray

base: Any = mx.base  # MXNet's interface to its library

atexit.register(mx.nd.waitall)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=mx.nd.waitall)

Pullback = Callable[[Sequence[RealArray]], Sequence[RealArray]]

NULL, WRITE, INPLACE, ADD = range(4)
"""What MXNet requests for a gradient."""

_BACKWARD = ctypes.CFUNCTYPE(
    ctypes.c_int,
    *(ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_void_p), ctypes.POINTER(ctypes.c_int), ctypes.c_int),
    ctypes.c_void_p,
)
_DELETE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)


@dataclass
class _Node:
    pullback: Pullback
    recorded_at: Line | None
    callbacks: Any = None


_nodes: dict[int, _Node] = {}
_keys = count(1)

translate_errors(is_recorded=lambda: bool(_nodes))


def record(inputs: Sequence[RealArray], outputs: Sequence[RealArray], pullback: Pullback) -> None:
    """Enter into the record that the outputs came from the inputs.

    Parameters
    ----------
    inputs : sequence of mx.np.ndarray
    outputs : sequence of mx.np.ndarray
        Arrays of their own, in no record yet. `pullback` must not hold them, but may hold their `detach`, or they would
        keep each other alive for ever.
    pullback : callable
        Takes one cotangent per output, gives one per input.
    """
    key = next(_keys)
    functions = (ctypes.CFUNCTYPE(ctypes.c_int) * 2)(
        ctypes.cast(_backward, ctypes.CFUNCTYPE(ctypes.c_int)), ctypes.cast(_delete, ctypes.CFUNCTYPE(ctypes.c_int))
    )
    keys = (ctypes.c_void_p * 2)(key, key)
    callbacks = base.MXCallbackList(
        2,
        ctypes.cast(functions, ctypes.POINTER(ctypes.CFUNCTYPE(ctypes.c_int))),
        ctypes.cast(keys, ctypes.POINTER(ctypes.c_void_p)),
    )
    _nodes[key] = _Node(pullback, line_of_user(), (callbacks, functions, keys))
    base.check_call(
        base._LIB.MXCustomFunctionRecord(
            *(ctypes.c_int(len(inputs)), base.c_handle_array(inputs)),
            *(ctypes.c_int(len(outputs)), base.c_handle_array(outputs)),
            ctypes.byref(callbacks),
        )
    )


@_BACKWARD
def _backward(n_outputs: int, n_inputs: int, handles: Any, requests: Any, is_train: int, key: int) -> int:
    try:
        with mx.util.np_shape(True), mx.util.np_array(True), mx.autograd.pause(train_mode=bool(is_train)):
            arrays = [_adopted(handles[i], writable=i >= n_outputs) for i in range(n_outputs + n_inputs)]
            _pull(_nodes[key], arrays[:n_outputs], arrays[n_outputs:], requests[:n_inputs])
    except Exception as error:
        keep("kCustomFunctionBackward", error)
        return 0
    return 1


def _pull(node: _Node, cotangents: list[Any], gradients: list[Any], requests: Sequence[int]) -> None:
    """Write what the pullback gives, NaN if it fails; then report the matrices that have no derivative.

    The thread is MXNet's own: a report points at the line that recorded the decomposition.
    """
    try:
        with reports_later() as reports:
            pulled = node.pullback(cotangents)
    except Exception:
        # MXNet raises its error once. A program that goes on must not read what was in the gradient before.
        _write(gradients, [mx.np.full_like(gradient, float("nan")) for gradient in gradients], requests)
        raise
    _write(gradients, pulled, requests)
    with asked_at(node.recorded_at):
        for report in reports:
            report()


def _write(gradients: Sequence[RealArray], values: Sequence[RealArray], requests: Sequence[int]) -> None:
    for gradient, value, request in zip(gradients, values, requests, strict=True):
        store(gradient, value, add=request == ADD, skip=request == NULL)


@_DELETE
def _delete(key: int) -> int:
    _nodes.pop(key, None)
    return 1


def _adopted(handle: int, *, writable: bool) -> RealArray:
    """Return the array of a handle, which frees the handle with itself."""
    return mx.np.ndarray(ctypes.cast(handle, base.NDArrayHandle), writable=writable)


def store(target: RealArray, value: RealArray, *, add: bool, skip: bool) -> None:
    """Write a value to an array that MXNet provides, as it requests."""
    if skip or not target.size:
        return
    (target + value if add else value).copyto(target)
