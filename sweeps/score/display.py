"""What a person sees while revisions are scored: a bar on a terminal, a line for each elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from sweeps.progress import clock

LINE_SECONDS = 15.0


class ScoreDisplay:
    """Shows how scoring stands, on stderr, from entering to leaving the context.

    Parameters
    ----------
    total : int
        Revisions in all.
    """

    def __init__(self, total: int) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("checkpoints"))
        self.bars = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console, transient=True)
        self.task = self.bars.add_task("", total=total)
        self.live, self.total = console.is_terminal, total
        self.began = self.told = time.monotonic()

    def __enter__(self) -> ScoreDisplay:
        """Begin to show."""
        if self.live:
            self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop."""
        if self.live:
            self.bars.stop()

    def doing(self, revision: str, what: str) -> None:
        """Show what is done with a revision now."""
        self.bars.update(self.task, description=f"{revision}: {what}")
        if not self.live and time.monotonic() - self.told > LINE_SECONDS:
            self._line(f"{revision}: {what}")

    def done(self, revision: str, how: str, count: int) -> None:
        """Show that a revision is finished, as one of so many."""
        self.bars.update(self.task, completed=count)
        if self.live:
            self.bars.console.print(f"{revision}: {how}")
        else:
            self._line(f"{revision}: {how} ({count} of {self.total})")

    def _line(self, text: str) -> None:
        self.told = time.monotonic()
        print(f"[{clock(self.told - self.began)}] {text}", file=sys.stderr, flush=True)
