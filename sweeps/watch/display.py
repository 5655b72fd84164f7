"""What a person sees while a study runs: a live table on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live

from calque.data.command_line.quiet import is_quiet
from calque.data.errors import UserError
from calque.data.quantities import format_count, format_duration
from calque.sweeps.results.progress import RunProgress, progress_table, read_progress
from calque.sweeps.results.root import ResultsRoot
from calque.sweeps.study.run_config import RunConfig
from calque.sweeps.study.study import Study
from calque.sweeps.watch.recurring import Recurring

LOOK_SECONDS, LINE_SECONDS, REFRESH_SECONDS = 0.5, 15.0, 15.0


class Display(Recurring):
    """Shows every run's standing from its progress file, from entering to leaving the context.

    Parameters
    ----------
    study : Study
    root : ResultsRoot
    only : RunConfig, optional
        Show this run alone.
    """

    def __init__(self, study: Study, root: ResultsRoot, only: RunConfig | None = None) -> None:
        super().__init__("display", LOOK_SECONDS)
        self.study, self.root = study, root
        self.runs = (only,) if only else study.runs
        console = Console(stderr=True, markup=False, emoji=False)
        self.live = Live(console=console, refresh_per_second=2) if console.is_terminal and not is_quiet() else None
        self.began = self.refreshed = time.monotonic()
        self.shown: dict[str, str] = {}
        self.noted: dict[str, str] = {}
        self.next_line = 0.0

    def __enter__(self) -> Self:
        """Begin to show."""
        self.began = time.monotonic()
        if self.live:
            self.live.start()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show the last standing and stop."""
        super().__exit__(kind, error, trace)
        if self.live:
            self.live.stop()

    def act(self) -> None:
        """Show how the runs stand now."""
        if is_quiet():
            return
        standings, now = self._standings(), time.monotonic() - self.began
        if self.live:
            self.live.update(
                progress_table(standings, f"study '{self.study.name}', {format_duration(now)} since start")
            )
            return
        for standing in standings:
            before, status = self.shown.get(standing.run), standing.status
            at_work = status == "training" and now >= self.next_line
            old = status == "waiting" or (before is None and status == "stopped")  # as an earlier launch left it
            if (before != status and not old) or at_work:
                print(f"[{format_duration(now)}] {_line(standing)}", file=sys.stderr, flush=True)
            if standing.note not in ("", self.noted.get(standing.run)):
                print(f"[{format_duration(now)}] {standing.run}: {standing.note}", file=sys.stderr, flush=True)
            self.shown[standing.run], self.noted[standing.run] = status, standing.note
        if now >= self.next_line:
            self.next_line = now + LINE_SECONDS

    def _standings(self) -> list[RunProgress]:
        if self.root.remote is not None and time.monotonic() - self.refreshed > REFRESH_SECONDS:
            with contextlib.suppress(UserError):  # shown again when the address is back
                self.root.refresh(self.runs)
            self.refreshed = time.monotonic()
        return [read_progress(self.root.folder, run) for run in self.runs]


def _line(p: RunProgress) -> str:
    if p.status != "training":
        return f"{p.run}: {p.status}" + (f": {p.message}" if p.message else "")
    rate = f", {format_count(p.rate)} tokens/s" if p.rate else ""
    left = f", {format_duration(p.seconds_left)} left" if p.seconds_left is not None else ""
    loss = f", loss {p.loss:.3f}" if p.loss is not None else ""
    return f"{p.run}: {format_count(p.tokens)} of {format_count(p.total_tokens)} tokens{rate}{loss}{left}"
