"""The progress of workers, as they report it line by line and as it is displayed."""

from collections.abc import Callable
from dataclasses import dataclass

MARK = "@unifiedqr"


@dataclass(frozen=True)
class Progress:
    """One step of one worker: ``done`` of ``total``; `state` is "running", "done" or a reason for failure."""

    worker: str
    state: str
    done: int = 0
    total: int = 0


Watcher = Callable[[Progress], None]


def unwatched(_: Progress) -> None:
    """Watch nothing."""


def tell(done: int, total: int) -> None:
    """Report the progress of this worker to the process that runs it."""
    print(MARK, done, total, flush=True)


def told_by(line: str) -> tuple[int, int] | None:
    """Return what `tell` wrote in a line, (done, total); None for any other line."""
    words = line.split()
    if len(words) == 3 and words[0] == MARK and words[1].isdigit() and words[2].isdigit():
        return int(words[1]), int(words[2])
    return None
