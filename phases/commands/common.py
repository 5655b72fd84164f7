"""What several subcommands need: output files, a progress bar."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext

from calque.phases.processes import Progress

EVERY = 30.0


def progress(quiet: bool) -> AbstractContextManager[Progress | None]:
    """Return what shows progress on standard error: a bar on a terminal, now and then a line elsewhere."""
    if quiet:
        return nullcontext()
    return Bar() if sys.stderr.isatty() else Lines()


class Lines(AbstractContextManager["Lines"]):
    """A line of progress every ``EVERY`` seconds, for logs; work that is done sooner prints none."""

    def __init__(self) -> None:
        self.printed = time.monotonic()

    def __call__(self, done: int, total: int, what: str) -> None:
        """Say that ``done`` of ``total`` are finished and ``what`` comes next."""
        if time.monotonic() - self.printed >= EVERY:
            self.printed = time.monotonic()
            print(f"{done}/{total} {what}", file=sys.stderr, flush=True)

    def __exit__(self, *_: object) -> None:
        """Leave what was printed."""


class Bar(AbstractContextManager["Bar"]):
    """A progress bar on standard error."""

    def __enter__(self) -> Bar:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as RichProgress

        self.progress = RichProgress(
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
            console=Console(stderr=True), transient=True,
        )  # fmt: skip
        self.progress.start()
        self.task = self.progress.add_task("series", total=None)
        return self

    def __call__(self, done: int, total: int, what: str) -> None:
        """Show that ``done`` of ``total`` series are finished and ``what`` comes next."""
        self.progress.update(self.task, completed=done, total=total, description=what)

    def __exit__(self, *_: object) -> None:
        self.progress.stop()
