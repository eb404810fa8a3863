"""Derivatives by pytrees: structure, known values, keyword arguments, aux, what is refused, in every framework."""

from collections import namedtuple
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

import unifiedqr as uqr

Pair = namedtuple("Pair", "A b")


@dataclass
class Model:
    A: Any
    b: Any


@dataclass(frozen=True)
class Frozen:
    A: Any
    b: Any
    name: str = field(default="a name", metadata={"static": True})
    doubled: Any = field(init=False, default=None)

    def __post_init__(self):
        object.__setattr__(self, "doubled", 2 * self.b)


KINDS = {"dict": lambda A, b: {"b": b, "A": A}, "namedtuple": Pair, "dataclass": Model, "frozen": Frozen}
KIND = pytest.mark.parametrize("make", KINDS.values(), ids=KINDS.keys())
A, B = np.array([[2.0, 0.0], [0.0, 4.0]]), np.array([1.0, 3.0])


def parts(tree):
    return (tree["A"], tree["b"]) if isinstance(tree, dict) else (tree.A, tree.b)


def solution(tree, scale=1.0):
    """Return scale 1^T A^-1 b: with w = A^-T 1 = (1/2, 1/4), its gradients are -w x^T by A and w by b."""
    matrix, b = parts(tree)
    x = uqr.lstsq(matrix, b).x
    return scale * (x[0] + x[1])


def total(x):
    return uqr.namespace(x).sum(x)


W, X = np.array([0.5, 0.25]), np.array([0.5, 0.75])


def check(found, expected):
    assert np.allclose(uqr.to_numpy(found), expected, rtol=1e-12, atol=1e-13)


def given(backend, make):
    return make(backend.from_numpy(A), backend.from_numpy(B))


@KIND
def test_gradients_have_the_structure_of_the_argument(autodiff_backend, make):
    tree = given(autodiff_backend, make)
    value, gradient = uqr.value_and_grad(solution)(tree)
    assert type(gradient) is type(tree)
    check(value, 1.25)
    for found, expected in zip(parts(gradient), (-np.outer(W, X), W), strict=True):
        check(found, expected)
    assert not isinstance(tree, dict) or list(gradient) == list(tree)
    assert not isinstance(tree, Frozen) or gradient.name == "a name"


def test_derived_fields_are_derived_anew(autodiff_backend):
    gradient = uqr.grad(lambda model: total(model.doubled * model.b))(given(autodiff_backend, Frozen))
    check(gradient.b, 4 * B)
    check(gradient.A, 0 * A)


@KIND
def test_cotangents_and_outputs_are_pytrees(autodiff_backend, make):
    tree = given(autodiff_backend, make)
    outputs, pullback = uqr.vjp(lambda tree: make(2 * parts(tree)[0], parts(tree)[1] ** 2), tree)
    assert type(outputs) is type(tree)
    (gradient,) = pullback(make(tree["A"] if isinstance(tree, dict) else tree.A, None) if make is not Frozen else tree)
    check(parts(gradient)[0], 2 * A)
    if make is not Frozen:
        check(parts(gradient)[1], 0 * B)
    (nothing,) = pullback(None)
    check(parts(nothing)[0], 0 * A)


def test_containers_in_containers(autodiff_backend):
    a, b = (autodiff_backend.from_numpy(x) for x in (A, B))
    tree = {"layers": [Pair(a, b), (b, None)], "numbers": [[3.0, 1.0], [4.0, 2.0]], "one": 2}

    def loss(tree):
        (first, (second, nothing)), numbers = tree["layers"], tree["numbers"]
        assert nothing is None
        return uqr.qr(numbers).R[0, 0] + total(first.b * second) * tree["one"]

    gradient = uqr.grad(loss)(tree)
    check(gradient["layers"][0].A, 0 * A)
    check(gradient["layers"][1][0], 2 * B)
    assert gradient["layers"][1][1] is None
    check(gradient["numbers"], [[0.6, 0.0], [0.8, 0.0]])
    check(gradient["one"], B @ B)


def test_a_list_of_arrays_is_one_array_as_an_argument_and_a_pytree_in_one(autodiff_backend):
    b = autodiff_backend.from_numpy(B)
    stacked = uqr.grad(lambda x: total(x * x))([b, b])
    assert tuple(stacked.shape) == (2, 2)
    separate = uqr.grad(lambda tree: total(tree["x"][0] * tree["x"][1]))({"x": [b, 2 * b]})["x"]
    assert isinstance(separate, list)
    check(separate[0], 2 * B)
    layers = uqr.grad(lambda layers: total(layers[0]["b"] * layers[1]["b"]))([{"b": b}, {"b": 3 * b}])
    check(layers[0]["b"], 3 * B)


def test_keywords_are_handed_on(autodiff_backend):
    tree = given(autodiff_backend, Model)
    check(uqr.grad(solution)(tree, scale=3.0).b, 3 * W)
    value, gradient = uqr.value_and_grad(solution)(tree, scale=2.0)
    check(value, 2.5)
    check(uqr.vjp(solution, tree, scale=2.0)[1](autodiff_backend.xp.ones_like(value))[0].b, 2 * W)
    check(gradient.b, 2 * W)


def test_aux_is_handed_on(autodiff_backend):
    tree = given(autodiff_backend, Model)
    kept = object()

    def f(tree):
        factors = uqr.qr(tree.A, pivoting=True)
        return solution(tree), {"P": factors.P, "R": abs(factors.R), "kept": kept, "note": ("text", 1, None)}

    (value, aux), gradient = uqr.value_and_grad(f, has_aux=True)(tree)
    check(value, 1.25)
    again, other = uqr.grad(f, has_aux=True)(tree)
    outputs, pullback, third = uqr.vjp(f, tree, has_aux=True)
    check(outputs, 1.25)
    for found in (gradient, again, pullback(1.0)[0]):
        check(found.b, W)
    for found in (aux, other, third):
        check(found["R"], [[4.0, 0.0], [0.0, 2.0]])
        check(found["P"], [1, 0])
        assert found["kept"] is kept
        assert found["note"] == ("text", 1, None)
    plain = {"anything": kept}
    assert uqr.grad(lambda tree: (solution(tree), plain), has_aux=True)(tree)[1] is plain


def backends_with(capability):
    found = {name for name, info in uqr.backends().items() if capability in info.capabilities and info.available}
    return sorted(found - {"dask"})  # which differentiates decompositions alone


@pytest.mark.parametrize("name", backends_with("jvp"))
@KIND
def test_tangents_are_pytrees(name, make):
    backend = uqr.get_backend(name)
    tree = given(backend, make)
    direction = tree if make is Frozen else make(None, parts(tree)[1])  # 1^T A^-1 b: homogeneous in b, of degree 1
    expected = 0.0 if make is Frozen else 1.25
    outputs, dots, aux = uqr.jvp(
        lambda tree: ({"x": solution(tree)}, parts(tree)[1]), [tree], [direction], has_aux=True
    )
    check(outputs["x"], 1.25)
    check(dots["x"], expected)
    check(aux, B)
    check(uqr.jvp(solution, [tree], [direction], scale=2.0)[1], 2 * expected)


@pytest.mark.parametrize("name", backends_with("second-order"))
@KIND
def test_second_order_through_pytrees(name, make):
    """With d = dA = A and db = b, 1^T A^-1 b has gradients of degree -2 and -1 in A, 1 and 0 in b: (-1, -1) of each."""
    tree = given(uqr.get_backend(name), make)
    (product,) = uqr.hvp(solution, [tree], [tree], scale=2.0)
    assert type(product) is type(tree)
    for found, expected in zip(parts(product), (2 * np.outer(W, X), -2 * W), strict=True):
        check(found, expected)

    def inner(tree):
        return solution(tree), total(parts(tree)[1] ** 2)

    aux = uqr.grad(lambda tree: uqr.grad(inner, has_aux=True)(tree)[1])(tree)
    check(parts(aux)[1], 2 * B)  # an outer derivative goes through aux


def test_cotangents_of_another_structure_are_refused(autodiff_backend):
    a, b = (autodiff_backend.from_numpy(x) for x in (A, B))
    _, pullback = uqr.vjp(lambda a, b: {"a": a, "b": Model(a, b)}, a, b)
    for wrong, said in (
        ({"a": a}, "got cotangents as dict with 'a'; expected the entries of the output, 'a', 'b'"),
        ({"a": a, "b": b, "c": b}, "2 cotangents are needed"),
        (a, "expected the entries of the output"),
        ({"a": a, "b": (a, b)}, "with 0, 1; expected the entries of the output, 'A', 'b'"),
    ):
        with pytest.raises(uqr.ShapeError, match=said):
            pullback(wrong)
    with pytest.raises(uqr.ForeignArrayError, match=r"builtins\.str"):
        pullback({"a": "a", "b": None})


def test_leaves_that_are_no_arrays_are_refused(autodiff_backend):
    a = autodiff_backend.from_numpy(A)
    for wrong in ({"A": a, "b": "text"}, [a, "text"], Model(a, object()), {"A": a, "b": ["x"]}):
        with pytest.raises(uqr.ForeignArrayError, match=r"got builtins\.(str|object); expected an array of"):
            uqr.grad(lambda tree: total(a))(wrong)
    with pytest.raises(uqr.ForeignArrayError, match=r"got builtins\.str; expected .* function to differentiate"):
        uqr.vjp(lambda a: {"a": a, "b": "text"}, a)
    with pytest.raises(uqr.ForeignArrayError, match=r"got builtins\.str; expected .* has_aux=True"):
        uqr.grad(lambda a: (total(a), "aux"))(a)
    with pytest.raises(uqr.ShapeError, match=r"got tuple from the function .* has_aux=True"):
        uqr.grad(lambda a: (total(a), a))(a)
    with pytest.raises(uqr.OptionError, match=r"expected \(outputs, aux\)"):
        uqr.grad(lambda a: total(a), has_aux=True)(a)
    with pytest.raises(uqr.OptionError, match="got argnums 1 and 1 positional arguments"):
        uqr.grad(lambda a, b: total(a), argnums=1)(a, b=a)


def test_a_tangent_of_another_structure_is_refused():
    backend = uqr.get_backend("torch")
    tree = given(backend, Model)
    with pytest.raises(uqr.ShapeError, match=r"got tangents as dict with 'A'; expected the entries of the primal"):
        uqr.jvp(solution, [tree], [{"A": tree.A}])


def test_numbers_follow_the_dtype_of_their_output(autodiff_backend):
    a = autodiff_backend.from_numpy(A.astype(np.float32))
    (gradient,) = uqr.vjp(lambda a: total(a), a)[1](2.0)
    check(gradient, np.full((2, 2), 2.0))


def test_under_the_frameworks_own_transforms():
    import jax
    import tensorflow as tf
    import torch

    @dataclass
    class New:  # seen for the first time in a trace
        A: Any
        b: Any

    def gradient(A, b):
        found = uqr.grad(solution)(New(A, b))
        return found.A, found.b

    runs = {
        "jax.jit": jax.jit(gradient)(jax.numpy.asarray(A), jax.numpy.asarray(B)),
        "tf.function": tf.function(gradient)(tf.constant(A), tf.constant(B)),
        "vmap": [x[0] for x in torch.func.vmap(gradient)(torch.tensor(A)[None], torch.tensor(B)[None])],
    }
    for found in runs.values():
        check(found[0], -np.outer(W, X))
        check(found[1], W)


@pytest.mark.parametrize("make", [KINDS["dict"], Model], ids=["dict", "dataclass"])
def test_torch_compiles_gradients_by_pytrees(make):
    import torch

    def gradient(A, b):
        return parts(uqr.grad(solution)(make(A, b)))

    arrays = torch.tensor(A), torch.tensor(B)
    gradient(*arrays)  # what is new to optree, it is told outside of a program
    found = torch.compile(gradient, backend="aot_eager", fullgraph=True)(*arrays)
    check(found[0], -np.outer(W, X))
    check(found[1], W)
