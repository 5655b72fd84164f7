"""The request of one trial: which run, and where its files go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calque.models.config.retention import kept_states
from calque.sweeps.results.progress import RunProgress, read_progress, run_folder, write_progress
from calque.sweeps.study.run_config import RunConfig

Report = Callable[[dict[str, float]], None]
"""Called with ``step``, ``tokens`` and ``loss`` after every checkpoint."""


@dataclass(frozen=True, kw_only=True)
class TrialRequest:
    """One run to be trained and scored.

    Attributes
    ----------
    config : RunConfig
    results : Path
        The study's results folder; the run writes to ``runs/NAME`` in it.
    study_yaml : str
        The study file's text, kept in the cube.
    adaptive_record : str, optional
        The adaptive checkpoints of a run that is repeated (``calque.phases.adaptive.record``, JSON).
    branch_steps : tuple of int
        Steps at which other runs leave this one: its full states of them are kept.
    without_parent : bool
        Whether the run that this one leaves, if any, is no part of the study.
    until : int, optional
        Tokens at whose checkpoint, or the first after it, training pauses with its state on disk; None trains to the
        end.
    """

    config: RunConfig
    results: Path
    study_yaml: str = ""
    adaptive_record: str | None = None
    branch_steps: tuple[int, ...] = ()
    without_parent: bool = False
    until: int | None = None

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        return run_folder(self.results, self.config)

    def kept_states(self) -> set[int]:
        """Return the steps whose full states are kept."""
        planned = self.config.checkpoint_steps()
        return kept_states(self.config.training.keep_states, planned) | set(self.branch_steps)

    def progress(self) -> RunProgress:
        """Return where the run stands."""
        return read_progress(self.results, self.config)

    def update_progress(self, **changes: Any) -> RunProgress:
        """Replace fields of :class:`RunProgress` by name in the run's progress file; return the new standing.

        Parameters
        ----------
        **changes
            Fields and their new values.
        """
        updated = replace(self.progress(), **changes)
        write_progress(self.results, self.config, updated)
        return updated
