"""Where a run stands, as a small file beside its results that any process may read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from rich.table import Table
from rich.text import Text

from calque.data.json_files import read_json_if_there, write_json
from calque.data.quantities import format_count, format_duration
from calque.sweeps.study.run_config import RunConfig

State = Literal["waiting", "preparing", "training", "done", "failed"]
STALE_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """One run's standing.

    Attributes
    ----------
    run, run_id : str
    state : str
        ``waiting``, ``preparing``, ``training``, ``done`` or ``failed``.
    tokens, total_tokens : int
    tokens_per_second, loss : float, optional
        Lately; nats/token.
    checkpoints, total_checkpoints : int
        Kept and planned.
    message : str
        The error of a failed run, one line.
    updated : float
        Seconds since the epoch.
    """

    run: str
    run_id: str
    state: State = "waiting"
    tokens: int = 0
    total_tokens: int = 0
    tokens_per_second: float | None = None
    loss: float | None = None
    checkpoints: int = 0
    total_checkpoints: int = 0
    message: str = ""
    updated: float = 0.0

    @property
    def stale(self) -> bool:
        """Whether a run that says it is at work has not been heard of for a minute: its process died."""
        return self.state in ("preparing", "training") and time.time() - self.updated > STALE_SECONDS

    @property
    def seconds_left(self) -> float | None:
        """Training time left at the present rate, in seconds."""
        if self.state != "training" or not self.tokens_per_second:
            return None
        return (self.total_tokens - self.tokens) / self.tokens_per_second


def run_folder(results: Path, config: RunConfig) -> Path:
    """Return the folder of a run's files.

    Parameters
    ----------
    results : Path
        The results folder.
    config : RunConfig
        Of the run.
    """
    return results / "runs" / config.name


def write_progress(results: Path, config: RunConfig, progress: RunProgress) -> None:
    """Replace the run's standing; a reader sees the old one or the new one, never half of it.

    Parameters
    ----------
    results : Path
        The results folder.
    config : RunConfig
        Of the run.
    progress : RunProgress
        What is written; its time is set here.
    """
    path = run_folder(results, config) / "progress.json"
    write_json(path, asdict(replace(progress, updated=time.time())))


def read_progress(results: Path, config: RunConfig) -> RunProgress:
    """Return the run's standing; ``waiting`` when it has not begun or belongs to another configuration.

    Parameters
    ----------
    results : Path
        The results folder.
    config : RunConfig
        Of the run.
    """
    fresh = RunProgress(
        run=config.name, run_id=config.run_id, total_tokens=config.training.steps * config.training.tokens_per_step,
        total_checkpoints=len(config.checkpoint_steps()),
    )  # fmt: skip
    try:
        progress = RunProgress(**read_json_if_there(run_folder(results, config) / "progress.json"))
    except TypeError:  # missing, damaged, or of another version
        return fresh
    return progress if progress.run_id == config.run_id else fresh


def progress_table(standings: Sequence[RunProgress], title: str) -> Table:
    """Return a table of runs: state, tokens, tokens/s, loss, checkpoints, time left.

    Parameters
    ----------
    standings : sequence of RunProgress
        One a run.
    title : str
        Above the table.
    """
    table = Table(title=title, title_justify="left")
    for name in ("run", "state", "tokens", "tokens/s", "loss", "checkpoints", "time left"):
        table.add_column(name, justify="left" if name in ("run", "state") else "right", no_wrap=True)
    colours = {"done": "green", "failed": "red", "training": "cyan", "preparing": "cyan", "waiting": "dim"}
    for p in standings:
        state = "stopped" if p.stale else p.state
        table.add_row(
            p.run, Text(state, style=colours.get(state, "yellow")),
            f"{format_count(p.tokens)} / {format_count(p.total_tokens)}",
            "" if p.tokens_per_second is None or p.state != "training" else format_count(p.tokens_per_second),
            "" if p.loss is None else f"{p.loss:.3f}", f"{p.checkpoints} / {p.total_checkpoints}",
            format_duration(p.seconds_left),
        )  # fmt: skip
    return table
