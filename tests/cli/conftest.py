"""The command line run in this process: a subprocess a test would take seconds to import what this one has imported."""

import signal
from dataclasses import dataclass

import pytest

from unifiedqr_lab.cli import main
from unifiedqr_lab.workers.interruption import ENDING


@dataclass(frozen=True)
class Done:
    """How a command ended and what it wrote."""

    status: int
    out: str
    err: str


@pytest.fixture
def command(tmp_path, monkeypatch, capfd):
    """Return a function that runs ``unifiedqr`` with arguments in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    handlers = {number: signal.getsignal(number) for number in ENDING}

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["unifiedqr", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        return Done(end.value.code or 0, *capfd.readouterr())

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)
