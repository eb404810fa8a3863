"""How a public rule of a mirror image is made from that of the original, with its checks and documentation."""

from collections.abc import Callable, Mapping
from inspect import Parameter, Signature, signature
from typing import Any, NamedTuple

from unifiedqr._typing import Array, Namespace
from unifiedqr.arrays.namespaces import is_complete
from unifiedqr.arrays.operators import adjoint
from unifiedqr.arrays.reflections import Reflection
from unifiedqr.rules.validation import (
    check_cotangents,
    check_dtypes,
    check_factors,
    check_permutation,
    check_tangent,
    check_triangle,
)

Rule = Callable[..., Any]

BARRED, DOTTED = "_bar", "_dot"


class Mirror(NamedTuple):
    """A decomposition in terms of another one.

    Attributes
    ----------
    title : str
        Its name in a sentence.
    product : str
        A in terms of the factors.
    reflection : Reflection
        The way to the original decomposition.
    originals : mapping of str to str
        The arrays, in the order of the new rule's parameters, each with its name in the original.
    arrays : mapping of str to str
        The shape and a description of each.
    check : callable
        Checks the factors, and returns their namespace.
    dependent : str
        What is numerically dependent where there is no derivative.
    source : str
    """

    title: str
    product: str
    reflection: Reflection
    originals: Mapping[str, str]
    arrays: Mapping[str, tuple[str, str]]
    check: Rule
    dependent: str = "rows"
    source: str = "D. A. O. Roberts, L. R. Roberts (2020), arXiv 2009.10071."

    @property
    def factors(self) -> tuple[str, ...]:
        """The arrays that have cotangents."""
        return ("N",) if "N" in self.originals else tuple(name for name in self.originals if name not in ("A", "P"))


def _checked(mirror: Mirror, xp: Namespace | None, given: dict[str, Any]) -> tuple[Namespace, dict[str, Any]]:
    """Return the namespace and the arguments of a public rule, which fit each other."""
    named = {name: given[name] for name in mirror.originals if name in given and name not in ("P", "N")}
    if mirror.check is check_triangle:
        xp = check_triangle(xp, named.pop("A"), **named)
    elif "P" in mirror.originals:
        xp = check_factors(xp, truncated=given.get("A") is not None, **named)
    else:
        xp = mirror.check(xp, **named)
    if "N" in given:
        check_dtypes(xp, N=given["N"], Q=given["Q"])
    checked = dict(given)
    for name in mirror.factors:
        if name + BARRED in given:
            (checked[name + BARRED],) = check_cotangents(xp, **{name: (given[name], given[name + BARRED])})
    if "P" in given:
        checked["P"] = check_permutation(xp, given["P"], adjoint(xp, given["L"]))
    like = [given[name] for name in mirror.originals if name != "P"]
    for key in ("A_dot", "A") if "A" not in mirror.originals else ("A_dot",):
        if given.get(key) is not None:
            shape = like[0].shape if "A" in mirror.originals else (*like[0].shape[:-1], like[1].shape[-1])
            name = "tangent A_dot" if key == "A_dot" else key
            checked[key] = check_tangent(xp, given[key], dtype=like[0].dtype, shape=tuple(shape), name=name)
    return xp, checked


def _base(name: str) -> str:
    return name.removesuffix(BARRED).removesuffix(DOTTED)


def mirrored_rule(name: str, mirror: Mirror, original: Rule, equations: str, example: str) -> Rule:
    """Return a public rule of a mirror image.

    Parameters
    ----------
    name : str
        Its name, which ends in ``_vjp`` or ``_jvp``.
    mirror : Mirror
        The decomposition.
    original : callable
        The rule of the original decomposition.
    equations : str
        Numbers of those that the original rule implements.
    example : str
        Lines of an interactive session.

    Returns
    -------
    callable
    """
    pulls, reflection = name.endswith("vjp"), mirror.reflection
    arrays, old = [*mirror.originals], {**mirror.originals, "A": "A"}
    varying = [factor + BARRED for factor in mirror.factors] if pulls else ["A_dot"]
    keywords = [key for key in signature(original).parameters if key == "A" and key not in mirror.originals]
    positional = [Parameter(key, Parameter.POSITIONAL_OR_KEYWORD) for key in (*arrays, *varying)]
    optional = [Parameter(key, Parameter.KEYWORD_ONLY, default=None) for key in (*keywords, "xp")]
    form = Signature(positional + optional)
    results = [_base(key) for key in signature(original).parameters if key in ("Q", "R", "L")]

    def rule(*args: Any, **options: Any) -> Any:
        given = dict(form.bind(*args, **options).arguments)
        xp = given.pop("xp", None)
        if not is_complete(xp):
            xp, given = _checked(mirror, xp, given)
        names = [old[_base(key)] for key in given]
        turned = reflection.turned(xp, names, [*given.values()])
        keys = [name + key[len(_base(key)) :] for name, key in zip(names, given, strict=True)]
        found = original(**dict(zip(keys, turned, strict=True)), xp=xp)
        if pulls:
            return reflection.turned(xp, ["A"], [found])[0]
        dots: list[Array] = [*found] if isinstance(found, tuple) else [found]
        by_name = dict(zip(results, reflection.turned(xp, results, dots), strict=False))
        ordered: list[Array] = [by_name[old[factor]] for factor in mirror.factors]
        return tuple(ordered) if len(ordered) > 1 else ordered[0]

    rule.__name__ = rule.__qualname__ = name
    rule.__module__ = __name__
    rule.__signature__ = form  # pyright: ignore[reportFunctionMemberAccess]
    rule.__doc__ = _documentation(mirror, original, pulls, keywords, equations, example)
    return rule


def _documentation(
    mirror: Mirror, original: Rule, pulls: bool, keywords: list[str], equations: str, example: str
) -> str:
    factors, reflection = mirror.factors, mirror.reflection
    those = " and ".join(f"`{name}`" for name in factors)
    barred = ", ".join(name + BARRED for name in factors)
    lines = [
        f"Pull cotangents of {mirror.title} back to the matrix."
        if pulls
        else f"Push a tangent of the matrix forward to {mirror.title}.",
        *("", "Parameters", "----------"),
    ]
    for name, (shape, description) in mirror.arrays.items():
        lines += [f"{name} : array, shape {shape}", f"    {description}"]
    if pulls:
        lines += [
            f"{barred} : array or None",
            f"    Cotangents, of the shape and dtype of {those}; None means zero; real ones are accepted too.",
        ]
    else:
        lines += ["A_dot : array, shape (..., m, n)", f"    Tangent of {mirror.product}."]
    if keywords:
        lines += ["A : array, shape (..., m, n), optional", "    The matrix itself, which a truncated one needs."]
    lines += [
        "xp : namespace, optional",
        "    Array API namespace of the arrays; inferred from them if they have one.",
        *("", "Returns", "-------"),
    ]
    if pulls:
        lines += [
            "A_bar : array, shape (..., m, n)",
            f"    Gradient under <X_bar, dX> = Re tr(X_bar^H dX), as `{original.__name__}` of {reflection.of}.",
            f"    If {mirror.dependent} of a matrix are dependent, NaN unless the cotangents are zero from there on.",
        ]
    else:
        dots = [f"{name}_dot : array, shape {mirror.arrays[name][0]}" for name in factors]
        lines += [
            *dots,
            f"    As `{original.__name__}` of {reflection.of}: if {mirror.dependent} are dependent, NaN from there on.",
        ]
    lines += [
        *("", "Raises", "------"),
        "ShapeError, DtypeError",
        "    The arrays do not fit each other.",
        *("", "Notes", "-----"),
        f"Equation {reflection.tag} around {equations}.",
        *("", "References", "----------"),
        mirror.source,
        *("", "Examples", "--------"),
        ">>> import numpy as np",
        *example.strip().splitlines(),
    ]
    return "\n".join((lines[0], *(f"    {line}" if line else "" for line in lines[1:]), "    "))
