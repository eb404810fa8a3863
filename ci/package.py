"""Build the source distribution and the wheel, check them, and use them as somebody does who has nothing else.

``python ci/package.py FOLDER`` empties the folder, builds into ``FOLDER/dist`` and makes three environments beside it:
one with NumPy alone, from the source distribution; one with the extra ``lab`` and one with ``torch`` and ``lab``, from
the wheel. In each, what the README shows has to print what the README says, and the command line has to work or
to say what to install. Versions come from ci/constraints.txt.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import venv
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "ci" / "constraints.txt"
EXAMPLES = re.findall(r"```python\n(.*?)```\n\n```text\n(.*?)```\n", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)

CORE = {"array-api-compat", "numpy", "optree", "scipy", "typing-extensions", "unifiedqr"}
"""What arrives by ``pip install unifiedqr``: its own requirements, and the one of optree."""

SHORT = ("--decomposition", "qr,lq", "--dtype", "float64")
"""A part of the comparison and of the conformance suite that takes seconds."""

INSTALL = "pip install 'unifiedqr[lab]'"


class Environment:
    """A virtual environment that holds what it is told to install, and not even pip."""

    def __init__(self, folder: Path, tools: "Environment | None" = None) -> None:
        venv.create(folder, clear=True, with_pip=tools is None)
        self.folder, self.tools = folder, tools or self
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")

    def install(self, *requirements: str) -> None:
        """Install requirements in the versions of the constraints, build requirements included."""
        versions = ("--constraint", str(CONSTRAINTS), "--build-constraint", str(CONSTRAINTS))
        chosen = () if self.tools is self else ("--python", str(self.bin / "python"))
        self.tools.run(
            "python", "-m", "pip", "--quiet", *chosen, "install", "--no-compile", *versions, *requirements, cwd=ROOT
        )

    def run(self, program: str, *arguments: str, status: int = 0, cwd: Path | None = None) -> str:
        """Return what a program of the environment writes; end with all of it unless it exits with `status`."""
        variables = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        command = [str(self.bin / program), *arguments]
        done = subprocess.run(
            command,
            cwd=cwd or self.folder,  # not the checkout, whose packages Python would find first
            env={**variables, "PATH": os.pathsep.join((str(self.bin), os.environ["PATH"]))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode != status:
            sys.exit(f"{' '.join(command)}\nexited with {done.returncode}; expected {status}:\n{done.stdout}")
        return done.stdout

    def installed(self) -> dict[str, str]:
        """Return name and version of every distribution in it."""
        show = "print(d.name.lower().replace('_', '-'), d.version)"
        listed = self.run("python", "-c", f"import importlib.metadata as m\nfor d in m.distributions(): {show}")
        return dict(line.split() for line in sorted(listed.splitlines()))

    def megabytes(self) -> float:
        """Return what its files take."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if not path.is_symlink()) / 1e6


def told(step: str, start: float) -> None:
    """Print a step that has ended, and how long it took."""
    print(f"{time.perf_counter() - start:6.1f} s  {step}", flush=True)


def check(condition: bool, complaint: str) -> None:
    """End with the complaint unless the condition holds."""
    if not condition:
        sys.exit(complaint)


def build(tools: Environment, folder: Path) -> tuple[Path, Path]:
    """Return the source distribution and the wheel that is built from it, both checked."""
    tools.run("python", "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT))
    (source,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    tools.run("twine", "check", "--strict", str(source), str(wheel))
    tools.run("check-wheel-contents", str(wheel), cwd=ROOT)  # against the packages of the checkout: see pyproject.toml
    check_source(source)
    return source, wheel


def check_source(source: Path) -> None:
    """Compare the source distribution with the checkout, and see that no link of its description is a relative one."""
    with tarfile.open(source) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()} - {"PKG-INFO"}
        metadata = archive.extractfile(source.name.removesuffix(".tar.gz") + "/PKG-INFO")
        description = metadata.read().decode() if metadata else ""
    relative = re.findall(r"\]\((?!https?://|#)(.*?)\)", description)
    check(not relative, f"the description has links that an index page cannot follow: {relative}")
    if (ROOT / ".git").exists():  # not in an unpacked source distribution
        listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
        names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
        own = {name for name in names if not name.startswith(".")}
        lacking, beyond = sorted(own - found), sorted(found - own - {".gitignore"})
        check(not lacking, f"the source distribution lacks {lacking}")
        check(not beyond, f"the source distribution holds what the checkout does not: {beyond}")


def check_examples(environment: Environment, examples: Sequence[tuple[str, str]]) -> None:
    """See that examples of the README print what it shows."""
    for code, shown in examples:
        printed = environment.run("python", "-c", code)
        check(printed.split() == shown.split(), f"the README's example\n{code}\nprinted\n{printed}")


def main(folder: Path) -> None:
    """Do all of it; end with status 1 and what went wrong if something does."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    start = time.perf_counter()
    tools = Environment(folder / "tools")
    tools.run("python", "-m", "pip", "--quiet", "install", "--no-compile", "--constraint", str(CONSTRAINTS), "pip")
    tools.install("--group", "package")
    told("tools", start)

    start = time.perf_counter()
    source, wheel = build(tools, folder / "dist")
    told(
        f"{source.name} ({source.stat().st_size / 1e6:.1f} MB), {wheel.name} ({wheel.stat().st_size / 1e6:.1f} MB)",
        start,
    )

    in_torch = next(example for example in EXAMPLES if "import torch" in example[0])
    first = next(example for example in EXAMPLES if "import torch" not in example[0])

    alone = Environment(folder / "numpy", tools)
    before, start = alone.megabytes(), time.perf_counter()
    alone.install(str(source))
    told(f"the source distribution, installed with NumPy only: {alone.megabytes() - before:.0f} MB", start)
    start, arrived = time.perf_counter(), alone.installed()
    print("          " + ", ".join(f"{name} {version}" for name, version in arrived.items()))
    check(set(arrived) <= CORE, f"more arrived than {sorted(CORE)}: {sorted(arrived)}")
    check_examples(alone, [first])
    for program, *arguments in (("unifiedqr", "compare"), ("python", "-m", "unifiedqr", "compare")):
        said = alone.run(program, *arguments, status=2)
        check(said.count("\n") == 1 and said.endswith(f"{INSTALL}\n"), f"compare without its extra said\n{said}")
    told("NumPy only: its example; compare says what to install", start)

    lab = Environment(folder / "lab", tools)
    use(lab, f"{wheel}[lab]", [first])
    torch = Environment(folder / "torch", tools)
    use(torch, f"{wheel}[torch,lab]", [first, in_torch])


def use(environment: Environment, requirement: str, examples: Sequence[tuple[str, str]]) -> None:
    """Install the wheel with extras; run examples, a comparison and a part of the conformance suite."""
    name, start = environment.folder.name, time.perf_counter()
    environment.install(requirement)
    told(f"{name}: the wheel, installed", start)
    start = time.perf_counter()
    check_examples(environment, examples)
    told(f"{name}: {len(examples)} of the README's examples", start)
    start = time.perf_counter()
    environment.run("unifiedqr", "compare", *SHORT, "--report", "report.html", "--json", "report.json")
    told(f"{name}: unifiedqr compare", start)
    start = time.perf_counter()
    verdict = environment.run("unifiedqr", "conformance", *SHORT).splitlines()[-1]
    told(f"{name}: unifiedqr conformance: {verdict}", start)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
