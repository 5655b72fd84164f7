"""How work of many parts stands, on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from calque.sweeps.results.progress import clock

LINE_SECONDS, NEWS_SECONDS = 15.0, 2.0
"""Between two lines of one topic, and between any two, where there is no terminal."""


class Bar:
    """Shows how work stands, from entering to leaving the context.

    Parameters
    ----------
    unit : str
        What is counted.
    total : int, optional
        How many in all, where it is known.
    """

    def __init__(self, unit: str, total: int | None = None) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
        self.bars = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True)
        self.live, self.unit, self.total = console.is_terminal, unit, total
        self.task = self.bars.add_task("", total=total, visible=total is not None)
        self.began, self.topic, self.told = time.monotonic(), "", -LINE_SECONDS

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

    def show(self, text: str, done: int | None = None, total: int | None = None, topic: str = "") -> None:
        """Show what is done now, and how many parts are; a new topic is told sooner than more of the same."""
        self.total = total or self.total
        self.bars.update(self.task, description=text, completed=done, total=self.total, visible=True)
        pause = LINE_SECONDS if topic == self.topic else NEWS_SECONDS
        if not self.live and time.monotonic() - self.began - self.told >= pause:
            self._line(text + (f", {done} of {self.total} {self.unit}" if self.total and done is not None else ""))
            self.topic = topic

    def say(self, text: str, done: int) -> None:
        """Tell of a part that is finished, as one of so many; it stays on the screen."""
        self.bars.update(self.task, completed=done)
        if self.live:
            self.bars.console.print(text, markup=False)
        else:
            self._line(f"{text} ({done} of {self.total})")

    def _line(self, text: str) -> None:
        self.told = time.monotonic() - self.began
        print(f"[{clock(self.told)}] {text}", file=sys.stderr, flush=True)
