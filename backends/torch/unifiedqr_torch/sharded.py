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
from unifiedqr.arrays.operators import Shape, adjoint
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


class Shards:
    """The blocks of rows that the devices hold, filled up with zeros to equally many rows: one more axis of the stack.

    Parameters
    ----------
    A : DTensor, shape (..., m, n)
        Of any stack that is spread like those that are split.
    """

    def __init__(self, A: Any) -> None:
        self.placements, self.mesh, self.m = A.placements, A.device_mesh, A.shape[-2]
        self.axes = [axis for axis, p in enumerate(A.placements) if p.is_shard(A.ndim - 2)]
        self.own, self.most, self.count = A.to_local().shape[-2], self.m, 1
        for axis in self.axes:
            self.most, self.count = -(-self.most // self.mesh.size(axis)), self.count * self.mesh.size(axis)

    def split(self, A: Any) -> DTensor:
        local, *batch = A.to_local(), *A.shape[:-2]
        padded = torch.cat([local, local.new_zeros((*local.shape[:-2], self.most - self.own, A.shape[-1]))], -2)
        return distributed(padded.unsqueeze(-3), self.mesh, self.placements, (*batch, self.count, *padded.shape[-2:]))

    def stacked(self, R: Any) -> DTensor:
        *batch, count, k, n = R.shape
        if k < n:
            warn(
                f"{self.m} x {n} matrices are spread in shards of {k} rows: the whole matrix moves between the "
                f"devices. Spread them over fewer devices, or spread the batch, with A.redistribute.",
                ShardingWarning,
            )
        placements = [Replicate() if axis in self.axes else p for axis, p in enumerate(self.placements)]
        whole = R.redistribute(placements=placements)
        return like(whole, whole.to_local().flatten(-3, -2), shape=(*batch, count * k, n))

    def shares(self, Q: Any) -> DTensor:
        *batch, rows, k = Q.shape
        blocks = Q.to_local().unflatten(-2, (self.count, -1))
        whole = like(Q, blocks, shape=(*batch, self.count, rows // self.count, k))
        return whole.redistribute(placements=self.placements)

    def joined(self, Q: Any) -> DTensor:
        local = Q.to_local().squeeze(-3)[..., : self.own, :]
        return distributed(local, self.mesh, self.placements, (*Q.shape[:-3], self.m, Q.shape[-1]))


def each(f: Callable[..., Any]) -> Callable[..., Any]:
    """Have each device apply a function of matrices to those that it holds."""

    def of_own(x: Any, /, *others: Any, **options: Any) -> Any:
        found = f(x.to_local(), *(y.to_local() for y in others), **options)
        return tuple(_in_stack(x, X) for X in found) if isinstance(found, tuple) else _in_stack(x, found)

    return of_own


def _in_stack(x: DTensor, local: torch.Tensor) -> DTensor:
    return like(x, local, shape=(*x.shape[:-2], *local.shape[-2:]))


def _reducing(name: str, of_nothing: float) -> Callable[..., Any]:
    """Return ``max`` or ``min``, to which a device without rows adds nothing."""
    reduce = getattr(namespace.xp, name)

    def reduced(x: Any, /, *, axis: Any = None, keepdims: bool = False) -> Any:
        if axis != -2 or not any(p.is_shard(x.ndim - 2) for p in x.placements):
            return reduce(x, axis=axis, keepdims=keepdims)
        local = x.to_local()
        local = local if local.shape[-2] else local.new_full((*local.shape[:-2], 1, local.shape[-1]), of_nothing)
        placements = [Partial(name) if p.is_shard(x.ndim - 2) else p for p in x.placements]
        found = distributed(
            reduce(local, axis=-2, keepdims=True), x.device_mesh, placements, (*x.shape[:-2], 1, x.shape[-1])
        )
        return small(found) if keepdims else small(found).squeeze(-2)

    return reduced


def _local_placements(X: Any, K: Any) -> list[Placement] | None:
    """Return where X K lives if each device makes its own part of it from what it holds; None where it cannot."""
    found: list[Placement] = []
    rows, columns = X.ndim - 2, X.ndim - 1
    for x, k in zip(X.placements, K.placements, strict=True):
        in_stack = x.is_replicate() or (type(x) is Shard and x.dim < rows)
        if x.is_shard(columns) and k.is_shard(rows):
            found.append(Partial())
        elif (in_stack and x == k) or (x.is_shard(rows) and k.is_replicate()):
            found.append(x)
        elif x.is_replicate() and k.is_shard(columns):
            found.append(k)
        else:
            return None
    return found


class ShardedOperations(TorchOperations):
    """Operations on matrices whose rows are spread over devices, and on small ones that every device has."""

    @property
    def has_cholesky(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether CholeskyQR can choose by values; a trace has TSQR."""
        return not is_traced()

    def rows_apart(self, A: Any) -> Shards | None:
        return Shards(A) if any(p.is_shard(A.ndim - 2) for p in A.placements) else None

    def shape_of_product(self, X: Any, Y: Any) -> Shape:
        return super().shape_of_product(X, Y)._replace(spread=True)

    def solve_triangular(self, A: Any, B: Any, *, upper: bool) -> Any:
        A, rows = small(A), B.ndim - 2
        B = B if not any(p.is_partial() or p.is_shard(rows) for p in B.placements) else small(B)
        # Each device solves for its own columns: a cotangent of A is a sum over those that have some.
        bars = [Partial() if b.is_shard(rows + 1) else a for a, b in zip(A.placements, B.placements, strict=True)]
        return like(B, torch.linalg.solve_triangular(A.to_local(grad_placements=bars), B.to_local(), upper=upper))

    def inverse_upper(self, U: Any) -> Any:
        U = small(U)
        return like(U, super().inverse_upper(U.to_local()))

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
        return each(super().qr_r)(A)

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


def _conj(x: Any, /) -> Any:
    return like(x, conj(x.to_local()))


xp = extend_namespace(
    "unifiedqr_torch.sharded.xp",
    namespace.xp,
    linalg={"qr": each(lambda A: tuple(torch.linalg.qr(A)))},
    operations=ShardedOperations,
    conj=_conj,
    max=_reducing("max", -torch.inf),
    min=_reducing("min", torch.inf),
    argsort=each(namespace.xp.argsort),
    take_along_axis=each(namespace.xp.take_along_axis),
)


def _forward(row: Primitive, layout: Layout, inputs: tuple[DTensor, ...]) -> tuple[DTensor, ...]:
    batch = inputs[0].shape[:-2]
    placed = [layout.place(name, X) for name, X in zip(row.inputs, inputs, strict=True)]
    if layout.is_local:
        found = row.forward(namespace.xp, *(X.to_local() for X in placed))
        return tuple(layout.whole(name, X, batch) for name, X in zip(row.outputs, found, strict=True))
    found = row.forward(xp, *placed)
    return tuple(layout.place(name, X) for name, X in zip(row.outputs, found, strict=True))


def _vjp(row: Primitive, layout: Layout, kept: tuple[DTensor, ...], cotangents: tuple[Any, ...]) -> tuple[DTensor, ...]:
    kept = tuple(layout.place(name, X) for name, X in zip(row.keeps, kept, strict=True))
    bars = tuple(layout.cotangent(name, X) for name, X in zip(row.outputs, cotangents, strict=True))
    if not layout.is_local:
        return row.gradients(xp, kept, bars)
    batch = kept[0].shape[:-2]
    local = tuple(X.to_local() for X in kept), tuple(None if X is None else X.to_local() for X in bars)
    found = row.gradients(namespace.xp, *local)
    return tuple(layout.whole(name, X, batch) for name, X in zip(row.inputs, found, strict=True))


_functions: dict[Primitive, type[torch.autograd.Function]] = {}


@untraced
def _see_to(row: Primitive) -> bool:
    """Make a primitive a function of DTensors, in reverse mode only."""
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
            found: Any = in_full_precision(_vjp, row, ctx.layout, ctx.saved_tensors, cotangents)
            pairs = zip(found, ctx.placements, strict=True)
            return tuple(X if X.placements == placed else X.redistribute(placements=placed) for X, placed in pairs)

    function = type(f"unifiedqr_{row.name}_sharded", (Decomposition,), {})
    torch.compiler.allow_in_graph(function)
    return function


def call(row: Primitive, inputs: tuple[Any, ...]) -> Tensors:
    """Return the outputs of a primitive of DTensors, differentiably in reverse mode."""
    if not torch.compiler.is_compiling():
        for X in inputs:
            if (not is_sharded(X) and is_sharded(unwrapped(X))) or forward_ad.unpack_dual(X).tangent is not None:
                raise lacking()
    _see_to(row)
    return _functions[row].apply(*inputs)  # pyright: ignore[reportReturnType]
