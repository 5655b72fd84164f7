"""A launch that failed through no fault of the study."""

from __future__ import annotations

from calque.data.errors import UserError


class LaunchError(UserError):
    """Ray did not start, or ended before any run had a checkpoint: run the same again when the cause is removed."""

    exit_code = 1
