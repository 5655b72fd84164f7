"""What a person sees while a study runs: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from types import TracebackType

from rich.console import Console
from rich.live import Live

from data.errors import UserError
from data.quantities import format_count
from sweeps.config import RunConfig
from sweeps.progress import RunProgress, clock, progress_table, read_progress
from sweeps.root import ResultsRoot
from sweeps.study import Study

LINE_SECONDS, REFRESH_SECONDS = 15.0, 15.0


class Display:
    """Shows every run's standing from its progress file, from entering to leaving the context.

    Parameters
    ----------
    study : Study
    root : ResultsRoot
    only : RunConfig, optional
        Show this run alone.
    """

    def __init__(self, study: Study, root: ResultsRoot, only: RunConfig | None = None) -> None:
        self.study, self.root = study, root
        self.runs = (only,) if only else study.runs
        self.console = Console(stderr=True)
        self.stop, self.refreshed = threading.Event(), time.monotonic()
        self.thread = threading.Thread(target=self._show, name="display", daemon=True)

    def __enter__(self) -> Display:
        """Begin to show."""
        self.began = time.monotonic()
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show the last standing and stop."""
        self.stop.set()
        self.thread.join()

    def _standings(self) -> list[RunProgress]:
        if self.root.remote is not None and time.monotonic() - self.refreshed > REFRESH_SECONDS:
            with contextlib.suppress(UserError):  # shown again when the address is back
                self.root.refresh(self.runs)
            self.refreshed = time.monotonic()
        return [read_progress(self.root.folder, run) for run in self.runs]

    def _title(self) -> str:
        return f"study '{self.study.name}', {clock(time.monotonic() - self.began)} since start"

    def _show(self) -> None:
        if not self.console.is_terminal:
            self._show_lines()
            return
        with Live(console=self.console, refresh_per_second=2, transient=False) as live:
            while not self.stop.wait(0.5):
                live.update(progress_table(self._standings(), self._title()))
            live.update(progress_table(self._standings(), self._title()))

    def _show_lines(self) -> None:
        told: dict[str, str] = {}
        next_line = 0.0
        while True:
            last = self.stop.wait(0.5)
            now = time.monotonic() - self.began
            for standing in self._standings():
                changed = told.get(standing.run) != standing.state
                at_work = standing.state == "training" and now >= next_line
                if (changed and standing.state != "waiting") or at_work:
                    print(f"[{clock(now)}] {_line(standing)}", file=sys.stderr, flush=True)
                told[standing.run] = standing.state
            if now >= next_line:
                next_line = now + LINE_SECONDS
            if last:
                return


def _line(p: RunProgress) -> str:
    if p.state != "training":
        return f"{p.run}: {p.state}" + (f": {p.message}" if p.message else "")
    rate = f", {format_count(p.tokens_per_second)} tokens/s" if p.tokens_per_second else ""
    left = f", {clock(p.seconds_left)} left" if p.seconds_left is not None else ""
    loss = f", loss {p.loss:.3f}" if p.loss is not None else ""
    return f"{p.run}: {format_count(p.tokens)} of {format_count(p.total_tokens)} tokens{rate}{loss}{left}"
