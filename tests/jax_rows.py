"""Rows of a matrix on eight devices: ``python -m tests.jax_rows SECTION`` runs one section and prints what it found.

In a process of its own, since JAX counts its devices once. Each line is a JSON object, for
`tests/backends/test_jax_rows.py`.
"""

import json
import os
import sys
import warnings
from functools import partial

import jax
import jax.export
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

import unifiedqr as uqr
from unifiedqr_jax.instruments.collectives import collectives
from unifiedqr_lab.conformance.tolerance import relative_error

jax.config.update("jax_enable_x64", True)

M, N, DEVICES = 1024, 8, 8
ROWS, COLUMNS, SAME = P("w", None), P(None, "w"), P()


def random(m, n, seed, *, dtype=np.float64):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n))
    return (X + 1j * rng.standard_normal((m, n)) if dtype is np.complex128 else X).astype(dtype)


def conditioned(kappa):
    """Return a matrix of a condition that scaling columns does not change much."""
    U, V = (np.linalg.qr(random(size, N, seed))[0] for size, seed in ((M, 1), (N, 2)))
    return U * np.geomspace(1, 1 / kappa, N) @ V.T


def cubes(*arrays):
    return sum(jnp.sum(X.real**3) + jnp.sum(X.imag**2) if jnp.iscomplexobj(X) else jnp.sum(X**3) for X in arrays)


B = random(M, 2, 7)


def of_range(orth):
    def loss(A):
        Q = orth(A)
        return jnp.sum((Q @ jnp.einsum("mi,ms->is", Q, placed(B, A), **whole(A))) ** 3)

    return loss


def placed(X, A):
    """Return X with rows as those of A, where a mesh has them in its type."""
    sharding = jax.typeof(A).sharding
    return jax.device_put(X, sharding) if AxisType.Explicit in sharding.mesh.axis_types else jnp.asarray(X)


def whole(A):
    """Return the options by which a sum over rows is the same everywhere, where its type must say so."""
    mesh = jax.typeof(A).sharding.mesh
    return {"out_sharding": NamedSharding(mesh, P())} if AxisType.Explicit in mesh.axis_types else {}


LOSSES = {
    "qr": (lambda A: cubes(*uqr.qr(A)), ROWS),
    "qr, signs as they come": (lambda A: cubes(jnp.abs(uqr.qr(A, positive=False).R)), ROWS),
    "qr householder": (lambda A: cubes(*uqr.qr(A, method="householder")), ROWS),
    "qr r": (lambda A: cubes(uqr.qr(A, mode="r")), ROWS),
    "qr r householder": (lambda A: cubes(uqr.qr(A, mode="r", method="householder")), ROWS),
    "ql": (lambda A: cubes(*uqr.ql(A)), ROWS),
    "lq": (lambda A: cubes(*uqr.lq(A)), COLUMNS),
    "lq l": (lambda A: cubes(uqr.lq(A, mode="l")), COLUMNS),
    "rq": (lambda A: cubes(*uqr.rq(A)), COLUMNS),
    "orth": (of_range(uqr.orth), ROWS),
    "lstsq": (lambda A: cubes(*uqr.lstsq(A, placed(B, A))[:2]), ROWS),
    "minimum norm": (lambda A: cubes(uqr.lstsq(A, jnp.asarray(random(N, 2, 8)))[0]), COLUMNS),
}


def measured(f, *arrays):
    """Return what a compiled function gives, and what its program moves and holds, in entries and in shards."""
    A = arrays[0]
    compiled = jax.jit(f).lower(*arrays).compile()
    moved = collectives(compiled.as_text())
    entries = N * N * A.dtype.itemsize
    return compiled(*arrays), {
        "largest": max([count / entries for _, count, _ in moved], default=0),
        "always": sum(count for _, count, in_branch in moved if not in_branch) / entries,
        "all": sum(count for _, count, _ in moved) / entries,
        "temporary": compiled.memory_analysis().temp_size_in_bytes / (A.nbytes / DEVICES),
    }


def say(**found):
    print(json.dumps(found), flush=True)


def mesh_of(kind):
    return jax.make_mesh((DEVICES,), ("w",), axis_types=(kind,))


def transposed(X, spec):
    return X if spec == ROWS else np.ascontiguousarray(X.T)


def derivatives(loss, V):
    gradient = jax.grad(loss)
    return {
        "value": loss,
        "grad": gradient,
        "hvp": lambda A: jax.jvp(gradient, (A,), (V,))[1],
        "jvp": lambda A: jax.jvp(loss, (A,), (V,))[1],
    }


def compare(name, loss, X, V, sharding, kinds, **more):
    """Say how far derivatives of a loss on a mesh are from those on one device, and what moves."""
    A, A_dot = (jax.device_put(Y, sharding) for Y in (X, V))
    alone, spread = derivatives(loss, jnp.asarray(V)), derivatives(loss, A_dot)
    for kind in kinds:
        expected = jax.jit(alone[kind])(jnp.asarray(X))
        found, costs = measured(spread[kind], A)
        stays = kind in ("value", "jvp") or found.sharding.is_equivalent_to(sharding, 2)
        say(name=name, kind=kind, error=float(relative_error(found, expected)), stays=bool(stays), **costs, **more)


KINDS = {
    "qr": ("value", "grad", "hvp", "jvp"),
    "lq": ("grad", "jvp"),
    "qr householder": ("grad", "hvp"),
    "qr r householder": ("grad",),
    "lstsq": ("grad", "hvp", "jvp"),
}
"""Derivatives whose programs are looked at; that of a Hessian times a vector holds the others."""


def automatic():
    mesh = mesh_of(AxisType.Auto)
    for name, (loss, spec) in LOSSES.items():
        X, V = (transposed(random(M, N, seed), spec) for seed in (1, 2))
        compare(name, loss, X, V, NamedSharding(mesh, spec), KINDS.get(name, ("hvp",)))


def difficult():
    mesh = mesh_of(AxisType.Auto)
    loss, rows = LOSSES["qr"][0], NamedSharding(mesh, ROWS)
    for kappa in (1e4, 1e10, 1e13):
        compare("qr", loss, conditioned(kappa), random(M, N, 2), rows, ("grad",), kappa=kappa)
        Q = uqr.qr(jax.device_put(conditioned(kappa), rows)).Q
        say(name="orthogonality", kappa=kappa, error=float(jnp.linalg.norm(Q.T @ Q - jnp.eye(N))))
    for dtype in (np.complex128, np.float32, np.complex64):
        X, V = (random(M, N, seed).astype(dtype) for seed in (1, 2))
        if np.iscomplexobj(X):
            X, V = (Y + 1j * random(M, N, seed).astype(Y.real.dtype) for Y, seed in ((X, 3), (V, 4)))
        for name in ("qr", "qr householder"):
            compare(name, LOSSES[name][0], X, V, rows, ("grad",), dtype=X.dtype.name)
    weights = np.geomspace(1e-4, 1e4, M)[:, None]
    compare("lstsq", LOSSES["lstsq"][0], random(M, N, 1) * weights, random(M, N, 2), rows, ("grad",), weighted=True)
    # Shards of fewer rows than columns, and devices of which a mesh has two axes.
    compare("qr", loss, random(4 * N, N, 1), random(4 * N, N, 2), rows, ("grad",), short=True)
    square = jax.make_mesh((4, 2), ("x", "y"), axis_types=(AxisType.Auto,) * 2)
    for spec in (P("x"), P(("x", "y")), P("y")):
        compare("qr", loss, random(M, N, 1), random(M, N, 2), NamedSharding(square, spec), ("grad",), spec=str(spec))
    # A batch, by vmap: all branches are computed.
    batch = NamedSharding(mesh, P(None, "w"))
    X = np.stack([random(M, N, 1), conditioned(1e10), random(M, N, 3)])
    found, costs = measured(jax.vmap(jax.grad(loss)), jax.device_put(X, batch))
    errors = [float(relative_error(Y, jax.grad(loss)(jnp.asarray(A)))) for Y, A in zip(found, X, strict=True)]
    say(name="vmap", errors=errors, **costs)
    A = jax.device_put(random(8192, 16, 1), rows)
    say(name="memory", temporary=measured(jax.grad(loss), A)[1]["temporary"])
    # A column that depends on others: NaN where it counts, and where nothing else is asked for the derivative.
    X = random(M, N, 1)
    X[:, 5] = X[:, 2]
    A = jax.device_put(X, rows)
    say(name="dependent", leading=bool(jnp.isfinite(jax.jit(jax.grad(lambda A: cubes(uqr.qr(A).Q[:, :5])))(A)).all()))
    say(name="dependent", all=bool(jnp.isnan(jax.jit(jax.grad(lambda A: cubes(uqr.qr(A).Q)))(A)).all()))


def uneven():
    """Rows that the devices do not divide evenly, such as what is left of spread ones: XLA pads them."""
    X = random(64, 3, 1)
    A = jax.device_put(X, NamedSharding(mesh_of(AxisType.Auto), ROWS))

    def left(A):
        return jnp.concatenate([A[:3], A[4:7], A[8:]])

    for name, f in {
        "qr": lambda A: uqr.qr(left(A), positive=False).R ** 2,
        "r": lambda A: uqr.qr(left(A), mode="r"),
        "delete": lambda A: uqr.qr_delete(*uqr.qr(A), [3, 7]).R,
    }.items():
        say(name=name, error=relative_error(jax.jit(f)(A), f(jnp.asarray(X))))


def explicit():
    mesh = mesh_of(AxisType.Explicit)
    with jax.set_mesh(mesh):
        for name in ("qr", "qr r householder", "lq", "orth", "lstsq"):
            loss, spec = LOSSES[name]
            X, V = (transposed(random(M, N, seed), spec) for seed in (1, 2))
            compare(name, loss, X, V, NamedSharding(mesh, spec), ("hvp",))
    A, b = (jax.device_put(X, NamedSharding(mesh, ROWS)) for X in (random(M, N, 1), B))
    specs = {"Q": uqr.qr(A).Q, "R": uqr.qr(A).R, "r": uqr.qr(A, mode="r"), "x": uqr.lstsq(A, b).x, "orth": uqr.orth(A)}
    say(name="specs", **{key: str(tuple(jax.typeof(X).sharding.spec)) for key, X in specs.items()})
    batch = jax.device_put(random(16 * 5, 3, 1).reshape(16, 5, 3), NamedSharding(mesh, P("w")))
    say(name="batch", spec=str(tuple(jax.typeof(uqr.qr(batch).Q).sharding.spec)), eager=True)


def advice():
    mesh = mesh_of(AxisType.Auto)
    A = jax.device_put(random(M, N, 1), NamedSharding(mesh, COLUMNS))
    for name, call in {
        "qr": lambda: uqr.qr(A),
        "pivoting": lambda: uqr.qr(A, pivoting=True),
        "batch": lambda: uqr.qr(jax.device_put(random(16 * 5, 3, 1).reshape(16, 5, 3), NamedSharding(mesh, P("w")))),
        "rows": lambda: uqr.qr(jax.device_put(random(M, N, 1), NamedSharding(mesh, ROWS))),
        "compiled": lambda: jax.jit(lambda X: uqr.qr(2 * X))(A[: M // 2]),
        "compiled rows": lambda: jax.jit(lambda X: uqr.qr(2 * X))(jax.device_put(A, NamedSharding(mesh, ROWS))),
    }.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = call()
        messages = [str(w.message) for w in caught if w.category is uqr.ShardingWarning]
        error = float(jnp.abs(found.Q.mT @ found.Q - jnp.eye(found.Q.shape[-1])).max())
        say(name=name, messages=messages, files=[w.filename for w in caught], error=error)
    abstract = NamedSharding(jax.sharding.AbstractMesh((8,), ("w",)), ROWS)
    uqr.set_checks("off")
    exported = jax.export.export(jax.jit(lambda X: uqr.qr(X).R))(
        jax.ShapeDtypeStruct((M, N), "float64", sharding=abstract)
    )
    uqr.set_checks("warn")
    say(name="exported", devices=exported.nr_devices)
    half = jax.make_mesh((4,), ("w",), axis_types=(AxisType.Auto,), devices=jax.devices()[:4])
    try:
        uqr.lstsq(A, jax.device_put(B, NamedSharding(half, ROWS)))
    except ValueError as error:
        say(name="meshes", message=str(error))


def shards():
    over = uqr.rows_over("w")
    X, V, Q_bar = (random(M, N, seed) for seed in (1, 2, 3))
    R_bar = np.triu(random(N, N, 4))
    mesh = mesh_of(AxisType.Auto)
    rows = NamedSharding(mesh, ROWS)

    def mapped(f, inputs=ROWS, outputs=(ROWS, SAME), **options):
        return jax.shard_map(
            lambda *X: jax.tree.leaves(f(*X)), mesh=mesh, in_specs=inputs, out_specs=list(outputs), **options
        )

    def loss(Q, R):
        return jnp.sum(Q * Q_bar) + jnp.sum(R * R_bar)

    for kappa in (1, 1e4, 1e10):
        A = jnp.asarray(conditioned(kappa) if kappa > 1 else X)
        for method in ("auto", "householder"):
            alone = derivatives(lambda A: loss(*uqr.qr(A)), jnp.asarray(V))
            spread = derivatives(
                lambda A, m=method: loss(*mapped(partial(over.qr, method=m))(A)), jax.device_put(V, rows)
            )
            for kind in ("value", "grad", "hvp", "jvp") if kappa == 1 else ("grad",):
                found, costs = measured(spread[kind], jax.device_put(A, rows))
                error = float(relative_error(found, jax.jit(alone[kind])(A)))
                say(name=f"qr {method}", kind=kind, kappa=kappa, error=error, **costs)
    A = jnp.asarray(X)

    def inside(a, q_bar):
        Q, R = over.qr(a)
        return jax.lax.psum(jnp.sum(Q * q_bar), "w") + jnp.sum(R * R_bar)

    def by_parts(a, q_bar):
        return jax.lax.psum(jnp.sum(q_bar @ over.qr(a).R) ** 2, "w")

    def of_parts(A):
        return sum(jnp.sum(part @ uqr.qr(A).R) ** 2 for part in jnp.split(Q_bar, DEVICES))

    for name, f, reference in (("inside", inside, lambda A: loss(*uqr.qr(A))), ("R in each shard", by_parts, of_parts)):
        found = jax.jit(mapped(jax.grad(f), (ROWS, ROWS), (ROWS,)))(A, Q_bar)[0]
        say(name=name, error=float(relative_error(found, jax.grad(reference)(A))))
    cases = {
        "r": (lambda A: cubes(*mapped(partial(over.qr, mode="r"), outputs=(P(),))(A)), LOSSES["qr r"]),
        "lq": (lambda A: cubes(*mapped(over.lq, COLUMNS, (P(), COLUMNS))(A)), LOSSES["lq"]),
        "orth": (of_range(lambda A: mapped(over.orth, outputs=(ROWS,))(A)[0]), LOSSES["orth"]),
        "lstsq": (
            lambda A: cubes(*mapped(lambda a, b: over.lstsq(a, b)[:2], (ROWS, ROWS), (P(), P()))(A, B)),
            LOSSES["lstsq"],
        ),
    }
    for name, (f, (reference, spec)) in cases.items():
        X_here = jnp.asarray(transposed(X, spec))
        say(name=name, error=float(relative_error(jax.jit(jax.grad(f))(X_here), jax.grad(reference)(X_here))))
    refusals = {
        "unchecked": lambda: jax.grad(lambda A: loss(*mapped(over.qr, check_vma=False)(A)))(A),
        "replicated": lambda: mapped(over.qr, P(), (P(), P()))(A),
        "no map": lambda: over.qr(A),
        "wide": lambda: mapped(over.qr)(jnp.ones((8, 16))),
    }
    for name, call in refusals.items():
        try:
            call()
        except uqr.UnifiedQRError as error:
            say(name=name, type=type(error).__name__, message=str(error))
    Q, R = jax.jit(mapped(over.qr, check_vma=False))(A)
    say(name="unchecked values", error=float(relative_error(Q @ R, A)))


def process(rank, port):
    """One of two processes, with four devices each: nobody reaches all of A."""
    jax.distributed.initialize(f"127.0.0.1:{port}", num_processes=2, process_id=int(rank), initialization_timeout=120)
    mesh = mesh_of(AxisType.Auto)
    rows, X = NamedSharding(mesh, ROWS), random(M, N, 1)

    def spread(X):
        return jax.make_array_from_callback(X.shape, rows, lambda index: X[index])

    A, V, b = spread(X), spread(random(M, N, 2)), spread(B)
    losses = {
        "qr": lambda A, _: cubes(*uqr.qr(A)),
        "r": lambda A, _: cubes(uqr.qr(A, mode="r")),
        "lstsq": lambda A, b: cubes(*uqr.lstsq(A, b)[:2]),
    }
    for name, loss in losses.items():
        gradient = jax.grad(loss)
        for kind, f in {
            "grad": lambda A, _, b, f=gradient: f(A, b),
            "hvp": lambda A, V, b, f=gradient: jax.jvp(lambda A: f(A, b), (A,), (V,))[1],
        }.items():
            expected = f(*map(jnp.asarray, (X, random(M, N, 2), B)))
            for eager in (True, False) if kind == "grad" else (False,):
                found = (f if eager else jax.jit(f))(A, V, b)
                parts = found.addressable_shards
                error = max(float(relative_error(np.asarray(part.data), expected[part.index])) for part in parts)
                say(name=name, kind=kind, eager=eager, error=error, stays=found.sharding.is_equivalent_to(rows, 2))
    Q, R = uqr.qr(A)
    say(name="to_numpy", error=float(relative_error(uqr.to_numpy(R), uqr.to_numpy(uqr.qr(jnp.asarray(X)).R))))
    try:
        uqr.to_numpy(Q)
    except uqr.ShardingError as error:
        say(name="to_numpy of Q", message=str(error))
    found, expected = uqr.diagnose(A), uqr.diagnose(X)
    say(
        name="diagnose",
        same=(found.rank, found.dependent, found.size, found.read)
        == (expected.rank, expected.dependent, expected.size, expected.read),
        condition=found.condition / expected.condition,
    )
    dependent = X.copy()
    dependent[:, 5] = dependent[:, 2]
    say(name="dependent", at=uqr.diagnose(spread(dependent)).dependent, expected=uqr.diagnose(dependent).dependent)
    uqr.set_checks("raise")  # which looks at nothing that is not here
    gradient = jax.grad(lambda A: cubes(uqr.qr(A).Q))(spread(dependent))
    say(name="checks", nan=bool(np.isnan(np.asarray(gradient.addressable_data(0))).all()))


def dying(rank, port):
    """One of two processes, of which the second is gone when the first needs it."""
    options = {"num_processes": 2, "process_id": int(rank), "initialization_timeout": 120}
    jax.distributed.initialize(f"127.0.0.1:{port}", heartbeat_timeout_seconds=20, **options)
    rows, X = NamedSharding(mesh_of(AxisType.Auto), ROWS), random(M, N, 1)
    A = jax.make_array_from_callback(X.shape, rows, lambda index: X[index])
    gradient = jax.jit(jax.grad(lambda A: cubes(*uqr.qr(A))))
    jax.block_until_ready(gradient(A))
    if int(rank) == 1:
        os._exit(0)
    try:
        jax.block_until_ready(gradient(A))
        say(said="nothing")
    except Exception as error:
        say(said=f"{type(error).__name__}: {error}")
    os._exit(0)  # or JAX would wait for the other one to say goodbye


if __name__ == "__main__":
    section, *options = sys.argv[1:]
    {f.__name__: f for f in (automatic, difficult, uneven, explicit, advice, shards, process, dying)}[section](*options)
