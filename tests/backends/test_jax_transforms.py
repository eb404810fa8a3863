"""Ways in which JAX's users take values and derivatives: right, and by our rules.

The rest of the dtypes, shapes and programs are run for the table of capabilities.
"""

import pytest

from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import get_backend
from unifiedqr_jax import autodiff
from unifiedqr_jax.instruments.derivatives import DERIVATIVES
from unifiedqr_lab.conformance.capabilities import TIMES
from unifiedqr_lab.conformance.case_checks import doubled
from unifiedqr_lab.conformance.problems import problem
from unifiedqr_lab.instruments import instruments

BACKEND = get_backend("jax")

REFUSED = {
    "jax.experimental.jet": "JAX has no Taylor mode of a primitive of one's own",
    "jax.vjp of jax.jit().lower().compile()": "a compiled program takes no tracers",
    "jax.vjp of jax.lax.while_loop": "JAX reverses no loop of unknown length",
    "jax.jvp of jax.export": "an exported program carries reverse mode only",
}
"""What JAX does not do, and why."""

OF_COMPLEX = {"jax.jacrev", "jax.jacfwd", "jax.hessian"}
"""What JAX refuses of complex arguments: their own Jacobians are those of holomorphic functions."""

SUBTLE = {
    "jax.jit of jax.vjp",
    "jax.vjp of jax.checkpoint(policy=...)",
    "jax.vjp of jax.vjp of jax.lax.scan",
    "jax.vjp of jax.export",
    "jax.vjp of jax.export of a symbolic batch",
    "jax.jvp of jax.lax.while_loop",
    "jax.lax.while_loop of jax.jvp of jax.vjp",
    "jax.vjp of jax.custom_batching",
    "jax.shard_map of jax.jvp",
    "jax.vmap of jax.jvp of jax.vjp",
}
"""Programs that have gone past custom rules, or past their batching, in one framework or another."""

OF_PARTS = {name for name in DERIVATIVES["hvp"] if "parts" in name}
"""Where the matrix is real, these are the four nestings of `test_jax.py`."""

TRANSFORMS = {transform.name: transform for transform in instruments(BACKEND.name).transforms()}
BY_THEMSELVES = [
    name for kind in ("value", "vjp", "jvp", "hvp") for name in DERIVATIVES[kind] if name not in (*REFUSED, *OF_PARTS)
]


def factors_of(primitive):
    function = BACKEND.bind(primitive)
    return lambda *matrices: tuple(X for A in matrices for X in function(A))


def given_to(transform, dtype="float64"):
    given = problem("qr", dtype, ["wide"], batched=transform.batched)
    return given, [tuple(map(BACKEND.from_numpy, part)) for part in given.given(transform.kind)]


@pytest.mark.filterwarnings("ignore:.*pmap:DeprecationWarning")
@pytest.mark.parametrize("name", [*BY_THEMSELVES, *sorted(SUBTLE)])
def test_our_rule_is_what_runs(name):
    """A rule that gives twice the derivative doubles it, and quadruples a second one."""
    check(name)


@pytest.mark.parametrize("name", BY_THEMSELVES)
def test_our_rule_is_what_runs_on_large_matrices(name, monkeypatch):
    monkeypatch.setattr(autodiff, "LARGE", 0)
    check(name)


def check(name):
    """Run a transform of the decomposition with a planted rule."""
    transform = TRANSFORMS[name]
    given, arrays = given_to(transform)

    def error(primitive, times=1):
        results = transform.run(factors_of(primitive), *arrays)
        return given.error(transform.kind, tuple(map(BACKEND.to_numpy, results)), times)

    primitive, bound = DECOMPOSITIONS["qr"](), given.bounds[transform.kind]
    assert error(doubled(primitive), TIMES.get(transform.kind, 1)) <= bound


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_is_refused_is_refused_loudly(name):
    _, arrays = given_to(TRANSFORMS[name])
    with pytest.raises((TypeError, ValueError, KeyError, NotImplementedError)):
        TRANSFORMS[name].run(factors_of(DECOMPOSITIONS["qr"]()), *arrays)


@pytest.mark.parametrize("name", sorted(OF_COMPLEX))
def test_jacobians_of_complex_matrices_are_taken_in_parts(name):
    _, arrays = given_to(TRANSFORMS[name], "complex128")
    with pytest.raises(TypeError, match="requires real-valued"):
        TRANSFORMS[name].run(factors_of(DECOMPOSITIONS["qr"]()), *arrays)


def test_names_are_unique():
    assert len(TRANSFORMS) == len(instruments(BACKEND.name).transforms())
