"""Where the entries of DTensors live: what a primitive can take as it lies, and where its results are put.

Each axis of a mesh spreads one thing at most: the long side of the matrix (the rows of a deep one, the columns for LQ),
a dimension of the batch, or nothing. What has no long side, such as R, is on every device of that axis then.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.distributed.tensor.placement_types import Placement

from unifiedqr.checks import warn
from unifiedqr.errors import CapabilityError, ForeignArrayError, ShardingError, ShardingWarning
from unifiedqr.primitive import Primitive

Placements = tuple[Placement, ...]

_QR, _LQ, _SOLVED = {"A": -2, "Q": -2}, {"A": -1, "Q": -1}, {"A": -2, "b": -2, "w": -2, "Q": -2}

LONG_SIDES: dict[str, Mapping[str, int]] = {
    **dict.fromkeys(("qr", "qr-r", "ql", "orth"), _QR),
    **dict.fromkeys(("lq", "lq-l", "rq"), _LQ),
    "lstsq": _SOLVED,
}
"""The axis of each array along which a matrix may be spread, by primitive; others need the whole matrix."""

_OF_MINIMUM_NORM = {"A": -1, "x": -2, "Q": -2}
"""The same for a least squares problem that is wide."""

LONG = -1
"""What an axis of a mesh spreads where that is the long side; a dimension of the batch has its own number."""


class Layout(NamedTuple):
    """Where the arrays of one call live.

    Attributes
    ----------
    mesh : DeviceMesh
    spread : tuple of int or None
        What each axis of the mesh spreads: `LONG`, a dimension of the batch, or nothing.
    sides : mapping of str to int
        The axis of each array that is its long side.
    """

    mesh: DeviceMesh
    spread: tuple[int | None, ...]
    sides: Mapping[str, int]

    @property
    def is_local(self) -> bool:
        """Whether each device holds whole matrices."""
        return LONG not in self.spread

    def placements(self, name: str, ndim: int) -> Placements:
        """Return the placements of an array by its name."""
        side = self.sides.get(name)
        of_long: Placement = Replicate() if side is None else Shard(ndim + side)
        return tuple(
            Replicate() if found is None else of_long if found == LONG else Shard(found) for found in self.spread
        )

    def place(self, name: str, X: DTensor) -> DTensor:
        """Return X where an array of that name lives; sums that are still partial are reduced."""
        placements = self.placements(name, X.ndim)
        return X if X.placements == placements else X.redistribute(placements=placements)

    def cotangent(self, name: str, X: torch.Tensor | None) -> DTensor | None:
        """Return the cotangent of an output, placed as that is."""
        if X is None:
            return None
        if not isinstance(X, DTensor) or X.device_mesh != self.mesh:
            came = "a plain tensor" if not isinstance(X, DTensor) else f"a DTensor on {X.device_mesh}"
            raise ForeignArrayError(
                f"got {came} as the cotangent of {name}; expected a DTensor on the mesh of the matrix, {self.mesh}. "
                f"Make it one by torch.distributed.tensor.distribute_tensor, or DTensor.from_local if it is a shard."
            )
        return self.place(name, X)

    def whole(self, name: str, local: torch.Tensor, batch: torch.Size) -> DTensor:
        """Return the DTensor of which each device holds `local`, whole matrices in a part of the batch."""
        return distributed(local, self.mesh, self.placements(name, local.ndim), (*batch, *local.shape[-2:]))


def distributed(
    local: torch.Tensor, mesh: DeviceMesh, placements: Sequence[Placement], shape: Sequence[int]
) -> DTensor:
    """Return the DTensor of a shape, shards of any size, of which this process holds `local`."""
    order = sorted(range(local.ndim), key=local.stride, reverse=True)  # in memory, as the local one
    strides, length = [0] * local.ndim, 1
    for axis in reversed(order):
        strides[axis] = length
        length *= max(shape[axis], 1)
    made = DTensor.from_local(local, mesh, placements, run_check=False, shape=torch.Size(shape), stride=tuple(strides))
    if made.requires_grad:
        # PyTorch moves a cotangent placed elsewhere without a derivative, and what follows it would be lost.
        made.register_hook(lambda bar: _moved(bar, [Replicate() if p.is_partial() else p for p in placements]))
    return made


def _moved(X: Any, placements: list[Placement]) -> DTensor:
    return X if list(X.placements) == placements else X.redistribute(placements=placements)


def layout_of(row: Primitive, inputs: Sequence[torch.Tensor]) -> Layout:
    """Return where the arrays of a call live; raise where nothing but gathering them would help."""
    for name, X in zip(row.inputs, inputs, strict=True):
        if not isinstance(X, DTensor):
            raise ForeignArrayError(
                f"{row.name} got {name} as a plain tensor beside a DTensor; expected DTensors on one mesh. Make it one "
                f"by torch.distributed.tensor.distribute_tensor(..., mesh, placements)."
            )
    arrays: list[Any] = list(inputs)
    mesh, A = arrays[0].device_mesh, arrays[0]
    if any(X.device_mesh != mesh for X in arrays):
        raise ForeignArrayError(
            f"{row.name} got DTensors on {' and '.join(str(X.device_mesh) for X in arrays)}; expected one mesh. "
            f"Distribute them all on the mesh of the matrix."
        )
    m, n = A.shape[-2:]
    sides = LONG_SIDES.get(row.name, _LQ if row.orientation.adjoint else _SOLVED if "A" in row.inputs else {})
    sides = _OF_MINIMUM_NORM if row.name == "lstsq" and m < n else sides
    spread = tuple(
        _spread_by(row, dict(zip(row.inputs, arrays, strict=True)), sides, axis) for axis in range(mesh.ndim)
    )
    return Layout(mesh, spread, sides)


def _spread_by(row: Primitive, arrays: Mapping[str, DTensor], sides: Mapping[str, int], axis: int) -> int | None:
    """Return what one axis of the mesh spreads."""
    A = next(iter(arrays.values()))
    m, n = A.shape[-2:]
    is_short = (m < n) if sides.get("A") == -2 else (m > n)
    found: set[int] = set()
    for name, X in arrays.items():
        placement = X.placements[axis]
        if placement.is_replicate():
            continue
        batch, side = X.ndim - 2, sides.get(name)
        if type(placement) is Shard and placement.dim < batch:
            found.add(placement.dim)
        elif type(placement) is Shard and side is not None and placement.dim == X.ndim + side and not is_short:
            found.add(LONG)
        elif X.device_mesh.size(axis) > 1:
            raise _refusal(row, name, X, placement, sides)
    if len(found) > 1:
        placed = ", ".join(f"{name} {tuple(X.placements)}" for name, X in arrays.items())
        raise ShardingError(
            f"{row.name} got {placed}, which one axis of the mesh spreads in two ways; expected the rows of both, or "
            f"the same dimension of the batch. Redistribute one like the other: b.redistribute(placements=...)."
        )
    if LONG in found and row.name not in LONG_SIDES:
        if A.device_mesh.size(axis) > 1:
            warn(
                f"{row.name} needs the whole matrix of {m} x {n}, which is gathered on every device; its results are "
                f"there too. Redistribute it to Replicate() yourself to say that this is meant.",
                ShardingWarning,
            )
        return None
    return found.pop() if found else None


def _refusal(row: Primitive, name: str, X: DTensor, placement: Placement, sides: Mapping[str, int]) -> ShardingError:
    kind = "sums that are still partial" if isinstance(placement, Partial) else str(placement)
    m, n = X.shape[-2:]
    words = {
        None: "",
        -2: f"Shard({X.ndim - 2}), its rows, of a deep matrix, ",
        -1: f"Shard({X.ndim - 1}), its columns, of a wide matrix, ",
    }[sides.get(name)]
    return ShardingError(
        f"{row.name} got {name}, {m} x {n}, as {kind}; expected {words}Replicate(), or a dimension of the batch. "
        f"Redistribute it: {name}.redistribute(placements=[...])."
    )


def lacking() -> CapabilityError:
    """Return the error for what DTensors do not support."""
    return CapabilityError(
        "got a DTensor inside forward mode or a transform of torch.func (unifiedqr.vjp, grad, jvp, vmap), which "
        "DTensors do not support. Use reverse mode: torch.autograd.grad or .backward(), with create_graph=True for "
        "second order."
    )
