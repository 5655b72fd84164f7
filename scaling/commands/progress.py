"""A progress bar on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def working() -> Iterator[Callable[[int, int, str], None]]:
    """Yield a function of (done, total, what) that moves a bar on standard error; none is shown off a terminal."""
    err = Console(stderr=True)
    bar = Progress(TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn(), console=err, transient=True)
    if not err.is_terminal:
        yield lambda done, total, what: None
        return
    with bar:
        task = bar.add_task("", total=None)
        yield lambda done, total, what: bar.update(task, completed=done, total=total, description=what)
