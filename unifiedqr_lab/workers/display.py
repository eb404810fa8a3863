"""Progress of the workers: bars on a terminal and in a notebook, one line per worker on standard error elsewhere."""

import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from unifiedqr_lab.workers.progress import Progress as Step
from unifiedqr_lab.workers.progress import Watcher


def in_notebook() -> bool:
    """Return whether this is a notebook."""
    return Console().is_jupyter


@contextmanager
def watching() -> Generator[Watcher]:
    """Return a function that shows each step it is given."""
    console = Console(stderr=True)
    # In a notebook rich redraws bars through ipywidgets.
    if not (console.is_terminal or (console.is_jupyter and find_spec("ipywidgets"))):
        yield _lines(console)
        return
    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(30),
        TextColumn("{task.fields[state]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        tasks: dict[str, TaskID] = {}

        def show(step: Step) -> None:
            if step.worker not in tasks:
                tasks[step.worker] = progress.add_task(step.worker, total=max(step.total, 1), state="starting")
            task = tasks[step.worker]
            if step.state == "running":
                progress.update(
                    task, completed=step.done, state=f"{step.done}/{step.total}" if step.done else "starting"
                )
            elif step.state == "done":
                progress.update(task, completed=progress.tasks[task].total, state="[green]done[/]")
                progress.stop_task(task)
            else:
                progress.update(task, state=f"[yellow]{escape(step.state[:60])}[/]")
                progress.stop_task(task)

        yield show


def _lines(console: Console) -> Watcher:
    started: dict[str, float] = {}

    def show(step: Step) -> None:
        started.setdefault(step.worker, time.monotonic())
        if step.state != "running":
            took = time.monotonic() - started[step.worker]
            told = f"{step.worker}: {step.state} ({took:.1f} s)"
            console.print(told, markup=False, highlight=False, soft_wrap=True)

    return show
