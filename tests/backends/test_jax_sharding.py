"""Many devices: `jax.shard_map`, data-parallel `jax.jit` and `jax.pmap` give what one device gives.

In a process of its own, since JAX counts its devices once.
"""

import os
import subprocess
import sys

PROGRAM = """
import jax, jax.numpy as jnp
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
import unifiedqr as uqr
from unifiedqr.checks import checks
from unifiedqr_lab.conformance.matrices import random
from unifiedqr_lab.conformance.tolerance import leading_condition, relative_error, tolerance

A, V = (jnp.asarray(random((8, 5, 3), complex_=True, seed=seed)) for seed in (1, 2))
mesh = jax.make_mesh((4,), ("batch",), axis_types=(AxisType.Auto,))
sharding = NamedSharding(mesh, P("batch"))
A_sharded, V_sharded = (jax.device_put(X, sharding) for X in (A, V))

def losses(A):
    return sum(jnp.sum(X.real ** 3, axis=(-2, -1)) for X in uqr.qr(A))

def grad(A):
    return jax.grad(lambda A: jnp.sum(losses(A)))(A)

def hvp(A, V):
    return jax.jvp(grad, (A,), (V,))[1]

def sharded(f, arguments=1, outputs=P("batch"), **options):
    return jax.shard_map(f, mesh=mesh, in_specs=(P("batch"),) * arguments, out_specs=outputs, **options)

def total(A):
    return jax.lax.psum(jnp.sum(losses(A)), "batch")

def outside(f):
    return jax.grad(lambda A: jnp.sum(f(A)))(A)

programs = {
    "grad inside": (lambda: sharded(grad)(A), grad(A)),
    "grad inside, unchecked": (lambda: sharded(grad, check_vma=False)(A), grad(A)),
    "second order inside": (lambda: sharded(hvp, 2)(A, V), hvp(A, V)),
    "grad outside, jit": (lambda: outside(jax.jit(sharded(losses))), grad(A)),
    "grad outside, a sum over devices": (lambda: outside(sharded(total, outputs=P())), grad(A)),
    "jit of sharded data": (lambda: jax.jit(grad)(A_sharded), grad(A)),
    "eager on sharded data": (lambda: grad(A_sharded), grad(A)),
    "second order on sharded data": (lambda: jax.jit(hvp)(A_sharded, V_sharded), hvp(A, V)),
    "pmap": (lambda: jax.pmap(grad)(A.reshape(4, 2, 5, 3)).reshape(8, 5, 3), grad(A)),
}
for name, (program, expected) in programs.items():
    found = program()
    bound = tolerance("complex128", 5, 3, leading_condition(A) ** 2)
    assert relative_error(found, expected) <= bound, name
    print(name)
assert jax.jit(grad)(A_sharded).sharding.is_equivalent_to(sharding, 3)

spoiled = jax.device_put(A.at[5, :, 1].set(A[5, :, 0]), sharding)
with checks("raise"):
    jax.jit(grad)(spoiled), sharded(grad)(spoiled), jax.pmap(grad)(spoiled.reshape(4, 2, 5, 3))
    try:
        grad(spoiled)
    except uqr.SingularMatrixError as error:
        assert "1 of 8 matrices of the batch, the first at index (5,)" in str(error)
        print("eager and dependent, on four devices of the host")
"""


def run(program):
    """Run a program on four devices, and give the lines it prints."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
    environment = {**os.environ, "XLA_FLAGS": flags}
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()


def test_many_devices_agree_with_one():
    printed = run(PROGRAM)
    assert len(printed) == 10
    assert printed[-1] == "eager and dependent, on four devices of the host"
