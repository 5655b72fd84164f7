"""Where a run stands, as a small file beside its results that any process may read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

from calque.data.json_files import read_json_if_there, write_json
from calque.data.locks import is_held
from calque.data.quantities import format_count, format_duration
from calque.sweeps.study.run_config import RunConfig

State = Literal["waiting", "preparing", "training", "done", "failed", "pruned"]
ENDED = ("done", "pruned")
"""States of runs that have come to their end: ``pruned`` is one that a search stopped."""
STALE_SECONDS = 60.0
LOCK = ".lock"
"""Held in a run's folder by the process that works on it."""
FROM = ".from"
"""In a run's folder: the state of another run from which it begins, fetched from an address and not copied there."""
THERE, COPIED = ".there", ".copied"
"""Beside an address: stands in a run's folder as long as the address is there; says that weights were removed here."""


@dataclass(frozen=True, kw_only=True)
class RunProgress:
    """One run's standing.

    Attributes
    ----------
    run, run_id : str
    state : str
        ``waiting``, ``preparing``, ``training``, ``done``, ``failed``, or ``pruned``: stopped by a search.
    tokens, total_tokens : int
    tokens_per_second, loss : float, optional
        Lately; nats/token.
    checkpoints, total_checkpoints : int
        Kept and planned.
    message : str
        The error of a failed run, one line.
    note : str
        What was found damaged when the run was resumed, and what was done, one line.
    updated : float
        Seconds since the epoch.
    held : bool or None
        Whether a process holds the run's lock, as it was read; None where that cannot be told. Not in the file.
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
    note: str = ""
    updated: float = 0.0
    held: bool | None = None

    @property
    def stale(self) -> bool:
        """Whether a run that says it is at work is not: no process holds its lock.

        Where locks cannot be seen, as at an address, it has not been heard of for a minute.
        """
        if self.state not in ("preparing", "training"):
            return False
        return not self.held if self.held is not None else time.time() - self.updated > STALE_SECONDS

    @property
    def status(self) -> str:
        """The state in words: ``stopped`` for a run that says it is at work and is not."""
        return "stopped" if self.stale else self.state

    @property
    def rate(self) -> float | None:
        """Tokens a second now; None of a run that does not train."""
        return self.tokens_per_second if self.status == "training" else None

    @property
    def seconds_left(self) -> float | None:
        """Training time left at the present rate, in seconds."""
        return (self.total_tokens - self.tokens) / self.rate if self.rate else None

    def to_dict(self) -> dict[str, Any]:
        """Return what stands in the progress file, as JSON-ready values."""
        values = asdict(self)
        del values["held"]
        return values


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
    write_json(path, replace(progress, updated=time.time()).to_dict())


def read_progress(results: Path, config: RunConfig) -> RunProgress:
    """Return the run's standing; ``waiting`` when it has not begun or belongs to another configuration.

    A file that is damaged, which says nothing, counts as missing: the run's rows and states tell where it goes on.

    Parameters
    ----------
    results : Path
        The results folder.
    config : RunConfig
        Of the run.
    """
    folder = run_folder(results, config)
    found = read_json_if_there(folder / "progress.json", RunProgress)
    if found is not None and found.run_id == config.run_id:
        return replace(found, held=is_held(folder / LOCK) if found.state in ("preparing", "training") else None)
    return RunProgress(
        run=config.name, run_id=config.run_id, total_tokens=config.training.trained_tokens,
        total_checkpoints=len(config.checkpoint_steps()),
    )  # fmt: skip


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
    colours = {
        "done": "green",
        "failed": "red",
        "training": "cyan",
        "preparing": "cyan",
        "waiting": "dim",
        "pruned": "dim",
    }
    for p in standings:
        table.add_row(
            p.run, Text(p.status, style=colours.get(p.status, "yellow")),
            f"{format_count(p.tokens)} / {format_count(p.total_tokens)}",
            "" if p.rate is None else format_count(p.rate),
            "" if p.loss is None else f"{p.loss:.3f}", f"{p.checkpoints} / {p.total_checkpoints}",
            format_duration(p.seconds_left),
        )  # fmt: skip
    return table
