"""The process that runs one framework: ``python -m unifiedqr_lab.workers.worker TASK BACKEND JOB RESULT [FOLDER ...]``.

TASK is ``module:function``. The function is called with the backend's name and the paths of the files JOB, which it
reads, and RESULT, which it writes. It reports its progress with `unifiedqr_lab.workers.progress.tell`.
"""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from unifiedqr.discovery import names
from unifiedqr.errors import UnifiedQRError
from unifiedqr_lab.instruments import instruments

BAD_INPUT = 3
"""Exit status of a worker whose last line names what it could not use."""


def main(arguments: Sequence[str]) -> int:
    """Run the task and return the exit status."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        run(*arguments)
    except UnifiedQRError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return BAD_INPUT
    return 0


def run(task: str, backend: str, job: str, result: str, *folders: str) -> None:
    """Run the task in the environment of the backend, if there is such a backend."""
    sys.path.extend(folder for folder in folders if folder not in sys.path)
    if backend in names():
        os.environ.update(instruments(backend).environment)  # before the framework is imported
    module, _, function = task.partition(":")
    getattr(import_module(module), function)(backend, Path(job), Path(result))


def _end_with_parent() -> None:
    """End this process and what it started as soon as its parent, who holds the other end of its input, is gone."""
    while os.read(0, 1):
        pass
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(BAD_INPUT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
