"""Primitives of DTensors: matrices whose rows live on several devices stay there.

Where each device holds whole matrices, each decomposes its own. Where rows are spread, rules and kernels run on the
DTensors themselves, and what passes over the long side is a local product and one sum of n x n numbers. Householder's
reflectors are TSQR there: each device decomposes its rows, and every one the triangles of all.

References
----------
J. Demmel, L. Grigori, M. Hoemmen, J. Langou (2012), Communication-optimal parallel and sequential QR and LU
factorizations.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.distributed._functional_collectives as collectives
from torch.autograd import forward_ad
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
from torch.distributed.tensor.placement_types import Placement

from unifiedqr.arrays.namespaces import extend_namespace
from unifiedqr.arrays.operations import Limits
from unifiedqr.arrays.operators import adjoint
from unifiedqr.checks import warn
from unifiedqr.errors import ShardingWarning
from unifiedqr.primitive import Primitive
from unifiedqr.tracing import untraced
from unifiedqr_torch import namespace, products
from unifiedqr_torch.autodiff import Tensors, in_full_precision, materialized
from unifiedqr_torch.namespace import TorchOperations, to_numpy
from unifiedqr_torch.placements import Layout, distributed, lacking, layout_of
from unifiedqr_torch.tensors import conj, is_sharded, is_traced, unwrapped


def small(X: Any) -> DTensor:
    """Return a stack of small matrices, each of them whole on its devices."""
    batch = X.ndim - 2
    placements = [p if type(p) is Shard and p.dim < batch else Replicate() for p in X.placements]
    return X if list(X.placements) == placements else X.redistribute(placements=placements)


def like(X: DTensor, local: torch.Tensor, *, shape: tuple[int, ...] | None = None) -> DTensor:
    """Return a tensor placed as X is, of which this process holds `local`."""
    return distributed(local, X.device_mesh, X.placements, X.shape if shape is None else shape)


def tsqr(A: Any) -> tuple[DTensor, DTensor]:
    """Return Q, spread as A, and R on every device, of one QR of the local rows and one of all triangles.

    The largest rows come first in both, so that the errors of small ones are small.
    """
    mesh, (*batch, m, n) = A.device_mesh, A.shape
    axes = [axis for axis, p in enumerate(A.placements) if p.is_shard(A.ndim - 2)]
    Q, R = _sorted_qr(A.to_local())
    own, most, count = R.shape[-2], m, 1
    for axis in axes:
        most, count = -(-most // mesh.size(axis)), count * mesh.size(axis)
    k = min(most, n)
    if k < n and count > 1:
        warn(
            f"{m} x {n} matrices are spread in shards of {most} rows: what moves between the devices is as much as the "
            f"matrix. Spread them over fewer devices, or the batch, by A.redistribute.",
            ShardingWarning,
        )
    padded = torch.cat([R, R.new_zeros((*R.shape[:-2], k - own, n))], -2)
    triangles = small(distributed(padded, mesh, A.placements, (*batch, count * k, n)))
    Q_2, R = _sorted_qr(triangles.to_local())
    shares = like(triangles, Q_2, shape=(*batch, count * k, R.shape[-2])).redistribute(placements=A.placements)
    Q = Q @ shares.to_local()[..., :own, :]
    return like(A, Q, shape=(*batch, m, R.shape[-2])), like(triangles, R.contiguous(), shape=(*batch, *R.shape[-2:]))


def _sorted_qr(A: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    sizes = A.abs().amax(-1, keepdim=True) if A.shape[-1] else A.new_zeros((*A.shape[:-1], 1))
    order = torch.argsort(sizes, dim=-2, descending=True, stable=True)
    Q, R = torch.linalg.qr(A.take_along_dim(order, -2))
    return torch.empty_like(Q).scatter_(-2, order.expand(Q.shape), Q), R


def _local_placements(X: Any, K: Any) -> list[Placement] | None:
    """Return where X K lives if each device makes its own part of it from what it holds; None where it cannot."""
    found: list[Placement] = []
    rows, columns = X.ndim - 2, X.ndim - 1
    for x, k in zip(X.placements, K.placements, strict=True):
        if x.is_shard(columns) and k.is_shard(rows):
            found.append(Partial())
        elif x == k and (x.is_replicate() or (type(x) is Shard and x.dim < rows)):
            found.append(x)
        elif x.is_shard(rows) and k.is_replicate():
            found.append(x)
        elif x.is_replicate() and k.is_shard(columns):
            found.append(k)
        else:
            return None
    return found


class Deep(Limits):
    """Every deep matrix."""

    def include(self, shape: tuple[int, ...]) -> bool:
        return shape[-2] > shape[-1] > 0


class ShardedOperations(TorchOperations):
    """Operations on matrices whose rows are spread over devices, and on small ones that every device has."""

    limits = Deep(1, 0, 1)  # a sum of n x n numbers in place of a triangle from each device

    def is_measured(self, A: torch.Tensor) -> bool:
        del A
        return not is_traced()

    def solve_triangular(self, A: Any, B: Any, *, upper: bool) -> Any:
        A, rows = small(A), B.ndim - 2
        B = B if not any(p.is_partial() or p.is_shard(rows) for p in B.placements) else small(B)
        # Each device solves for its own columns: a cotangent of A is a sum over those that have some.
        bars = [Partial() if b.is_shard(rows + 1) else a for a, b in zip(A.placements, B.placements, strict=True)]
        return like(B, torch.linalg.solve_triangular(A.to_local(grad_placements=bars), B.to_local(), upper=upper))

    def inverse_upper(self, U: Any) -> Any:
        U = small(U)
        return like(U, super().inverse_upper(U.to_local()))

    def quotients(self, U: Any, *dividends: Any) -> Any:
        E = adjoint(self.xp, self.inverse_upper(U))
        return tuple(Y @ E for Y in dividends)

    def inner(self, X: Any, Y: Any) -> Any:
        placements = None if torch.is_grad_enabled() else _local_placements(X.mT, Y)
        if placements is None:
            W = small(adjoint(self.xp, X) @ Y)
            if W.requires_grad:
                W.register_hook(small)  # or a product with its cotangent, a sum still to be made, would gather X and Y
            return W
        local = products.inner(X.to_local(), Y.to_local())
        return small(distributed(local, X.device_mesh, placements, (*X.shape[:-2], X.shape[-1], Y.shape[-1])))

    def inner_of_rows(self, X: Any, Y: Any) -> Any:
        return self.inner(adjoint(self.xp, X), adjoint(self.xp, Y))

    def combination(self, *terms: Any) -> Any:
        pairs = [term for term in terms if type(term) is tuple]
        places = [_local_placements(*pair) for pair in pairs]
        places += [list(term.placements) for term in terms if type(term) is not tuple]
        if torch.is_grad_enabled() or None in places or any(place != places[0] for place in places):
            return super().combination(*terms)
        X, K = pairs[0]
        local = products.combination(*(_local(term) for term in terms))
        return distributed(local, X.device_mesh, places[0] or (), (*X.shape[:-1], K.shape[-1]))

    def qr_r(self, A: Any) -> Any:
        return tsqr(A)[1]

    def try_cholesky(self, G: Any) -> tuple[Any, Any]:
        G = small(G)
        R, definite = super().try_cholesky(G.to_local())
        return like(G, R.contiguous()), like(G, definite, shape=(*G.shape[:-2], 1, 1))

    def phases(self, R: Any) -> Any:
        R = small(R)
        return like(R, namespace.xp.beyond.phases(R.to_local()), shape=R.shape[:-1])

    def turn(self, Q: Any, R: Any) -> tuple[Any, Any]:
        R = small(R)
        found = namespace.xp.beyond.turn(Q.to_local(), R.to_local())
        return like(Q, found[0]), like(R, found[1])

    def branch(self, predicate: Any, then: Callable[[], Any], otherwise: Callable[[], Any]) -> tuple[torch.Tensor, ...]:
        if is_traced():
            return super(TorchOperations, self).branch(predicate, then, otherwise)
        return otherwise() if agreed(~predicate).any() else then()

    def seen(self, x: Any) -> np.ndarray[Any, Any] | None:
        if is_traced() or x.device_mesh.device_type != "cpu" or not all(p.is_replicate() for p in x.placements):
            return None
        return agreed(x) if x.dtype == torch.bool else to_numpy(x.to_local())

    def glance(self, R: Any) -> None:
        del R  # devices might not see the same


def _local(term: Any) -> Any:
    return tuple(X.to_local() for X in term) if type(term) is tuple else term.to_local()


def agreed(marks: Any) -> np.ndarray[Any, Any]:
    """Return which marks are set on any device, so that all go the same way, whatever their rounding."""
    marks = marks.redistribute(placements=[Replicate()] * marks.device_mesh.ndim)
    found, mesh = marks.to_local().to(torch.uint8), marks.device_mesh
    for axis in range(mesh.ndim):
        found = collectives.wait_tensor(collectives.all_reduce(found, "max", mesh.get_group(axis)))
    return to_numpy(found).astype(bool)


def _qr(A: Any, /, *, mode: str = "reduced") -> tuple[DTensor, DTensor]:
    del mode
    return tsqr(A)


def _conj(x: Any, /) -> Any:
    return like(x, conj(x.to_local()))


xp = extend_namespace(
    "unifiedqr_torch.sharded.xp", namespace.xp, linalg={"qr": _qr}, operations=ShardedOperations, conj=_conj
)


def _forward(row: Primitive, layout: Layout, inputs: tuple[DTensor, ...]) -> tuple[DTensor, ...]:
    batch = inputs[0].shape[:-2]
    placed = [layout.place(name, X) for name, X in zip(row.inputs, inputs, strict=True)]
    if layout.is_local:
        found = row.forward(namespace.xp, *(X.to_local() for X in placed))
        return tuple(layout.whole(name, X, batch) for name, X in zip(row.outputs, found, strict=True))
    found = row.forward(xp, *placed)
    return tuple(layout.place(name, X) for name, X in zip(row.outputs, found, strict=True))


def _vjp(row: Primitive, layout: Layout, kept: tuple[DTensor, ...], cotangents: tuple[Any, ...]) -> list[DTensor]:
    kept = tuple(layout.place(name, X) for name, X in zip(row.keeps, kept, strict=True))
    bars = tuple(layout.cotangent(name, X) for name, X in zip(row.outputs, cotangents, strict=True))
    if not layout.is_local:
        return row.vjp(xp, kept, bars)
    batch = kept[0].shape[:-2]
    local = tuple(X.to_local() for X in kept), tuple(None if X is None else X.to_local() for X in bars)
    found = row.vjp(namespace.xp, *local)
    return [layout.whole(name, X, batch) for name, X in zip(row.inputs, found, strict=True)]


_functions: dict[Primitive, type[torch.autograd.Function]] = {}


@untraced
def _see_to(row: Primitive) -> bool:
    """Have a primitive as a function of DTensors, in reverse mode alone."""
    if row not in _functions:
        _functions[row] = _differentiable(row)
    return True


def _differentiable(row: Primitive) -> type[torch.autograd.Function]:

    class Decomposition(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *inputs: Any) -> Tensors:
            layout = ctx.layout = layout_of(row, inputs)
            ctx.placements = [X.placements for X in inputs]
            outputs = materialized(in_full_precision(_forward, row, layout, inputs))
            ctx.set_materialize_grads(False)
            ctx.save_for_backward(*row.kept(inputs, outputs))
            return outputs

        @staticmethod
        def backward(ctx: Any, *cotangents: Any) -> tuple[Any, ...]:
            found = in_full_precision(_vjp, row, ctx.layout, ctx.saved_tensors, cotangents)
            pairs = zip(found, ctx.placements, strict=True)
            return tuple(X if X.placements == placed else X.redistribute(placements=placed) for X, placed in pairs)

    function = type(f"unifiedqr_{row.name}_sharded", (Decomposition,), {})
    torch.compiler.allow_in_graph(function)
    return function


def call(row: Primitive, inputs: tuple[Any, ...]) -> Tensors:
    """Return the outputs of a primitive of DTensors, differentiably in reverse mode."""
    if not torch.compiler.is_compiling():
        for X in inputs:
            if not is_sharded(X) and is_sharded(unwrapped(X)) or forward_ad.unpack_dual(X).tangent is not None:
                raise lacking()
    _see_to(row)
    return _functions[row].apply(*inputs)  # pyright: ignore[reportReturnType]
