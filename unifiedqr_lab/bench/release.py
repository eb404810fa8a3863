"""An earlier release of unifiedqr, from its wheel, timed in the same rounds in a process of its own."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from email.parser import Parser
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from unifiedqr._typing import Arrays
from unifiedqr.errors import InputError
from unifiedqr_lab.bench import ours, previous
from unifiedqr_lab.bench.rounds import Elsewhere

QUANTITIES = ("forward", "both")
"""The quantities in which an earlier release is timed."""


def version_of(wheel: Path) -> str:
    """Return the version of unifiedqr that a wheel holds.

    Raises
    ------
    InputError
        There is no such file, or it is not a wheel of unifiedqr.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            told = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
            metadata = Parser().parsestr(archive.read(told[0]).decode("utf-8") if told else "")
    except (OSError, zipfile.BadZipFile) as error:
        raise InputError(f"--against: {wheel} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if metadata.get("Name") != "unifiedqr":
        raise InputError(f"--against: {wheel} is a wheel of {metadata.get('Name')!r}; expected one of unifiedqr.")
    return str(metadata["Version"])


def unpacked(wheel: Path, folder: Path) -> Path:
    """Unpack a wheel into a folder, and return that."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


class Release:
    """An earlier release with one framework; it ends with the block.

    Parameters
    ----------
    name : str
        Of the backend.
    folder : Path
        Into which its wheel was unpacked.
    """

    def __init__(self, name: str, folder: Path) -> None:
        before = os.environ.get("PYTHONPATH", "")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(folder), before)))}
        command = [sys.executable, "-P", str(previous.__file__), name, str(ours.__file__)]
        self.folder = folder
        self._log = (folder / f"{name}.log").open("w+", encoding="utf-8", errors="replace")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True, env=environment
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._log.close()

    def prepare(self, name: str, inputs: Arrays, cotangents: Sequence[Any]) -> tuple[dict[str, Elsewhere], str]:
        """Return what is timed for a case, by quantity, and why something is not."""
        path = self.folder / "case.npz"
        np.savez(path, *inputs, *cotangents)
        told = self._ask({"case": name, "arrays": str(path), "inputs": len(inputs), "cotangents": len(cotangents)})
        return {quantity: self._timed(quantity) for quantity in told["ready"]}, told["reason"]

    def _timed(self, quantity: str) -> Elsewhere:
        def seconds(untimed: int, timed: int) -> float:
            return self._ask({"run": quantity, "untimed": untimed, "timed": timed})["seconds"]

        return Elsewhere(seconds)

    def _ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            print(json.dumps(asked), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            code = self._process.wait()
            self._log.seek(0)
            lines = [text.strip() for text in self._log.read().splitlines() if text.strip()]
            raise InputError(f"the earlier release ended with exit status {code}: {lines[-1] if lines else 'silent'}")
        return json.loads(line)
