"""Which backend serves a call."""

import os
import subprocess
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

import unifiedqr as uqr
import unifiedqr_lab.instruments
from unifiedqr import discovery
from unifiedqr.backend import Plugin


@pytest.fixture(autouse=True)
def unselected(monkeypatch):
    """Run each test with no backend selected, and leave none selected."""
    monkeypatch.delenv(discovery.VARIABLE, raising=False)
    yield
    uqr.set_backend(None)


@pytest.fixture
def entry_points(monkeypatch):
    """Pretend that exactly the given entry points are installed."""

    def pretend(*pairs):
        entries = [EntryPoint(name, value, discovery.ENTRY_POINT_GROUP) for name, value in pairs]
        monkeypatch.setattr(discovery, "entry_points", lambda group: entries)
        discovery._entry_points.cache_clear()
        discovery.plugin.cache_clear()

    yield pretend
    discovery._entry_points.cache_clear()
    discovery.plugin.cache_clear()


def test_the_arrays_framework_decides(backend):
    A = backend.from_numpy(np.eye(3))
    assert uqr.get_backend(A) is backend
    uqr.set_backend("numpy")
    with uqr.use_backend("torch"):
        assert uqr.get_backend(uqr.qr(A).R) is (backend if backend.name != "numpy" else uqr.get_backend("torch"))


def test_lists_and_numpy_arrays_go_to_the_selected_backend(backend):
    with uqr.use_backend(backend.name) as selected:
        assert selected is backend
        for A in ([[1.0, 2.0], [3.0, 4.0]], np.eye(2)):
            assert uqr.get_backend(uqr.qr(A).Q) is backend
    assert uqr.get_backend(uqr.qr(np.eye(2)).Q).name == "numpy"


def test_context_beats_process_beats_variable_beats_numpy(monkeypatch):
    assert uqr.get_backend().name == "numpy"
    monkeypatch.setenv(discovery.VARIABLE, "torch")
    assert uqr.get_backend().name == "torch"
    uqr.set_backend("jax")
    assert uqr.get_backend().name == "jax"
    with uqr.use_backend("numpy"):
        assert uqr.get_backend().name == "numpy"
    assert uqr.get_backend().name == "jax"


def test_namespace_follows_the_selection(backend):
    with uqr.use_backend(backend.name):
        xp = uqr.namespace()
        A = xp.asarray([[3.0, 1.0], [4.0, 2.0]], dtype=xp.float64)
        assert np.allclose(uqr.to_numpy(uqr.qr(A).R), [[5.0, 2.2], [0.0, 0.4]])


def test_unknown_names_list_the_known_ones():
    for call in (uqr.get_backend, uqr.set_backend, uqr.namespace):
        with pytest.raises(uqr.UnknownBackendError, match=r"named 'theano'; installed are numpy, (dask, )?jax, mp"):
            call("theano")
    with pytest.raises(uqr.UnknownBackendError), uqr.use_backend("theano"):
        pass


def test_arrays_of_two_frameworks_are_refused():
    torch, jax = uqr.get_backend("torch"), uqr.get_backend("jax")
    with pytest.raises(
        uqr.ForeignArrayError,
        match=r"got Tensor of torch, ArrayImpl of jax in one call; expected arrays of one framework",
    ):
        uqr.vjp(lambda A, B: A @ B, torch.from_numpy(np.eye(2)), jax.from_numpy(np.eye(2)))
    with pytest.raises(uqr.ForeignArrayError, match="Tensor of torch, ndarray of numpy"):
        uqr.vjp(lambda A, B: A @ B, torch.from_numpy(np.eye(2)), np.eye(2))


def test_a_framework_that_is_not_installed(entry_points, monkeypatch):
    absent = Plugin("absent", ("no-such-distribution",), ("no_such_module",), "no_such_module:Backend")
    monkeypatch.setattr(EntryPoint, "load", lambda self: absent)
    entry_points(("absent", "absent_plugin:plugin"))
    info = uqr.backends()["absent"]
    assert not info.available
    assert info.version is None
    assert info.reason == "no-such-distribution is not installed; pip install 'no-such-distribution'"
    with pytest.raises(uqr.BackendUnavailableError, match="no-such-distribution is not installed; pip install"):
        uqr.get_backend("absent")


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("torch", "torch"),
        ("tensorflow", "tensorflow"),
        ("mxnet", "mxnet"),
        ("jax", "jax"),
        ("mpmath", "lab"),  # the truth belongs to the comparison
    ],
)
def test_each_framework_says_which_extra_installs_it(monkeypatch, name, extra):
    monkeypatch.setattr(discovery, "_installed_version", lambda described: None)
    assert uqr.backends()[name].reason == f"{name} is not installed; pip install 'unifiedqr[{extra}]'"


def test_a_framework_that_fails_to_import_is_kept_and_shown(entry_points, monkeypatch):
    broken = Plugin("broken", ("numpy",), ("no_such_module",), "no_such_module:Backend")
    monkeypatch.setattr(EntryPoint, "load", lambda self: broken)
    entry_points(("broken", "broken_plugin:plugin"))
    assert uqr.backends()["broken"].available  # nothing was imported yet
    for _ in range(2):
        with pytest.raises(
            uqr.BackendUnavailableError, match="installed but cannot be imported: ModuleNotFoundError: No module named"
        ):
            uqr.get_backend("broken")
    assert "No module named 'no_such_module'" in uqr.backends()["broken"].reason
    discovery._failures.pop("broken")


def test_a_backend_requested_while_its_framework_is_importing_is_there_afterwards(entry_points, monkeypatch, tmp_path):
    """Some library may ask from within the import, as a module that the framework loads itself does."""
    (tmp_path / "halfway.py").write_text(
        "import unifiedqr as uqr\n"
        "try:\n"
        "    uqr.get_backend('halfway')\n"
        "except uqr.BackendUnavailableError as error:\n"
        "    said = str(error)\n"
        "from unifiedqr_numpy.adapter import NumpyBackend as Made\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    described = Plugin("halfway", ("numpy",), ("halfway",), "halfway:Made")
    monkeypatch.setattr(EntryPoint, "load", lambda self: described)
    entry_points(("halfway", "halfway_plugin:plugin"))
    try:
        import halfway

        assert halfway.said.startswith("the backend 'halfway' was requested while halfway is still being imported: ")
        assert uqr.backends()["halfway"].available
        assert uqr.get_backend("halfway").name == "halfway"
    finally:
        discovery.loaded.pop("halfway", None)
        discovery._failures.pop("halfway", None)
        sys.modules.pop("halfway", None)


def test_a_plugin_that_cannot_be_loaded_names_its_distribution(entry_points, monkeypatch):
    monkeypatch.setattr(discovery, "distribution_of", lambda entry: f"uqr-{entry.name}")
    entry_points(("odd", "no_such_plugin:plugin"), ("module", "unifiedqr:errors"))
    with pytest.raises(uqr.BackendUnavailableError) as caught:
        uqr.get_backend("odd")
    assert str(caught.value) == (
        "the backend 'odd' of uqr-odd (no_such_plugin:plugin) cannot be imported: ModuleNotFoundError: "
        "No module named 'no_such_plugin'. Reinstall or uninstall that distribution."
    )
    with pytest.raises(uqr.BackendUnavailableError) as caught:
        uqr.get_backend("module")
    assert str(caught.value) == (
        "the backend 'module' of uqr-module (unifiedqr:errors) is module; expected unifiedqr.backend.Plugin. "
        "Reinstall or uninstall that distribution."
    )
    assert not uqr.backends()["module"].available


def test_an_adapter_that_cannot_be_loaded_names_its_distribution(entry_points, monkeypatch):
    broken = Plugin("broken", ("numpy",), ("no_such_module",), "no_such_module:Backend")
    monkeypatch.setattr(EntryPoint, "load", lambda self: broken)
    monkeypatch.setattr(discovery, "distribution_of", lambda entry: f"uqr-{entry.name}")
    entry_points(("broken", "broken_plugin:plugin"))
    with pytest.raises(uqr.BackendUnavailableError) as caught:
        uqr.get_backend("broken")
    assert str(caught.value) == (
        "the backend 'broken' of uqr-broken is installed but cannot be imported: ModuleNotFoundError: No module named "
        "'no_such_module'. Reinstall numpy in a version that fits, or uqr-broken."
    )
    discovery._failures.pop("broken")


def test_instruments_that_cannot_be_loaded_name_their_distribution(monkeypatch):
    entry = EntryPoint("odd", "no_such_instruments:Odd", "unifiedqr.instruments")
    monkeypatch.setattr(unifiedqr_lab.instruments, "entry_points", lambda group, name: [entry])
    with pytest.raises(uqr.BackendUnavailableError) as caught:
        unifiedqr_lab.instruments.instruments("odd")
    assert str(caught.value) == (
        "the instruments of the backend 'odd' of an unnamed distribution (no_such_instruments:Odd) cannot be imported: "
        "ModuleNotFoundError: No module named 'no_such_instruments'. Reinstall or uninstall that distribution."
    )


def test_a_plugin_that_cannot_be_loaded_does_not_disturb_the_others(entry_points):
    entry_points(("numpy", "unifiedqr_numpy:plugin"), ("odd", "no_such_plugin:plugin"))
    assert "No module named 'no_such_plugin'" in uqr.backends()["odd"].reason
    assert uqr.backends()["numpy"].available
    with pytest.raises(
        uqr.ForeignArrayError, match=r"got builtins\.set; expected an array of numpy or of an Array API library"
    ):
        uqr.qr({1.0})


def test_two_plugins_under_one_name_are_refused(entry_points):
    entry_points(("torch", "unifiedqr_torch:plugin"), ("torch", "other_torch:plugin"))
    with pytest.raises(uqr.BackendConflictError, match=r"two distributions register .*'torch'.*other_torch:plugin"):
        uqr.backends()


def test_the_variable_selects_in_a_fresh_process():
    code = "import unifiedqr as uqr; print(type(uqr.qr([[2.0]]).R).__module__)"
    run = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, discovery.VARIABLE: "torch"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == "torch"


def test_what_is_not_installed_is_not_listed_as_installed(entry_points, monkeypatch):
    absent = Plugin("absent", ("no-such-distribution",), ("no_such_module",), "no_such_module:Backend")
    load = EntryPoint.load
    monkeypatch.setattr(EntryPoint, "load", lambda self: absent if self.name == "absent" else load(self))
    entry_points(("numpy", "unifiedqr_numpy:plugin"), ("absent", "absent:plugin"), ("odd", "no_such_plugin:plugin"))
    with pytest.raises(uqr.UnknownBackendError, match=r"no backend is named 'theano'; installed are numpy\."):
        uqr.get_backend("theano")
    with pytest.raises(uqr.ForeignArrayError, match=r"got builtins\.set; expected an array of numpy or of"):
        uqr.qr({2.0})


@pytest.mark.parametrize("error", [SyntaxError, RuntimeError, ImportError, AttributeError])
def test_a_plugin_that_fails_in_any_way_is_reported_in_one_line(entry_points, monkeypatch, error):
    def fail(self):
        raise error("two\n  lines.")

    monkeypatch.setattr(EntryPoint, "load", fail)
    entry_points(("odd", "odd_plugin:plugin"))
    reason = uqr.backends()["odd"].reason
    assert "\n" not in reason
    assert f"(odd_plugin:plugin) cannot be imported: {error.__name__}: two lines. Reinstall or uninstall" in reason


def test_a_framework_that_fails_otherwise_than_by_an_import_error(entry_points, monkeypatch):
    broken = Plugin("broken", ("numpy",), ("no_such_module",), "unifiedqr:no_such_factory")
    monkeypatch.setattr(EntryPoint, "load", lambda self: broken)
    entry_points(("broken", "broken_plugin:plugin"))
    with pytest.raises(uqr.BackendUnavailableError, match=r"installed but cannot be imported: .*no_such_factory"):
        uqr.get_backend("broken")
    discovery._failures.pop("broken")
