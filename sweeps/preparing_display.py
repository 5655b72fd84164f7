"""What a person sees while data is prepared: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from data.shards import Progress
from sweeps.progress import clock

LINE_SECONDS, NEWS_SECONDS = 15.0, 2.0
"""Between two lines that say the same, and between any two, where there is no terminal."""


class PreparingDisplay:
    """Shows how a preparation stands, on stderr, from entering to leaving the context; call it with the standing."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("parts"))
        self.bars = Bars(*columns, TimeElapsedColumn(), console=console, transient=True)
        self.live = console.is_terminal
        self.task = self.bars.add_task("", total=None, visible=False)
        self.told, self.told_at = "", -LINE_SECONDS

    def __enter__(self) -> PreparingDisplay:
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

    def __call__(self, progress: Progress) -> None:
        """Take a standing."""
        now = time.monotonic() - self.began
        megabytes = f", {progress.text_bytes / 1e6:,.1f} MB" if progress.text_bytes else ""
        if self.live:
            self.bars.update(
                self.task, description=progress.doing + megabytes, completed=progress.parts_done,
                total=progress.parts or None, visible=True,
            )  # fmt: skip
        elif now - self.told_at >= (NEWS_SECONDS if progress.doing != self.told else LINE_SECONDS):
            parts = f", {progress.parts_done} of {progress.parts} parts" if progress.parts else ""
            print(f"[{clock(now)}] {progress.doing}{parts}{megabytes}", file=sys.stderr, flush=True)
            self.told, self.told_at = progress.doing, now
