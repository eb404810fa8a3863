"""Every program of the gallery runs in every framework that can, and its page shows it as it is.

Each program ends by comparing its result with a value known otherwise, so that running it is the test. One process runs
all of them in a framework, since importing the framework would take most of the time.
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import ClassVar

import pytest

import unifiedqr as uqr

ROOT = Path(__file__).parents[1]
PROGRAMS = sorted((ROOT / "examples/gallery").glob("*.py"))
PAGES = ROOT / "docs/gallery"
NAMES = [path.stem for path in PROGRAMS]
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?")
PORTING = ("torch", "mxnet")
"""In which the port is: the originals are in tensorflow and jax, so that two slow runs take all four frameworks."""
NATIVE = {"lyapunov", "sharded_training"}
"""Those that show a framework's own scan and its own sharding."""

RUNNER = """
import contextlib, io, json, pathlib, runpy, sys, time, traceback, warnings
import unifiedqr as uqr

warnings.simplefilter("error", uqr.SingularMatrixWarning)
told, (folder, *programs) = {}, sys.argv[1:]
for program in programs:
    printed, start, name = io.StringIO(), time.perf_counter(), pathlib.Path(program).stem
    sys.argv = [program, "--picture", str(pathlib.Path(folder, f"{name}.svg"))] if DRAWING else [program]
    try:
        with contextlib.redirect_stdout(printed):
            runpy.run_path(program, run_name="__main__")
        status, reason = "ran", ""
    except (uqr.CapabilityError, uqr.BackendUnavailableError, ModuleNotFoundError) as error:
        status, reason = "cannot", f"{type(error).__name__}: {error}"
    except Exception:
        status, reason = "failed", traceback.format_exc()
    told[name] = {"status": status, "reason": reason, "printed": printed.getvalue()}
    print(f"{name} {time.perf_counter() - start:.1f} s", file=sys.stderr)
pathlib.Path(folder, "told.json").write_text(json.dumps(told))
"""


def check_picture(path):
    """Check that a picture is small, whole, and has no paper of its own, so that it suits light and dark pages."""
    assert path.stat().st_size < 60_000
    root = ElementTree.parse(path).getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    filled = [element for element in root.iter() if "fill: #ffffff" in element.get("style", "")]
    assert not [element for element in filled if not element.tag.endswith("text")]


class Programs:
    backend = ""
    environment: ClassVar[dict[str, str]] = {}

    @pytest.fixture(scope="class")
    @classmethod
    def folder(cls, tmp_path_factory):
        """Return where the programs' pictures lie, and what they printed."""
        return tmp_path_factory.mktemp(cls.backend)

    @pytest.fixture(scope="class")
    @classmethod
    def told(cls, folder):
        """Return what came of each program in this framework."""
        chosen = [path for path in PROGRAMS if path.stem != "porting" or cls.backend in (*PORTING, "numpy")]
        drawing = cls.backend == "torch" and importlib.util.find_spec("matplotlib") is not None
        ran = subprocess.run(
            [sys.executable, "-c", RUNNER.replace("DRAWING", str(drawing)), folder, *chosen],
            env={**os.environ, "UNIFIEDQR_BACKEND": cls.backend, "TF_CPP_MIN_LOG_LEVEL": "3", **cls.environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        print(ran.stderr)
        told = json.loads((folder / "told.json").read_text())
        for outcome in told.values():
            outcome["reason"] += ran.stderr[-5000:] if outcome["status"] == "failed" else ""  # of what it started, too
        return told

    @pytest.mark.timeout(600)
    @pytest.mark.parametrize("name", NAMES)
    def test_program_agrees_with_what_is_known(self, told, name):
        if name not in told:
            pytest.skip(f"{name} takes two frameworks at a time; {self.backend} has the original beside another")
        outcome = told[name]
        assert outcome["status"] != "failed", outcome["reason"]
        if outcome["status"] == "cannot":
            differentiates = "vjp" in uqr.backends()[self.backend].capabilities
            assert not (differentiates and outcome["reason"].startswith("CapabilityError")), outcome["reason"]
            pytest.skip(f"{name} in {self.backend}: {outcome['reason']}")
        assert NUMBER.search(outcome["printed"])


class TestNumpy(Programs):
    backend = "numpy"

    def test_numpy_says_that_it_does_not_differentiate(self, told):
        reasons = {outcome["reason"].partition(":")[0] for outcome in told.values()}
        assert reasons <= {"CapabilityError", "ModuleNotFoundError"}


class TestTorch(Programs):
    backend = "torch"

    @pytest.mark.parametrize("name", NAMES)
    def test_page_shows_what_the_program_prints(self, told, name):
        """Words are compared; the numbers, which the program itself judges, differ in what rounding decides."""
        if told[name]["status"] == "cannot":
            pytest.skip(told[name]["reason"])
        shown = (PAGES / f"{name}.md").read_text().split("```text\n")[1].partition("```")[0]
        assert NUMBER.sub("#", told[name]["printed"]).split() == NUMBER.sub("#", shown).split()

    def test_weights_lie_in_two_processes(self, told):
        if told["sharded_training"]["status"] == "cannot":
            pytest.skip(told["sharded_training"]["reason"])
        assert "32 of 64" in told["sharded_training"]["printed"]

    @pytest.mark.parametrize("name", NAMES)
    def test_program_draws_its_picture(self, told, folder, name):
        if told[name]["status"] == "cannot":
            pytest.skip(told[name]["reason"])
        if importlib.util.find_spec("matplotlib") is None:
            pytest.skip("pictures need matplotlib, which is not installed; pip install 'unifiedqr[gallery]'")
        check_picture(folder / f"{name}.svg")


@pytest.mark.exhaustive  # as long, and the programs name no framework
class TestTensorflow(Programs):
    backend = "tensorflow"


@pytest.mark.exhaustive
class TestMxnet(Programs):
    backend = "mxnet"


@pytest.mark.exhaustive  # XLA compiles every program, for a minute
class TestJax(Programs):
    backend = "jax"
    environment: ClassVar = {"XLA_FLAGS": f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count=4"}

    def test_weights_lie_on_four_devices(self, told):
        if told["sharded_training"]["status"] == "cannot":
            pytest.skip(told["sharded_training"]["reason"])
        assert "16 of 64" in told["sharded_training"]["printed"]


def test_there_is_a_page_and_a_picture_for_each_program_and_no_other():
    assert len(NAMES) == 11
    assert sorted(path.stem for path in PAGES.glob("*.svg")) == NAMES
    assert sorted(path.stem for path in PAGES.glob("*.md")) == sorted([*NAMES, "index"])
    index = (PAGES / "index.md").read_text()
    assert all(f"]({name}.md)" in index and f"]({name}.svg)" in index for name in NAMES)


@pytest.mark.parametrize("path", PROGRAMS, ids=NAMES)
def test_page_shows_the_program_as_it_is(path):
    source = path.read_text()
    assert len(source.splitlines()) < 120
    text = (PAGES / f"{path.stem}.md").read_text()
    assert f"```python\n{source}```\n" in text, "run `make gallery`"
    (alternative,) = re.findall(rf"!\[(.+?)\]\({path.stem}\.svg\)", text)
    assert len(alternative) > 60
    check_picture(PAGES / f"{path.stem}.svg")


@pytest.mark.parametrize("path", [path for path in PROGRAMS if path.stem not in NATIVE], ids=lambda path: path.stem)
def test_program_names_no_framework(path):
    assert not re.findall(r"^\s*(?:import|from) (torch|tensorflow|jax|mxnet)\b", path.read_text(), re.MULTILINE)
