"""Progress on standard error: a bar on a terminal, a line at intervals elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from calque.data.command_line.quiet import is_quiet
from calque.data.quantities import format_duration

LINE_SECONDS, NEWS_SECONDS = 15.0, 2.0
"""Between two lines of one topic, and between any two, where there is no terminal."""


class ProgressDisplay:
    """Shows progress, from entering to leaving the context; nothing with ``--quiet``.

    Parameters
    ----------
    unit : str
        What is counted.
    total : int, optional
        How many in all, where it is known.
    delay : float
        Seconds before the first line where there is no terminal.
    """

    def __init__(self, unit: str = "", total: int | None = None, *, delay: float = 0.0) -> None:
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        console = Console(stderr=True, highlight=False)
        self.bars = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TextColumn(unit),
            TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True,
        )  # fmt: skip
        self.live, self.unit, self.total = console.is_terminal and not is_quiet(), unit, total
        self.task = self.bars.add_task("", total=total, visible=total is not None)
        self.began, self.topic, self.printed = time.monotonic(), "", delay - LINE_SECONDS

    def __enter__(self) -> Self:
        """Begin to show."""
        self.began = time.monotonic()
        if self.live:
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        if self.live:
            self.bars.stop()

    def __call__(self, done: int, total: int, what: str) -> None:
        """Show that ``done`` of ``total`` are finished and ``what`` comes next."""
        self.show(what, done, total)

    def show(self, text: str, done: int | None = None, total: int | None = None, topic: str = "") -> None:
        """Show the current work and how many parts are done.

        Without a terminal, lines are printed at intervals; a change of topic is printed sooner.

        Parameters
        ----------
        text : str
            What is being done.
        done : int, optional
            Parts that are finished.
        total : int, optional
            Parts in all; the last known total is kept when it is not given.
        topic : str
            Kind of work.
        """
        self.total = total or self.total
        self.bars.update(self.task, description=text, completed=done, total=self.total, visible=True)
        pause = LINE_SECONDS if topic == self.topic else NEWS_SECONDS
        if not self.live and time.monotonic() - self.began - self.printed >= pause:
            counted = f", {done} of {self.total} {self.unit}".rstrip() if self.total and done is not None else ""
            self._line(text + counted)
            self.topic = topic

    def say(self, text: str, done: int) -> None:
        """Print that a part is finished, in a line that stays on the screen.

        Parameters
        ----------
        text : str
            The part and its result.
        done : int
            Parts that are finished, this one included.
        """
        self.bars.update(self.task, completed=done)
        if self.live:
            self.bars.console.print(text, markup=False)
        else:
            self._line(f"{text} ({done} of {self.total})")

    def _line(self, text: str) -> None:
        self.printed = time.monotonic() - self.began
        if not is_quiet():
            print(f"[{format_duration(self.printed)}] {text}", file=sys.stderr, flush=True)


@contextmanager
def progress(delay: float = LINE_SECONDS) -> Iterator[Callable[[int, int, str], None]]:
    """Yield a callback ``(done, total, text)`` that shows progress.

    Parameters
    ----------
    delay : float
        Seconds before the first line where there is no terminal.
    """
    with ProgressDisplay(delay=delay) as display:
        yield display
