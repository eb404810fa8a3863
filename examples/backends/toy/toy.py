"""A toy framework with reverse mode: arrays that remember how they were made, and a sum."""

from itertools import count

import numpy as np


class Node:
    """Where arrays come from: how to pull their cotangents back to the arrays that they were made of."""

    numbers = count()

    def __init__(self, pullback=None, inputs=()):
        self.number, self.pullback, self.inputs, self.bars = next(self.numbers), pullback, inputs, {}


class Array:
    """A NumPy array and the place of it among what a node made; no node, no gradient."""

    def __init__(self, value, node=None, place=0):
        self.value, self.node, self.place = np.asarray(value), node, place
        self.shape, self.ndim, self.dtype = self.value.shape, self.value.ndim, self.value.dtype

    def __getitem__(self, index):
        if self.node is not None:
            raise TypeError("the toy does not differentiate an index.")
        return Array(self.value[index])


def total(x):
    """Return the sum of x: besides decompositions, the one operation that the toy differentiates."""
    return Array(x.value.sum(), Node(lambda bars: (np.broadcast_to(bars[0], x.shape),), (x,)))


def pull(pairs):
    """Send cotangents back from arrays to the nodes that everything began with, the latest node first."""
    waiting = {}
    while True:
        for x, bar in pairs:
            if x.node is not None and bar is not None:
                x.node.bars[x.place] = x.node.bars.get(x.place, 0) + bar
                if x.node.pullback is not None:
                    waiting[x.node.number] = x.node
        if not waiting:
            return
        node = waiting.pop(max(waiting))
        bars, node.bars = node.bars, {}
        pairs = zip(node.inputs, node.pullback(bars), strict=True)
