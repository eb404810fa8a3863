"""DTensors in several processes: ``python -m tests.shards GROUP RANK DIRECTORY`` is one of them.

Each case gives numbers and words, which the first process writes to a file; `tests/backends/test_torch_sharded.py`
looks at them.
"""

import json
import os
import shutil
import sys
import traceback
import warnings
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, init_device_mesh

import unifiedqr as uqr
from tests.shard_functions import (
    COLUMNS,
    DTYPES,
    FUNCTIONS,
    ROWS,
    WHOLE,
    against_whole,
    in_turn,
    matrix,
    moved,
    spread,
    whole,
)
from unifiedqr.decomposition import primitive
from unifiedqr_lab.conformance.tolerance import relative_error
from unifiedqr_torch import sharded


def spread_side(name, dtype, shape):
    def case(mesh):
        f, side = FUNCTIONS[name]
        A = matrix(*shape, DTYPES[dtype])
        return against_whole(f, A if side == ROWS else A.mT.contiguous(), mesh, Shard(side))

    return case


def whole_matrix(name, place):
    def case(mesh):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            rows = 3 if name == "slogdet" else 7
            found = against_whole(WHOLE[name], matrix(rows, 3, torch.float64), mesh, place)
        return found | {"warned": sorted({w.category.__name__ for w in caught if "devic" in str(w.message)})}

    return case


def batch(name):
    def case(mesh):
        f, side = FUNCTIONS[name]
        A = matrix(5, 3, torch.float64, batch=(4,))
        A = A if side == ROWS else A.mT.contiguous()
        D = spread(A, mesh, Shard(0)).requires_grad_()
        outputs, forward = moved(lambda: f(D))
        bars = [torch.ones_like(X) for X in outputs]
        _, backward = moved(lambda: torch.autograd.grad(outputs, D, bars))
        return against_whole(f, A, mesh, Shard(0)) | {"moved": forward + backward}

    return case


def higher(name):
    """Compare derivatives of the first three orders."""

    def case(mesh):
        f, side = FUNCTIONS[name]
        A = matrix(12, 3, torch.float64)
        A = A if side == ROWS else A.mT.contiguous()
        pairs = zip(in_turn(f, spread(A, mesh, Shard(side)), 3), in_turn(f, A, 3), strict=True)
        return {"errors": [relative_error(whole(X), whole(Y)) for X, Y in pairs]}

    return case


def communication(name):
    def case(mesh):
        f, side = FUNCTIONS[name]
        m, n = 4096, 16
        A = matrix(m, n, torch.float64)
        D = spread(A if side == ROWS else A.mT.contiguous(), mesh, Shard(side)).requires_grad_()
        outputs, forward = moved(lambda: f(D))
        bars = [X.detach() for X in outputs]
        first, backward = moved(lambda: torch.autograd.grad(outputs, D, bars, create_graph=True)[0])
        _, second = moved(lambda: torch.autograd.grad(first, D, D.detach()))
        return {"forward": forward, "backward": backward, "second": second, "squares": n * n}

    return case


def rejected(dtype):
    def case(mesh):
        A = matrix(40, 4, DTYPES[dtype])
        A = A @ torch.diag(torch.tensor([1.0, 1e-3, 1e-6, 1e-9])).to(A.dtype) @ matrix(4, 4, A.dtype, 1)
        D = spread(A, mesh, Shard(ROWS))
        Q, R = uqr.qr(D)
        Q_H_Q = whole(Q).conj().T @ whole(Q)
        return {
            "orthogonal": float(abs(Q_H_Q - torch.eye(4).numpy()).max()),
            "backward": relative_error(whole(Q) @ whole(R), whole(A)),
        }

    return case


def planted(mesh):
    """Differentiate by a rule that is wrong by a factor of two."""
    right = primitive("qr")
    wrong = replace(right, vjp=lambda *given: tuple(2 * X for X in right.vjp(*given)))
    D = spread(matrix(12, 3, torch.float64), mesh, Shard(ROWS)).requires_grad_()
    bars = [torch.autograd.grad(sharded.call(row, (D,))[1].sum(), D)[0] for row in (right, wrong)]
    return {"error": relative_error(whole(bars[1]), 2 * whole(bars[0]))}


def one_branch(mesh):
    """Have one process reject what the others accept, as a rounding of its own might."""
    A = matrix(12, 3, torch.float64)
    true, given = sharded.ShardedOperations.try_cholesky, spread(A, mesh, Shard(ROWS))
    if mesh.get_rank() == 1:

        def rejects(self, G):
            R, definite = true(self, G)
            return R, definite & ~definite

        sharded.ShardedOperations.try_cholesky = rejects
    try:
        Q, R = uqr.qr(given)
    finally:
        sharded.ShardedOperations.try_cholesky = true
    return {"error": relative_error(whole(Q) @ whole(R), whole(A))}


class Orthonormal(nn.Module):
    """Multiplies by the Q of its weight."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(matrix(12, 3, torch.float64))

    def forward(self, x):
        return x @ uqr.qr(self.weight).Q


def modules(mesh):
    """Train under DDP and FSDP2, and decompose a parameter of FSDP2 as it lies."""
    x = matrix(4, 12, torch.float64, 7)
    (x @ uqr.qr((plain := Orthonormal()).weight).Q).pow(3).sum().backward()
    found = {}
    for name, wrap in {
        "DDP": nn.parallel.DistributedDataParallel,
        "FSDP2": lambda f: fully_shard(f, mesh=mesh),
    }.items():
        model = wrap(Orthonormal())
        model(x).pow(3).sum().backward()
        (weight,) = model.parameters()
        found[name] = relative_error(whole(weight.grad), whole(plain.weight.grad))
    Q, R = uqr.qr(weight)
    found["FSDP2 outside"] = relative_error(whole(Q.detach()) @ whole(R.detach()), whole(weight.detach()))
    found["placements"] = str(tuple(Q.placements))
    return found


def weighted(mesh):
    """Solve for rows of very unlike size, which keep errors as small as they are."""
    A, b = matrix(24, 3, torch.float64), matrix(24, 1, torch.float64, 2)
    weights = torch.where(torch.arange(24) % 5 == 3, 1e8, 1.0).to(torch.float64)[:, None]
    A, b = A * weights, b * weights
    D, c = (spread(X, mesh, Shard(ROWS)) for X in (A, b))
    x, y = uqr.lstsq(A, b).x, uqr.lstsq(D, c).x
    return {"error": relative_error(whole(y), whole(x))}


def dependent(mesh):
    A = matrix(9, 3, torch.float64)
    A[:, 1] = 2 * A[:, 0]
    D = spread(A, mesh, Shard(ROWS)).requires_grad_()
    Q, R = uqr.qr(D)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (dead,) = torch.autograd.grad(Q.sum(), D, retain_graph=True)
        (alive,) = torch.autograd.grad(R[0, 0], D)
    return {
        "dead": bool(torch.isnan(dead.to_local()).all()),
        "alive": bool(torch.isfinite(alive.to_local()).all()),
        "warned": sorted({w.category.__name__ for w in caught}),
    }


def meshes(names, placements, shape, batch=()):
    def case(mesh):
        sizes = (2, mesh.size() // 2) if mesh.size() == 4 else (1, mesh.size())
        plane = init_device_mesh("cpu", sizes)
        return {
            name: against_whole(FUNCTIONS[name][0], matrix(*shape, torch.float64, batch=batch), plane, *placements)
            for name in names
        }

    return case


def compiled(backend):
    def case(mesh):
        torch._dynamo.reset()
        D = spread(matrix(13, 3, torch.float64), mesh, Shard(ROWS))

        def loss(A):
            Q, R = uqr.qr(A)
            return (Q**3).sum() + (R**3).sum()

        def gradient(f):
            A = D.detach().requires_grad_()
            (found,) = torch.autograd.grad(f(A), A)
            return whole(found)

        return {"error": relative_error(gradient(torch.compile(loss, backend=backend, fullgraph=True)), gradient(loss))}

    return case


def said(run):
    try:
        run()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def refused(mesh):
    rows = spread(matrix(12, 3, torch.float64), mesh, Shard(ROWS))
    columns = spread(matrix(12, 4, torch.float64), mesh, Shard(COLUMNS))
    wide = spread(matrix(4, 12, torch.float64), mesh, Shard(ROWS))
    other = init_device_mesh("cpu", (1, mesh.size()))
    partial = DTensor.from_local(matrix(12, 3, torch.float64), mesh, [Partial()])
    whole_b = spread(matrix(12, 4, torch.float64), other, Replicate(), Replicate())
    varying = rows.detach().requires_grad_()
    Q, _ = uqr.qr(varying)
    runs = {
        "columns of a deep matrix": lambda: uqr.qr(columns),
        "rows of a wide matrix": lambda: uqr.qr(wide),
        "rows of a deep matrix for LQ": lambda: uqr.lq(rows),
        "partial sums": lambda: uqr.qr(partial),
        "columns of b": lambda: uqr.lstsq(rows, columns),
        "different meshes": lambda: uqr.lstsq(rows, whole_b),
        "rows that grow": lambda: uqr.qr_append_rows(rows, matrix(2, 3, torch.float64)),
        "rows to append to": lambda: uqr.qr_append_rows(rows, spread(matrix(2, 3, torch.float64), mesh, Replicate())),
        "a plain b": lambda: uqr.lstsq(rows, matrix(12, 1, torch.float64)),
        "a plain cotangent": lambda: torch.autograd.grad(Q, varying, matrix(12, 3, torch.float64)),
        "unifiedqr.vjp": lambda: uqr.vjp(uqr.qr, rows),
        "unifiedqr.grad": lambda: uqr.grad(lambda A: uqr.qr(A).R[0, 0])(rows),
        "unifiedqr.jvp": lambda: uqr.jvp(uqr.qr, [rows], [rows]),
        "torch.func.grad": lambda: torch.func.grad(lambda A: uqr.qr(A).R.sum())(rows),
        "torch.vmap": lambda: torch.vmap(uqr.orth)(spread(matrix(12, 3, torch.float64, batch=(2,)), mesh, Shard(1))),
        "forward mode": lambda: dual(rows),
    }
    return {name: said(run) for name, run in runs.items()}


def dual(D):
    with torch.autograd.forward_ad.dual_level():
        uqr.qr(torch.autograd.forward_ad.make_dual(D, D))


def replicated_b(mesh):
    """Cut what is whole on every device where it has to be spread; its gradient is whole again."""
    A, b = matrix(12, 3, torch.float64), matrix(12, 1, torch.float64, 3)
    found = {}
    for name, places in {"b whole": (Shard(0), Replicate()), "A whole": (Replicate(), Shard(0))}.items():
        D, c = (spread(X, mesh, place).requires_grad_() for X, place in zip((A, b), places, strict=True))
        V, w = (X.clone().requires_grad_() for X in (A, b))
        bars = torch.autograd.grad(uqr.lstsq(D, c).x.pow(2).sum(), (D, c))
        true = torch.autograd.grad(uqr.lstsq(V, w).x.pow(2).sum(), (V, w))
        found[name] = {
            "error": max(relative_error(whole(X), whole(Y)) for X, Y in zip(bars, true, strict=True)),
            "placements": [X.placements == (place,) for X, place in zip(bars, places, strict=True)],
        }
    return found


def numbers(mesh):
    rows = spread(matrix(12, 3, torch.float64), mesh, Shard(ROWS))
    expected = uqr.diagnose(matrix(12, 3, torch.float64), Q_bar=matrix(12, 3, torch.float64))
    found, sent = moved(lambda: uqr.diagnose(rows, Q_bar=rows))
    return {
        "to_numpy": bool((uqr.to_numpy(rows) == whole(rows)).all()),
        "condition": abs(found.condition - expected.condition) / expected.condition,
        "rank": found.rank == expected.rank,
        "sent": max(sent) <= 9,
    }


def dying(mesh):
    """Lose a process before the others need it."""
    D = spread(matrix(12, 3, torch.float64), mesh, Shard(ROWS))
    if mesh.get_rank() == 1:
        os._exit(0)
    return {"said": said(lambda: uqr.qr(D))}


HIGHER = ("qr", "qr householder", "qr r", "lq", "orth", "lstsq")
"""Functions of which derivatives of the third order are taken."""

WORLDS = {"two": 2, "three": 3, "four": 4, "dying": 2}
CASES = {
    "two": {
        **{f"{name} {dtype}": spread_side(name, dtype, (40, 3)) for name in FUNCTIONS for dtype in DTYPES},
        **{f"{name} whole": whole_matrix(name, Replicate()) for name in WHOLE},
        **{f"{name} gathered": whole_matrix(name, Shard(ROWS)) for name in WHOLE},
        **{f"{name} batch": batch(name) for name in ("qr", "lq", "orth")},
        **{f"{name} higher": higher(name) for name in HIGHER},
        **{f"{name} communication": communication(name) for name in FUNCTIONS},
        **{f"rejected {dtype}": rejected(dtype) for dtype in DTYPES},
        "weighted": weighted,
        "planted": planted,
        "one branch": one_branch,
        "modules": modules,
        "dependent": dependent,
        "refused": refused,
        "replicated b": replicated_b,
        "numbers": numbers,
        "compiled aot_eager": compiled("aot_eager"),
        "compiled eager": compiled("eager"),
        **({"compiled inductor": compiled("inductor")} if shutil.which("g++") else {}),
    },
    "three": {
        **{f"{name} uneven": spread_side(name, "float64", (40, 3)) for name in FUNCTIONS},
        **{f"{name} short": spread_side(name, "float64", (7, 3)) for name in FUNCTIONS},
        **{f"{name} empty": spread_side(name, "complex128", (4, 3)) for name in FUNCTIONS},
        **{f"{name} square": spread_side(name, "float64", (4, 4)) for name in ("qr", "lq", "lstsq", "orth")},
        "weighted": weighted,
    },
    "four": {
        "rows twice": meshes(("qr", "qr householder", "lstsq"), (Shard(0), Shard(0)), (22, 3)),
        "rows once": meshes(("qr", "qr r"), (Replicate(), Shard(0)), (22, 3)),
        "batch and rows": meshes(("qr", "qr householder", "orth"), (Shard(0), Shard(1)), (9, 3), (4,)),
    },
    "dying": {"dying": dying},
}
"""Cases by the group of processes that runs them."""


def main(group, rank, directory):
    os.environ.update(OMP_NUM_THREADS="1", GLOO_SOCKET_IFNAME="lo")
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    world = WORLDS[group]
    dist.init_process_group(
        "gloo",
        init_method=f"file://{directory}/rendezvous",
        rank=rank,
        world_size=world,
        timeout=timedelta(seconds=120),
    )
    mesh, found = init_device_mesh("cpu", (world,)), {}
    chosen = os.environ.get("CASES", "")
    for name, case in CASES[group].items():
        if chosen not in name:
            continue
        print(name, flush=True)  # where it stands, if it stands
        try:
            found[name] = case(mesh)
        except Exception:  # every process goes on to the next case; what it left behind would be one of its errors
            found[name] = {"failed": traceback.format_exc()}
        if group != "dying":
            dist.barrier()
    if rank == 0:
        Path(directory, "found.json").write_text(json.dumps(found))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
