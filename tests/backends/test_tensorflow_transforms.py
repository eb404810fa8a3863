"""Every transform of the table of capabilities: right and by our rule, or refused by TensorFlow for a given reason."""

import pytest
import tensorflow as tf

from unifiedqr.decomposition import DECOMPOSITIONS
from unifiedqr.discovery import get_backend
from unifiedqr_lab.conformance.case_checks import doubled
from unifiedqr_lab.conformance.problems import problem
from unifiedqr_lab.instruments import instruments

BACKEND = get_backend("tensorflow")
TIMES = {"value": 1, "vjp": 2, "jvp": 2, "hvp": 4}

REFUSED = {
    "ForwardAccumulator around tf.recompute_grad": (NotImplementedError, "TensorFlow says so itself"),
    "ForwardAccumulator around tf.py_function": (tf.errors.UnknownError, "it has no second derivative, not even of x³"),
    "ForwardAccumulator around saved model": (TypeError, "TensorFlow saves one order of custom gradients"),
    "GradientTape of ForwardAccumulator around tf.function": (ValueError, "no outer tape sees the tangents of one"),
    "GradientTape of ForwardAccumulator around XLA function": (ValueError, "no outer tape sees the tangents of one"),
}
"""Nothing here goes past our rule: what TensorFlow cannot do with it, it refuses."""


def given(transform):
    """Return one small problem, whose program is quick to trace; the table of capabilities runs all of them."""
    return problem("qr", "float64", ("wide",), batched=transform.batched)


def results_of(transform, primitive):
    arrays = (tuple(map(BACKEND.from_numpy, group)) for group in given(transform).given(transform.kind))
    return [BACKEND.to_numpy(X) for X in transform.run(BACKEND.bind(primitive), *arrays)]


@pytest.mark.parametrize("transform", instruments(BACKEND.name).transforms(), ids=lambda transform: transform.name)
def test_transform_is_right_and_runs_our_rule(transform):
    """A rule that gives twice the derivative doubles it, and quadruples a second one; the table runs the true one."""
    if transform.name in REFUSED:
        with pytest.raises(REFUSED[transform.name][0]):
            results_of(transform, DECOMPOSITIONS["qr"]())
        return
    truth, kind = given(transform), transform.kind
    found = results_of(transform, doubled(DECOMPOSITIONS["qr"]()))
    assert truth.error(kind, found, TIMES[kind]) <= truth.bounds[kind]


def test_names_tell_transforms_apart_and_refusals_are_of_transforms():
    names = [transform.name for transform in instruments(BACKEND.name).transforms()]
    assert len(set(names)) == len(names)
    assert set(REFUSED) <= set(names)


def test_the_native_decomposition_is_tensorflows():
    assert instruments(BACKEND.name).natives()["qr"] is tf.linalg.qr
