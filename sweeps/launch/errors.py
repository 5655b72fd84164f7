"""A launch that failed through no fault of the study."""

from __future__ import annotations

from calque.data.errors import UserError


class LaunchError(UserError):
    """Ray did not start, or ended before any run had a checkpoint: run the same again when the cause is removed."""

    exit_code = 1


class ProcessDiedError(RuntimeError):
    """One of a run's several processes died; errors that the others report then say nothing of the run."""
