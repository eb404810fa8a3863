"""What a compiled program moves between devices, read from its text."""

import math
import re
from typing import NamedTuple

SIZES = {"pred": 1, "s32": 4, "u32": 4, "f32": 4, "s64": 8, "f64": 8, "c64": 8, "c128": 16}
"""Bytes of an entry."""

_KINDS = "all-gather|all-reduce|all-to-all|collective-permute|reduce-scatter"


class Collective(NamedTuple):
    """An operation by which devices exchange data: its name, the bytes of its result, whether a branch holds it."""

    kind: str
    bytes: int
    in_branch: bool


def collectives(text: str) -> list[Collective]:
    """Return the collective operations of a compiled program.

    A branch is a computation that only a conditional operation calls, or what such a one calls.
    """
    computation = r"^(?:ENTRY )?%?([\w.\-]+) \([^\n]*\{\n(.*?)^\}"
    bodies = dict(re.findall(computation, text, re.MULTILINE | re.DOTALL))
    entry = re.search(r"^ENTRY %?([\w.\-]+)", text, re.MULTILINE)
    always, waiting = set[str](), [entry.group(1)] if entry else []
    while waiting:
        name = waiting.pop()
        if name in always:
            continue
        always.add(name)
        lines = [line for line in bodies[name].splitlines() if " conditional(" not in line]
        waiting += [called for called in re.findall(r"%([\w.\-]+)", "\n".join(lines)) if called in bodies]
    found: list[Collective] = []
    for name, body in bodies.items():
        for shapes, kind in re.findall(rf"= (.*?) ({_KINDS})(?:-start)?\(", body):
            parts = re.findall(r"(\w+)\[([\d,]*)\]", shapes)
            count = sum(
                SIZES[dtype] * math.prod(int(size) for size in sizes.split(",") if size) for dtype, sizes in parts
            )
            found.append(Collective(kind, count, name not in always))
    return found
