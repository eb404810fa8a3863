"""What docs/namespace.md says of every name, run again; and what is said of a name that a namespace lacks."""

import json
import re
import time
from pathlib import Path
from types import MappingProxyType

import array_api_strict
import pytest

import unifiedqr as uqr
from unifiedqr.arrays.namespaces import NAMESPACE, LackingFunctionError, extend_namespace
from unifiedqr.discovery import backends, get_backend
from unifiedqr_lab.conformance.namespace_document import common_names, document
from unifiedqr_lab.conformance.namespace_table import RIGHT, VALUE, WRONG_GRADIENT, WRONG_VALUE, names_of
from unifiedqr_lab.conformance.standard_names import SECTIONS

DOCS = Path(__file__).parents[1] / "docs"
STORED = json.loads((DOCS / "namespace.json").read_text())
TABLE = STORED["table"]
VERSIONS = {name: (info.version or "").partition("+")[0] for name, info in backends().items()}


def _first(verdicts):
    """Return the verdict of real arrays without that of gradients."""
    return {
        field: RIGHT if verdict.startswith(VALUE) else verdict for field, verdict in verdicts.items() if field == "real"
    }


class Names:
    """One class a backend, so that each runs in a process of its own."""

    backend: str
    options = MappingProxyType({})

    def test_names_are_what_the_document_says(self):
        found, stored = names_of(get_backend(self.backend), **self.options), TABLE[self.backend]
        if self.options:
            stored = {key: _first(verdicts) for key, verdicts in stored.items()}
        if VERSIONS[self.backend] == STORED["versions"][self.backend]:
            assert found == stored, "run `make names`"
        else:  # another version may have more, but never less
            assert {key for key, verdicts in stored.items() if set(verdicts.values()) == {RIGHT}} <= {
                key for key, verdicts in found.items() if set(verdicts.values()) == {RIGHT}
            }

    def test_a_missing_name_says_what_to_use_instead(self):
        xp = uqr.namespace(self.backend)
        for space, name, instead in (
            (xp, "conca", r"Use xp\.concat"),
            (xp, "vector_norm", r"Use xp\.linalg\.vector_norm"),
            (xp.linalg, "concat", r"Use xp\.concat"),
            (xp.linalg, "vector_nrm", r"has no linalg\.vector_nrm\. Use xp\.linalg\.vector_norm"),
            (xp, "no_such_thing", rf"the namespace of {self.backend} has no no_such_thing\. A function of"),
        ):
            with pytest.raises(LackingFunctionError, match=instead) as caught:
                getattr(space, name)
            assert isinstance(caught.value, AttributeError)
            assert isinstance(caught.value, uqr.CapabilityError)
            assert getattr(space, name, None) is None
            assert not hasattr(space, name)
            assert name not in dir(space)
        assert "concat" in dir(xp)
        assert "qr" in dir(xp.linalg)

    def test_what_other_libraries_call_it_is_known(self):
        xp = uqr.namespace(self.backend)
        for name, spelled in (("concatenate", "concat"), ("arctan2", "atan2"), ("diag", r"linalg\.diagonal")):
            if not hasattr(xp, name):  # NumPy, PyTorch and JAX have some of them
                with pytest.raises(LackingFunctionError, match=rf"Use xp\.{spelled}\."):
                    getattr(xp, name)


class TestNumpy(Names):
    backend = "numpy"


class TestTorch(Names):
    backend = "torch"


class TestTensorFlow(Names):
    backend = "tensorflow"


class TestMXNet(Names):
    backend = "mxnet"


class TestJax(Names):
    backend = "jax"
    # XLA compiles every one of the others, for a minute: `make names` runs them.
    options = MappingProxyType({"fields": ("real",), "gradients": False})


class TestMpmath(Names):
    backend = "mpmath"


def test_the_document_is_made_of_the_numbers():
    assert (DOCS / "namespace.md").read_text() == document(TABLE, STORED["versions"]), "run `make names`"


def test_nothing_is_wrong():
    verdicts = {verdict for found in TABLE.values() for of_name in found.values() for verdict in of_name.values()}
    assert RIGHT in verdicts
    assert not {WRONG_VALUE, WRONG_GRADIENT} & verdicts


def test_every_function_of_the_standard_is_a_row():
    """The list of array-api-strict is the standard's; what it holds besides are dtypes, constants and its own flags."""
    functions = {name for name in array_api_strict.__all__ if callable(getattr(array_api_strict, name))}
    functions -= {
        name for name in functions if re.match(r"(u?int|float|complex)\d+$|bool$|__|Device|.*_flags$|.*Flags$", name)
    }
    rows = {name.partition(",")[0] for section in list(SECTIONS.values())[1:-1] for name in section}
    assert functions <= rows
    assert set(array_api_strict.linalg.__all__) <= set(list(SECTIONS.values())[-1])


def test_the_docstring_lists_what_every_framework_has():
    listed = re.search(r"Every framework supplies.*?::\n\n(.*?)\n\n", uqr.namespace.__doc__, re.DOTALL)[1].split()
    assert listed == common_names(TABLE), "run `make names` and copy its first list"
    functions = {name for name in NAMESPACE if not re.search(r"(int|float|complex)\d+$", name)}
    assert functions - set(listed) <= {"linalg.qr"}  # refused where MXNet records: `unifiedqr.qr` has a derivative


def test_a_namespace_that_is_extended_says_so_too():
    xp = extend_namespace("unifiedqr_other.namespace.xp", array_api_strict, {"mine": len}, yours=max)
    assert xp.linalg.mine is len
    assert xp.yours is max
    with pytest.raises(LackingFunctionError, match=r"the namespace of other has no concatenate\. Use xp\.concat\."):
        _ = xp.concatenate


def test_asking_for_a_name_that_is_lacking_is_quick():
    """Rules and kernels ask often: the message, which takes a search, is made for those who read it."""
    linalg = uqr.namespace("numpy").linalg
    start = time.process_time()
    for _ in range(2000):
        assert getattr(linalg, "vector_nrm", None) is None
    asked = time.process_time() - start
    start = time.process_time()
    for _ in range(20):
        with pytest.raises(LackingFunctionError, match="vector_norm"):
            _ = linalg.vector_nrm
    assert asked < 100 * (time.process_time() - start)
